"""Waves in windows: grids, FFT plans, and the three passes of a multislice step.

A step is: transmit (in real space, signal kernels read on the way), transform, propagate (in reciprocal space,
what left the band is detected and cut), transform back. Columns beyond the band are zero after the
propagation and are not transformed back. Each wave is handled alone, so that it stays in the processor's
cache.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from simulate.microscope import Microscope
from stochgeom.errors import UserError, require

SIZES = (64, 80, 96, 112, 128, 160, 192, 224, 256, 288, 320, 384, 448, 512, 560, 640, 768, 896, 1024, 1152, 1280, 1536, 1792, 2048)
"""Grid points along a side of a window: sizes that FFTW is quick at (1.1 to 1.3 apart)."""
BAND = 2 / 3
"""Share of the Nyquist frequency that waves keep: their product with a slice does not fold back into it."""
_APART = 8  # spare points at the end of a row of waves
_TAPER = 0.97  # of the band: from here on the limit falls off


def window_size(least: float) -> int:
    """The smallest of SIZES that is not below `least` grid points. UserError beyond the largest."""
    for size in SIZES:
        if size >= least:
            return size
    raise UserError(
        f"a wave window of {math.ceil(least)} grid points is needed, {SIZES[-1]} is the largest: "
        "is the focus far from the aggregate, or engine.band_mrad too large?"
    )


class WaveGrid:
    """Everything that waves of one window size share. Build it with `wave_grid`.

    band (n, n) float32: limit of the wave; held (channel, n, n): sensitivity within the band, for the exit;
    leaving (channel, n, n): sensitivity of what a step cuts. In FFT order. All sensitivities carry the
    factor that makes sums over unnormalised transforms fractions of the beam.
    """

    def __init__(self, size: int, sampling: float, microscope: Microscope) -> None:
        self.size, self.sampling, self.microscope = size, sampling, microscope
        self.frequency = np.fft.fftfreq(size, sampling)
        k = np.hypot(self.frequency[:, None], self.frequency[None])
        limit = BAND * 0.5 / sampling
        falling = np.clip((k / limit - _TAPER) / (1 - _TAPER), 0, 1)
        self.band = (0.5 * (1 + np.cos(np.pi * falling))).astype(np.float32)
        self.columns = int(np.flatnonzero(self.band[0, : size // 2 + 1])[-1]) + 1
        angle = 1e3 * microscope.wavelength_angstrom * k
        seen = np.stack([d.weight(angle) for d in microscope.detectors])
        self.held = seen.astype(np.float32)
        self.leaving = (seen * (1 - self.band.astype(float) ** 2)).astype(np.float32)
        self.leaks = bool(self.leaving.any())
        self.probe = self._probe()
        self.plans = Plans(size, self.columns)

    def _probe(self) -> NDArray[np.complex64]:
        """abTEM's probe in focus in its window's corner, in reciprocal space, its intensities adding up to 1."""
        abtem = require("abtem", extra="simulate")
        scope = self.microscope
        probe = abtem.Probe(
            energy=scope.energy_ev,
            semiangle_cutoff=scope.convergence_mrad,
            extent=self.size * self.sampling,
            gpts=self.size,
            **scope.aberrations,
        )
        wave = np.asarray(probe.build(scan=abtem.CustomScan([[0.0, 0.0]]), lazy=False).array, np.complex128)
        transformed = np.fft.fft2(wave.reshape(self.size, self.size)).T  # abTEM's axes are (x, y)
        return (transformed / np.sqrt((np.abs(transformed) ** 2).sum())).astype(np.complex64)

    def propagator(self, distance: float) -> NDArray[np.complex64]:
        """Factor (n, n) for `distance` Å of free space within the band, with the 1 / n^2 of both transforms."""
        along = self.ramp(distance, 0.0)
        return (np.outer(along, along) * (self.band / self.size**2)).astype(np.complex64)

    def ramp(self, distance: float, shift: float) -> NDArray[np.complex64]:
        """Factor (n,) of one axis for propagation over `distance` Å and a shift by `shift` Å."""
        k, wavelength = self.frequency, self.microscope.wavelength_angstrom
        return np.exp(-1j * np.pi * k * (wavelength * k * distance + 2 * shift)).astype(np.complex64)


@lru_cache(maxsize=32)
def wave_grid(size: int, sampling: float, microscope_json: str) -> WaveGrid:
    """The grid of a window size, made once in a process. `microscope_json`: `Microscope.model_dump_json()`."""
    return WaveGrid(size, sampling, Microscope.model_validate_json(microscope_json))


class Plans:
    """FFTW plans for one window, on one array `work` (n, n) complex64; transforms are not normalised.

    Forward is complete. Backward takes the columns of the band first, then all rows.
    """

    def __init__(self, size: int, columns: int) -> None:
        pyfftw = require("pyfftw", extra="simulate")
        # Rows are a little apart: columns of 256 or 512 points would else share a few places of the cache.
        self.work = pyfftw.empty_aligned((size, size + _APART), np.complex64)[:, :size]
        self.forward = _plan(self.work, (0, 1), "FFTW_FORWARD")
        self._left = _plan(self.work[:, :columns], (0,), "FFTW_BACKWARD")
        self._right = _plan(self.work[:, size - columns + 1 :], (0,), "FFTW_BACKWARD")
        self._rows = _plan(self.work, (1,), "FFTW_BACKWARD")
        self.work[...] = 0

    def backward(self) -> None:
        self._left.execute()
        self._right.execute()
        self._rows.execute()


def _plan(array: NDArray[np.complex64], axes: tuple[int, ...], direction: str) -> Any:
    import pyfftw

    return pyfftw.FFTW(array, array, axes=axes, direction=direction, flags=(PLANNING,), threads=1)


PLANNING = "FFTW_MEASURE"


@numba.njit(cache=True, nogil=True, fastmath=True)
def detect(wave, weights, sums):  # type: ignore[no-untyped-def]
    """Adds sum |wave|^2 weights to `sums` (c,) float64; wave (n, n) complex64, weights (c, n, n) float32."""
    n = wave.shape[0]
    for y in range(n):
        row = wave[y].view(np.float32)
        for c in range(weights.shape[0]):
            weight = weights[c, y]
            total = np.float32(0.0)
            for x in range(n):
                total += (row[2 * x] * row[2 * x] + row[2 * x + 1] * row[2 * x + 1]) * weight[x]
            sums[c] += total
