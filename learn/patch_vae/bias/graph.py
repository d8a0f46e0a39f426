"""The neighbour graph of patches as tensors: what sums over walls and over areas need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError


class Neighbours(Protocol):
    """A graph of n patches: edges (m, 2) int64, each once; the distance of the two centres and the length of
    the border between their cells (Voronoi face), (m,) float64 each, nm.
    """

    @property
    def edges(self) -> NDArray[np.int64]: ...
    @property
    def lengths_nm(self) -> NDArray[np.float64]: ...
    @property
    def wall_share_nm(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True, eq=False)
class PatchGraph:
    """`n` patches; first, second (m,) int64: rows of the two patches of an edge; length, border (m,) float32:
    distance of their centres and border between their cells, nm; area (n,) float32: of their cells, nm².
    """

    n: int
    first: Tensor
    second: Tensor
    length: Tensor
    border: Tensor
    area: Tensor

    @classmethod
    def of(cls, graph: Neighbours, n: int) -> PatchGraph:
        """The graph of n patches. UserError for edges of other patches, or lengths that are not positive.

        A cell is the triangles between its centre and its borders: each has half the distance of the centres
        for height, so that the area is a sum of border times distance over four.
        """
        edges = np.asarray(graph.edges, np.int64).reshape(-1, 2)
        if len(edges) == 0:
            raise UserError("no patches are neighbours: a bias on walls needs a neighbour graph with edges")
        if edges.min() < 0 or edges.max() >= n:
            raise UserError(f"the neighbour graph names row {edges.max()}; there are {n} patches")
        if not (np.asarray(graph.lengths_nm) > 0).all():
            raise UserError("neighbouring patches lie at the same place; accepted: distances above 0")
        return cls._new(
            n,
            torch.from_numpy(edges[:, 0].copy()),
            torch.from_numpy(edges[:, 1].copy()),
            torch.as_tensor(np.asarray(graph.lengths_nm), dtype=torch.float32),
            torch.as_tensor(np.asarray(graph.wall_share_nm), dtype=torch.float32),
        )

    @classmethod
    def _new(cls, n: int, first: Tensor, second: Tensor, length: Tensor, border: Tensor) -> PatchGraph:
        area = torch.zeros(n, dtype=border.dtype, device=border.device)
        for ends in (first, second):
            area = area.index_add(0, ends, border * length / 4)
        return cls(n, first, second, length, border, area)

    @property
    def border_nm(self) -> float:
        """Length of the borders between all neighbouring cells: the wall if all neighbours were unlike."""
        return float(self.border.sum())

    @property
    def spacing_nm(self) -> float:
        """Median distance of neighbours."""
        return float(self.length.median())

    def part(self, known: Tensor) -> PatchGraph:
        """The graph of some of the patches, known (n,) bool, in their order, and the edges among them."""
        place = torch.cumsum(known, 0) - 1
        kept = known[self.first] & known[self.second]
        ends = (place[self.first[kept]], place[self.second[kept]])
        return PatchGraph._new(int(known.sum()), *ends, self.length[kept], self.border[kept])

    def to(self, device: torch.device) -> PatchGraph:
        """The same on a device."""
        parts = (self.first, self.second, self.length, self.border, self.area)
        return PatchGraph(self.n, *(part.to(device) for part in parts))


def graph_of(patch_set: PatchSet, graph: Neighbours | None = None) -> PatchGraph:
    """The graph given, or else the neighbour graph of the patch set."""
    if graph is None:
        from learn.micrographs.neighbours import neighbour_graph

        graph = neighbour_graph(patch_set)
    return PatchGraph.of(graph, len(patch_set))
