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

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from simulate.engines.response_kernels import add_depths, add_intensity, interpolate
from simulate.scene import Scene, child_seed
from stochgeom.errors import UserError
from stochgeom.projection import Beams, Field

if TYPE_CHECKING:
    from simulate.engines.tables import ResponseTable
    from simulate.microscope import Microscope
    from simulate.recipe_settings import ResponseSettings
    from stochgeom.aggregate import HeteroAggregate

JITTER_KEY = 10**9
"""Child of the crystals' seed that draws the particle-to-particle factors; smaller keys are particles."""


def beam_directions(orientations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Direction of the beam (+z of the laboratory) in each particle's crystal frame.

    orientations: (n, 4) unit quaternions (x, y, z, w), active, crystal to laboratory. Returns R^T z, (n, 3).
    """
    x, y, z, w = np.asarray(orientations, np.float64).T
    return np.column_stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)])


def jitter_factors(count: int, relative_sd: float, crystals: SeedSequence) -> NDArray[np.float64]:
    """Lognormal factors (count,) of median 1 and relative standard deviation `relative_sd`."""
    if relative_sd == 0:
        return np.ones(count)
    sigma = np.sqrt(np.log1p(relative_sd**2))
    return np.exp(sigma * default_rng(child_seed(crystals, JITTER_KEY)).standard_normal(count))


@dataclass(frozen=True, eq=False)
class Depths:
    """What the particles of a scene do: optical depths (particle, T, channel) at the thicknesses `knots` (T,)
    in nm; `broadening` (p, q, channel) by which each nm of phase p raises what phase q behind it scatters;
    `phase` (particle,).
    """

    knots: NDArray[np.float64]
    depths: NDArray[np.float64]
    broadening: NDArray[np.float64]
    phase: NDArray[np.int64]


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
        known = self._depths(scene, microscope)
        field, beams = scene.field, Beams(scene.aggregate)
        drop = _drop_nm(scene, microscope)
        order = np.argsort(drop, kind="stable")
        places, slopes = self._rays(microscope)
        total, depth = np.zeros((2, known.depths.shape[2], *field.shape))
        passed = np.zeros((len(known.broadening), *total.shape))
        for place, slope in zip(places, slopes, strict=True):
            chords = beams.chords(_moved(field, place), shifts=drop[:, None] * -slope)
            patches = (chords.windows, chords.offsets, chords.lengths)
            depth[:], passed[:] = 0, 0
            add_depths(
                depth, passed, order, *patches, known.knots, known.depths, known.broadening, known.phase
            )
            add_intensity(total, depth)
        return (total / len(places)).astype(np.float32)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at exact points (p, 2), x and y in nm."""
        known = self._depths(scene, microscope)
        beams, drop = Beams(scene.aggregate), _drop_nm(scene, microscope)
        slopes = self._rays(microscope)[1]
        slopes = slopes if self.settings.cone_rays > 1 else slopes[:1]  # all alike: one ray tells all
        total = np.zeros((len(points_nm), known.depths.shape[2]))
        for slope in slopes:
            chords = beams.at(points_nm, shifts=drop[:, None] * -slope)
            depth, passed = np.zeros_like(total), np.zeros((len(known.broadening), *total.shape))
            for k in np.argsort(drop, kind="stable"):
                own = [interpolate(known.knots, curve, chords[:, k]) for curve in known.depths[k].T]
                depth += np.stack(own, axis=1) * (1 + passed[known.phase[k]])
                passed += chords[None, :, k, None] * known.broadening[known.phase[k], :, None]
            total -= np.expm1(-depth)
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
        return f"{len(scene.aggregate)} chord patches, milliseconds"

    def _depths(self, scene: Scene, microscope: Microscope) -> Depths:
        if self.table is None:
            depths = self._depths_by_coefficient(scene, microscope)
            alike = np.zeros(len(depths), np.int64)
            return Depths(np.array([0.0, 1000.0]), depths, np.zeros((1, 1, 1)), alike)
        self.table.check(microscope)
        aggregate = scene.aggregate
        factor = jitter_factors(len(aggregate), self.settings.jitter, scene.crystals)
        depths = self._own_depths(aggregate) * factor[:, None, None]
        broadening = self.table.broadening(aggregate.phase_names) * float(self.settings.broadening)
        knots, phase = np.asarray(self.table.thickness_nm, np.float64), np.asarray(aggregate.phase, np.int64)
        return Depths(knots, depths, broadening, phase)

    def _depths_by_coefficient(self, scene: Scene, microscope: Microscope) -> NDArray[np.float64]:
        if len(microscope.detectors) != 1:
            raise UserError(
                "engine.coefficients_per_um serves one detector; use a table for several channels"
            )
        aggregate, coefficients = scene.aggregate, self.settings.coefficients_per_um or {}
        per_um = np.empty(len(aggregate))
        for k in range(len(aggregate)):
            phase, species = (
                aggregate.phase_names[aggregate.phase[k]],
                aggregate.species_names[aggregate.species[k]],
            )
            if phase not in coefficients and species not in coefficients:
                raise UserError(f"engine.coefficients_per_um lacks {species} (or its phase {phase})")
            per_um[k] = coefficients.get(phase, coefficients.get(species, np.nan))
        per_um *= jitter_factors(len(aggregate), self.settings.jitter, scene.crystals)
        return np.stack([np.zeros(len(per_um)), per_um], axis=1)[:, :, None]

    def _own_depths(self, aggregate: HeteroAggregate) -> NDArray[np.float64]:
        """Optical depth (particle, T, channel) of each particle's phase in its own beam direction.

        Every particle has an orientation, the one that the multislice engines turn its crystal by; so no
        direction is drawn here.
        """
        assert self.table is not None
        directions = beam_directions(aggregate.orientations)
        return self.table.depths(aggregate.phase_names, aggregate.phase, directions)


def _drop_nm(scene: Scene, microscope: Microscope) -> NDArray[np.float64]:
    """Height (n,) of each particle's centre from the crossover of the beam, in nm."""
    return scene.aggregate.centres[:, 2] - scene.centre_z_nm - microscope.focus_nm


def _moved(field: Field, place: NDArray[np.float64]) -> Field:
    """The field with its points at another place in their pixels (2,), x and y in pixels."""
    x, y = np.array(field.centre_nm) + place * field.pixel_size_nm
    return Field(shape=field.shape, pixel_size_nm=field.pixel_size_nm, centre_nm=(x, y))
