"""One array of a corpus: its shape, type, axes, borders and codecs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ZstdCodec

NAN = float("nan")


@dataclass(frozen=True)
class ArraySpec:
    """One array: its name, shape, type and axes; `shard` samples (or rows) lie in one file, `chunk` in one
    chunk.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    chunk: int
    shard: int
    fill: float
    unit: str
    meaning: str

    def create(self, group: zarr.Group) -> zarr.Array:
        """Make the array in `group`, filled with nothing yet."""
        inner = (self.chunk, *self.shape[1:])
        whole = (self.shard, *self.shape[1:])
        return group.create_array(
            self.name,
            shape=self.shape,
            dtype=self.dtype,
            chunks=inner,
            shards=None if inner == whole else whole,
            serializer=BytesCodec(endian=None if np.dtype(self.dtype).itemsize == 1 else "little"),
            compressors=[ZstdCodec(level=3, checksum=False), Crc32cCodec()],
            fill_value=self.fill,
            dimension_names=self.axes,
            attributes={"unit": self.unit, "meaning": self.meaning},
            # A shard that vanished must not read as valid zeros: chunks are stored whatever they hold.
            config={"write_empty_chunks": True},
        )
