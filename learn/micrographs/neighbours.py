"""Which patches lie side by side in their image, and how long the border between them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from learn.micrographs.cells import image_tiling
from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError

LONGEST = 1.8  # of the spacing: the diagonal of a square lattice is 1.41 long, of a honeycomb 1.73


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """Pairs of patches whose Voronoi cells touch: those that Delaunay's triangulation joins, gaps left out.

    edges (m, 2) int64 rows of the patch set, the lower first; lengths_nm (m,) distance of the two;
    wall_share_nm (m,) length of the border between their cells, what a wall between them is long;
    borders_px (m, 2, 2) its two ends y, x in their image; source (m,) int64 the image's number.
    """

    edges: NDArray[np.int64]
    lengths_nm: NDArray[np.float64]
    wall_share_nm: NDArray[np.float64]
    borders_px: NDArray[np.float64]
    source: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.edges)

    def unlike(self, labels: ArrayLike) -> NDArray[np.bool_]:
        """Which edges (m,) join patches of unlike labels (n,)."""
        labels = np.asarray(labels)
        return labels[self.edges[:, 0]] != labels[self.edges[:, 1]]

    def wall_length_nm(self, labels: ArrayLike) -> float:
        """Total length of the borders between unlike labels (n,).

        Along a wall that runs across the cells' own directions borders zigzag: on a square grid they are up
        to 1.41 times as long as it, 1.27 on average.
        """
        return float(self.wall_share_nm[self.unlike(labels)].sum())


def neighbour_graph(patch_set: PatchSet, longest: float = LONGEST) -> NeighbourGraph:
    """The neighbours of every patch within its own micrograph.

    Edges longer than `longest` times the micrograph's median distance of nearest neighbours span a gap, and
    are left out. One patch has no neighbours. UserError for patches that lie at the same place.
    """
    if not longest > 0:
        raise UserError(f"longest edge of {longest:g} spacings; accepted: above zero")
    edges, lengths, shares, borders, sources = [], [], [], [], []
    for number in range(len(patch_set.micrographs)):
        rows, tiles = image_tiling(patch_set, number)
        if tiles is None:
            continue
        points = patch_set.centres_px[rows]
        distance = np.linalg.norm(points[tiles.pairs[:, 0]] - points[tiles.pairs[:, 1]], axis=1)
        kept = distance <= longest * tiles.spacing * (1 + 1e-9)
        edges.append(rows[tiles.pairs[kept]])
        lengths.append(distance[kept])
        borders.append(tiles.borders[kept])
        shares.append(np.linalg.norm(tiles.borders[kept, 1] - tiles.borders[kept, 0], axis=1))
        sources.append(np.full(int(kept.sum()), number, np.int64))
    return NeighbourGraph(
        np.concatenate(edges),
        np.concatenate(lengths) * patch_set.pixel_size_nm,
        np.concatenate(shares) * patch_set.pixel_size_nm,
        np.concatenate(borders),
        np.concatenate(sources),
    )
