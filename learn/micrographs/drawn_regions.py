"""Regions of drawn scenes, and the straight pieces of their borders (x0, y0, x1, y1, kind), all in nm."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
ARC_STEP_NM = 0.1


def scattered_seeds(n: int, field: Points, rng: np.random.Generator) -> Points:
    """n points (n, 2) in a field (x, y) nm about the origin: the most evenly spread of 200 draws."""
    draws = rng.uniform(-0.4, 0.4, (200, n, 2)) * field
    between = np.linalg.norm(draws[:, :, None] - draws[:, None], axis=-1) + np.eye(n) * field.max()
    return draws[between.min(axis=(1, 2)).argmax()]


def nearest_seed(points: Points, seeds: Points) -> NDArray[np.int64]:
    """Number of the seed nearest to each point (n, 2)."""
    return ((points[:, None] - seeds) ** 2).sum(axis=-1).argmin(axis=1)


def below(points: Points, y_nm: float) -> NDArray[np.bool_]:
    """Whether points (n, 2) lie at or beyond a level line; y runs downwards."""
    return points[:, 1] >= y_nm


def inside_circle(points: Points, middle: Points, radius_nm: float) -> NDArray[np.int64]:
    """1 for points (n, 2) within a circle, else 0."""
    return (np.linalg.norm(points - middle, axis=1) < radius_nm).astype(np.int64)


def seed_borders(seeds: Points, field: Points, lowest_y: float, kind: int) -> Points:
    """Borders (m, 5) between the regions nearest to each seed, within the field and above `lowest_y`."""
    pieces = []
    for i, j in combinations(range(len(seeds)), 2):
        middle = (seeds[i] + seeds[j]) / 2
        along = np.array([seeds[i, 1] - seeds[j, 1], seeds[j, 0] - seeds[i, 0]])
        along /= np.linalg.norm(along)
        # Points middle + t * along; each condition is a + b t <= 0.
        others = np.delete(seeds, [i, j], axis=0)
        a = (middle - seeds[i]) @ (middle - seeds[i]) - ((middle - others) ** 2).sum(axis=1)
        b = 2 * (others - seeds[i]) @ along
        box = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        limits = np.array([field[0] / 2, field[0] / 2, min(field[1] / 2, lowest_y), field[1] / 2])
        start, stop = _interval(np.append(a, box @ middle - limits), np.append(b, box @ along))
        if stop > start:
            pieces.append([*(middle + start * along), *(middle + stop * along), kind])
    return np.array(pieces, np.float64).reshape(-1, 5)


def _interval(a: Points, b: Points) -> tuple[float, float]:
    """Where a + b t <= 0 holds for all; empty if the end comes first."""
    level = b == 0
    if (a[level] > 0).any():
        return 1.0, 0.0
    bounds = -a[~level] / b[~level]
    up = b[~level] > 0
    return float(bounds[~up].max(initial=-np.inf)), float(bounds[up].min(initial=np.inf))


def level_piece(y_nm: float, field: Points, kind: int) -> Points:
    """A level border (1, 5) across the field."""
    return np.array([[-field[0] / 2, y_nm, field[0] / 2, y_nm, kind]])


def arc_pieces(middle: Points, radius_nm: float, field: Points, kind: int) -> Points:
    """A circle's border (m, 5), of the pieces whose middles lie in the field."""
    angles = np.linspace(0, 2 * np.pi, int(np.ceil(2 * np.pi * radius_nm / ARC_STEP_NM)) + 1)
    corners = middle + radius_nm * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pieces = np.hstack([corners[:-1], corners[1:], np.full((len(corners) - 1, 1), kind)])
    halfway = (corners[:-1] + corners[1:]) / 2
    return pieces[(np.abs(halfway) <= field / 2).all(axis=1)]
