"""Grids of wave windows: band, probe, free space, and what detectors see of a wave."""

from __future__ import annotations

import math
from functools import lru_cache

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
    """What waves of one window size share. Build it with `wave_grid`.

    Against (x, y), in FFT order: probe (n, n) complex64, and float32 without the negative frequencies of x,
    which repeat the positive ones: `limit` (n / 2 + 1, n), the band with the 1 / n^2 of both transforms, and
    sensitivities (channel, n / 2 + 1, n), `held` for the exit, `leaving` for what a step cuts, the latter
    without channels if there is nothing to see. `reach`: columns at both ends of a row that a step has to
    look at, for the band's `columns` or for what is detected. `held_mrad` below infinity ends what is
    detected, as abTEM's detectors do; then nothing is counted of what a step cuts.
    """

    def __init__(self, size: int, sampling: float, microscope: Microscope, held_mrad: float) -> None:
        self.size, self.sampling, self.microscope = size, sampling, microscope
        self.frequency = np.fft.fftfreq(size, sampling)
        k = np.hypot(self.frequency[: size // 2 + 1, None], self.frequency[None])
        band = band_limit(2 * sampling * k)
        self.limit = band / np.float32(size**2)
        self.columns = band_columns(size)
        angle = 1e3 * microscope.wavelength_angstrom * k
        seen = np.stack([d.weight(angle) for d in microscope.detectors])
        self.held = np.where(angle < held_mrad, seen, 0.0).astype(np.float32)
        leaving = (seen * (1 - band.astype(float) ** 2)).astype(np.float32)
        leaks = bool(np.isinf(held_mrad) and leaving.any())
        self.leaving = leaving[: len(seen) if leaks else 0]
        looked_at = np.flatnonzero(self.leaving.any(axis=(0, 2)))
        self.reach = min(max(self.columns, int(looked_at[-1]) + 1 if leaks else 0), size // 2)
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
        transformed = np.fft.fft2(wave.reshape(self.size, self.size))
        return (transformed / np.sqrt((np.abs(transformed) ** 2).sum())).astype(np.complex64)

    def ramp(self, distance: float, shift: float) -> NDArray[np.complex64]:
        """Factor (n,) of one axis for propagation over `distance` Å and a shift by `shift` Å."""
        k, wavelength = self.frequency, self.microscope.wavelength_angstrom
        return np.exp(-1j * np.pi * k * (wavelength * k * distance + 2 * shift)).astype(np.complex64)


@lru_cache(maxsize=32)
def wave_grid(size: int, sampling: float, microscope_json: str, held_mrad: float = np.inf) -> WaveGrid:
    """The grid of a window size, made once in a process; `microscope_json`: `model_dump_json()` of it."""
    return WaveGrid(size, sampling, Microscope.model_validate_json(microscope_json), held_mrad)
