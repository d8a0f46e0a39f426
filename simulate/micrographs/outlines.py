"""Curved borders of regions in the plane: closed ones around pillars, open ones along bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulate.micrographs.waves import Waves, random_waves
from stochgeom.errors import InfeasibleParametersError

Array = NDArray[np.float64]

PIECE_NM = 0.15
"""Longest straight piece of a border."""
_APART_NM = 0.8
"""Least distance between the borders of two regions."""
_TRIES = 2000
_LOBES = np.arange(2.0, 7.0)
"""Waves around a closed border; one would only shift it."""


class Outline(Protocol):
    """The border of a region."""

    def depth(self, points: Array) -> Array:
        """How far (n,) points (n, 2) lie inside, nm, to first order near the border; negative outside."""
        ...

    def pieces(self) -> Array:
        """Straight pieces (m, 4) x0, y0, x1, y1 of the border."""
        ...


@dataclass(frozen=True, eq=False)
class Pillar:
    """A region around a centre (2,) with the border r(angle) = radius_nm (1 + waves(angle))."""

    centre_nm: Array
    radius_nm: float
    waves: Waves

    @property
    def reach_nm(self) -> float:
        """Bound of the distance from the centre to the border."""
        return self.radius_nm * (1 + float(np.abs(self.waves.amplitudes).sum()))

    def depth(self, points: Array) -> Array:
        """How far (n,) points (n, 2) lie inside; see `Outline`."""
        away = points - self.centre_nm
        angle = np.arctan2(away[:, 1], away[:, 0])
        border = self.radius_nm * (1 + self.waves(angle))
        # The border is not at right angles to the ray.
        slope = self.radius_nm * self.waves.slope(angle) / border
        return np.asarray((border - np.linalg.norm(away, axis=1)) / np.sqrt(1 + slope**2))

    def pieces(self) -> Array:
        """Straight pieces (m, 4) all around."""
        count = int(np.ceil(2 * np.pi * self.reach_nm / PIECE_NM))
        angle = np.linspace(0, 2 * np.pi, count + 1)
        radius = self.radius_nm * (1 + self.waves(angle))
        points = self.centre_nm + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        return np.hstack([points[:-1], points[1:]])


@dataclass(frozen=True, eq=False)
class Band:
    """A region between two borders y = middle_nm -/+ width_nm / 2 + waves(x), between two x, `ends_nm`."""

    middle_nm: float
    width_nm: float
    waves: tuple[Waves, Waves]
    ends_nm: tuple[float, float]

    def _border(self, side: int, x: Array) -> Array:
        return self.middle_nm + (side - 0.5) * self.width_nm + self.waves[side](x)

    def depth(self, points: Array) -> Array:
        """How far (n,) points (n, 2) lie inside; see `Outline`."""
        x, y = points.T
        gaps = [
            (1 - 2 * side) * (y - self._border(side, x)) / np.sqrt(1 + self.waves[side].slope(x) ** 2)
            for side in (0, 1)
        ]
        return np.minimum(*gaps)

    def pieces(self) -> Array:
        """Straight pieces (m, 4) of both borders."""
        count = int(np.ceil((self.ends_nm[1] - self.ends_nm[0]) / PIECE_NM))
        x = np.linspace(*self.ends_nm, count + 1)
        borders = [self._border(side, x) for side in (0, 1)]
        return np.concatenate([np.column_stack([x[:-1], y[:-1], x[1:], y[1:]]) for y in borders])


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of the plane: 0 where no outline is, 1 and so on inside them."""

    outlines: Sequence[Outline]

    def at(self, points: Array) -> NDArray[np.int64]:
        """Region (n,) at points (n, 2)."""
        found = np.zeros(len(points), np.int64)
        for k, outline in enumerate(self.outlines):
            found[outline.depth(points) > 0] = k + 1
        return found

    def inside(self, points: Array, width_nm: float) -> Array:
        """How much (n,) points (n, 2) are inside of any, going from 0 to 1 as tanh(depth / width)."""
        depth = np.max([outline.depth(points) for outline in self.outlines], axis=0)
        return np.asarray((1 + np.tanh(depth / width_nm)) / 2)


def random_pillars(
    rng: np.random.Generator, half_nm: Array, radii_nm: Array, roughness: float
) -> list[Pillar]:
    """Pillars of the given mean radii, which vary around each with the relative root mean square `roughness`;
    centres uniform in the rectangle from -half to half (2,), borders apart. InfeasibleParametersError where
    they find no place.
    """
    found: list[Pillar] = []
    order = np.argsort(-radii_nm)  # the largest first: they fit worst
    for _ in range(_TRIES):
        pillar = Pillar(rng.uniform(-half_nm, half_nm), 0.0, random_waves(rng, roughness, _LOBES))
        pillar = replace(pillar, radius_nm=float(radii_nm[order[len(found)]]))
        gaps = [
            np.linalg.norm(pillar.centre_nm - other.centre_nm) - pillar.reach_nm - other.reach_nm
            for other in found
        ]
        if min(gaps, default=np.inf) >= _APART_NM:
            found.append(pillar)
        if len(found) == len(radii_nm):
            return found
    raise InfeasibleParametersError(
        "regions",
        len(radii_nm),
        max(1, len(found)),
        f"pillars of about {radii_nm.mean():.2g} nm in the field",
    )


def random_bands(
    rng: np.random.Generator,
    half_nm: Array,
    ends_nm: tuple[float, float],
    widths_nm: Array,
    roughness: float,
) -> list[Band]:
    """Bands of the given widths along x, spread over y from -half to half, whose borders wave by `roughness`
    half their width (root mean square), in wavelengths from the field's width down to a fifth of it.
    InfeasibleParametersError where borders would meet.
    """
    frequencies = np.pi / half_nm[0] * np.arange(1, 6)
    free = 2 * half_nm[1] - widths_nm.sum()
    waves = [[random_waves(rng, roughness * width / 2, frequencies) for _ in range(2)] for width in widths_nm]
    most = [max(float(np.abs(w.amplitudes).sum()) for w in pair) for pair in waves]
    needed = 2 * sum(most) + _APART_NM * len(widths_nm)
    if free < needed or any(2 * m >= width for m, width in zip(most, widths_nm, strict=True)):
        raise InfeasibleParametersError(
            "regions",
            len(widths_nm),
            max(1, len(widths_nm) - 1),
            "bands and their waves in the field's height",
        )
    # What is left is shared out at random between the bands.
    gaps = np.sort(rng.uniform(0, free - needed, len(widths_nm)))
    found, y = [], -half_nm[1]
    for k, width in enumerate(widths_nm):
        taken = most[k] + _APART_NM / 2
        middle = y + gaps[k] - (gaps[k - 1] if k else 0) + taken + width / 2
        found.append(Band(float(middle), float(width), (waves[k][0], waves[k][1]), ends_nm))
        y = middle + width / 2 + taken
    return found
