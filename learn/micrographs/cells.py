"""Voronoi cells of points in an image: what of the image each patch stands for.

Cells are cut to a box about all points, by mirroring the points at its sides, and reach no further than
`reach` from their point, so that those beside a gap do not fill it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Voronoi, cKDTree

from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError

REACH = 1.5  # of the spacing; corners of a square's cells lie at 0.71, of a honeycomb's at 1
SHORTEST = 1e-4  # of the spacing: shorter borders are corners, where more than three cells meet


@dataclass(frozen=True, eq=False)
class Tiling:
    """Cells of n points: `polygons`, n arrays (k, 2) y, x of corners in order; `pairs` (m, 2) int64 of points
    whose cells share a border, `borders` (m, 2, 2) its ends y, x; `spacing`, the median distance of nearest
    neighbours; `box` (2, 2), the least and largest y, x. All in the points' unit.
    """

    polygons: list[NDArray[np.float64]]
    pairs: NDArray[np.int64]
    borders: NDArray[np.float64]
    spacing: float
    box: NDArray[np.float64]

    @property
    def reach(self) -> float:
        """The furthest that a cell reaches from its point."""
        return REACH * self.spacing


def extent(points: NDArray[np.float64], spacing: float) -> tuple[float, NDArray[np.float64]]:
    """The spacing and the box of the cells of points (n, 2), without the cells; arguments and errors as in
    `tiling`.
    """
    if len(points) > 1:
        nearest = cKDTree(points).query(points, k=2)[0][:, 1]
        spacing = float(np.median(nearest))
        if nearest.min() <= SHORTEST * spacing:
            raise UserError("two patches lie at the same place of an image; accepted: distinct centres")
    return spacing, np.stack([points.min(axis=0) - spacing / 2, points.max(axis=0) + spacing / 2])


def tiling(points: NDArray[np.float64], spacing: float) -> Tiling:
    """Cells of points (n, 2), n > 0; `spacing` is what a single point has. UserError for points that
    coincide.
    """
    spacing, box = extent(points, spacing)
    voronoi = Voronoi(_with_mirrored(points, box))
    ends = np.array(voronoi.ridge_vertices, np.int64)
    own = (voronoi.ridge_points < len(points)).all(axis=1) & (ends >= 0).all(axis=1)
    pairs = np.sort(voronoi.ridge_points[own].astype(np.int64), axis=1)
    borders = _shortened(points, pairs, voronoi.vertices[ends[own]], REACH * spacing)
    long = np.linalg.norm(borders[:, 1] - borders[:, 0], axis=1) > SHORTEST * spacing
    order = np.lexsort((pairs[long, 1], pairs[long, 0]))
    polygons = [
        _around(point, voronoi.vertices[voronoi.regions[voronoi.point_region[k]]], REACH * spacing)
        for k, point in enumerate(points)
    ]
    return Tiling(polygons, pairs[long][order], borders[long][order], spacing, box)


def image_tiling(patch_set: PatchSet, source: int) -> tuple[NDArray[np.int64], Tiling | None]:
    """Rows (n,) of the patches of one micrograph, and their cells in its pixels; None where it has none."""
    rows = np.flatnonzero(patch_set.source == source)
    if len(rows) == 0:
        return rows, None
    return rows, tiling(patch_set.centres_px[rows], float(min(patch_set.window)))


def _with_mirrored(points: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    mirrored = [points]
    for axis in range(2):
        for side in box[:, axis]:
            other = points.copy()
            other[:, axis] = 2 * side - points[:, axis]
            mirrored.append(other)
    return np.concatenate(mirrored)


def _shortened(
    points: NDArray[np.float64], pairs: NDArray[np.int64], borders: NDArray[np.float64], reach: float
) -> NDArray[np.float64]:
    """Borders within `reach` of the points that they part; of no length where there is nothing left."""
    first, second = points[pairs[:, 0]], points[pairs[:, 1]]
    middle, across = (first + second) / 2, second - first
    distance = np.linalg.norm(across, axis=1)
    along = np.stack([-across[:, 1], across[:, 0]], axis=1) / np.maximum(distance, 1e-300)[:, None]
    limit = np.sqrt(np.maximum(reach**2 - distance**2 / 4, 0))[:, None]
    place = np.einsum("mki,mi->mk", borders - middle[:, None], along)
    place = np.clip(place, -limit, limit)
    return middle[:, None] + place[..., None] * along[:, None]


def _around(point: NDArray[np.float64], corners: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Corners of a convex cell in order, those too far away drawn in."""
    away = corners - point
    order = np.argsort(np.arctan2(away[:, 0], away[:, 1]))
    distance = np.linalg.norm(away, axis=1, keepdims=True)
    return (point + away * np.minimum(1, reach / np.maximum(distance, 1e-300)))[order]
