"""Engine `response`: intensity from the thickness of every particle along the beam, calibrated beforehand.

Each particle k scatters the fraction I_k(t) of the electrons that reach it, t being its exact chord at that
point; a pixel shows I = 1 - prod(1 - I_k). The optical depth s = -ln(1 - I) adds up, so the engine works with
s: from a table, by phase and by the direction in which the beam crosses the particle's own crystal, or s = R
t with a coefficient R per phase or species and a lognormal factor from particle to particle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from simulate.scene import Scene, child_seed
from stochgeom.errors import UserError
from stochgeom.projection import Beams, Field

if TYPE_CHECKING:
    from simulate.engines.tables import ResponseTable
    from simulate.microscope import Microscope
    from simulate.recipe import ResponseSettings
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
        knots, depths = self._depths(scene, microscope)
        field, beams = scene.field, Beams(scene.aggregate)
        drop = _drop_nm(scene, microscope)
        places, slopes = self._rays(microscope)
        depth, total = np.empty((2, depths.shape[2], *field.shape))
        total[:] = 0
        for place, slope in zip(places, slopes, strict=True):
            chords = beams.chords(_moved(field, place), shifts=drop[:, None] * -slope)
            depth[:] = 0
            add_depths(depth, chords.windows, chords.offsets, chords.lengths, knots, depths)
            add_intensity(total, depth)
        return (total / len(places)).astype(np.float32)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at exact points (p, 2), x and y in nm."""
        knots, depths = self._depths(scene, microscope)
        beams, drop = Beams(scene.aggregate), _drop_nm(scene, microscope)
        slopes = self._rays(microscope)[1]
        total = np.zeros((len(points_nm), depths.shape[2]))
        for slope in slopes:
            chords = beams.at(points_nm, shifts=drop[:, None] * -slope)
            summed = np.zeros_like(total)
            for k in range(depths.shape[0]):
                for channel in range(depths.shape[2]):
                    summed[:, channel] += interpolate(knots, depths[k, :, channel], chords[:, k])
            total -= np.expm1(-summed)
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
            slopes = (
                1e-3
                * microscope.convergence_mrad
                * radius[:, None]
                * np.stack([np.cos(turn), np.sin(turn)], 1)
            )
        return places, slopes

    def cost(self, scene: Scene, microscope: Microscope) -> str:
        """What an image costs, in words; UserError if this engine cannot serve the scene and the
        microscope.
        """
        self._depths(scene, microscope)
        return f"{len(scene.aggregate)} chord patches, milliseconds"

    def _depths(
        self, scene: Scene, microscope: Microscope
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Thicknesses (T,) in nm and optical depths (particle, T, channel) there."""
        if self.table is None:
            return np.array([0.0, 1000.0]), self._depths_by_coefficient(scene, microscope)
        self.table.check(microscope)
        curves = self._curves(scene.aggregate)
        factor = jitter_factors(len(scene.aggregate), self.settings.jitter, scene.crystals)
        return np.asarray(self.table.thickness_nm, np.float64), -np.log1p(-curves) * factor[:, None, None]

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

    def _curves(self, aggregate: HeteroAggregate) -> NDArray[np.float64]:
        """Intensity (particle, T, channel) of each particle's phase in its own beam direction."""
        assert self.table is not None
        directions = beam_directions(aggregate.orientations)
        curves = [
            self.table.curve(aggregate.phase_names[phase], direction)
            for phase, direction in zip(aggregate.phase, directions, strict=True)
        ]
        return np.stack(curves).astype(np.float64)


def _drop_nm(scene: Scene, microscope: Microscope) -> NDArray[np.float64]:
    """Height (n,) of each particle's centre from the crossover of the beam, in nm."""
    return scene.aggregate.centres[:, 2] - scene.centre_z_nm - microscope.focus_nm


def _moved(field: Field, place: NDArray[np.float64]) -> Field:
    """The field with its points at another place in their pixels (2,), x and y in pixels."""
    x, y = np.array(field.centre_nm) + place * field.pixel_size_nm
    return Field(shape=field.shape, pixel_size_nm=field.pixel_size_nm, centre_nm=(x, y))


def interpolate(
    knots: NDArray[np.float64], values: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Piecewise linear through (knots, values), the last piece going on beyond the last knot."""
    k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    return values[k] + (at - knots[k]) / (knots[k + 1] - knots[k]) * (values[k + 1] - values[k])


@numba.njit(cache=True)
def add_depths(summed, windows, offsets, lengths, knots, depths):  # type: ignore[no-untyped-def]
    """Add every particle's optical depth to `summed` (channel, y, x), in place.

    windows: (n, 4) y0, y1, x0, x1; offsets: (n + 1,) into `lengths`, chords in nm, row by row within each
    window;
    knots: (T,) thicknesses in nm; depths: (n, T, channel). Interpolates as `interpolate` does.
    """
    channels = summed.shape[0]
    for k in range(windows.shape[0]):
        y0, y1, x0, x1 = windows[k]
        place = offsets[k]
        for y in range(y0, y1):
            for x in range(x0, x1):
                length = lengths[place]
                place += 1
                if length <= 0.0:
                    continue
                low, high = 0, knots.shape[0] - 1
                while high - low > 1:
                    middle = (low + high) // 2
                    if knots[middle] <= length:
                        low = middle
                    else:
                        high = middle
                part = (length - knots[low]) / (knots[low + 1] - knots[low])
                for c in range(channels):
                    below = depths[k, low, c]
                    summed[c, y, x] += below + part * (depths[k, low + 1, c] - below)


@numba.njit(cache=True)
def add_intensity(total, depth):  # type: ignore[no-untyped-def]
    """total += 1 - exp(-depth), both (channel, y, x)."""
    for c in range(total.shape[0]):
        for y in range(total.shape[1]):
            for x in range(total.shape[2]):
                if depth[c, y, x] > 0.0:
                    total[c, y, x] -= np.expm1(-depth[c, y, x])
