"""The particles of an aggregate as convex bodies in the laboratory frame, nm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from ..rotations import rotation_matrices
from .kernels import Bodies, support
from .polytope import Polytope

BALL_POINTS = 240  # points that stand for the surface of an ellipsoid where corners are asked for


def make_bodies(
    semi_axes: np.ndarray,
    radii: np.ndarray,
    orientations: np.ndarray,
    polytopes: Sequence[Polytope | None],
) -> Bodies:
    """Bodies of n particles, each about the origin.

    semi_axes (n, 3) nm of ellipsoids in the crystal frame, equal for spheres; radii (n,) nm; orientations (n,
    4); polytopes: that of each particle, or None.
    """
    turns = rotation_matrices(orientations)
    forms = turns * semi_axes[:, None, :]
    round_ones = (semi_axes == semi_axes[:, :1]).all(axis=1)
    forms[round_ones] = np.eye(3) * semi_axes[round_ones, :1, None]  # free of the rotation's rounding
    circumradii = semi_axes.max(axis=1)
    corners, begin = [np.empty((0, 3))], np.zeros(len(radii) + 1, np.int64)
    for k, polytope in enumerate(polytopes):
        if polytope is not None:
            corners.append(radii[k] * polytope.vertices @ turns[k].T)
            begin[k + 1] = len(polytope.vertices)
            circumradii[k] = radii[k] * polytope.circumradius
    forms = np.ascontiguousarray(forms)  # kernels are compiled once for each layout
    return Bodies(forms, np.concatenate(corners), np.cumsum(begin), circumradii)


def extents(bodies: Bodies) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x, y, z (n, 3) of each body about its own centre."""
    high = np.sqrt((bodies.forms**2).sum(axis=2))
    low = -high
    for k in np.flatnonzero(np.diff(bodies.begin)):
        own = bodies.vertices[bodies.begin[k] : bodies.begin[k + 1]]
        low[k], high[k] = own.min(axis=0), own.max(axis=0)
    return low, high


def second_moments(
    bodies: Bodies,
    radii: np.ndarray,
    orientations: np.ndarray,
    polytopes: Sequence[Polytope | None],
) -> np.ndarray:
    """(n, 3, 3) nm²: the mean of x x^T over each body about its centre; its trace is the squared Rg.

    polytopes: that of each particle, None for ellipsoids, whose moments are a²/5, b²/5, c²/5.
    """
    moments = bodies.forms @ np.swapaxes(bodies.forms, 1, 2) / 5
    turns = rotation_matrices(orientations)
    for k, polytope in enumerate(polytopes):
        if polytope is not None:
            moments[k] = radii[k] ** 2 * turns[k] @ polytope.second_moment @ turns[k].T
    return moments


def surface_points(bodies: Bodies, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (p, 3) nm on the surfaces and the particle (p,) of each: all corners of polytopes, and of
    ellipsoids BALL_POINTS spread evenly over the ball that they are stretched from.
    """
    ball = _fibonacci_ball(BALL_POINTS)
    points, owners = [], []
    for k in range(len(centres)):
        own = bodies.vertices[bodies.begin[k] : bodies.begin[k + 1]]
        own = own if len(own) else ball @ bodies.forms[k].T
        points.append(own + centres[k])
        owners.append(np.full(len(own), k))
    return np.concatenate(points), np.concatenate(owners)


def diameter(bodies: Bodies, centres: np.ndarray) -> float:
    """Largest distance (nm) between two points of the bodies.

    The two furthest of `surface_points`, then, since those of ellipsoids are a choice, both on along their
    line until it is normal to both surfaces.
    """
    points, owners = surface_points(bodies, centres)
    hull = ConvexHull(points).vertices
    apart = cdist(points[hull], points[hull])
    i, j = (hull[k] for k in np.unravel_index(np.argmax(apart), apart.shape))
    best, line = 0.0, points[j] - points[i]
    while (length := float(np.linalg.norm(line))) > best * (1 + 1e-12):
        best = length
        ends = [
            np.array(support(bodies, owners[k], 1.0, *(sign * line))) + centres[owners[k]]
            for k, sign in ((i, -1.0), (j, 1.0))
        ]
        line = ends[1] - ends[0]
    return best


def _fibonacci_ball(count: int) -> np.ndarray:
    """(count, 3) evenly spread unit vectors: a spiral by the golden angle (González 2010)."""
    z = 1 - (2 * np.arange(count) + 1) / count
    turns = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    across = np.sqrt(1 - z**2)
    return np.column_stack((across * np.cos(turns), across * np.sin(turns), z))
