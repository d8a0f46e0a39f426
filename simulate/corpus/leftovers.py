"""What killed runs left behind, in a corpus' folder and in its store."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from simulate.corpus import layout
from simulate.recipe_files import CORPUS_TABLE

ABANDONED_AFTER_S = 3600.0
"""A store is built, and a file written, in seconds; what nothing was written to for so long is nobody's."""

_TEMPORARY = re.compile(
    rf"\.{re.escape(layout.STORE)}\.[0-9a-f]{{32}}(\.old)?"  # a store being built, or one that was replaced
    rf"|\.{re.escape(CORPUS_TABLE)}\.[0-9a-f]{{32}}"
    r"|\..+\.[0-9a-f]{32}\.part"  # of stochgeom.files
)


def sweep_abandoned(folder: Path) -> None:
    """Remove temporary stores and files beside a corpus that nobody writes to any more.

    Tasks of a job array start at the same moment, so what another process may be making is left alone.
    """
    now = _clock(folder)
    inside = [*folder.glob(".*"), *(folder / layout.RUNS).glob(".*"), *(folder / layout.BLOCKS).glob(".*")]
    for path in inside:
        if _TEMPORARY.fullmatch(path.name) and now - _last_written(path, now) > ABANDONED_AFTER_S:
            _remove(path)


def _clock(folder: Path) -> float:
    """Seconds by the clock of the file system, which may be another machine's than this one's."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def _last_written(path: Path, now: float) -> float:
    """Time of the last change inside `path`; `now` where it changes while it is looked at."""
    try:
        return max(inner.lstat().st_mtime for inner in (path, *path.rglob("*")))
    except OSError:
        return now


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()


def sweep_partials(store: Path) -> None:
    """Remove Zarr's temporary files that killed writers left in the store. Call it only when nobody
    writes.
    """
    for partial in store.rglob("*.partial"):
        with contextlib.suppress(OSError):
            partial.unlink()
