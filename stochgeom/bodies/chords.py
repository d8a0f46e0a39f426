"""Exact chords of beams along z through ellipsoids and polytopes.

Along z an ellipsoid reaches from middle - half to middle + half, with middle linear in x and y, and half a
depth times sqrt(1 - q), q a quadratic form: that of the ellipse that it projects to. A polytope is its
circumscribed ball cut at the planes of its facets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..compiled import fill
from .kernels import Bodies

_ROOM = 1 + 1e-9  # of the circumscribed ball, so that rounding cuts no corner


class BeamBodies(NamedTuple):
    """What a beam along z needs of n bodies, about their centres."""

    form: np.ndarray  # (n, 3) xx, xy, yy of q = xx x² + 2 xy x y + yy y²
    tilt: np.ndarray  # (n, 2) middle = tilt . (x, y)
    depth: np.ndarray  # (n,) nm, half the chord through the centre
    first: np.ndarray  # (n + 1,) into planes
    planes: np.ndarray  # (m, 4) nx, ny, nz, distance: inside where n . p <= distance


def beam_bodies(bodies: Bodies, facets: list[tuple[np.ndarray, np.ndarray] | None]) -> BeamBodies:
    """From bodies, and of each polytope its facets in the laboratory frame: normals (f, 3), distances nm."""
    forms = bodies.forms.copy()
    for k, own in enumerate(facets):
        if own is not None:
            forms[k] = np.eye(3) * bodies.circumradii[k] * _ROOM
    inverse = np.linalg.inv(forms)
    metric = np.swapaxes(inverse, 1, 2) @ inverse
    steep = metric[:, 2, 2]
    tilt = -metric[:, :2, 2] / steep[:, None]
    flat = metric[:, :2, :2] - metric[:, :2, 2, None] * metric[:, None, 2, :2] / steep[:, None, None]
    planes = [np.empty((0, 4)), *(np.column_stack(own) for own in facets if own is not None)]
    counts = [0 if own is None else len(own[1]) for own in facets]
    return BeamBodies(
        np.ascontiguousarray(flat.reshape(-1, 4)[:, [0, 1, 3]]),
        tilt,
        1 / np.sqrt(steep),
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        np.concatenate(planes),
    )


@njit(cache=True)
def interval(beam, k, x, y):
    """Where the beam at (x, y) from the centre of body k enters and leaves it, and the facet of entry.

    (low, high, plane): heights above the centre, nm, low > high if it passes; plane -1 is a curved surface.
    """
    xx, xy, yy = beam.form[k]
    rest = 1.0 - xx * x * x - 2.0 * xy * x * y - yy * y * y
    if rest <= 0.0:
        return 1.0, 0.0, -1
    middle = beam.tilt[k, 0] * x + beam.tilt[k, 1] * y
    half = beam.depth[k] * np.sqrt(rest)
    low, high, entry = middle - half, middle + half, -1
    for f in range(beam.first[k], beam.first[k + 1]):
        left = beam.planes[f, 3] - beam.planes[f, 0] * x - beam.planes[f, 1] * y
        slope = beam.planes[f, 2]
        if slope > 1e-12:
            high = min(high, left / slope)
        elif slope < -1e-12:
            if left / slope > low:
                low, entry = left / slope, f
        elif left < 0.0:
            return 1.0, 0.0, -1
    return low, high, entry


@njit(cache=True)
def fill_patches(beam, centres, grid, windows, offsets, lengths):
    """Mean chords over k x k rays in each pixel of each particle's window, as `stochgeom.projection` does."""
    x0, y0, pixel, k = grid
    for i in range(len(centres)):
        out = offsets[i]
        for iy in range(windows[i, 0], windows[i, 1]):
            for ix in range(windows[i, 2], windows[i, 3]):
                total = 0.0
                for sy in range(k):
                    y = y0 + (iy + (sy + 0.5) / k - 0.5) * pixel - centres[i, 1]
                    for sx in range(k):
                        x = x0 + (ix + (sx + 0.5) / k - 0.5) * pixel - centres[i, 0]
                        low, high, _ = interval(beam, i, x, y)
                        total += max(0.0, high - low)
                lengths[out] = total / (k * k)
                out += 1


@njit(cache=True)
def fill_points(beam, centres, points, out):
    """out (p, n): chords at points (p, 2) x, y nm."""
    for p in range(len(points)):
        for i in range(len(centres)):
            low, high, _ = interval(beam, i, points[p, 0] - centres[i, 0], points[p, 1] - centres[i, 1])
            out[p, i] = max(0.0, high - low)


@njit(cache=True)
def crossings(beam, k, xs, ys):
    """Heights (2, ny, nx) about the centre of body k at which beams at xs (nx,), ys (ny,) enter and leave it.

    Beams beside it leave below where they enter.
    """
    heights = np.empty((2, len(ys), len(xs)))
    for iy in range(len(ys)):
        for ix in range(len(xs)):
            heights[0, iy, ix], heights[1, iy, ix], _ = interval(beam, k, xs[ix], ys[iy])
    return heights


@njit(cache=True)
def entry_normals(beam, k, xs, ys):
    """Outward normals (ny, nx, 3) where beams at xs (nx,), ys (ny,) enter body k; zeros beside it."""
    normals = np.zeros((len(ys), len(xs), 3))
    for iy in range(len(ys)):
        for ix in range(len(xs)):
            x, y = xs[ix], ys[iy]
            low, high, entry = interval(beam, k, x, y)
            if low >= high:
                continue
            normal = normals[iy, ix]
            if entry >= 0:
                fill(normal, beam.planes[entry, :3])
                continue
            # half the gradient of ((z - middle) / depth)² + q, which is 1 on the surface
            up = (low - beam.tilt[k, 0] * x - beam.tilt[k, 1] * y) / beam.depth[k] ** 2
            xx, xy, yy = beam.form[k]
            normal[0] = xx * x + xy * y - up * beam.tilt[k, 0]
            normal[1] = xy * x + yy * y - up * beam.tilt[k, 1]
            normal[2] = up
            fill(normal, normal / np.sqrt((normal**2).sum()))
    return normals
