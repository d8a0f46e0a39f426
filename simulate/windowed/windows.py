"""How wide a window each probe needs, slice by slice.

A probe feels a slice whose atoms come near its cone. Around it the wave needs a window that holds the cone
at that height, the tails of the probe, and what the material above has scattered. So windows differ from
probe to probe and grow and shrink along the beam. Slices that a probe does not feel are free space to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.slices import TileSlices
from simulate.windowed.wave_grids import window_size

GAP_ANGSTROM = 30.0
"""A window changes where a probe crosses more than this of free space."""
RUN_SLICES = 16
"""Or after so many slices."""
_CROSS = 0.65  # a circle is looked at as two rectangles across each other, with sides of this ratio


@dataclass(frozen=True)
class Optics:
    """What decides about windows; lengths in Å, angles in rad.

    half: half a window in focus at the entrance; alpha: convergence semi-angle; spread: angle at which a
    window grows with the depth of material passed; reach: how far from its cone a probe feels atoms.
    """

    focus: float
    alpha: float
    half: float
    spread: float
    reach: float

    def cone(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Radius of the geometric beam at each height."""
        return self.alpha * np.abs(height - self.focus)


@dataclass(frozen=True)
class Run:
    """Slices (k,) that a probe crosses in one window of `size` grid points."""

    slices: NDArray[np.int64]
    size: int


def felt(tile: TileSlices, centres: NDArray[np.float64], optics: Optics) -> NDArray[np.bool_]:
    """Which slices each probe feels (p, slice); centres (p, 2) in grid points of the tile, x and y."""
    found = np.zeros((len(centres), len(tile)), bool)
    for k in range(len(tile)):
        reach = (optics.reach + optics.cone(np.array(tile.height(k)))) / tile.sampling
        for across in (np.array([1.0, _CROSS]), np.array([_CROSS, 1.0])):
            found[:, k] |= tile.touched(k, centres - across * reach, centres + across * reach)
    return found


def runs(tile: TileSlices, active: NDArray[np.bool_], optics: Optics) -> list[Run]:
    """The windows of one probe that feels the slices `active` (slice,), in the order of the beam."""
    slices = np.flatnonzero(active)
    if len(slices) == 0:
        return []
    height = np.array([tile.height(int(k)) for k in slices])
    passed = np.arange(len(slices)) * tile.thickness
    half = optics.half + optics.cone(height) + optics.spread * passed
    joined: list[Run] = []
    for part in _parts(height):
        size = window_size(2 * float(half[part].max()) / tile.sampling)
        if joined and joined[-1].size == size:
            joined[-1] = Run(np.concatenate([joined[-1].slices, slices[part]]), size)
        else:
            joined.append(Run(slices[part], size))
    return joined


def _parts(height: NDArray[np.float64]) -> Iterator[slice]:
    """Neighbouring slices: at most RUN_SLICES of them, ended by gaps."""
    begin = 0
    for k in range(1, len(height) + 1):
        if k == len(height) or k - begin == RUN_SLICES or height[k] - height[k - 1] > GAP_ANGSTROM:
            yield slice(begin, k)
            begin = k
