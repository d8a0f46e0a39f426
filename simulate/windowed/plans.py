"""FFT plans: measured, kept as a file, and taken from it by every process that works on a corpus.

FFTW's estimated plans take up to twice the time of measured ones. But two measurements may end in different
plans, whose results differ in the last bits. So a corpus keeps the plans it was begun with; where they do not
hold (another processor, a window size that was not measured) estimated plans, always the same, are taken.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochgeom.errors import UserError, require
from stochgeom.files import write_once

FORMAT = "heterostem FFT plans"
_APART = 8  # spare points at the end of a row: columns of 256 points would share few places of the cache


class Plans:
    """FFTW plans for one window, on one array `work` (n, n) complex64; transforms are not normalised.

    Forward is complete. Backward takes the columns of the band first, then all rows: `columns` at the
    beginning of a row, and as many but one at its end.
    """

    def __init__(self, size: int, columns: int, efforts: tuple[tuple[str, ...], ...]) -> None:
        pyfftw = require("pyfftw", extra="simulate")
        self.work: NDArray[np.complex64] = pyfftw.empty_aligned((size, size + _APART), np.complex64)[:, :size]
        self.forward = _plan(self.work, (0, 1), "FFTW_FORWARD", efforts)
        sides = self.work[:, :columns], self.work[:, size - columns + 1 :]
        left, right = (_plan(side, (0,), "FFTW_BACKWARD", efforts) for side in sides)
        self._backward = (left, right, _plan(self.work, (1,), "FFTW_BACKWARD", efforts))
        self.work[...] = 0

    def backward(self) -> None:
        """The inverse transform of what is 0 beyond the columns."""
        for plan in self._backward:
            plan.execute()


def _plan(
    array: NDArray[np.complex64], axes: tuple[int, ...], direction: str, efforts: tuple[tuple[str, ...], ...]
) -> Any:
    """The first plan of those efforts that there is."""
    import pyfftw

    for flags in efforts[:-1]:
        try:
            return pyfftw.FFTW(array, array, axes=axes, direction=direction, flags=flags, threads=1)
        except RuntimeError:  # no wisdom for it
            continue
    return pyfftw.FFTW(array, array, axes=axes, direction=direction, flags=efforts[-1], threads=1)


class Planner:
    """Plans by window size, made once. Without `wisdom` they are measured in this process."""

    def __init__(self, wisdom: tuple[bytes, bytes, bytes] | None = None) -> None:
        self._wisdom = wisdom
        self._plans: dict[tuple[int, int], Plans] = {}

    def plans(self, size: int, columns: int) -> Plans:
        """Plans of a window of `size` points whose band has `columns`."""
        if (size, columns) not in self._plans:
            self._plans[size, columns] = self._make(size, columns)
        return self._plans[size, columns]

    def _make(self, size: int, columns: int) -> Plans:
        pyfftw = require("pyfftw", extra="simulate")
        if self._wisdom is None:
            return Plans(size, columns, (("FFTW_MEASURE",),))
        pyfftw.forget_wisdom()  # what this process measured elsewhere must not decide
        pyfftw.import_wisdom(self._wisdom)
        return Plans(size, columns, (("FFTW_MEASURE", "FFTW_WISDOM_ONLY"), ("FFTW_ESTIMATE",)))

    def save(self, path: Path, windows: Iterable[tuple[int, int]]) -> None:
        """Measure plans for windows (size, columns) and write them to `path`, unless it is there already."""
        if path.exists():
            return
        pyfftw = require("pyfftw", extra="simulate")
        pyfftw.forget_wisdom()
        for size, columns in windows:
            Plans(size, columns, (("FFTW_MEASURE",),))
        texts = [base64.b64encode(part).decode() for part in pyfftw.export_wisdom()]
        write_once(path, json.dumps({"format": FORMAT, "wisdom": texts}).encode())

    @classmethod
    def load(cls, path: Path) -> Planner:
        """Plans from a file. UserError if it is none."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError("another format")
            double, single, longer = (base64.b64decode(text, validate=True) for text in data["wisdom"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} holds no FFT plans: {error}; remove it to have them measured anew"
            ) from error
        return cls((double, single, longer))
