"""Files written whole or not at all: a reader, or a crash, sees the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` as UTF-8. OSError if the place cannot be written; the old file stays then."""
    write_bytes(path, text.encode("utf-8"))


def write_once(path: str | Path, content: bytes) -> None:
    """Write `content` to `path` unless a file is there; the first of several writers wins."""
    path = Path(path)
    whole = path.with_name(f".{path.name}.{uuid.uuid4().hex}.whole")
    try:
        write_bytes(whole, content)
        with contextlib.suppress(FileExistsError):
            os.link(whole, path)
    finally:
        whole.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path`. OSError if the place cannot be written; the old file stays then."""
    path = Path(path)
    # A name of its own for each writer: two processes that write the same file must not mix their halves.
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else a crash of the machine may leave a renamed, empty file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
