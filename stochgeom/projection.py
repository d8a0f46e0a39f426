"""Fields of view and the exact path lengths of the beam (along +z) through the particles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from .aggregate import HeteroAggregate
from .bodies import chords as body_chords
from .bodies.contacts import refuse_overlaps
from .contacts import contact_pairs
from .errors import UserError


@dataclass(frozen=True)
class Field:
    """A grid of square pixels: shape (ny, nx), pixel size in nm, centre (x, y) in nm.

    Pixel (iy, ix) has its centre at x = centre_x + (ix - (nx - 1) / 2) pixel_size, and y likewise.
    """

    shape: tuple[int, int]
    pixel_size_nm: float
    centre_nm: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        shape = tuple(int(s) for s in self.shape)
        if len(shape) != 2 or min(shape) < 1:
            raise UserError(f"shape of a field is (ny, nx), both at least 1, not {self.shape}")
        if not (np.isfinite(self.pixel_size_nm) and self.pixel_size_nm > 0):
            raise UserError(f"pixel_size_nm must be positive, not {self.pixel_size_nm}")
        centre = tuple(float(c) for c in self.centre_nm)
        if len(centre) != 2 or not np.isfinite(centre).all():
            raise UserError(f"centre_nm of a field is (x, y), not {self.centre_nm}")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "pixel_size_nm", float(self.pixel_size_nm))
        object.__setattr__(self, "centre_nm", centre)

    @classmethod
    def around(
        cls, aggregate: HeteroAggregate, shape: tuple[int, int] = (128, 128), margin: float = 1.15
    ) -> Field:
        """A field centred on the aggregate's bounding box, which it exceeds by the factor `margin`."""
        lower, upper = aggregate.bounds
        centre = (lower + upper) / 2
        width, height = (upper - lower)[:2]
        pixel = margin * max(width / shape[1], height / shape[0])
        return cls(shape, float(pixel), (float(centre[0]), float(centre[1])))

    @property
    def origin_nm(self) -> tuple[float, float]:
        """(x, y) of the centre of pixel (0, 0)."""
        ny, nx = self.shape
        p = self.pixel_size_nm
        return self.centre_nm[0] - (nx - 1) / 2 * p, self.centre_nm[1] - (ny - 1) / 2 * p

    @property
    def x_nm(self) -> np.ndarray:
        """(nx,) pixel centres."""
        return self.origin_nm[0] + np.arange(self.shape[1]) * self.pixel_size_nm

    @property
    def y_nm(self) -> np.ndarray:
        """(ny,) pixel centres."""
        return self.origin_nm[1] + np.arange(self.shape[0]) * self.pixel_size_nm

    @property
    def extent_nm(self) -> tuple[float, float, float, float]:
        """(left, right, bottom, top) edges for `imshow(..., origin="upper")`: y grows downwards."""
        half = self.pixel_size_nm / 2
        x, y = self.x_nm, self.y_nm
        return x[0] - half, x[-1] + half, y[-1] + half, y[0] - half


@dataclass(frozen=True, eq=False)
class Chords:
    """Path lengths (nm) through each particle as patches of one flat record.

    windows (n, 4) int64: y0, y1, x0, x1 (half open; empty outside the field); offsets (n + 1,) int64: patch k
    is lengths[offsets[k]:offsets[k + 1]] in row order; lengths float64.
    """

    aggregate: HeteroAggregate
    field: Field
    windows: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.windows)

    def patch(self, k: int) -> np.ndarray:
        """(y1 - y0, x1 - x0) lengths of particle k, a view."""
        y0, y1, x0, x1 = self.windows[k]
        return self.lengths[self.offsets[k] : self.offsets[k + 1]].reshape(y1 - y0, x1 - x0)

    def at(self, points: np.ndarray) -> np.ndarray:
        """(p, n) exact lengths at points (p, 2) x, y nm, without any averaging over pixels."""
        return chord_lengths_at(self.aggregate, points)


def particle_chords(aggregate: HeteroAggregate, field: Field, oversampling: int = 1) -> Chords:
    """Path lengths of rays along z through every particle, over the pixels it touches.

    A pixel's value is the exact length at its centre, or the mean over a k x k grid of rays in it
    (`oversampling` k). Overlapping spheres are cut at their radical plane, so that lengths of all particles
    add up to those of their union. UserError for other bodies that overlap.
    """
    return Beams(aggregate).chords(field, oversampling)


class Beams:
    """Rays along z through one aggregate, for many fields or sets of points.

    `shifts` (n, 2) nm move each particle across the beam: a ray of slope (sx, sy) through a point at height
    z0 meets particle k as a ray along z does after a shift of -(z_k - z0) (sx, sy), but for the square of the
    slope. Where particles overlap they are cut as they lie, without the shifts. UserError where bodies that
    are no spheres overlap.
    """

    def __init__(self, aggregate: HeteroAggregate) -> None:
        self.aggregate = aggregate
        self._bodies = None if aggregate.spherical else beam_bodies(aggregate)
        self._first, self._planes = overlap_planes(aggregate)

    def _centres(self, shifts: np.ndarray | None) -> np.ndarray:
        centres = self.aggregate.centres
        return centres if shifts is None else np.column_stack((centres[:, :2] + shifts, centres[:, 2]))

    def chords(self, field: Field, oversampling: int = 1, shifts: np.ndarray | None = None) -> Chords:
        """As `particle_chords`."""
        k, centres = _checked_oversampling(oversampling), self._centres(shifts)
        windows = _windows(centres, self.aggregate.extents, field)
        sizes = (windows[:, 1] - windows[:, 0]) * (windows[:, 3] - windows[:, 2])
        offsets = np.concatenate(([0], np.cumsum(sizes)))
        lengths = np.zeros(offsets[-1])
        grid = (*field.origin_nm, field.pixel_size_nm, k)
        if self._bodies is not None:
            body_chords.fill_patches(self._bodies, centres, grid, windows, offsets, lengths)
        else:
            cuts = (self.aggregate.radii, self._first, self._planes)
            _fill_patches(centres, *cuts, grid, windows, offsets, lengths)
        return Chords(self.aggregate, field, windows, offsets, lengths)

    def at(self, points: np.ndarray, shifts: np.ndarray | None = None) -> np.ndarray:
        """As `chord_lengths_at`."""
        points, centres = np.ascontiguousarray(points, dtype=float), self._centres(shifts)
        if points.ndim != 2 or points.shape[1] != 2:
            raise UserError(f"points must have shape (p, 2), not {points.shape}")
        out = np.zeros((len(points), len(centres)))
        if self._bodies is not None:
            body_chords.fill_points(self._bodies, centres, points, out)
        else:
            _fill_points(centres, self.aggregate.radii, self._first, self._planes, points, out)
        return out


def chord_lengths(aggregate: HeteroAggregate, field: Field, oversampling: int = 1) -> np.ndarray:
    """(n_species, ny, nx) float64 nm: path lengths summed over the particles of each species."""
    chords = particle_chords(aggregate, field, oversampling)
    images = np.zeros((len(aggregate.species_names), *field.shape))
    _add_patches(images, aggregate.species, chords.windows, chords.offsets, chords.lengths)
    return images


def chord_lengths_at(aggregate: HeteroAggregate, points: np.ndarray) -> np.ndarray:
    """(p, n) float64 nm: path lengths through each particle at points (p, 2) x, y nm."""
    return Beams(aggregate).at(points)


def beam_bodies(aggregate: HeteroAggregate) -> body_chords.BeamBodies:
    """What a beam needs of particles that are not all spheres. UserError where they overlap."""
    refuse_overlaps(aggregate.bodies, aggregate.centres)
    return body_chords.beam_bodies(aggregate.bodies, aggregate.facets)


def _checked_oversampling(oversampling: int) -> int:
    if int(oversampling) != oversampling or oversampling < 1:
        raise UserError(f"oversampling must be a whole number of at least 1, not {oversampling}")
    return int(oversampling)


def particle_windows(aggregate: HeteroAggregate, field: Field) -> np.ndarray:
    """(n, 4) y0, y1, x0, x1: the pixels that a particle's disc touches, cut at the field."""
    return _windows(aggregate.centres, aggregate.extents, field)


def _windows(centres: np.ndarray, extents: tuple[np.ndarray, np.ndarray], field: Field) -> np.ndarray:
    p = field.pixel_size_nm
    lowest, highest = extents
    bounds = []
    for axis, origin, size in (
        (1, field.origin_nm[1], field.shape[0]),
        (0, field.origin_nm[0], field.shape[1]),
    ):
        middle = (centres[:, axis] - origin) / p
        low = np.clip(np.floor(middle + lowest[:, axis] / p + 0.5), 0, size)
        high = np.clip(np.ceil(middle + highest[:, axis] / p + 0.5), 0, size)
        bounds += [low, np.maximum(low, high)]
    return np.stack(bounds, axis=1).astype(np.int64)


def overlap_planes(aggregate: HeteroAggregate) -> tuple[np.ndarray, np.ndarray]:
    """Radical planes of overlapping pairs, per particle: (first (n + 1,) int64, planes (m, 4) float64).

    Particle i keeps the points p with planes[k, :3] . (p - centre_i) <= planes[k, 3] for first[i] <= k <
    first[i + 1]: those with a smaller power to its sphere, |p - c_i|² - r_i², than to the neighbour's. Bodies
    that are no spheres have none; UserError where they overlap.
    """
    n = len(aggregate)
    if not aggregate.spherical:
        refuse_overlaps(aggregate.bodies, aggregate.centres)
        return np.zeros(n + 1, np.int64), np.empty((0, 4))
    pairs = contact_pairs(aggregate.centres, aggregate.radii, -1e-9)
    both = np.concatenate((pairs, pairs[:, ::-1]))
    both = both[np.argsort(both[:, 0], kind="stable")]
    i, j = both.T
    apart = aggregate.centres[j] - aggregate.centres[i]
    level = (np.sum(apart**2, axis=1) + aggregate.radii[i] ** 2 - aggregate.radii[j] ** 2) / 2
    first = np.searchsorted(i, np.arange(n + 1))
    return first.astype(np.int64), np.column_stack((apart, level))


@njit(cache=True)
def _chord(x, y, square, begin, stop, planes):
    """Length of the ray at (x, y) from a sphere's centre, cut by its planes; `square` is radius²."""
    half = square - x * x - y * y
    if half <= 0.0:
        return 0.0
    high = np.sqrt(half)
    low = -high
    for k in range(begin, stop):
        rest = planes[k, 3] - planes[k, 0] * x - planes[k, 1] * y
        slope = planes[k, 2]
        if slope > 0.0:
            high = min(high, rest / slope)
        elif slope < 0.0:
            low = max(low, rest / slope)
        elif rest < 0.0:
            return 0.0
    return max(0.0, high - low)


@njit(cache=True)
def _fill_patches(centres, radii, first, planes, grid, windows, offsets, lengths):
    x0, y0, pixel, k = grid
    for i in range(radii.size):
        square = radii[i] ** 2
        out = offsets[i]
        for iy in range(windows[i, 0], windows[i, 1]):
            for ix in range(windows[i, 2], windows[i, 3]):
                total = 0.0
                for sy in range(k):
                    y = y0 + (iy + (sy + 0.5) / k - 0.5) * pixel - centres[i, 1]
                    for sx in range(k):
                        x = x0 + (ix + (sx + 0.5) / k - 0.5) * pixel - centres[i, 0]
                        total += _chord(x, y, square, first[i], first[i + 1], planes)
                lengths[out] = total / (k * k)
                out += 1


@njit(cache=True)
def _fill_points(centres, radii, first, planes, points, out):
    for p in range(points.shape[0]):
        for i in range(radii.size):
            x, y = points[p, 0] - centres[i, 0], points[p, 1] - centres[i, 1]
            out[p, i] = _chord(x, y, radii[i] ** 2, first[i], first[i + 1], planes)


@njit(cache=True)
def _add_patches(images, species, windows, offsets, lengths):
    for i in range(species.size):
        out = offsets[i]
        for iy in range(windows[i, 0], windows[i, 1]):
            for ix in range(windows[i, 2], windows[i, 3]):
                images[species[i], iy, ix] += lengths[out]
                out += 1
