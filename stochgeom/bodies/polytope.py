"""Convex polytopes from half-spaces: vertices, volume, second moments. By SciPy's Qhull."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from ..errors import UserError

_SAME = 1e-7  # relative distance below which two corners are one
_KEPT = 1e-9  # relative volume within which a body counts as scaled already


@dataclass(frozen=True, eq=False)
class Polytope:
    """A convex body in its crystal frame, centred on its centroid, with the volume of the unit sphere.

    normals (f, 3) float64, outward unit vectors; distances (f,) of the facets from the centroid; vertices (v,
    3); areas (f,) of the facets; second_moment (3, 3), the mean of x x^T over the body. Lengths are in units
    of the volume-equivalent radius.
    """

    normals: np.ndarray
    distances: np.ndarray
    vertices: np.ndarray
    areas: np.ndarray
    second_moment: np.ndarray

    @classmethod
    def of_halfspaces(cls, normals: np.ndarray, distances: np.ndarray) -> Polytope:
        """The body of the points with normals . x <= distances, moved to its centroid and scaled.

        normals (f, 3) need not be of unit length; the distances of the planes from the origin are positive.
        Planes that make no facet are left out. UserError if the planes enclose no body.
        """
        normals, distances = _checked(normals, distances)
        vertices = _corners(normals, distances)
        volume, centroid, _ = _moments(vertices)
        if abs(volume - _UNIT) > _KEPT * _UNIT or np.abs(centroid).max() > _KEPT:
            scale = (_UNIT / volume) ** (1 / 3)
            distances = scale * (distances - normals @ centroid)
            vertices = scale * (vertices - centroid)
        areas = np.array([_area(vertices, n, d) for n, d in zip(normals, distances, strict=True)])
        normals, distances, areas = (array[areas > 1e-12] for array in (normals, distances, areas))
        vertices = _corners(normals, distances)  # of these numbers alone, so that files read back exactly
        return cls(normals, distances, vertices, areas, _moments(vertices)[2])

    def __post_init__(self) -> None:
        for name in ("normals", "distances", "vertices", "areas", "second_moment"):
            array = np.array(getattr(self, name), dtype=float, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def circumradius(self) -> float:
        """Largest distance of a vertex from the centroid, in volume-equivalent radii."""
        return float(np.linalg.norm(self.vertices, axis=1).max())


_UNIT = 4 / 3 * np.pi


def _checked(normals: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    normals, distances = np.array(normals, dtype=float), np.array(distances, dtype=float)
    if normals.ndim != 2 or normals.shape[1] != 3 or distances.shape != (len(normals),):
        raise UserError(
            f"facets need normals (f, 3) and distances (f,), not {normals.shape} and {distances.shape}"
        )
    sizes = np.linalg.norm(normals, axis=1)
    if not (np.isfinite(sizes).all() and np.isfinite(distances).all() and (sizes > 0).all()):
        raise UserError("normals and distances of facets must be finite, and no normal zero")
    if not (distances > 0).all():
        raise UserError(f"facets must lie at positive distances from the centre, not {distances.min():g}")
    rounded = abs(sizes - 1) > 1e-14
    normals[rounded] /= sizes[rounded, None]
    return normals, distances


def _corners(normals: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """(v, 3) corners, each once."""
    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # corners of an open body lie at infinity
            met = HalfspaceIntersection(np.column_stack((normals, -distances)), np.zeros(3)).intersections
    except QhullError as error:
        raise UserError(f"{len(normals)} facets enclose no body") from error
    reach = np.linalg.norm(met, axis=1).max()
    if not np.isfinite(reach) or reach > 1e6 * distances.max():
        raise UserError(f"{len(normals)} facets enclose no body: they leave it open")
    corners: list[np.ndarray] = []
    for point in met[ConvexHull(met).vertices]:
        if all(np.abs(point - other).max() > _SAME * reach for other in corners):
            corners.append(point)
    return np.array(corners)


def _moments(vertices: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Volume, centroid (3,) and mean of x x^T (3, 3), from the tetrahedra over the hull's triangles."""
    corners = vertices[ConvexHull(vertices).simplices]
    volumes = np.abs(np.linalg.det(corners)) / 6  # the origin lies inside
    sums, volume = corners.sum(axis=1), volumes.sum()
    centroid = volumes @ sums / (4 * volume)
    squares = np.einsum("tki,tkj->tij", corners, corners) + np.einsum("ti,tj->tij", sums, sums)
    return float(volume), centroid, np.einsum("t,tij->ij", volumes, squares) / (20 * volume)


def _area(vertices: np.ndarray, normal: np.ndarray, distance: float) -> float:
    """Area of the facet on a plane, from its corners in order of their angle; 0 if it has less than three."""
    corners = vertices[np.abs(vertices @ normal - distance) < 1e-6]
    if len(corners) < 3:
        return 0.0
    about = corners - corners.mean(axis=0)
    across = np.cross(normal, about[0])
    order = np.argsort(np.arctan2(about @ across, about @ about[0]))
    ring = about[order]
    return float(np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0) @ normal / 2)
