"""What windowed multislice of a scene needs, from where its parts lie: grid, windows, work, memory."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.engines.base import square_blocks
from simulate.engines.detection import Detection, whole_rings_mrad
from simulate.recipe_settings import MultisliceSettings
from simulate.windowed.wave_grids import BAND, SIZES, SOFT_EDGE, window_size
from simulate.windowed.windows import Optics
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe_settings import WindowedSettings
    from simulate.scene import Scene
    from simulate.windowed.flights import Flyer

BLOCK_PIXELS = 24
"""Side of a block unless it is stated."""
_PROBE_MARGIN = 1.2  # of the convergence angle, which the band must hold
_TILE_ATOM_BYTES = 200  # for each atom of a tile while it is sorted into slices
_SLICE_STEPS = 6  # a slice costs about as much as so many steps of a wave of its size


class Geometry:
    """Settings, microscope and scene as lengths in Å. UserError where they do not go together."""

    def __init__(self, settings: WindowedSettings, microscope: Microscope, scene: Scene) -> None:
        self.settings, self.microscope, self.scene = settings, microscope, scene
        needed = _PROBE_MARGIN * microscope.convergence_mrad
        if settings.band_mrad * SOFT_EDGE < needed:
            raise UserError(
                f"engine.band_mrad = {settings.band_mrad:g}: the probe of "
                f"{microscope.convergence_mrad:g} mrad needs at least {math.ceil(needed / SOFT_EDGE):g}"
            )
        self.sampling = BAND * 0.5 * microscope.wavelength_angstrom / (1e-3 * settings.band_mrad)
        self.optics = Optics(
            focus=10 * microscope.focus_nm,
            alpha=1e-3 * microscope.convergence_mrad,
            half=settings.window_angstrom / 2,
            spread=1e-3 * settings.spread_mrad,
            reach=settings.reach_angstrom,
        )
        self.detection = self._detection()
        self.pixels = settings.block_pixels or BLOCK_PIXELS
        self.narrowest = window_size(settings.window_angstrom / self.sampling)
        self.largest = window_size(2 * self.widest / self.sampling)

    def _detection(self) -> Detection | None:
        """What abTEM's potential needs: detectors within the grid, and factors for the tail beyond it."""
        if self.settings.potential == "eikonal":
            return None
        try:
            return Detection(MultisliceSettings(sampling_angstrom=self.sampling), self.microscope, self.scene)
        except UserError as error:
            text = str(error).replace("engine.sampling_angstrom", "engine.band_mrad: the grid's step")
            raise UserError(f"{text} (engine.potential = 'abtem')") from None

    @property
    def held_mrad(self) -> float:
        """Largest angle that is detected within the band: all of it, or what abTEM's detectors count."""
        return np.inf if self.detection is None else whole_rings_mrad(self.detection.carried_mrad)

    @cached_property
    def heights(self) -> NDArray[np.float64]:
        """Of the middles of the scene's parts (n,), from its centre, in Å."""
        return 10 * (self.scene.parts.middles_nm - self.scene.centre_z_nm)

    @cached_property
    def halves(self) -> NDArray[np.float64]:
        """Half the heights of the parts (n,), in Å."""
        return 10 * self.scene.parts.half_heights_nm

    @cached_property
    def reaches(self) -> NDArray[np.float64]:
        """How far from a probe each part is felt (n,), in Å: at the end further from the focus."""
        ends = np.stack([self.heights - self.halves, self.heights + self.halves])
        return self.optics.reach + self.optics.cone(ends).max(axis=0)

    @cached_property
    def widest(self) -> float:
        """Half the widest window in Å that any probe may ask for."""
        low, high = (10 * (z - self.scene.centre_z_nm) for z in self.scene.z_range_nm)
        cone = float(self.optics.cone(np.array([low, high])).max())
        return self.optics.half + cone + self.optics.spread * (high - low)

    def feels(self, points_nm: NDArray[np.float64]) -> bool:
        """Whether any of the probes comes near material."""
        return bool((10 * self.scene.parts.gaps_nm(points_nm, points_nm) < self.reaches).any())

    def _steps(self, points_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Slices of each part that each probe crosses (p, n): the most within its reach."""
        crossed = self.scene.parts.crossed_nm(points_nm, 0.1 * self.reaches)
        return 10 * crossed / self.settings.slice_thickness_angstrom

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        """Usual window at each part (n,)."""
        half = self.optics.half + self.optics.cone(self.heights) + self.optics.spread * self.halves
        return np.array([window_size(2 * float(h) / self.sampling) for h in half])

    def work(self, points_nm: NDArray[np.float64]) -> float:
        """Steps of waves times grid points, in units of 10^6, for neighbouring probes and their slices."""
        steps = self._steps(points_nm)
        if not steps.any():
            return 0.0
        waves = (steps * self._sizes**2).sum()
        side = 10 * float((points_nm.max(axis=0) - points_nm.min(axis=0)).max())
        tile = (side / self.sampling + self._sizes) ** 2
        return float(1e-6 * (waves + _SLICE_STEPS * (steps.max(axis=0) * tile).sum()))

    def memory_bytes(self, flyer: Flyer) -> int:
        """Bound of what a process needs for any block beyond its imports."""
        largest = self.largest
        pixels = self.pixels
        side = 10 * pixels * self.scene.field.pixel_size_nm / self.sampling
        tile = (side + largest + 2) ** 2
        channels = len(self.microscope.detectors)
        low, high = self.scene.z_range_nm
        count = 10 * (high - low) / self.settings.slice_thickness_angstrom + 1
        each = (8 + 4 * channels) * tile
        slices = max(min(flyer.slice_bytes, count * each), each) + 8 * tile
        waves = max(min(flyer.wave_bytes, pixels**2 * 8.0 * largest**2), 8.0 * largest**2)
        points = sum(n * n for n in SIZES if self.narrowest <= n <= largest)
        grids = (30 + 10 * channels) * points  # band, limit, probe, sensitivities, work
        return int(
            slices
            + waves
            + grids
            + self.scene.parts.atom_bytes()
            + self._tile_atoms() * _TILE_ATOM_BYTES
            + 1e8
        )

    def _tile_atoms(self) -> float:
        """About how many atoms the fullest tile of an image has."""
        field = self.scene.field
        half = 0.05 * self.largest * self.sampling + 0.5 * self.pixels * field.pixel_size_nm
        blocks = square_blocks(field.shape, self.pixels)
        middle = np.array([((b.x0 + b.x1 - 1) / 2, (b.y0 + b.y1 - 1) / 2) for b in blocks])
        places = np.array(field.origin_nm) + middle * field.pixel_size_nm
        return float(self.scene.parts.atoms_in_squares(places, half).max())

    def words(self) -> str:
        """What an image costs."""
        field = self.scene.field
        y, x = np.meshgrid(field.y_nm, field.x_nm, indexing="ij")
        probes, steps = 0, 0.0
        for row in np.stack([x, y], axis=2):
            felt = self._steps(row)
            probes += int((felt.sum(axis=1) > 0).sum())
            steps += float(felt.sum())
        if not probes:
            return "nothing in the field"
        return (
            f"{probes} of {x.size} probes, {steps / probes:.0f} slices each on average in windows of "
            f"{self._sizes.min()}^2 to {self.largest}^2 points, "
            f"{self.settings.phonon_configurations} phonon configurations"
        )
