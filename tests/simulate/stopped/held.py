"""`heterostem`, which writes no more than three shards or blocks while the file that HELD names is there.

Run as a program, so that the workers it starts import it too. What a test does in the middle of a run, it
does in the middle, however fast or busy the machine is.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import heterostem
from simulate.corpus.block_files import BlockFiles, kept_blocks
from simulate.corpus.writer import CorpusWriter

ENOUGH = 3
"""Shards or blocks that are finished freely."""


def finished_shards(folder: Path) -> int:
    return len(list((folder / "corpus.zarr" / "status" / "c").glob("[0-9]*")))


def waiting(file: Path, process: int) -> Path:
    """A file that says that a process has come to wait."""
    return file.with_name(f"{file.name}-{process}")


def held(write: Callable[..., None]) -> Callable[..., None]:
    """The method, which waits while the file is there and enough is finished."""
    file = Path(os.environ["HELD"])
    out = file.with_name("out")

    def waits(*arguments: Any) -> None:
        while file.exists() and max(finished_shards(out), len(kept_blocks(out))) >= ENOUGH:
            waiting(file, os.getpid()).touch()
            time.sleep(0.02)
        write(*arguments)

    return waits


if "HELD" in os.environ:
    CorpusWriter.write_shard = held(CorpusWriter.write_shard)  # type: ignore[method-assign]
    BlockFiles.write = held(BlockFiles.write)  # type: ignore[method-assign]

if __name__ == "__main__":
    heterostem.main()
