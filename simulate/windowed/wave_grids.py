"""Grids of wave windows: band, probe, free space, and what detectors see of a wave."""

from __future__ import annotations

import math
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from simulate.microscope import Microscope
from stochgeom.errors import UserError, require

SIZES = (
    64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 288, 320, 384, 400, 448, 480, 512, 560, 640, 720, 768, 800,
    896, 960, 1024, 1152, 1280, 1440, 1536, 1792, 2048,
)  # fmt: skip
"""Grid points along a side of a window: sizes that FFTW is quick at (1.1 to 1.3 apart)."""
BAND = 2 / 3
"""Share of the Nyquist frequency that waves keep: their product with a slice does not fold back into it."""
SOFT_EDGE = 0.97
"""Share of the band from which on its limit falls off."""


def window_size(least: float) -> int:
    """The smallest of SIZES that is not below `least` grid points. UserError beyond the largest."""
    for size in SIZES:
        if size >= least:
            return size
    raise UserError(
        f"a wave window of {math.ceil(least)} grid points is needed, {SIZES[-1]} is the largest: "
        "is the focus far from the aggregate, or engine.band_mrad too large?"
    )


def band_limit(frequency: NDArray[np.float64]) -> NDArray[np.float32]:
    """What waves keep at frequencies in units of the grid's Nyquist frequency: 1, and 0 beyond the band."""
    falling = np.clip((frequency / BAND - SOFT_EDGE) / (1 - SOFT_EDGE), 0, 1)
    return (0.5 * (1 + np.cos(np.pi * falling))).astype(np.float32)


def band_columns(size: int) -> int:
    """Columns of the band at the beginning of a row of `size` points in FFT order, the first included."""
    return int(np.count_nonzero(band_limit(np.arange(size // 2 + 1) * 2 / size)))


class WaveGrid:
    """Everything that waves of one window size share. Build it with `wave_grid`.

    band (n, n) float32: limit of the wave. Sensitivities (channel, n, n): `held` for the exit, `leaving` for
    what a step cuts. What a step works with: `limit`, the band with the 1 / n^2 of both transforms, and
    `cut`, `leaving` without its negative rows, and without channels if there is nothing to see. All in FFT
    order. `held_mrad` below infinity ends what is detected, as abTEM's detectors do; then nothing is counted
    of what a step cuts.
    """

    def __init__(self, size: int, sampling: float, microscope: Microscope, held_mrad: float) -> None:
        self.size, self.sampling, self.microscope = size, sampling, microscope
        self.frequency = np.fft.fftfreq(size, sampling)
        k = np.hypot(self.frequency[:, None], self.frequency[None])
        self.band = band_limit(2 * sampling * k)
        self.limit = self.band[: size // 2 + 1] / np.float32(size**2)
        self.columns = band_columns(size)
        angle = 1e3 * microscope.wavelength_angstrom * k
        seen = np.stack([d.weight(angle) for d in microscope.detectors])
        self.held = np.where(angle < held_mrad, seen, 0.0).astype(np.float32)
        cut = 1 - self.band.astype(float) ** 2
        self.leaving = np.where(np.isinf(held_mrad), seen * cut, 0.0).astype(np.float32)
        leaks = self.leaving.any()
        self.cut = np.ascontiguousarray(self.leaving[: int(leaks) * len(seen), : size // 2 + 1])
        self.probe = self._probe()

    def _probe(self) -> NDArray[np.complex64]:
        """abTEM's probe in focus in a corner, in reciprocal space; its intensities add up to 1."""
        from simulate.engines.multislice import deterministic

        abtem = require("abtem", extra="simulate")
        scope = self.microscope
        probe = abtem.Probe(
            energy=scope.energy_ev,
            semiangle_cutoff=scope.convergence_mrad,
            extent=self.size * self.sampling,
            gpts=self.size,
            **scope.aberrations,
        )
        with deterministic():
            wave = np.asarray(probe.build(scan=abtem.CustomScan([[0.0, 0.0]]), lazy=False).array, complex)
        transformed = np.fft.fft2(wave.reshape(self.size, self.size)).T  # abTEM's axes are (x, y)
        return (transformed / np.sqrt((np.abs(transformed) ** 2).sum())).astype(np.complex64)

    def ramp(self, distance: float, shift: float) -> NDArray[np.complex64]:
        """Factor (n,) of one axis for propagation over `distance` Å and a shift by `shift` Å."""
        k, wavelength = self.frequency, self.microscope.wavelength_angstrom
        return np.exp(-1j * np.pi * k * (wavelength * k * distance + 2 * shift)).astype(np.complex64)


@lru_cache(maxsize=32)
def wave_grid(size: int, sampling: float, microscope_json: str, held_mrad: float = np.inf) -> WaveGrid:
    """The grid of a window size, made once in a process; `microscope_json`: `model_dump_json()` of it."""
    return WaveGrid(size, sampling, Microscope.model_validate_json(microscope_json), held_mrad)


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


@numba.njit(cache=True, nogil=True, fastmath=True)
def transmit(wave, transmission, signal, y0, x0, sums):  # type: ignore[no-untyped-def]
    """wave *= transmission in the window at (y0, x0) of a slice; `sums` (c,) get sum |wave|^2 signal before.

    wave (n, n) complex64; transmission (2, y, x), signal (c, y, x) float32. Of planes instead of complex
    numbers the compiler makes vectors: twice as fast.
    """
    n = wave.shape[0]
    for y in range(n):
        row = wave[y].view(np.float32)
        for c in range(signal.shape[0]):
            kernel = signal[c, y0 + y, x0 : x0 + n]
            total = np.float32(0.0)
            for x in range(n):
                total += (row[2 * x] * row[2 * x] + row[2 * x + 1] * row[2 * x + 1]) * kernel[x]
            sums[c] += total
        real, imaginary = transmission[0, y0 + y, x0 : x0 + n], transmission[1, y0 + y, x0 : x0 + n]
        for x in range(n):
            a, b = row[2 * x], row[2 * x + 1]
            row[2 * x] = a * real[x] - b * imaginary[x]
            row[2 * x + 1] = a * imaginary[x] + b * real[x]


@numba.njit(cache=True, nogil=True, fastmath=True)
def propagate(work, limit, real, imaginary, weights, sums):  # type: ignore[no-untyped-def]
    """Adds sum |work|^2 weights to `sums` (c,), then work *= limit x along_y x along_x.

    work (n, n) complex64 in FFT order; along = real + i imaginary (n,). limit (n / 2 + 1, n) and weights (c,
    n / 2 + 1, n) float32 hold the rows of positive frequencies, which those of negative ones repeat: less
    to read. Whole rows, because of parts of them the compiler makes no vectors.
    """
    n = work.shape[0]
    for y in range(n):
        row, mirrored = work[y].view(np.float32), min(y, n - y)
        least = limit[mirrored]
        for k in range(weights.shape[0]):
            weight = weights[k, mirrored]
            total = np.float32(0.0)
            for x in range(n):
                total += (row[2 * x] * row[2 * x] + row[2 * x + 1] * row[2 * x + 1]) * weight[x]
            sums[k] += total
        c, d = real[y], imaginary[y]
        for x in range(n):
            g = (c * real[x] - d * imaginary[x]) * least[x]
            h = (c * imaginary[x] + d * real[x]) * least[x]
            a, b = row[2 * x], row[2 * x + 1]
            row[2 * x] = a * g - b * h
            row[2 * x + 1] = a * h + b * g
