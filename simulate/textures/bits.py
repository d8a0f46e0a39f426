"""Phase maps as bits: how a corpus stores textures, and how they read as an array of images.

Bit 7 of the first byte of a row is its first pixel, and the last byte is filled up with zeros, as
`numpy.packbits` has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.arrays import CheckedArray

UInt8 = NDArray[np.uint8]


def packed(phase: UInt8) -> UInt8:
    """Bits (..., y, ceil(x / 8)) of phase maps (..., y, x) of zeros and ones."""
    return np.packbits(phase, axis=-1)


def unpacked(bits: UInt8, width: int) -> UInt8:
    """The inverse of `packed`: (..., y, width) uint8."""
    return np.unpackbits(bits, axis=-1, count=width)


def row_bytes(width: int) -> int:
    """Bytes of a row of so many pixels."""
    return -(-width // 8)


class PhaseImages:
    """Stored bits (sample, y, byte) as an array of images (sample, channel, y, x) uint8: 0 or 1, one channel.

    Takes the indices that NumPy arrays take: an integer, a slice, or a list of samples first. Reading a few
    samples of a chunk costs as much as reading all of it, so read neighbours together.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, bits: CheckedArray, width: int) -> None:
        self._bits, self._width = bits, width

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(sample, channel, y, x)."""
        return len(self._bits), 1, int(self._bits.shape[1]), self._width

    @property
    def shards(self) -> tuple[int, ...]:
        """Samples of a file, then the whole image."""
        return (int((self._bits.shards or self._bits.chunks)[0]), *self.shape[1:])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Samples that are decoded together, then the whole image."""
        return (int(self._bits.chunks[0]), *self.shape[1:])

    def __len__(self) -> int:
        return len(self._bits)

    def __getitem__(self, selection: Any) -> Any:
        first, rest = (selection[0], selection[1:]) if isinstance(selection, tuple) else (selection, ())
        if first is Ellipsis:
            whole = len(rest) == self.ndim  # ..., sample, channel, y, x
            first, rest = (rest[0], rest[1:]) if whole else (slice(None), (Ellipsis, *rest))
        if isinstance(first, int | np.integer):
            index = range(len(self))[int(first)]  # IndexError beyond the last one
            return unpacked(np.asarray(self._bits[index]), self._width)[None][rest]
        rows = np.arange(len(self))[first]
        images = unpacked(self.rows(rows), self._width)[:, None]
        return images[(slice(None), *rest)] if rest else images

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def rows(self, indices: NDArray[np.integer]) -> UInt8:
        """Bits (n, y, byte) of samples (n,) in the order given. Each chunk is decoded once, neighbouring ones
        of a shard together.
        """
        indices = np.asarray(indices, np.int64)
        found = np.empty((len(indices), *self._bits.shape[1:]), np.uint8)
        order = np.argsort(indices, kind="stable")
        ascending = indices[order]
        apart = np.diff(ascending // self.chunks[0]) > 1
        apart |= np.diff(ascending // self.shards[0]) > 0
        for places in np.split(order, np.flatnonzero(apart) + 1):
            if len(places):
                low, high = int(indices[places[0]]), int(indices[places[-1]])
                found[places] = np.asarray(self._bits[low : high + 1])[indices[places] - low]
        return found
