"""Engine `windowed`: multislice in a wave window around each probe, for whole aggregates.

An image is made of blocks. A block is one super-tile: its slices are made once and serve all its probes. Each
probe has windows of its own, as wide as its cone and its scattered wave ask at each height, crosses only
slices that hold atoms near it, and everything else in single Fresnel steps. Waves end at `band_mrad`; what
scatters further in a slice is counted there with the detectors' sensitivity and leaves the wave.

Reproducible bit by bit on one type of processor with the same FFT plans (`use_plans`), one thread. On a CUDA
device the same to float32 accuracy.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.devices import CPU, resolved
from simulate.engines.base import Block, BlockResult, put_together, square_blocks
from simulate.engines.detection import vacuum_signal
from simulate.windowed.flights import Flyer
from simulate.windowed.geometry import BLOCK_PIXELS, Geometry
from simulate.windowed.plans import Planner
from simulate.windowed.wave_grids import SIZES, band_columns
from stochgeom.errors import UserError, check_installed

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe_settings import WindowedSettings
    from simulate.scene import Scene, SceneAtoms

_PROBES_NM = 4.0  # scattered probes are computed together in squares of this side


class WindowedEngine:
    """Images and probes by windowed multislice. Build it with `make_engine(settings, device)`."""

    def __init__(self, settings: WindowedSettings, device: str = CPU) -> None:
        """UserError if there is no such device (`simulate.devices.resolved`)."""
        check_installed("abtem", extra="simulate")
        self.settings, self.device = settings, resolved(device)
        self._flyer = _flyer(self.device)
        self._last: SceneAtoms | None = None

    def use_plans(self, path: Path) -> None:
        """Take FFT plans from a file (`Planner.save`) from now on, and no others; only on the processor."""
        if self.device == CPU:
            self._flyer = Flyer(Planner.load(path))

    def windows(self, scene: Scene, microscope: Microscope) -> list[tuple[int, int]]:
        """Window sizes that probes of a scene may ask for, with the columns of their bands."""
        geometry = Geometry(self.settings, microscope, scene)
        sizes = [n for n in SIZES if geometry.narrowest <= n <= geometry.largest]
        return [(n, band_columns(n)) for n in sizes]

    def image(self, scene: Scene, microscope: Microscope) -> NDArray[np.float32]:
        """Image (channel, y, x): one probe at each pixel's centre."""
        blocks = self.blocks(scene, microscope)
        parts = ((block, self.block_result(scene, microscope, block)) for block in blocks)
        return put_together(scene.field.shape, parts).intensity

    def blocks(self, scene: Scene, microscope: Microscope) -> list[Block]:
        """Squares of `block_pixels`; by default of 24 pixels, 12 nm where a pixel is 0.5 nm."""
        return square_blocks(scene.field.shape, self.settings.block_pixels or BLOCK_PIXELS)

    def block_result(self, scene: Scene, microscope: Microscope, block: Block) -> BlockResult:
        """Intensity (channel, h, w) of a block, and its standard error with several configurations."""
        values, errors = self._together(scene, microscope, _pixels(scene, block))

        def laid_out(columns: NDArray[np.float64]) -> NDArray[np.float32]:
            return columns.T.reshape(-1, *block.shape).astype(np.float32)

        return BlockResult(laid_out(values), None if errors is None else laid_out(errors))

    def block_work(self, scene: Scene, microscope: Microscope, block: Block) -> float:
        """Steps of waves times grid points, in units of 10^6; 0 where no material is felt."""
        geometry = Geometry(self.settings, microscope, scene)
        return self.settings.phonon_configurations * geometry.work(_pixels(scene, block))

    def memory_bytes(self, scene: Scene, microscope: Microscope) -> int:
        """Slices, waves between them, tables, and the atoms of the particles at hand."""
        return Geometry(self.settings, microscope, scene).memory_bytes(self._flyer)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at points (p, 2), x and y in nm; neighbours share their slices."""
        points = _checked(points_nm)
        result = np.empty((len(points), len(microscope.detectors)))
        for places in _squares(points):
            result[places] = self._together(scene, microscope, points[places])[0]
        return result

    def probes_work(self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]) -> float:
        """What `probes` costs, in the unit of `block_work`."""
        points, geometry = _checked(points_nm), Geometry(self.settings, microscope, scene)
        return self.settings.phonon_configurations * sum(geometry.work(points[k]) for k in _squares(points))

    def cost(self, scene: Scene, microscope: Microscope) -> str:
        """Number and size of the wave propagations of an image, in words."""
        return Geometry(self.settings, microscope, scene).words()

    def _together(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Intensity (p, channel) of neighbouring probes, and its standard error."""
        geometry, count = Geometry(self.settings, microscope, scene), self.settings.phonon_configurations
        vacuum = np.array([vacuum_signal(d, microscope.convergence_mrad) for d in microscope.detectors])
        if not geometry.feels(points_nm):
            result = np.tile(vacuum, (len(points_nm), 1))
            return result, None if count == 1 else np.zeros_like(result)
        atoms = self._atoms(scene)
        values = [self._flyer.signals(geometry, atoms, points_nm, vacuum, c) for c in range(count)]
        mean = np.mean(values, axis=0)
        return mean, None if count == 1 else np.std(values, axis=0, ddof=1) / math.sqrt(count)

    def _atoms(self, scene: Scene) -> SceneAtoms:
        """Atoms of a scene; those of the last one are kept for its next block."""
        if self._last is None or self._last.scene is not scene:
            self._last = scene.atoms()
        return self._last


def _flyer(device: str) -> Flyer:
    """What computes probes on a resolved device."""
    if device == CPU:
        return Flyer(Planner())
    from simulate.windowed.flights_torch import TorchFlyer

    return TorchFlyer(device)


def _pixels(scene: Scene, block: Block) -> NDArray[np.float64]:
    """Centres (p, 2) nm, x and y, of a block's pixels in row order."""
    field = scene.field
    y, x = np.meshgrid(field.y_nm[block.y0 : block.y1], field.x_nm[block.x0 : block.x1], indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _checked(points_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    points = np.asarray(points_nm, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise UserError(f"points_nm should be finite and of shape (p, 2), not {points.shape}")
    return points


def _squares(points: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Places (k,) of the points in each square of the plane that holds some."""
    squares = np.floor(points / _PROBES_NM).astype(np.int64)
    groups = np.unique(squares, axis=0, return_inverse=True)[1].reshape(-1)
    return [np.flatnonzero(groups == group) for group in range(groups.max() + 1)] if len(points) else []
