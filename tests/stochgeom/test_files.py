"""Files are there whole or not at all."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from stochgeom.files import write_bytes, write_text


def test_text_is_written_as_utf8_and_replaced_whole(tmp_path):
    write_text(tmp_path / "a.txt", "first, and longer")
    write_text(str(tmp_path / "a.txt"), "0.5 Å")
    assert (tmp_path / "a.txt").read_bytes() == "0.5 Å".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    write_bytes(tmp_path / "a.bin", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_writers_of_one_file_do_not_mix(tmp_path):
    contents = [bytes([k]) * 200_000 for k in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda content: write_bytes(tmp_path / "a.bin", content), contents))
    assert (tmp_path / "a.bin").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
