"""From neighbouring probes to their signals on a torch device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.flights import Flyer, wave_grids
from simulate.windowed.multislice_torch import TorchMultislice
from simulate.windowed.plans import Planner
from simulate.windowed.wave_grids_torch import DeviceGrid
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from simulate.scene import SceneAtoms
    from simulate.windowed.geometry import Geometry
    from simulate.windowed.slices import TileSlices
    from simulate.windowed.wave_grids import WaveGrid
    from simulate.windowed.windows import Run

_SHARE, _MOST_BYTES = 1 / 8, 4e9
"""Waves take at most this share of a device's memory and so many bytes, and what works on them as much again.
So two or three processes can share a device, and batches are the same on all devices of 32 GB and more.
"""
_HOST_BYTES = 0.5e9  # the same where torch computes on the processor
_GRIDS = 32  # kept


class TorchFlyer(Flyer):
    """As `Flyer`, waves and slices being on a torch `device`."""

    def __init__(self, device: str) -> None:
        super().__init__(Planner())
        self.device = device
        self.wave_bytes = self.work_bytes = _room(device)
        self._grids: dict[WaveGrid, DeviceGrid] = {}

    def signals(
        self,
        geometry: Geometry,
        atoms: SceneAtoms,
        points_nm: NDArray[np.float64],
        vacuum: NDArray[np.float64],
        configuration: int,
    ) -> NDArray[np.float64]:
        """As of `Flyer`. UserError if the device has too little memory."""
        try:
            return super().signals(geometry, atoms, points_nm, vacuum, configuration)
        except require("torch", extra="learn").cuda.OutOfMemoryError:
            raise UserError(
                f"device = {self.device}: its memory is full; fewer workers, or a smaller "
                "engine.block_pixels, need less"
            ) from None

    def _multislice(
        self, geometry: Geometry, tile: TileSlices, planned: dict[int, list[Run]]
    ) -> TorchMultislice:
        grids = {size: self._grid(grid) for size, grid in wave_grids(geometry, tile, planned).items()}
        return TorchMultislice(tile, grids, geometry.optics.focus, self.device, self.work_bytes)

    def _memory(self, size: int, count: int) -> NDArray[np.complex64]:
        """No room on the processor."""
        return np.empty((count, 0), np.complex64)

    def _grid(self, grid: WaveGrid) -> DeviceGrid:
        if grid not in self._grids:
            if len(self._grids) >= _GRIDS:
                self._grids.clear()
            self._grids[grid] = DeviceGrid(grid, self.device)
        return self._grids[grid]


def _room(device: str) -> float:
    """Bytes for waves on a device."""
    if not device.startswith("cuda"):
        return _HOST_BYTES
    cuda = require("torch", extra="learn").cuda
    return min(_MOST_BYTES, _SHARE * float(cuda.get_device_properties(device).total_memory))
