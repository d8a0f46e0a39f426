"""Engine `multislice`: abTEM's own multislice, on cells cut from the scene with margins.

The field is divided into tiles of scan points. Around each tile a cell is cut, wide enough for the probes'
cone through the material there and for its tails; its atoms are those of the scene, so neighbouring cells
agree. A cell without atoms is not computed. Along the beam a cell begins at its first atom and ends at its
last, and the gaps between are crossed in one step. abTEM counts (x, y); the image is (y, x).

Reproducible bit by bit on one type of processor: FFT plans are estimated, one thread, fixed batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.atoms import SceneAtoms
from simulate.engines.cells import Cell, beam_slices, cells, tile_pixels
from simulate.engines.detection import Detection
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe import MultisliceSettings
    from simulate.scene import Scene

Measure = Callable[[NDArray[np.float64], list[Any]], Any]
"""abTEM's measurements for scan points (p, 2) in Å and detectors."""

_BATCH_BYTES = 64e6  # of waves that go through the slices together
_POTENTIAL_BYTES = 1.2e9  # a potential larger than this is made slice by slice, for each batch anew
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
        require("abtem", extra="simulate")
        self.settings = settings

    def image(self, scene: Scene, microscope: Microscope) -> NDArray[np.float32]:
        """Image (channel, y, x): one probe at each pixel's centre."""
        ny, nx = scene.field.shape
        values = self._run(scene, microscope, *self._pixels(scene, microscope))
        return values.T.reshape(-1, ny, nx).astype(np.float32)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at points (p, 2); points in one pixel of the field share a potential."""
        points = np.asarray(points_nm, dtype=float)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise UserError(f"points_nm should be finite and of shape (p, 2), not {points.shape}")
        pixel = np.floor((points - np.array(scene.field.origin_nm)) / scene.field.pixel_size_nm + 0.5).astype(
            np.int64
        )
        groups = np.unique(pixel, axis=0, return_inverse=True)[1].reshape(-1)
        return self._run(scene, microscope, points, groups)

    def cost(self, scene: Scene, microscope: Microscope) -> str:
        """Number and size of the wave propagations of an image, in words."""
        Detection(self.settings, microscope, scene)
        ny, nx = scene.field.shape
        planned = list(cells(scene, microscope, self.settings, *self._pixels(scene, microscope)))
        if not planned:
            return "nothing in the field"
        low, high = scene.z_range_nm
        slices = math.ceil(10 * (high - low) / self.settings.slice_thickness_angstrom)
        return (
            f"{sum(len(c.places) for c in planned)} of {ny * nx} probes in {len(planned)} cells of up to "
            f"{max(c.gpts for c in planned)}^2 points and {slices} slices, "
            f"{self.settings.phonon_configurations} phonon configurations"
        )

    def _pixels(self, scene: Scene, microscope: Microscope) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Centres (p, 2) nm of the field's pixels in row order, and the tile that each is in (p,)."""
        ny, nx = scene.field.shape
        y, x = np.meshgrid(scene.field.y_nm, scene.field.x_nm, indexing="ij")
        tile = tile_pixels(scene, microscope, self.settings)
        row, column = np.divmod(np.arange(ny * nx), nx)
        return np.stack([x.ravel(), y.ravel()], axis=1), (row // tile) * nx + column // tile

    def _run(
        self, scene: Scene, microscope: Microscope, points: NDArray[np.float64], groups: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at points (p, 2), those of one group in one cell."""
        detection = Detection(self.settings, microscope, scene)
        result = np.tile(detection.vacuum, (len(points), 1))
        if len(points) == 0:
            return result
        atoms = SceneAtoms(scene)
        with _deterministic():
            for cell in cells(scene, microscope, self.settings, points, groups):
                values = [
                    self._cell(atoms, cell, microscope, detection, c)
                    for c in range(self.settings.phonon_configurations)
                ]
                result[cell.places] = np.mean(values, axis=0)
        return result

    def _cell(
        self,
        atoms: SceneAtoms,
        cell: Cell,
        microscope: Microscope,
        detection: Detection,
        configuration: int,
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) of a cell's probes in one displaced configuration."""
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
        batch = max(1, int(_BATCH_BYTES // (8 * gpts**2)))
        prism = self.settings.method == "prism"
        measure = (self._by_prism if prism else self._by_probes)(potential, microscope, defocus)
        parts = [
            detection.values(_listed(measure(scan[k : k + batch], detection.detectors())))
            for k in range(0, len(scan), batch)
        ]
        return np.concatenate(parts)

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


def _beam(microscope: Microscope, defocus: float) -> dict[str, Any]:
    """abTEM's arguments for the beam; `defocus` in Å from where it is formed."""
    energy, cutoff = microscope.energy_ev, microscope.convergence_mrad
    return {**microscope.aberrations, "defocus": defocus, "energy": energy, "semiangle_cutoff": cutoff}


def _listed(measured: Any) -> list[Any]:
    """abTEM's measurements, one per channel; it hands back a single one bare."""
    return list(measured) if isinstance(measured, list | tuple) else [measured]


@contextmanager
def _deterministic() -> Iterator[None]:
    """abTEM's options and Dask's scheduler while cells are computed, restored afterwards."""
    import abtem
    import dask
    import pyfftw

    pyfftw.forget_wisdom()  # a plan measured earlier in this process would replace the estimated one
    with abtem.config.set(_ABTEM_OPTIONS), dask.config.set(scheduler="synchronous"):
        yield
