"""Ferroelectric domains of a film on a substrate, seen edge-on: stripes between walls of 109 degrees, some of
them cut by a wall of 180 degrees.

Walls lie as crystals of this symmetry let them lie without stress (S. K. Streiffer et al., J. Appl. Phys. 83
(1998) 2742). Stripes follow each other along x and their polarization turns over in y and z: walls of 109
degrees on (100), without charge. A wall of 180 degrees runs along the polarization of its stripe, without
charge as well. Below it, where the polarization is inverted, the stripe's borders are walls of 71 degrees on
(100): they strain nothing, as inversion changes no strain, but are charged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

VARIANTS = ((1, 1), (-1, 1), (-1, -1), (1, -1))
"""Signs of x and y of the polarization of each domain's number; y points down."""
SUBSTRATE_DOMAIN = len(VARIANTS)


@dataclass(frozen=True, eq=False)
class FilmDomains:
    """edges_nm (s - 1,) rising: x of the walls between s stripes; signs (s, 3) of 1 and -1: of each stripe's
    polarization along x, y, z, above its wall of 180 degrees where it has one; cut_nm (s,): y of that wall
    in the stripe's middle, NaN where there is none; middle_nm (s,): x of the middle of what is
    seen of the stripe.

    Across walls all changes as tanh(distance / `wall_width_nm`).
    """

    edges_nm: Array
    signs: Array
    cut_nm: Array
    middle_nm: Array
    wall_width_nm: float

    def stripe(self, x: Array) -> NDArray[np.int64]:
        """Number (n,) of the stripe at x (n,)."""
        return np.asarray(np.searchsorted(self.edges_nm, x, side="right"), np.int64)

    def _above(self, points: Array, stripe: NDArray[np.int64]) -> Array:
        """Distance (n,) above (positive) the wall of 180 degrees of given stripes, infinite without one."""
        slope = self.signs[stripe, 0] * self.signs[stripe, 1]
        line = self.cut_nm[stripe] + slope * (points[:, 0] - self.middle_nm[stripe])
        away = (line - points[:, 1]) / np.sqrt(2)
        return np.where(np.isnan(away), np.inf, away)

    def variant(self, points: Array) -> NDArray[np.int64]:
        """Number (n,) in `VARIANTS` at points (n, 2)."""
        stripe = self.stripe(points[:, 0])
        side = np.where(self._above(points, stripe) > 0, 1, -1)
        signs = side[:, None] * self.signs[stripe, :2]
        table = {pair: k for k, pair in enumerate(VARIANTS)}
        return np.array([table[int(a), int(b)] for a, b in signs], np.int64).reshape(-1)

    def shares(self, points: Array) -> Array:
        """Share (n, s, 2) of each stripe, upright and inverted, in the order at points (n, 2): smooth across
        walls, summing to one.
        """
        width = self.wall_width_nm
        steps = (1 + np.tanh((points[:, :1] - self.edges_nm) / width)) / 2
        outer = np.ones((len(points), 1))
        inside = np.hstack([outer, steps]) - np.hstack([steps, 0 * outer])
        count = len(self.signs)
        above = [self._above(points, np.full(len(points), k)) for k in range(count)]
        upright = (1 + np.tanh(np.array(above).T.reshape(-1, count) / width)) / 2
        return np.stack([inside * upright, inside * (1 - upright)], axis=2)

    def shear_sign(self, points: Array) -> Array:
        """Sign (n,) of the shear xy, smooth across walls: that of the product of the polarization's signs."""
        return np.asarray(self.shares(points).sum(axis=2) @ (self.signs[:, 0] * self.signs[:, 1]))

    def walls(self, top_nm: float, left_nm: float, right_nm: float, interface_nm: Array) -> Array:
        """Straight lines (m, 4) x0, y0, x1, y1: of 109 (or 71) degrees from y = `top_nm` down to the
        interface (s - 1,) at each edge; those of 180 degrees across their stripes, between left and right,
        which may run on below the interface.
        """
        upright = [(x, top_nm, x, y) for x, y in zip(self.edges_nm, interface_nm, strict=True)]
        ends = np.clip(np.concatenate([[left_nm], self.edges_nm, [right_nm]]), left_nm, right_nm)
        across = []
        for k in np.flatnonzero(np.isfinite(self.cut_nm)):
            slope = self.signs[k, 0] * self.signs[k, 1]
            x = ends[k : k + 2]
            y = self.cut_nm[k] + slope * (x - self.middle_nm[k])
            across.append((x[0], y[0], x[1], y[1]))
        return np.array([*upright, *across], float).reshape(-1, 4)


def random_domains(
    rng: np.random.Generator,
    across_nm: tuple[float, float],
    seen_nm: tuple[float, float],
    film_nm: tuple[float, float],
    width_nm: float,
    spread: float,
    inverted_share: float,
    wall_width_nm: float,
) -> FilmDomains:
    """Stripes between two x: widths uniform within `spread` of `width_nm`, a wall of 180 degrees in each with
    the probability `inverted_share`, its middle between 0.3 and 0.7 of the film, which is seen between two
    x, `seen_nm`, and two y, `film_nm`.
    """
    (left, right), (top, bottom) = across_nm, film_nm
    count = int(np.ceil((right - left) / (width_nm * (1 - spread)))) + 2
    widths = width_nm * rng.uniform(1 - spread, 1 + spread, count)
    edges = left - width_nm * rng.random() + np.concatenate([[0.0], np.cumsum(widths)])
    start = rng.choice([-1, 1], 3)
    turned = np.where(np.arange(count)[:, None] % 2 == 1, [[1, -1, -1]], [[1, 1, 1]])
    cut = top + (bottom - top) * rng.uniform(0.3, 0.7, count)
    cut[rng.random(count) >= inverted_share] = np.nan
    seen = np.clip(edges, *seen_nm)
    middle = np.where(seen[1:] > seen[:-1], seen[1:] + seen[:-1], edges[1:] + edges[:-1]) / 2
    return FilmDomains(edges[1:-1], start * turned, cut, middle, wall_width_nm)
