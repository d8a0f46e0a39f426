"""Grains of the plane around seeds: which grain a point lies in, and the straight pieces between grains."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]


def nearest_seed(seeds_nm: Array, x: Array, y: Array) -> NDArray[np.uint8]:
    """Number (n,) of the seed (k, 2) that is nearest to points x, y (n,): their Voronoi cell."""
    found = cKDTree(seeds_nm).query(np.column_stack([x, y]))[1]
    return np.asarray(found, np.uint8)


def voronoi_walls(seeds_nm: Array, low_nm: Array, high_nm: Array) -> Array:
    """Straight pieces (m, 4) x0, y0, x1, y1 between the Voronoi cells of seeds (k, 2), within a rectangle
    with the corners low and high (2,). Every pair's bisector is cut by the other seeds' half-planes.
    """
    far = 2 * float(np.linalg.norm(high_nm - low_nm)) + float(np.abs(seeds_nm).max())
    found = []
    for i, j in itertools.combinations(range(len(seeds_nm)), 2):
        middle, across = (seeds_nm[i] + seeds_nm[j]) / 2, seeds_nm[j] - seeds_nm[i]
        along = np.array([-across[1], across[0]]) / np.linalg.norm(across)
        piece = (-far, far)
        for k in range(len(seeds_nm)):
            if k not in (i, j):
                piece = _nearer(piece, middle, along, seeds_nm[i], seeds_nm[k])
        for axis in range(2):
            piece = _between(piece, middle[axis], along[axis], low_nm[axis], high_nm[axis])
        if piece[1] > piece[0]:
            found.append(np.concatenate([middle + t * along for t in piece]))
    return np.array(found).reshape(-1, 4)


def _nearer(
    piece: tuple[float, float], middle: Array, along: Array, own: Array, other: Array
) -> tuple[float, float]:
    """The part of a piece of the line middle + t along that is nearer to `own` than to `other`."""
    # |p - own|^2 <= |p - other|^2 is linear in t: a t <= b.
    a = 2 * float(along @ (other - own))
    b = float(other @ other - own @ own - 2 * middle @ (other - own))
    return _limited(piece, a, b)


def _between(
    piece: tuple[float, float], start: float, step: float, low: float, high: float
) -> tuple[float, float]:
    return _limited(_limited(piece, step, high - start), -step, start - low)


def _limited(piece: tuple[float, float], a: float, b: float) -> tuple[float, float]:
    """The part of an interval where a t <= b."""
    if a == 0:
        return piece if b >= 0 else (0.0, 0.0)
    return (piece[0], min(piece[1], b / a)) if a > 0 else (max(piece[0], b / a), piece[1])
