"""Perovskite and rock salt along [001], as columns of atoms on a square lattice, and cut to regions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from simulate.micrographs.frames import Frame, crystal_box
from simulate.micrographs.perovskite import OX, OZ, SITES, A, B

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

CLOSEST_NM = 0.15
"""Of two atoms of different crystals closer than this the later crystal's goes."""
_LEAST_SHARE = 0.5
"""A column is there if at least this share of its atoms is."""


@dataclass(frozen=True, eq=False)
class SquareCrystal:
    """Columns in a square cell of `edge_nm` that repeats along the beam, too.

    corners (k, 2): places in units of the edge; names (k,): a number for what stands in each, alike for equal
    ones; stacks: of each column the heights in units of the edge, 0 to 1, and atomic numbers.
    """

    edge_nm: float
    corners: Array
    names: Numbers
    stacks: tuple[tuple[tuple[float, int], ...], ...]

    def columns(self, origin_nm: Array, low_nm: Array, high_nm: Array) -> tuple[Array, Numbers]:
        """Places (n, 2) nm of all columns in a rectangle, and which of the cell's (n,) each is."""
        first = np.floor((low_nm - origin_nm) / self.edge_nm) - 1
        last = np.ceil((high_nm - origin_nm) / self.edge_nm) + 1
        ranges = [np.arange(first[k], last[k]) for k in range(2)]
        cells = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 2)
        places = origin_nm + self.edge_nm * (cells[:, None] + self.corners[None]).reshape(-1, 2)
        which = np.tile(np.arange(len(self.corners)), len(cells))
        keep = ((places >= low_nm) & (places < high_nm)).all(axis=1)
        return places[keep], which[keep]

    def atoms(self, which: Numbers, thickness_nm: float) -> tuple[Numbers, Array, Numbers]:
        """Atoms of columns (n,): the column (m,), height (m,) nm and number (m,) of each. As many whole
        cells as fit between the faces, one at least, with the same gap to both.
        """
        planes = sorted({height for stack in self.stacks for height, _ in stack})
        count = len(planes) * max(1, math.floor(thickness_nm / self.edge_nm))
        own, heights, numbers = [], [], []
        for k in range(count):
            layer, plane = divmod(k, len(planes))
            for c, stack in enumerate(self.stacks):
                for height, number in stack:
                    if height == planes[plane]:
                        found = np.flatnonzero(which == c)
                        own.append(found)
                        heights.append(np.full(len(found), self.edge_nm * (layer + height)))
                        numbers.append(np.full(len(found), number, np.int64))
        z = np.concatenate(heights)
        z += (thickness_nm - z.max() - z.min()) / 2
        return np.concatenate(own), z, np.concatenate(numbers)


def perovskite(edge_nm: float, a: int, b: int, names: tuple[int, int, int]) -> SquareCrystal:
    """A cubic perovskite of the elements a and b and oxygen; names: of columns of A, of B and of oxygen."""
    height = SITES[:, 2]
    stacks = (
        ((float(height[A]), a),),
        ((float(height[B]), b), (float(height[OZ]), 8)),
        ((float(height[OX]), 8),),
        ((float(height[OX]), 8),),
    )
    return SquareCrystal(edge_nm, SITES[:4, :2], np.array([*names, names[2]]), stacks)


def rock_salt(edge_nm: float, metal: int, name: int) -> SquareCrystal:
    """Rock salt of a metal and oxygen, whose columns hold both by turns and are all alike but for height."""
    corners = np.array([[0, 0], [0.5, 0.5], [0.5, 0], [0, 0.5]])
    metal_first, oxygen_first = ((0.0, metal), (0.5, 8)), ((0.0, 8), (0.5, metal))
    stacks = (metal_first, metal_first, oxygen_first, oxygen_first)
    return SquareCrystal(edge_nm, corners, np.full(4, name), stacks)


@dataclass(frozen=True, eq=False)
class TurnedCrystal:
    """A crystal turned by `degrees` from x towards y, and where a cell's corner lies before that, (2,)."""

    cell: SquareCrystal
    degrees: float
    origin_nm: Array

    def columns(self, low_nm: Array, high_nm: Array) -> tuple[Array, Numbers]:
        """Places (n, 2) nm of the columns in a rectangle around the origin, and which of its cell."""
        angle = np.radians(self.degrees)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        places, which = self.cell.columns(self.origin_nm, *crystal_box(low_nm, high_nm, self.degrees))
        places = places @ turn
        keep = ((places >= low_nm) & (places < high_nm)).all(axis=1)
        return places[keep], which[keep]


@dataclass(frozen=True, eq=False)
class Cut:
    """Atoms: numbers (n,), positions_nm (n, 3) in the image, crystal (n,); and the columns in the crystals'
    plane: columns_nm (m, 2), column_kind (m,), column_crystal (m,).
    """

    numbers: Numbers
    positions_nm: Array
    crystal: Numbers
    columns_nm: Array
    column_kind: Numbers
    column_crystal: Numbers


def cut_out(
    crystals: Sequence[TurnedCrystal],
    region_at: Callable[[Array], Numbers],
    frame: Frame,
    plane_nm: tuple[Array, Array],
) -> Cut:
    """Each crystal in its region, within a rectangle of the plane around the origin, low and high (2,), that
    `frame` brings into the image. Of two atoms of different crystals that are too close the later crystal's
    goes, and a column once more than half of its atoms are gone.
    """
    atoms: list[tuple[Numbers, Array, Numbers]] = []
    columns: list[tuple[Array, Numbers, Numbers]] = []
    for k, crystal in enumerate(crystals):
        places, which = crystal.columns(*plane_nm)
        mine = region_at(places) == k
        places, which = places[mine], which[mine]
        column, z, numbers = crystal.cell.atoms(which, frame.thickness_nm)
        positions = frame.leaned(frame.image(places)[column], z)
        there = _far(positions, [earlier for _, earlier, _ in atoms])
        share = np.bincount(column[there], minlength=len(places)) / np.bincount(column, minlength=len(places))
        kept = share >= _LEAST_SHARE
        atoms.append((numbers[there], positions[there], np.full(int(there.sum()), k, np.int64)))
        columns.append((places[kept], crystal.cell.names[which[kept]], np.full(int(kept.sum()), k, np.int64)))
    return Cut(
        *(np.concatenate(parts) for parts in zip(*atoms, strict=True)),
        *(np.concatenate(parts) for parts in zip(*columns, strict=True)),
    )


def _far(positions: Array, earlier: list[Array]) -> NDArray[np.bool_]:
    """Whether each of the atoms (n, 3) is far enough from all earlier ones: (n,)."""
    if not earlier or not len(positions):
        return np.ones(len(positions), bool)
    gaps = cKDTree(np.concatenate(earlier)).query(positions, distance_upper_bound=CLOSEST_NM)[0]
    return np.asarray(gaps >= CLOSEST_NM)
