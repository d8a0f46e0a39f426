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
from stochgeom.projection import Field, chord_lengths_at, particle_chords

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
        """Image (channel, y, x): the mean of I over oversampling x oversampling points of each pixel."""
        knots, depths = self._depths(scene, microscope)
        fine = _finer(scene.field, self.settings.oversampling)
        chords = particle_chords(scene.aggregate, fine)
        summed = np.zeros((depths.shape[2], *fine.shape))
        add_depths(summed, chords.windows, chords.offsets, chords.lengths, knots, depths)
        return pixel_means(summed, self.settings.oversampling)

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at exact points (p, 2), x and y in nm."""
        knots, depths = self._depths(scene, microscope)
        chords = chord_lengths_at(scene.aggregate, np.asarray(points_nm, np.float64))
        summed = np.zeros((len(chords), depths.shape[2]))
        for k in range(depths.shape[0]):
            for channel in range(depths.shape[2]):
                summed[:, channel] += interpolate(knots, depths[k, :, channel], chords[:, k])
        return -np.expm1(-summed)

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
        """Intensity (particle, T, channel) of each particle's phase in its own beam direction.

        Every particle has an orientation, the one that the multislice engines turn its crystal by; so no
        direction is drawn here.
        """
        assert self.table is not None
        directions = beam_directions(aggregate.orientations)
        return self.table.curves(aggregate.phase_names, aggregate.phase, directions)


def _finer(field: Field, times: int) -> Field:
    """The same field with `times` x `times` points in each pixel."""
    ny, nx = field.shape
    return Field(
        shape=(ny * times, nx * times), pixel_size_nm=field.pixel_size_nm / times, centre_nm=field.centre_nm
    )


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
def pixel_means(summed, times):  # type: ignore[no-untyped-def]
    """Image (c, y, x) float32: mean of I = 1 - exp(-s) over the `times` x `times` points of each pixel.

    summed: optical depths (c, y times, x times).
    """
    channels, rows, columns = summed.shape
    image = np.zeros((channels, rows // times, columns // times), np.float32)
    for c in range(channels):
        for y in range(rows // times):
            for x in range(columns // times):
                total = 0.0
                for row in range(y * times, (y + 1) * times):
                    for column in range(x * times, (x + 1) * times):
                        if summed[c, row, column] > 0.0:
                            total -= np.expm1(-summed[c, row, column])
                image[c, y, x] = total / (times * times)
    return image
