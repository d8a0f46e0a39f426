"""Grids of wave windows on a torch device: the same band, probe and sensitivities as on the processor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.wave_grids import WaveGrid
from stochgeom.errors import require

Tensor = Any
"""A torch.Tensor: torch is imported only where a device is asked for."""

_PROPAGATOR_BYTES = 1e8  # kept for each grid; gaps between particles ask for many distances


class DeviceGrid:
    """What waves of one window size share on `device`. Transforms are not normalised in either direction.

    held, leaving: sensitivity (n, n) float32 by channel, channels that see nothing left out; otherwise as of
    `WaveGrid`.
    """

    def __init__(self, grid: WaveGrid, device: str) -> None:
        self._torch = require("torch", extra="learn")
        self.size, self.sampling, self.device = grid.size, grid.sampling, device
        self.held, self.leaving = self._seen(grid.held), self._seen(grid.leaving)
        self.probe = self._to(grid.probe.T)
        self._limit = self._to(_whole(grid.limit))
        self._frequency = self._to(grid.frequency)
        self._wavelength = grid.microscope.wavelength_angstrom
        self._propagators: dict[float, Tensor] = {}

    def _to(self, array: NDArray[Any]) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _seen(self, weights: NDArray[np.float32]) -> dict[int, Tensor]:
        return {channel: self._to(_whole(plane)) for channel, plane in enumerate(weights) if plane.any()}

    def forward(self, waves: Tensor) -> Tensor:
        """Transforms of waves (w, n, n)."""
        return self._torch.fft.fft2(waves)

    def backward(self, spectra: Tensor) -> Tensor:
        """Waves of transforms (w, n, n), n^2 times as large."""
        return self._torch.fft.ifft2(spectra, norm="forward")

    def probes(self, shift: NDArray[np.float64], distance: NDArray[np.float64]) -> Tensor:
        """Probes (w, n, n), shifted from the corner by shift (w, 2; x, y) Å, `distance` (w,) Å behind the
        crossover.
        """
        along = self._to(distance)
        x, y = (self._ramp(along, self._to(s)) for s in shift.T)
        return self.backward(self.probe * y[:, :, None] * x[:, None, :])

    def propagator(self, distance: float) -> Tensor:
        """Factor (n, n) for `distance` Å of free space within the band, and 1 / n^2 for both transforms."""
        key = round(distance, 6)
        if key not in self._propagators:
            if 8 * self.size**2 * (len(self._propagators) + 1) > _PROPAGATOR_BYTES:
                self._propagators.clear()
            zero = self._torch.zeros(1, dtype=self._torch.float64, device=self.device)
            (along,) = self._ramp(zero + distance, zero)
            self._propagators[key] = self._torch.outer(along, along) * self._limit
        return self._propagators[key]

    def _ramp(self, distance: Tensor, shift: Tensor) -> Tensor:
        """Factors (w, n) of one axis for propagation over distance (w,) Å and shifts (w,) Å."""
        k = self._frequency
        phase = -math.pi * k * (self._wavelength * k * distance[:, None] + 2 * shift[:, None])
        return self._torch.polar(self._torch.ones_like(phase), phase).to(self._torch.complex64)


def _whole(half: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `half` (n / 2 + 1, n; x, y) says of all frequencies: (n, n; y, x)."""
    x = np.arange(half.shape[1])
    return half[np.minimum(x, len(x) - x)].T
