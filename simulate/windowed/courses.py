"""Which probes cross a slice together: legs of equal windows, where many waves are worked on at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.slices import TileSlices
from simulate.windowed.windows import Run


@dataclass(frozen=True, eq=False)
class Leg:
    """Waves of one window on their way through one slice to the next that each of them feels.

    size: the window in grid points; probes (w,): their numbers; begins (w,): whether the probe enters here;
    after (w,): the window of the next slice in grid points, 0 at the exit; distance (w,): how far that is in
    Å, 0 at the exit. Sorted by `after`, then `distance`.
    """

    size: int
    probes: NDArray[np.int64]
    begins: NDArray[np.bool_]
    after: NDArray[np.int64]
    distance: NDArray[np.float64]

    def part(self, begin: int, end: int) -> Leg:
        """Some neighbours of the waves."""
        s = slice(begin, end)
        return Leg(self.size, self.probes[s], self.begins[s], self.after[s], self.distance[s])

    def resized(self, size: int) -> Leg:
        """The same waves in windows of another size."""
        return Leg(size, self.probes, self.begins, self.after, self.distance)

    def batches(self, points: float) -> Iterator[Leg]:
        """Parts of at most so many grid points, in the larger of their windows, and at least one wave."""
        largest = max(self.size, int(self.after.max()))
        most = max(1, int(points // largest**2))
        for begin in range(0, len(self.probes), most):
            yield self.part(begin, begin + most)


class Course:
    """The windows of all probes, slice by slice. runs: of each probe, in the order of the beam."""

    def __init__(self, tile: TileSlices, runs: Sequence[Sequence[Run]]) -> None:
        self._sizes = np.zeros((len(runs), len(tile)), np.int64)
        for p, own in enumerate(runs):
            for run in own:
                self._sizes[p, run.slices] = run.size
        self._heights = np.array([tile.height(k) for k in range(len(tile))])
        self._first = np.where(self._sizes.any(axis=1), (self._sizes > 0).argmax(axis=1), -1)
        self._following = self._next()

    def _next(self) -> NDArray[np.int64]:
        """The slice that each probe feels after each slice (p, slice), -1 after the last."""
        found, following = np.full(self._sizes.shape, -1), np.full(len(self._sizes), -1)
        for k in reversed(range(self._sizes.shape[1])):
            found[:, k] = following
            following = np.where(self._sizes[:, k] > 0, k, following)
        return found

    @property
    def slices(self) -> NDArray[np.int64]:
        """Slices that some probe feels, in the order of the beam."""
        return np.flatnonzero(self._sizes.any(axis=0))

    @property
    def largest(self) -> int:
        """The largest window in grid points."""
        return int(self._sizes.max(initial=0))

    def legs(self, k: int) -> Iterator[Leg]:
        """Through slice k, by size of the window."""
        for size in np.unique(self._sizes[:, k]):
            if size:
                yield self._leg(k, int(size))

    def _leg(self, k: int, size: int) -> Leg:
        probes = np.flatnonzero(self._sizes[:, k] == size)
        following = self._following[probes, k]
        last = following < 0
        after = np.where(last, 0, self._sizes[probes, following])
        distance = np.where(last, 0.0, self._heights[following] - self._heights[k])
        order = np.lexsort((distance, after))
        begins = self._first[probes] == k
        return Leg(size, probes[order], begins[order], after[order], distance[order])


def neighbours(values: NDArray) -> Iterator[tuple[float, slice]]:
    """Each stretch of equal values in an array (n,): the value, and where it lies."""
    ends = np.append(np.flatnonzero(np.diff(values)) + 1, len(values))
    begin = 0
    for end in map(int, ends):
        if end > begin:
            yield values[begin].item(), slice(begin, end)
        begin = end
