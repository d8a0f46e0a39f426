"""The interface of a film and its substrate: level, with steps of one unit cell."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SteppedInterface:
    """level_nm: y of the leftmost terrace (y points down, the film lies above); steps_nm (s,) rising: x of
    the steps; rises (s,): 1 where the interface goes down by one `edge_nm` to the right, -1 where it goes up.
    """

    level_nm: float
    steps_nm: Array
    rises: Array
    edge_nm: float

    def level(self, x: Array) -> Array:
        """y of the interface at x (n,)."""
        heights = self.level_nm + self.edge_nm * np.concatenate([[0.0], np.cumsum(self.rises)])
        return np.asarray(heights[np.searchsorted(self.steps_nm, x, side="right")])

    def above(self, points: Array) -> NDArray[np.bool_]:
        """Whether points (n, 2) lie in the film."""
        return np.asarray(points[:, 1] < self.level(points[:, 0]))

    def amount(self, points: Array, width_nm: float) -> Array:
        """Share of film (n,) at points (n, 2), going from 0 to 1 as tanh(distance / width)."""
        smooth = (1 + np.tanh((points[:, :1] - self.steps_nm) / width_nm)) / 2 @ (self.rises * self.edge_nm)
        return np.asarray((1 + np.tanh((self.level_nm + smooth - points[:, 1]) / width_nm)) / 2)

    def lines(self, low_x: float, high_x: float) -> Array:
        """Straight lines (m, 4) x0, y0, x1, y1 of terraces and steps between two places."""
        inside = (self.steps_nm > low_x) & (self.steps_nm < high_x)
        corners = [(low_x, float(self.level(np.array([low_x]))[0]))]
        for x, rise in zip(self.steps_nm[inside], self.rises[inside], strict=True):
            y = corners[-1][1]
            corners += [(float(x), y), (float(x), y + rise * self.edge_nm)]
        corners.append((high_x, corners[-1][1]))
        return np.array([(*a, *b) for a, b in itertools.pairwise(corners)])


def random_steps(
    rng: np.random.Generator,
    level_nm: float,
    count: int,
    across_nm: tuple[float, float],
    edge_nm: float,
    origin_x: float,
) -> SteppedInterface:
    """So many steps, up or down at random, uniform between two x, but between columns of atoms, one of which
    is at `origin_x`.
    """
    drawn = np.sort(rng.uniform(*across_nm, count))
    snapped = origin_x + edge_nm * (np.floor((drawn - origin_x) / edge_nm) + 0.25)
    rises = rng.choice([-1.0, 1.0], count)
    places, which = np.unique(snapped, return_inverse=True)
    return SteppedInterface(level_nm, places, np.bincount(which, rises, len(places)).astype(float), edge_nm)


def pieces(lines: Array, longest_nm: float) -> Array:
    """Lines (m, 4) cut into equal pieces (k, 4) no longer than so much."""
    found = []
    for x0, y0, x1, y1 in lines:
        count = max(1, int(np.ceil(np.hypot(x1 - x0, y1 - y0) / longest_nm)))
        t = np.linspace(0, 1, count + 1)
        x, y = x0 + t * (x1 - x0), y0 + t * (y1 - y0)
        found.append(np.column_stack([x[:-1], y[:-1], x[1:], y[1:]]))
    return np.concatenate(found) if found else np.zeros((0, 4))
