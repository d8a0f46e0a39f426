"""Engine `response`: intensity from the thickness of every particle along the beam, calibrated beforehand.

Each particle k scatters the fraction I_k(t) of the electrons that reach it, t being its exact chord; the
optical depth s = -ln(1 - I) adds up over particles. s_k comes from a table, by phase and by the direction in
which the beam crosses the particle's own crystal, or is R t with a coefficient R per phase or species, with a
lognormal factor from particle to particle. Two things go beyond a product of independent particles:

- The beam is a cone with its crossover at `focus_nm`. A pixel is the mean over rays of the cone, each of
  which crosses every particle where it passes at that height: particles are smeared by convergence angle
  times distance from the crossover.
- What lies in front widens the beam, and electrons that come at an angle need less to reach the detector. So
  s = sum_k s_k(t_k) (1 + sum_j b_jk t_j), j running over the particles in front of k
  (`simulate.calibration.broadening`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from simulate.beam_paths import CrystalliteDepths
from simulate.crystallites import Crystallites, beam_directions
from simulate.engines.response_kernels import add_intensity
from simulate.scene import child_seed
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.engines.tables import ResponseTable
    from simulate.microscope import Microscope
    from simulate.recipe_settings import ResponseSettings
    from simulate.scene import Scene

JITTER_KEY = 10**9
"""Child of the crystals' seed that draws the particle-to-particle factors; smaller keys are particles."""


def jitter_factors(count: int, relative_sd: float, crystals: SeedSequence) -> NDArray[np.float64]:
    """Lognormal factors (count,) of median 1 and relative standard deviation `relative_sd`."""
    if relative_sd == 0:
        return np.ones(count)
    sigma = np.sqrt(np.log1p(relative_sd**2))
    return np.exp(sigma * default_rng(child_seed(crystals, JITTER_KEY)).standard_normal(count))


class ResponseEngine:
    """Images and probes by calibrated response. Build it with `make_engine(settings)` or from a table."""

    def __init__(self, settings: ResponseSettings) -> None:
        """UserError if the table cannot be read."""
        self.settings = settings
        self.table: ResponseTable | None = None
        if settings.table is not None:
            from simulate.engines.tables import ResponseTable

            self.table = ResponseTable.load(settings.table)

    def image(self, scene: Scene, microscope: Microscope) -> NDArray[np.float32]:
        """Image (channel, y, x): the mean of I over points of each pixel and rays through each point."""
        known, paths, field = self._depths(scene, microscope), scene.paths(microscope.focus_nm), scene.field
        places, slopes = self._rays(microscope)
        total = np.zeros((known.depths.shape[2], *field.shape))
        for place, slope in zip(places, slopes, strict=True):
            add_intensity(total, paths.depths(known, _moved(field, place), slope))
        return (total / len(places)).astype(np.float32)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at exact points (p, 2), x and y in nm."""
        known, paths = self._depths(scene, microscope), scene.paths(microscope.focus_nm)
        slopes = self._rays(microscope)[1]
        slopes = slopes if self.settings.cone_rays > 1 else slopes[:1]  # all alike: one ray tells all
        total = np.zeros((len(points_nm), known.depths.shape[2]))
        for slope in slopes:
            total -= np.expm1(-paths.depths_at(known, points_nm, slope))
        return total / len(slopes)

    def _rays(self, microscope: Microscope) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places in a pixel (m, 2), of -0.5 to 0.5, and slopes (m, 2) of the rays there, x and y.

        A grid of oversampling x oversampling places, each with `cone_rays` of its own. All slopes together
        fill the cone evenly (sunflower seeds); neighbours among them belong to different places.
        """
        side, rays = self.settings.oversampling, self.settings.cone_rays
        step = (np.arange(side) + 0.5) / side - 0.5
        places = np.tile(np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2), (rays, 1))
        slopes = np.zeros_like(places)
        if rays > 1:
            k = np.arange(len(places))
            radius, turn = np.sqrt((k + 0.5) / len(k)), k * np.pi * (3 - np.sqrt(5))
            seeds = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
            seeds -= seeds.mean(axis=0)  # or the cone would shift what is out of focus
            slopes = 1e-3 * microscope.convergence_mrad * seeds
        return places, slopes

    def cost(self, scene: Scene, microscope: Microscope) -> str:
        """What an image costs, in words; UserError if this engine cannot serve the scene and the
        microscope.
        """
        self._depths(scene, microscope)
        return f"rays through {len(scene.crystallites)} crystals, milliseconds"

    def _depths(self, scene: Scene, microscope: Microscope) -> CrystalliteDepths:
        """Optical depths of every crystallite's phase, in its own beam direction.

        Every crystallite has an orientation, the one that the multislice engines turn its crystal by; so no
        direction is drawn here.
        """
        found = scene.crystallites
        factor = jitter_factors(len(found), self.settings.jitter, scene.crystals)
        if self.table is None:
            depths = self._depths_by_coefficient(found, factor, microscope)
            alike = np.zeros(len(depths), np.int64)
            return CrystalliteDepths(np.array([0.0, 1000.0]), depths, np.zeros((1, 1, 1)), alike)
        self.table.check(microscope)
        directions = beam_directions(found.orientations)
        depths = self.table.depths(found.phase_names, found.phase, directions) * factor[:, None, None]
        broadening = self.table.broadening(found.phase_names) * float(self.settings.broadening)
        knots = np.asarray(self.table.thickness_nm, np.float64)
        return CrystalliteDepths(knots, depths, broadening, found.phase)

    def _depths_by_coefficient(
        self, found: Crystallites, factor: NDArray[np.float64], microscope: Microscope
    ) -> NDArray[np.float64]:
        if len(microscope.detectors) != 1:
            raise UserError(
                "engine.coefficients_per_um serves one detector; use a table for several channels"
            )
        coefficients = self.settings.coefficients_per_um or {}
        per_um = np.empty(len(found))
        for k, names in enumerate(found.names):
            known = [name for name in names if name in coefficients]
            if not known:
                more = f" (or its phase {names[0]})" if len(names) > 1 else ""
                raise UserError(f"engine.coefficients_per_um lacks {names[-1]}{more}")
            per_um[k] = coefficients[known[0]]
        per_um *= factor
        return np.stack([np.zeros(len(per_um)), per_um], axis=1)[:, :, None]


def _moved(field: Field, place: NDArray[np.float64]) -> Field:
    """The field with its points at another place in their pixels (2,), x and y in pixels."""
    x, y = np.array(field.centre_nm) + place * field.pixel_size_nm
    return Field(shape=field.shape, pixel_size_nm=field.pixel_size_nm, centre_nm=(x, y))
