"""Legs: which probes cross a slice in windows of one size, and where they go."""

from __future__ import annotations

import numpy as np

from simulate.windowed.courses import Course, neighbours
from simulate.windowed.windows import Run


class Tile:
    """Slices of 2 Å with one of them missing."""

    filled = (0, 1, 2, 7)

    def __len__(self) -> int:
        return len(self.filled)

    def height(self, k: int) -> float:
        return 2.0 * self.filled[k]


def run(size: int, *slices: int) -> Run:
    return Run(np.array(slices), size)


COURSE = Course(
    Tile(),  # type: ignore[arg-type]
    [
        [run(64, 0, 1), run(96, 3)],  # grows
        [run(64, 0, 1, 2, 3)],
        [run(96, 1), run(64, 2)],  # shrinks
        [],
        [run(64, 0)],
    ],
)


def test_probes_in_windows_of_one_size_go_together():
    assert COURSE.largest == 96
    assert COURSE.slices.tolist() == [0, 1, 2, 3]
    legs = {(k, leg.size): leg for k in COURSE.slices for leg in COURSE.legs(k)}
    assert {key: sorted(leg.probes) for key, leg in legs.items()} == {
        (0, 64): [0, 1, 4],
        (1, 64): [0, 1],
        (1, 96): [2],
        (2, 64): [1, 2],
        (3, 64): [1],
        (3, 96): [0],
    }
    assert {key for key, leg in legs.items() if leg.begins.any()} == {(0, 64), (1, 96)}


def test_a_leg_is_sorted_by_what_comes_after_it():
    (first,) = COURSE.legs(0)
    assert first.probes.tolist() == [4, 0, 1]
    assert first.after.tolist() == [0, 64, 64]
    assert first.distance.tolist() == [0, 2, 2]
    second, wide = COURSE.legs(1)
    assert second.probes.tolist() == [1, 0]
    assert second.after.tolist() == [64, 96]
    assert second.distance.tolist() == [2, 12], "slices that a probe does not feel are free space"
    assert (wide.after.tolist(), wide.distance.tolist()) == ([64], [2])


def test_batches_hold_the_largest_window():
    second, _ = COURSE.legs(1)
    assert [len(part.probes) for part in second.batches(2 * 96**2)] == [2]
    assert [len(part.probes) for part in second.batches(2 * 96**2 - 1)] == [1, 1]
    assert [len(part.probes) for part in second.batches(1)] == [1, 1]


def test_stretches_of_equal_values():
    assert [(v, s.start, s.stop) for v, s in neighbours(np.array([3, 3, 1, 5, 5]))] == [
        (3, 0, 2),
        (1, 2, 3),
        (5, 3, 5),
    ]
    assert list(neighbours(np.array([]))) == []
