"""Rays through a lamella: exact lengths in each pixel, and the optical depth that they meet.

A ray of the beam's cone is not quite parallel to the boundaries between the phases, so it may pass from one
to the other. Behind tau nm of material, whichever it is, the next dt of crystal k add
s_k(tau + dt) - s_k(tau) of the tabulated curve s_k. So what a crystal scatters more because the beam has been
broadened before is in the curves, as if what lies in front had been of the same phase; and where both sides
of a boundary are alike, no boundary is seen.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from simulate.beam_paths import CrystalliteDepths
from simulate.engines.response_kernels import interpolate
from simulate.lamella.crystal_map import MATRIX, WRAP, CrystalMap
from stochgeom.projection import Field

Array = NDArray[np.float64]


class LamellaPaths:
    """Rays through a lamella of `thickness_nm` about z = 0 that cross at `focus_nm`.

    The length along a ray is counted as that along the beam: at 20 mrad 0.02 % are neglected.
    """

    def __init__(self, crystal_map: CrystalMap, thickness_nm: float, focus_nm: float) -> None:
        self._map, self._thickness, self._focus = crystal_map, thickness_nm, focus_nm

    def depths(self, known: CrystalliteDepths, field: Field, slope: Array) -> Array:
        """As `simulate.beam_paths.Paths`."""
        depth = np.zeros((known.depths.shape[2], *field.shape))
        u, v = self._entry(np.asarray(field.x_nm), 0, slope), self._entry(np.asarray(field.y_nm), 1, slope)
        last = np.full(1, self._thickness)
        whole = np.array([[interpolate(known.knots, c, last)[0] for c in own.T] for own in known.depths])
        whole = whole.reshape(-1, known.depths.shape[2])
        lamella = (*self._lamella(known, slope), whole)
        cross_grid(depth, u, v, *lamella)
        return depth

    def depths_at(self, known: CrystalliteDepths, points_nm: Array, slope: Array) -> Array:
        """As `simulate.beam_paths.Paths`."""
        x, y = np.asarray(points_nm, float).T
        depth = np.zeros((len(x), known.depths.shape[2]))
        u, v = self._entry(x, 0, slope), self._entry(y, 1, slope)
        cross_points(depth, u, v, *self._lamella(known, slope))
        return depth

    def _entry(self, places_nm: Array, axis: int, slope: Array) -> Array:
        """Where rays enter that cross the focus at `places_nm` (p,), in pixels from the map's corner."""
        entry = places_nm + (-0.5 * self._thickness - self._focus) * slope[axis]
        return (entry - self._map.left_nm[axis]) / self._map.pixel_size_nm

    def _lamella(self, known: CrystalliteDepths, slope: Array) -> tuple[Any, ...]:
        """What the kernels need to know but the rays."""
        lamella, thickness = self._map, self._thickness
        du, dv = (thickness * float(s) / lamella.pixel_size_nm for s in slope)
        outside = (lamella.continuation, lamella.matrix)
        return (du, dv, thickness, lamella.crystal, *outside, known.knots, known.depths)


@numba.njit(cache=True)
def _crystal(crystal, row, column, continuation, matrix):  # type: ignore[no-untyped-def]
    """The crystal of a pixel that may lie beyond the edges, as `CrystalMap.at`."""
    ny, nx = crystal.shape
    if 0 <= row < ny and 0 <= column < nx:
        return crystal[row, column]
    if continuation == MATRIX:
        return matrix
    if continuation == WRAP:
        return crystal[row % ny, column % nx]
    row, column = row % (2 * ny), column % (2 * nx)
    return crystal[min(row, 2 * ny - 1 - row), min(column, 2 * nx - 1 - column)]


@numba.njit(cache=True)
def _depth(knots, curve, at):  # type: ignore[no-untyped-def]
    """As `simulate.engines.response_kernels.interpolate`, at one thickness."""
    low, high = 0, knots.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if knots[middle] <= at:
            low = middle
        else:
            high = middle
    part = (at - knots[low]) / (knots[low + 1] - knots[low])
    return curve[low] + part * (curve[low + 1] - curve[low])


@numba.njit(cache=True)
def _cross(u, v, du, dv, thickness, crystal, continuation, matrix, knots, depths, met):  # type: ignore[no-untyped-def]
    """Write to `met` (channel,) what a ray meets that enters at (u, v) and leaves (du, dv) further on.

    Both x and y in pixels from the corner of pixel (0, 0); crystal (ny, nx), continuation, matrix: a
    `CrystalMap`; knots (T,) and depths (n, T, channel): curves.
    """
    channels = met.shape[0]
    column, row = int(np.floor(u)), int(np.floor(v))
    met[:] = 0.0
    done, tau = 0.0, 0.0  # share of the way through the lamella; material passed
    while done < 1.0:
        # The share of the way at which the ray leaves this pixel across, and down.
        to_x = (column + (1.0 if du > 0.0 else 0.0) - u) / du if du != 0.0 else np.inf
        to_y = (row + (1.0 if dv > 0.0 else 0.0) - v) / dv if dv != 0.0 else np.inf
        end = min(1.0, max(done, min(to_x, to_y)))
        k = _crystal(crystal, row, column, continuation, matrix)
        if k >= 0 and end > done:
            further = tau + (end - done) * thickness
            for c in range(channels):
                curve = depths[k, :, c]
                met[c] += _depth(knots, curve, further) - _depth(knots, curve, tau)
            tau = further
        done = end
        if to_x <= to_y:
            column += 1 if du > 0.0 else -1
        if to_y <= to_x:
            row += 1 if dv > 0.0 else -1


@numba.njit(cache=True)
def cross_grid(depth, us, vs, du, dv, thickness, crystal, continuation, matrix, knots, depths, whole):  # type: ignore[no-untyped-def]
    """Write to `depth` (channel, y, x) what rays meet that enter at all pairs of us (x,) and vs (y,).

    whole (n, channel): depths of the full thickness, of rays that stay in one pixel; the rest as `_cross`.
    """
    ny, nx = crystal.shape
    channels = depth.shape[0]
    met = np.empty(channels)
    for y in range(vs.shape[0]):
        row = int(np.floor(vs[y]))
        stays = int(np.floor(vs[y] + dv)) == row and 0 <= row < ny
        for x in range(us.shape[0]):
            column = int(np.floor(us[x]))
            if stays and int(np.floor(us[x] + du)) == column and 0 <= column < nx:
                k = crystal[row, column]
                for c in range(channels):
                    depth[c, y, x] = whole[k, c] if k >= 0 else 0.0
                continue
            _cross(us[x], vs[y], du, dv, thickness, crystal, continuation, matrix, knots, depths, met)
            for c in range(channels):
                depth[c, y, x] = met[c]


@numba.njit(cache=True)
def cross_points(depth, us, vs, du, dv, thickness, crystal, continuation, matrix, knots, depths):  # type: ignore[no-untyped-def]
    """Write to `depth` (p, channel) what rays meet that enter at us (p,) and vs (p,)."""
    for p in range(us.shape[0]):
        _cross(us[p], vs[p], du, dv, thickness, crystal, continuation, matrix, knots, depths, depth[p])
