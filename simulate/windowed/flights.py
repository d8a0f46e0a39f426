"""From neighbouring probes to their signals: tile, windows, batches of waves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.abtem_slices import AbtemSlices
from simulate.windowed.atomic import AtomTable, atom_table
from simulate.windowed.multislice import Flight, Multislice
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.wave_grids import WaveGrid, wave_grid
from simulate.windowed.windows import Run, felt, runs

if TYPE_CHECKING:
    from simulate.scene import SceneAtoms
    from simulate.windowed.geometry import Geometry
    from simulate.windowed.multislice_torch import TorchMultislice
    from simulate.windowed.plans import Planner

_SEEN_ANGSTROM = 4.0  # atoms this far outside the windows still count


class Flyer:
    """Computes probes one block after the other, in memory that is used again: fresh memory is slow."""

    slice_bytes = 1e9
    """Of the slices that are there at once."""
    wave_bytes = 1e9
    """Of the waves that wait for the next slices."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self._slices = SliceMemory(self.slice_bytes)
        self._waves = np.empty(int(self.wave_bytes) // 8, np.complex64)

    def signals(
        self,
        geometry: Geometry,
        atoms: SceneAtoms,
        points_nm: NDArray[np.float64],
        vacuum: NDArray[np.float64],
        configuration: int,
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) of neighbouring probes (p, 2; nm) in one displaced configuration of atoms;
        `vacuum` (channel,) where nothing is felt.
        """
        result = np.tile(vacuum, (len(points_nm), 1))
        tile = tile_around(geometry, atoms, points_nm, configuration)
        if tile is None:
            return result
        centres = (10 * points_nm - np.array(tile.corner)) / tile.sampling
        active = felt(tile, centres, geometry.optics)
        flown = np.flatnonzero(active.any(axis=1))
        if len(flown) == 0:
            return result
        planned = {int(p): runs(tile, active[p], geometry.optics) for p in flown}
        largest = max(run.size for plan in planned.values() for run in plan)
        tile, origin = _trimmed(tile, centres[flown], largest)
        multislice = self._multislice(geometry, tile, planned)
        batch = max(1, int(self.wave_bytes // (8 * largest**2)))
        for begin in range(0, len(flown), batch):
            part = flown[begin : begin + batch]
            flights = [
                Flight(centres[p] - origin, planned[int(p)], np.zeros(len(vacuum)), memory)
                for p, memory in zip(part, self._memory(largest, len(part)), strict=True)
            ]
            multislice.run(flights)
            result[part] = [flight.signal for flight in flights]
        if geometry.detection is not None:
            result[flown] *= geometry.detection.tails
        return result

    def _multislice(
        self, geometry: Geometry, tile: TileSlices, planned: dict[int, list[Run]]
    ) -> Multislice | TorchMultislice:
        grids = wave_grids(geometry, tile, planned)
        plans = {size: self.planner.plans(size, grid.columns) for size, grid in grids.items()}
        return Multislice(tile, grids, plans, geometry.optics.focus, self._slices)

    def _memory(self, size: int, count: int) -> NDArray[np.complex64]:
        """Room (count, size^2) for waves."""
        if self._waves.size < count * size**2:
            self._waves = np.empty(count * size**2, np.complex64)
        return self._waves[: count * size**2].reshape(count, size**2)


def wave_grids(geometry: Geometry, tile: TileSlices, planned: dict[int, list[Run]]) -> dict[int, WaveGrid]:
    """Grids of all windows that are planned, by size."""
    sizes = sorted({run.size for plan in planned.values() for run in plan})
    text = geometry.microscope.model_dump_json()
    return {size: wave_grid(size, tile.sampling, text, geometry.held_mrad) for size in sizes}


def tile_around(
    geometry: Geometry, atoms: SceneAtoms, points_nm: NDArray[np.float64], configuration: int
) -> TileSlices | None:
    """Super-tile around the probes, wide enough for any window; None without atoms."""
    sampling = geometry.sampling
    half = (geometry.largest // 2 + 1) * sampling
    low, high = 10 * points_nm.min(axis=0) - half, 10 * points_nm.max(axis=0) + half
    low = np.floor(low / sampling) * sampling  # all tiles of a scene lie on one grid
    seen = 0.1 * _SEEN_ANGSTROM
    numbers, positions, _ = atoms.inside(0.1 * low - seen, 0.1 * high + seen, configuration)
    if len(numbers) == 0:
        return None
    positions = positions - np.array([0.0, 0.0, 10 * geometry.scene.centre_z_nm])
    nx, ny = (int(np.ceil(side / sampling)) for side in high - low)
    corner, thickness = (float(low[0]), float(low[1])), geometry.settings.slice_thickness_angstrom
    if geometry.detection is not None:
        energy = geometry.microscope.energy_ev
        return AbtemSlices(energy, numbers, positions, corner, (ny, nx), sampling, thickness, {})
    return TileSlices(numbers, positions, corner, (ny, nx), sampling, thickness, _tables(numbers, geometry))


def _tables(numbers: NDArray[np.int64], geometry: Geometry) -> dict[int, AtomTable]:
    from ase.data import chemical_symbols

    scope = geometry.microscope
    return {
        int(z): atom_table(chemical_symbols[z], scope.energy_ev, geometry.sampling, scope.detectors)
        for z in np.unique(numbers)
    }


def _trimmed(
    tile: TileSlices, centres: NDArray[np.float64], largest: int
) -> tuple[TileSlices, NDArray[np.int64]]:
    """The part of the tile that windows of up to `largest` points reach, and its first grid point (x, y)."""
    low = np.round(centres.min(axis=0)).astype(np.int64) - largest // 2
    high = np.round(centres.max(axis=0)).astype(np.int64) + largest // 2 + 1
    return tile.trimmed(low, high), low
