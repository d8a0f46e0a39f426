"""Finished blocks of images whose shard is not finished: small files with a checksum, beside the store.

`OUT/blocks/SAMPLE-BLOCK.npy` holds the layers of a block (layer, channel, y, x) float32, intensity and, if
there is one, its standard error, followed by a SHA-256 of the recipe's hash, sample, block and content. A
file that is damaged, cut short, or of another recipe is as good as none. They go once their shard has its
status.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulate.corpus import layout
from simulate.engines.base import Block, BlockResult
from stochgeom.files import write_bytes

if TYPE_CHECKING:
    from simulate.recipe import Recipe

_NAME = re.compile(r"(\d+)-(\d+)\.npy")
_DIGEST_BYTES = 32


class BlockFiles:
    """Blocks of the corpus in the folder `out`, by sample and number of the block."""

    def __init__(self, out: str | Path, recipe: Recipe) -> None:
        self.folder = layout.store_path(out).parent / layout.BLOCKS
        self._channels, self._errors = len(recipe.channel_names), layout.reports_errors(recipe)
        self._hash = recipe.hash

    def path(self, sample: int, number: int) -> Path:
        """File of a block, whether it is there or not."""
        return self.folder / f"{sample}-{number}.npy"

    def there(self, sample: int, number: int) -> bool:
        """Whether there is a file of this block, damaged or not."""
        return self.path(sample, number).is_file()

    def write(self, sample: int, number: int, result: BlockResult) -> None:
        """Keep a block; its file is there whole or not at all."""
        stream = io.BytesIO()
        layers = np.stack(result.layers).astype("<f4")
        np.lib.format.write_array(stream, layers, allow_pickle=False)
        content = stream.getvalue() + self._digest(sample, number, stream.getvalue())
        try:
            self._put(sample, number, content)
        except FileNotFoundError:  # another process finished the corpus, and removed the folder just now
            self._put(sample, number, content)

    def _put(self, sample: int, number: int, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self.path(sample, number), content)

    def read(self, sample: int, number: int, block: Block) -> BlockResult | None:
        """A block as it was kept; None where it is not there, or not as it was written."""
        try:
            content = self.path(sample, number).read_bytes()
        except OSError:
            return None
        array, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if digest != self._digest(sample, number, array):
            return None
        layers = np.lib.format.read_array(io.BytesIO(array), allow_pickle=False)
        if layers.shape != (1 + self._errors, self._channels, *block.shape):
            return None
        return BlockResult(*layers.astype(np.float32))

    def remove(self, samples: Iterable[int], numbers: int) -> None:
        """Remove the blocks 0 to `numbers` - 1 of these samples."""
        for sample in samples:
            for number in range(numbers):
                _remove(self.path(sample, number))

    def kept(self) -> set[tuple[int, int]]:
        """Sample and number of every block of which there is a file."""
        return {_place(path) for path in kept_blocks(self.folder.parent)}

    def _digest(self, sample: int, number: int, content: bytes) -> bytes:
        return hashlib.sha256(f"{self._hash} {sample} {number} ".encode() + content).digest()


def kept_blocks(folder: Path) -> list[Path]:
    """Files of finished blocks of the corpus in `folder`."""
    inside = folder / layout.BLOCKS
    return [path for path in inside.glob("*.npy") if _NAME.fullmatch(path.name)] if inside.is_dir() else []


def remove_blocks(folder: Path) -> None:
    """Remove all blocks of the corpus in `folder`, and their folder if nothing else is in it."""
    for path in kept_blocks(folder):
        _remove(path)
    with contextlib.suppress(OSError):
        (folder / layout.BLOCKS).rmdir()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # another process of the same job array may have been quicker
        path.unlink()


def _place(path: Path) -> tuple[int, int]:
    sample, number = path.stem.split("-")
    return int(sample), int(number)
