"""What killed runs left is swept, and what another process may be making is not."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from simulate.corpus.leftovers import ABANDONED_AFTER_S, sweep_abandoned
from simulate.corpus.reader import Corpus
from simulate.corpus.writer import prepare_store
from simulate.generate import generate

HEX = "0123456789abcdef" * 2
LEFTOVERS = (
    f".corpus.zarr.{HEX}",
    f".corpus.zarr.{HEX}.old",
    f".response.npz.{HEX}",
    f".README.md.{HEX}.part",
    f"runs/.run-20260101T000000Z-{HEX}.json.{HEX}.part",
)
NOT_OURS = (".corpus.zarr.backup", ".git", f".thesis.{HEX}", "corpus.zarr.old", f"corpus.zarr.{HEX}")


def make(path):
    """A store, or a file, at `path`."""
    path.parent.mkdir(exist_ok=True)
    if "zarr" not in path.name:
        path.write_text("half of it")
        return
    (path / "images").mkdir(parents=True)
    (path / "images" / "zarr.json").write_text("{}")


def age(path, seconds):
    """Make a file, or a folder and all in it, that old."""
    moment = time.time() - seconds
    for inner in (*path.rglob("*"), path):
        os.utime(inner, (moment, moment))


def test_what_is_old_goes_and_what_is_young_or_not_ours_stays(own, recipe):
    for name in (*LEFTOVERS, *NOT_OURS):
        make(own / name)
        age(own / name, 1.1 * ABANDONED_AFTER_S)
    young = own / f".corpus.zarr.{HEX[::-1]}"
    make(young)
    age(young, 0.9 * ABANDONED_AFTER_S)
    generate(recipe, own, progress=False)
    assert [name for name in LEFTOVERS if (own / name).exists()] == []
    assert all((own / name).exists() for name in NOT_OURS)
    assert young.exists()
    assert Corpus.open(own).finished.all()


def test_a_store_that_is_still_being_built_is_left_alone(tmp_path):
    """Its folder is old, but something in it was written a moment ago."""
    store = tmp_path / f".corpus.zarr.{HEX}"
    make(store)
    age(store, 5 * ABANDONED_AFTER_S)
    (store / "images" / "zarr.json").write_text("{ }")
    sweep_abandoned(tmp_path)
    assert (store / "images" / "zarr.json").exists()


def test_a_replaced_store_counts_its_age_from_then(own, recipe, monkeypatch):
    """A process that just moved the old store aside may still have to put it back."""
    age(own / "corpus.zarr", 9 * ABANDONED_AFTER_S)
    monkeypatch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
    prepare_store(own, recipe, 10, overwrite=True)
    monkeypatch.undo()
    (old,) = own.glob(".corpus.zarr.*.old")
    sweep_abandoned(own)
    assert old.exists()


def test_a_store_that_cannot_be_replaced_is_put_back(own, recipe, monkeypatch):
    rename = os.rename

    def fails_for_the_new_one(source, target):
        if str(target).endswith("corpus.zarr") and not str(source).endswith(".old"):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fails_for_the_new_one)
    with pytest.raises(OSError, match="No space left"):
        prepare_store(own, recipe, 10, overwrite=True)
    assert Corpus.open(own).finished.all()
    assert list(own.glob(".corpus.zarr.*")) == []
