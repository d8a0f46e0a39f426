"""Neighbour graphs for the tests: square cells, and Voronoi cells of scattered points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Voronoi

from learn.patch_vae.bias.graph import PatchGraph


@dataclass(frozen=True)
class Drawn:
    """A graph as `PatchGraph.of` reads it, and the centres (n, 2) in nm."""

    edges: NDArray[np.int64]
    lengths_nm: NDArray[np.float64]
    wall_share_nm: NDArray[np.float64]
    centres: NDArray[np.float64]

    @property
    def graph(self) -> PatchGraph:
        return PatchGraph.of(self, len(self.centres))


def square_cells(ny: int, nx: int, side_nm: float = 1.0) -> Drawn:
    """Row i * nx + j lies at y = i, x = j."""
    place = np.arange(ny * nx).reshape(ny, nx)
    edges = np.concatenate(
        [
            np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()], axis=1),
            np.stack([place[:-1].ravel(), place[1:].ravel()], axis=1),
        ]
    )
    sides = np.full(len(edges), side_nm)
    y, x = np.divmod(np.arange(ny * nx), nx)
    return Drawn(edges, sides, sides, np.stack([y, x], axis=1) * side_nm)


def scattered_cells(n: int, size_nm: float, seed: int) -> Drawn:
    """Voronoi cells of points that keep some distance from each other; borders far outside are cut off."""
    rng = np.random.default_rng(seed)
    per_side = int(np.sqrt(n))
    y, x = np.divmod(np.arange(per_side**2), per_side)
    step = size_nm / per_side
    centres = (np.stack([y, x], axis=1) + 0.5 + rng.uniform(-0.45, 0.45, (per_side**2, 2))) * step
    voronoi = Voronoi(centres)
    inner = np.array([min(ridge) >= 0 for ridge in voronoi.ridge_vertices])
    ends = np.array([voronoi.vertices[ridge] for ridge in np.array(voronoi.ridge_vertices)[inner]])
    share = np.hypot(*(ends[:, 0] - ends[:, 1]).T)
    edges = voronoi.ridge_points[inner].astype(np.int64)
    lengths = np.hypot(*(centres[edges[:, 0]] - centres[edges[:, 1]]).T)
    kept = share < 2 * step
    return Drawn(edges[kept], lengths[kept], share[kept], centres)
