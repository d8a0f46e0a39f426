"""Engine `windowed`: multislice in a wave window around each probe, for whole aggregates.

The field is divided into blocks. A block is one super-tile: its slices are made once and serve all its probes.
Each probe has windows of its own, as wide as its cone and its scattered wave ask at each height, crosses only
slices that hold atoms near it, and everything else in single Fresnel steps. Waves end at `band_mrad`; what
scatters further in a slice is counted there with the detectors' sensitivity and leaves the wave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.atoms import SceneAtoms
from simulate.engines.detection import vacuum_signal
from simulate.windowed.atomic import AtomTable, atom_table
from simulate.windowed.multislice import Flight, Multislice
from simulate.windowed.propagation import BAND, SIZES, wave_grid
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.windows import Optics, Run, felt, runs
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe_settings import WindowedSettings
    from simulate.scene import Scene

_SLICE_BYTES = 1e9  # of slices that are there at once
_WAVE_BYTES = 1e9  # of waves that wait between slabs of slices
_SEEN_ANGSTROM = 4.0  # atoms this far outside the windows still count


class WindowedEngine:
    """Images and probes by windowed multislice. Build it with `make_engine(settings)`."""

    def __init__(self, settings: WindowedSettings) -> None:
        require("abtem", extra="simulate")
        self.settings = settings
        self._room = np.empty(0, np.complex64)
        self._slices = SliceMemory(_SLICE_BYTES)

    def image(self, scene: Scene, microscope: Microscope) -> NDArray[np.float32]:
        """Image (channel, y, x): one probe at each pixel's centre."""
        ny, nx = scene.field.shape
        y, x = np.meshgrid(scene.field.y_nm, scene.field.x_nm, indexing="ij")
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        side = self.block_pixels(scene)
        row, column = np.divmod(np.arange(ny * nx), nx)
        groups = (row // side) * nx + column // side
        return self._run(scene, microscope, points, groups).T.reshape(-1, ny, nx).astype(np.float32)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at points (p, 2), x and y in nm."""
        points = np.asarray(points_nm, dtype=float)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise UserError(f"points_nm should be finite and of shape (p, 2), not {points.shape}")
        side = 4.0
        cell = np.floor(points / side).astype(np.int64)
        groups = np.unique(cell, axis=0, return_inverse=True)[1].reshape(-1)
        return self._run(scene, microscope, points, groups)

    def block_pixels(self, scene: Scene) -> int:
        asked = self.settings.block_pixels or max(1, round(12.0 / scene.field.pixel_size_nm))
        return min(asked, max(scene.field.shape))

    def sampling_angstrom(self, microscope: Microscope) -> float:
        """Grid step whose band limit is `band_mrad`."""
        return BAND * 0.5 * microscope.wavelength_angstrom / (1e-3 * self.settings.band_mrad)

    def _run(
        self, scene: Scene, microscope: Microscope, points: NDArray[np.float64], groups: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        vacuum = np.array([vacuum_signal(d, microscope.convergence_mrad) for d in microscope.detectors])
        result = np.tile(vacuum, (len(points), 1))
        atoms = SceneAtoms(scene)
        for group in np.unique(groups):
            places = np.flatnonzero(groups == group)
            values = [
                self._block(atoms, microscope, points[places], c, vacuum)
                for c in range(self.settings.phonon_configurations)
            ]
            result[places] = np.mean(values, axis=0)
        return result

    def _block(
        self,
        atoms: SceneAtoms,
        microscope: Microscope,
        points_nm: NDArray[np.float64],
        configuration: int,
        vacuum: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) of neighbouring probes in one displaced configuration."""
        result = np.tile(vacuum, (len(points_nm), 1))
        sampling = self.sampling_angstrom(microscope)
        optics = self._optics(atoms.scene, microscope)
        low, high = 10 * points_nm.min(axis=0), 10 * points_nm.max(axis=0)
        numbers, positions = self._atoms(atoms, low, high, self._widest(atoms.scene, optics), configuration)
        if len(numbers) == 0:
            return result
        margin = self._widest(atoms.scene, optics)
        corner = low - margin
        shape = tuple(int(np.ceil(side / sampling)) for side in (high - low + 2 * margin)[::-1])
        tile = TileSlices(
            numbers,
            positions,
            (float(corner[0]), float(corner[1])),
            (shape[0], shape[1]),
            sampling,
            self.settings.slice_thickness_angstrom,
            self._tables(numbers, microscope),
        )
        centres = (10 * points_nm - corner) / sampling
        active = felt(tile, centres, optics)
        planned = [runs(tile, a, optics) for a in active]
        flown = np.flatnonzero(active.any(axis=1))
        if len(flown) == 0:
            return result
        tile, origin = self._trimmed(tile, centres[flown], max(r.size for p in flown for r in planned[p]))
        centres = centres - origin
        for part in self._batches(flown, planned):
            memory = self._memory(max(run.size for p in part for run in planned[p]), len(part))
            flights = [
                Flight(centres[p], planned[p], np.zeros(len(vacuum)), row)
                for p, row in zip(part, memory, strict=False)
            ]
            self._multislice(tile, microscope, optics, flights)
            result[part] = [f.signal for f in flights]
        return result

    def _multislice(
        self, tile: TileSlices, microscope: Microscope, optics: Optics, flights: list[Flight]
    ) -> None:
        text = microscope.model_dump_json()
        sizes = {run.size for f in flights for run in f.runs}
        grids = {size: wave_grid(size, tile.sampling, text) for size in sizes}
        Multislice(tile, grids, optics.focus, self._slices).run(flights)

    def _memory(self, size: int, count: int) -> NDArray[np.complex64]:
        """Room (count, size^2) for waves, used again by the next block: fresh memory is slow."""
        if self._room.size < count * size**2:
            self._room = np.empty(count * size**2, np.complex64)
        return self._room[: count * size**2].reshape(count, size**2)

    def _batches(self, flown: NDArray[np.int64], planned: list[list[Run]]) -> list[NDArray[np.int64]]:
        """Probes whose waves fit into memory together."""
        largest = max(run.size for p in flown for run in planned[p])
        count = max(1, int(_WAVE_BYTES // (8 * largest**2)))
        return [flown[k : k + count] for k in range(0, len(flown), count)]

    def _optics(self, scene: Scene, microscope: Microscope) -> Optics:
        return Optics(
            focus=10 * microscope.focus_nm,
            alpha=1e-3 * microscope.convergence_mrad,
            half=self.settings.window_angstrom / 2,
            spread=1e-3 * self.settings.spread_mrad,
            reach=self.settings.reach_angstrom,
        )

    def _widest(self, scene: Scene, optics: Optics) -> float:
        """Half the widest window in Å that a probe of the scene may need."""
        low, high = (10 * (z - scene.centre_z_nm) for z in scene.z_range_nm)
        cone = float(optics.cone(np.array([low, high])).max())
        return 1.3 * (optics.half + cone + optics.spread * (high - low)) + 1.0

    def _trimmed(
        self, tile: TileSlices, centres: NDArray[np.float64], largest: int
    ) -> tuple[TileSlices, NDArray[np.int64]]:
        """The part of the tile that windows reach, and its first grid point (x, y)."""
        around = np.array([-largest // 2, largest // 2 + 1])
        low = np.round(centres.min(axis=0)).astype(np.int64) + around[0]
        high = np.round(centres.max(axis=0)).astype(np.int64) + around[1]
        return tile.trimmed(low, high), low

    def _atoms(
        self,
        atoms: SceneAtoms,
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        margin: float,
        configuration: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        reach = margin + _SEEN_ANGSTROM
        numbers, positions, _ = atoms.inside(0.1 * (low - reach), 0.1 * (high + reach), configuration)
        positions = positions.copy()
        positions[:, 2] -= 10 * atoms.scene.centre_z_nm
        return numbers, positions

    def _tables(self, numbers: NDArray[np.int64], microscope: Microscope) -> dict[int, AtomTable]:
        from ase.data import chemical_symbols

        sampling = self.sampling_angstrom(microscope)
        return {
            int(z): atom_table(chemical_symbols[z], microscope.energy_ev, sampling, microscope.detectors)
            for z in np.unique(numbers)
        }

    def cost(self, scene: Scene, microscope: Microscope) -> str:
        return ""
