"""FFT plans: measured, kept as a file, and taken from it by every process that works on a corpus.

FFTW's estimated plans take up to twice the time of measured ones. But two measurements may end in different
plans, whose results differ in the last bits. So a corpus keeps the plans it was begun with; where they do not
hold (another processor, a window size that was not measured, plans of an earlier version) estimated plans,
always the same, are taken.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.fftw import BACKWARD, FORWARD, Plan, execute_address
from stochgeom.errors import UserError, require
from stochgeom.files import write_once

FORMAT = "heterostem FFT plans, lines"
EARLIER = ("heterostem FFT plans",)
"""Formats of plans for whole transforms, which passes over lines have no use for."""
LINES = 8
"""Rows or columns that are transformed together: as many columns fill lines of the cache."""
_APART = 8  # spare points at the end of a row: columns of 256 points would share few places of the cache
_ALIGNED = 64  # bytes: blocks of lines begin where the cache's lines do

_PATIENT = (("FFTW_PATIENT",),)
_MEASURED = (("FFTW_MEASURE",),)
_STORED = (
    ("FFTW_PATIENT", "FFTW_WISDOM_ONLY"),
    ("FFTW_MEASURE", "FFTW_WISDOM_ONLY"),
    ("FFTW_ESTIMATE",),
)


class Plans:
    """FFTW's plans for one window, and arrays to work in; what `simulate.windowed.passes` asks for.

    work (n, n) complex64; rows, columns (LINES, n): room for some lines of it. `kept`: columns at both ends
    of a row, a multiple of LINES, that hold the `columns` of the band. `calls` (5,) intp: addresses of FFTW
    and of the plans. Transforms are not normalised.
    """

    def __init__(self, size: int, columns: int, efforts: tuple[tuple[str, ...], ...]) -> None:
        pyfftw = require("pyfftw", extra="simulate")
        apart = size + _APART
        self.work: NDArray[np.complex64] = pyfftw.zeros_aligned((size, apart), np.complex64, n=_ALIGNED)[
            :, :size
        ]
        self.rows: NDArray[np.complex64] = pyfftw.zeros_aligned((LINES, size), np.complex64, n=_ALIGNED)
        self.columns = self.rows
        self.kept = self.whole_lines(columns)
        along_x, along_y, compact = (1, apart), (apart, 1), (1, size)
        out, back = (self.work, self.rows), (self.rows, self.work)
        self._plans = [
            Plan(size, LINES, arrays, steps, sign, efforts)
            for arrays, steps, sign in (
                (out, (along_x, compact), BACKWARD),
                (back, (compact, along_x), FORWARD),
                (out, (along_y, compact), FORWARD),
                (back, (compact, along_y), BACKWARD),
            )
        ]
        self.calls = np.array([execute_address()] + [plan.address for plan in self._plans], np.intp)
        self.work[...] = 0
        self.rows[...] = 0

    @staticmethod
    def whole_lines(columns: int) -> int:
        """The smallest multiple of LINES that is not below `columns`."""
        return -(-columns // LINES) * LINES


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
            return Plans(size, columns, _MEASURED)
        pyfftw.forget_wisdom()  # what this process measured elsewhere must not decide
        pyfftw.import_wisdom(self._wisdom)
        return Plans(size, columns, _STORED)

    def save(self, path: Path, windows: Iterable[tuple[int, int]], patient: bool = False) -> None:
        """Measure plans for windows (size, columns) and write them to `path`, unless it is there already.

        `patient`: FFTW tries more, ten seconds for a size instead of one, and finds what is some 10 % faster.
        """
        if path.exists():
            return
        pyfftw = require("pyfftw", extra="simulate")
        pyfftw.forget_wisdom()
        for size, columns in windows:
            Plans(size, columns, _PATIENT if patient else _MEASURED)
        texts = [base64.b64encode(part).decode() for part in pyfftw.export_wisdom()]
        write_once(path, json.dumps({"format": FORMAT, "wisdom": texts}).encode())

    @classmethod
    def load(cls, path: Path) -> Planner:
        """Plans from a file, estimated ones if an earlier version wrote it. UserError if it is none."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] in EARLIER:
                return cls((b"", b"", b""))
            if data["format"] != FORMAT:
                raise ValueError("another format")
            double, single, longer = (base64.b64decode(text, validate=True) for text in data["wisdom"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} holds no FFT plans: {error}; remove it to have them measured anew"
            ) from error
        return cls((double, single, longer))
