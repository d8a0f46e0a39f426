"""Arrays of an open corpus: damage is one line that names array, sample and shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stochgeom.errors import UserError


class CheckedArray:
    """A Zarr array that reports damage as one line. Indexing gives NumPy arrays; attributes are the Zarr
    array's.
    """

    def __init__(self, array: zarr.Array, where: Path) -> None:
        self._array, self._where = array, where
        self._per_shard = int((array.shards or array.chunks)[0])
        self._nouns = ("probe", "aggregate") if "validation/" in array.path else ("sample", "shard")

    def __getitem__(self, selection: Any) -> Any:
        try:
            return self._array[selection]
        except (IndexError, TypeError):
            raise
        except Exception as error:
            raise UserError(self._damage(selection, error)) from error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # not yet there while an object is being copied
            raise AttributeError(name)
        return getattr(self._array, name)

    def __len__(self) -> int:
        return int(self._array.shape[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def _damage(self, selection: Any, error: Exception) -> str:
        first = selection[0] if isinstance(selection, tuple) else selection
        row, group = self._nouns
        place = ""
        if isinstance(first, int | np.integer):
            place = f", {row} {int(first)} ({group} {int(first) // self._per_shard})"
        elif isinstance(first, slice):
            start = first.start or 0
            place = f", {row}s {start} on ({group} {start // self._per_shard} on)"
        text = " ".join(str(error).split()) or type(error).__name__
        return f"{self._where}: array {self._array.path}{place} is damaged: {text[:160]}"
