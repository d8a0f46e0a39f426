"""Engine `multislice`: abTEM's own multislice, on cells cut from the scene with margins.

The field is divided into tiles of scan points. Around each tile a cell is cut, wide enough for the probes'
cone through the material there and for its tails; its atoms are those of the scene, so neighbouring cells
agree. A cell without atoms is not computed. Along the beam a cell begins at its first atom and ends at its
last, and the gaps between are crossed in one step. abTEM counts (x, y); the image is (y, x).

Reproducible bit by bit on one type of processor: FFT plans are estimated, one thread, fixed batches. So a
block of the image is computed by whole batches of whole tiles, whichever of them it touches; blocks of whole
tiles compute nothing twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.engines.base import Block, BlockResult, square_blocks
from simulate.engines.cells import Cell, Pixels, batches, beam_slices, cells, tile_pixels, tiled_pixels
from simulate.engines.detection import Detection
from simulate.engines.multislice_cost import cell_work, memory_bound
from stochgeom.errors import UserError, check_installed

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe_settings import MultisliceSettings
    from simulate.scene import Scene, SceneAtoms

Measure = Callable[[NDArray[np.float64], list[Any]], Any]
"""abTEM's measurements for scan points (p, 2) in Å and detectors."""

_BATCH_BYTES = 64e6  # of waves that go through the slices together
_POTENTIAL_BYTES = 1.2e9  # a potential larger than this is made slice by slice, for each batch anew
_BLOCK_PIXELS = 32  # about a thousand probes, minutes to an hour of one core
_ABTEM_OPTIONS = {
    "device": "cpu",
    "fft": "fftw",
    "precision": "float32",
    "fftw.threads": 1,
    "fftw.planning_effort": "FFTW_ESTIMATE",
    "diagnostics.progress_bar": False,
    "warnings.overspecified-grid": False,
}


class MultisliceEngine:
    """Images and probes by abTEM. Build it with `make_engine(settings)`."""

    def __init__(self, settings: MultisliceSettings) -> None:
        check_installed("abtem", extra="simulate")
        self.settings = settings
        self._last: SceneAtoms | None = None

    def image(self, scene: Scene, microscope: Microscope) -> NDArray[np.float32]:
        """Image (channel, y, x): one probe at each pixel's centre."""
        ny, nx = scene.field.shape
        return self.block_result(scene, microscope, Block(0, ny, 0, nx)).intensity

    def blocks(self, scene: Scene, microscope: Microscope) -> list[Block]:
        """Squares of `block_pixels`; by default equal ones of about 32 pixels, of whole tiles if these are
        stated.
        """
        side = self.settings.block_pixels
        if side is None:
            tile, longest = self.settings.tile_pixels or 1, max(scene.field.shape)
            side = tile * math.ceil(longest / math.ceil(longest / _BLOCK_PIXELS) / tile)
        return square_blocks(scene.field.shape, side)

    def block_result(self, scene: Scene, microscope: Microscope, block: Block) -> BlockResult:
        """Intensity (channel, h, w) of any block, and its standard error with several configurations."""
        points, groups, inside = self._pixels(scene, microscope, block)
        values, errors = self._run(scene, microscope, points, groups, inside)

        def laid_out(columns: NDArray[np.float64]) -> NDArray[np.float32]:
            return columns[inside].T.reshape(-1, *block.shape).astype(np.float32)

        return BlockResult(laid_out(values), None if errors is None else laid_out(errors))

    def block_work(self, scene: Scene, microscope: Microscope, block: Block) -> float:
        """Steps of waves times grid points, in units of 10^6; 0 where no material is felt."""
        settings = self.settings
        points, groups, inside = self._pixels(scene, microscope, block)
        work = 0.0
        for cell in cells(scene, microscope, settings, points, groups):
            probes = sum(len(batch) for batch in batches(cell, inside, _BATCH_BYTES))
            work += cell_work(scene, microscope, settings, cell, probes)
        return work * settings.phonon_configurations

    def memory_bytes(self, scene: Scene, microscope: Microscope) -> int:
        """A potential, batches of waves or a scattering matrix, and the atoms of the particles at hand."""
        planned = self._planned(scene, microscope)
        return memory_bound(scene, microscope, self.settings, planned, _BATCH_BYTES, _POTENTIAL_BYTES)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at points (p, 2); points in one pixel of the field share a potential."""
        points, groups = _grouped(scene, points_nm)
        return self._run(scene, microscope, points, groups, np.ones(len(points), bool))[0]

    def probes_work(self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]) -> float:
        """What `probes` costs, in the unit of `block_work`."""
        work = sum(
            cell_work(scene, microscope, self.settings, cell, len(cell.places))
            for cell in cells(scene, microscope, self.settings, *_grouped(scene, points_nm))
        )
        return work * self.settings.phonon_configurations

    def cost(self, scene: Scene, microscope: Microscope) -> str:
        """Number and size of the wave propagations of an image, in words."""
        Detection(self.settings, microscope, scene)
        ny, nx = scene.field.shape
        planned = self._planned(scene, microscope)
        if not planned:
            return "nothing in the field"
        low, high = scene.z_range_nm
        slices = math.ceil(10 * (high - low) / self.settings.slice_thickness_angstrom)
        return (
            f"{sum(len(c.places) for c in planned)} of {ny * nx} probes in {len(planned)} cells of up to "
            f"{max(c.gpts for c in planned)}^2 points and {slices} slices, "
            f"{self.settings.phonon_configurations} phonon configurations"
        )

    def _planned(self, scene: Scene, microscope: Microscope) -> list[Cell]:
        """Cells of the whole image."""
        ny, nx = scene.field.shape
        points, groups, _ = self._pixels(scene, microscope, Block(0, ny, 0, nx))
        return list(cells(scene, microscope, self.settings, points, groups))

    def _pixels(self, scene: Scene, microscope: Microscope, block: Block) -> Pixels:
        """Pixels of the tiles that a block touches."""
        return tiled_pixels(scene.field, tile_pixels(scene, microscope, self.settings), block)

    def _run(
        self,
        scene: Scene,
        microscope: Microscope,
        points: NDArray[np.float64],
        groups: NDArray[np.int64],
        wanted: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Intensity (p, channel) at points (p, 2), those of one group in one cell, and its standard error.

        Only where `wanted` (p,) says so are the values sure to be there.
        """
        detection, count = Detection(self.settings, microscope, scene), self.settings.phonon_configurations
        result = np.tile(detection.vacuum, (len(points), 1))
        errors = None if count == 1 else np.zeros_like(result)
        if len(points) == 0:
            return result, errors
        atoms = self._atoms(scene)
        with deterministic():
            for cell in cells(scene, microscope, self.settings, points, groups):
                values = [self._cell(atoms, cell, microscope, detection, c, wanted) for c in range(count)]
                result[cell.places] = np.mean(values, axis=0)
                if errors is not None:
                    errors[cell.places] = np.std(values, axis=0, ddof=1) / math.sqrt(count)
        return result, errors

    def _atoms(self, scene: Scene) -> SceneAtoms:
        """Atoms of a scene; those of the last one are kept for its next block."""
        atoms = self._last
        if atoms is None or atoms.scene is not scene:
            self._last = atoms = scene.atoms()
        return atoms

    def _cell(
        self,
        atoms: SceneAtoms,
        cell: Cell,
        microscope: Microscope,
        detection: Detection,
        configuration: int,
        wanted: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) of a cell's probes in one displaced configuration, batches without any that
        is wanted left out.
        """
        gpts = cell.gpts
        side = gpts * self.settings.sampling_angstrom
        numbers, positions, _ = atoms.inside(cell.low_nm, cell.low_nm + 0.1 * side, configuration)
        if len(numbers) == 0:
            return np.tile(detection.vacuum, (len(cell.points_nm), 1))
        centre_z = 10 * atoms.scene.centre_z_nm
        top, slices = beam_slices(positions[:, 2] - centre_z, self.settings.slice_thickness_angstrom)
        corner = np.array([*(10 * cell.low_nm), centre_z + top])
        potential = self._potential(numbers, positions - corner, side, gpts, slices)
        scan = 10 * (cell.points_nm - cell.low_nm)
        # The crossover lies `defocus` below the plane where abTEM's probe is formed, the cell's first slice.
        defocus = 10 * microscope.focus_nm - top
        prism = self.settings.method == "prism"
        measure = (self._by_prism if prism else self._by_probes)(potential, microscope, defocus)
        values = np.tile(detection.vacuum, (len(scan), 1))
        for batch in batches(cell, wanted, _BATCH_BYTES):
            values[batch] = detection.values(_listed(measure(scan[batch], detection.detectors())))
        return values

    def _potential(
        self, numbers: NDArray[np.int64], positions: NDArray[np.float64], side: float, gpts: int, slices: Any
    ) -> Any:
        import abtem
        import ase

        height = float(sum(slices))
        positions[:, 2] = np.clip(
            positions[:, 2], 0.0, np.nextafter(height, 0.0)
        )  # rounding of the slice planes
        cell = ase.Atoms(numbers, positions, cell=[side, side, height], pbc=(True, True, False))
        potential = abtem.Potential(
            cell, gpts=gpts, slice_thickness=slices, parametrization="lobato", projection="infinite"
        )
        small = 4 * gpts**2 * len(slices) <= _POTENTIAL_BYTES
        return potential.build(lazy=False) if small else potential

    def _by_probes(self, potential: Any, microscope: Microscope, defocus: float) -> Measure:
        """abTEM's measurements of probes that are sent through the potential one by one."""
        import abtem

        def measure(scan: NDArray[np.float64], detectors: list[Any]) -> Any:
            probe = abtem.Probe(**_beam(microscope, defocus))
            probe.grid.match(potential)
            return probe.multislice(potential, scan=abtem.CustomScan(scan), detectors=detectors, lazy=False)

        return measure

    def _by_prism(self, potential: Any, microscope: Microscope, defocus: float) -> Measure:
        """The same by a scattering matrix, which is built here, once for all batches of probes."""
        import abtem

        matrix = abtem.SMatrix(
            potential=potential,
            energy=microscope.energy_ev,
            semiangle_cutoff=microscope.convergence_mrad,
            interpolation=self.settings.prism_interpolation,
            downsample=False,
        ).build(lazy=False)

        def measure(scan: NDArray[np.float64], detectors: list[Any]) -> Any:
            ctf = abtem.CTF(**_beam(microscope, defocus))
            return matrix.reduce(scan=abtem.CustomScan(scan), ctf=ctf, detectors=detectors)

        return measure


def _grouped(scene: Scene, points_nm: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (p, 2) in nm, and the same number (p,) for those in one pixel. UserError if they are none."""
    points = np.asarray(points_nm, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise UserError(f"points_nm should be finite and of shape (p, 2), not {points.shape}")
    pixel = np.floor((points - np.array(scene.field.origin_nm)) / scene.field.pixel_size_nm + 0.5)
    return points, np.unique(pixel.astype(np.int64), axis=0, return_inverse=True)[1].reshape(-1)


def _beam(microscope: Microscope, defocus: float) -> dict[str, Any]:
    """abTEM's arguments for the beam; `defocus` in Å from where it is formed."""
    energy, cutoff = microscope.energy_ev, microscope.convergence_mrad
    return {**microscope.aberrations, "defocus": defocus, "energy": energy, "semiangle_cutoff": cutoff}


def _listed(measured: Any) -> list[Any]:
    """abTEM's measurements, one per channel; it hands back a single one bare."""
    return list(measured) if isinstance(measured, list | tuple) else [measured]


@contextmanager
def deterministic() -> Iterator[None]:
    """abTEM's options and Dask's scheduler while cells are computed, restored afterwards."""
    import abtem
    import dask
    import pyfftw

    pyfftw.forget_wisdom()  # a plan measured earlier in this process would replace the estimated one
    with abtem.config.set(_ABTEM_OPTIONS), dask.config.set(scheduler="synchronous"):
        yield
