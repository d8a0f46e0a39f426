"""A sheet of atoms in the plane: neighbours, atoms too close to each other, and relaxation of its bonds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

CLOSEST_NM = 0.115
"""Of two atoms closer than this the later goes."""
BONDED_NM = 0.19
"""Atoms closer than this are bonded; bonds of graphene are 0.142 nm long."""
_SILICON_BOND_NM = {1: 0.166, 2: 0.187}
"""In projection, of threefold silicon, which stands above the sheet, and of silicon in a double vacancy."""
_FOURFOLD_REACH_NM = 0.21
_SECOND_STIFFNESS = 0.2
"""Of the springs between second neighbours, which stand for the angles; of bonds it is 1."""
_STEP, _STEPS = 0.15, 300


@dataclass(frozen=True, eq=False)
class Sheet:
    """Sites: positions (n, 2) nm; kind (n,): 0 carbon, 1 and 2 silicon on one and two sites, above that
    empty; grain (n,).
    """

    positions_nm: Array
    kind: NDArray[np.int64]
    grain: NDArray[np.int64]

    def part(self, keep: NDArray[np.bool_]) -> Sheet:
        """Some of the sites."""
        return Sheet(self.positions_nm[keep], self.kind[keep], self.grain[keep])


def tidied(sheet: Sheet) -> Sheet:
    """Without the later of two atoms that are too close, and without atoms that hang by one bond."""
    close = cKDTree(sheet.positions_nm).query_pairs(CLOSEST_NM, output_type="ndarray")
    keep = np.ones(len(sheet.kind), bool)
    for i, j in sorted(map(tuple, np.sort(close, axis=1).tolist())):
        if keep[i]:
            keep[j] = False
    sheet = sheet.part(keep)
    low, high = sheet.positions_nm.min(axis=0), sheet.positions_nm.max(axis=0)
    edge = (np.minimum(sheet.positions_nm - low, high - sheet.positions_nm) < BONDED_NM).any(axis=1)
    return sheet.part((_coordination(sheet) > 1) | edge)


def bulk(sheet: Sheet) -> NDArray[np.int64]:
    """Carbon atoms with three neighbours, all of their own grain, and these with three again."""
    pairs = cKDTree(sheet.positions_nm).query_pairs(BONDED_NM, output_type="ndarray")
    same = pairs[sheet.grain[pairs[:, 0]] == sheet.grain[pairs[:, 1]]]
    whole = (np.bincount(pairs.ravel(), minlength=len(sheet.kind)) == 3) & (
        np.bincount(same.ravel(), minlength=len(sheet.kind)) == 3
    )
    good = np.bincount(
        pairs.ravel(), weights=whole[pairs[:, ::-1].ravel()].astype(float), minlength=len(sheet.kind)
    )
    return np.flatnonzero(whole & (good == 3))


def _coordination(sheet: Sheet) -> NDArray[np.int64]:
    pairs = cKDTree(sheet.positions_nm).query_pairs(BONDED_NM, output_type="ndarray")
    return np.bincount(pairs.ravel(), minlength=len(sheet.kind))


def relaxed(sheet: Sheet, lattice_constant_nm: float) -> Sheet:
    """Atoms moved in the plane until bonds have about their lengths: springs along bonds, and weaker ones
    between second neighbours for the angles. Empty sites stay; what is too close then goes.
    """
    atoms = np.flatnonzero(sheet.kind <= 2)
    start, kind = sheet.positions_nm[atoms], sheet.kind[atoms]
    pairs, rest, stiffness = _springs(start, kind, lattice_constant_nm)
    positions = start.copy()
    i, j = pairs.T
    for _ in range(_STEPS):
        gap = positions[j] - positions[i]
        pull = (stiffness * (1 - rest / np.linalg.norm(gap, axis=1)))[:, None] * gap
        for axis in range(2):
            force = np.bincount(i, pull[:, axis], len(atoms)) - np.bincount(j, pull[:, axis], len(atoms))
            positions[:, axis] += _STEP * force
    moved = sheet.positions_nm.copy()
    moved[atoms] = positions
    return _apart(Sheet(moved, sheet.kind, sheet.grain))


def _springs(
    positions: Array, kind: NDArray[np.int64], lattice_constant_nm: float
) -> tuple[NDArray[np.int64], Array, Array]:
    """Pairs (p, 2), lengths at rest (p,), stiffness (p,)."""
    near = np.sort(cKDTree(positions).query_pairs(_FOURFOLD_REACH_NM, output_type="ndarray"), axis=1)
    near = near[np.lexsort(near.T[::-1])]
    length = np.linalg.norm(positions[near[:, 0]] - positions[near[:, 1]], axis=1)
    largest = kind[near].max(axis=1)
    bonds = near[np.where(largest == 2, length < _FOURFOLD_REACH_NM, length < BONDED_NM)]
    rest = np.full(len(bonds), lattice_constant_nm / math.sqrt(3))
    for number, bond in _SILICON_BOND_NM.items():
        rest[kind[bonds].max(axis=1) == number] = bond
    second = _second_neighbours(bonds, kind)
    return (
        np.vstack([bonds, second]),
        np.concatenate([rest, np.full(len(second), lattice_constant_nm)]),
        np.concatenate([np.ones(len(bonds)), np.full(len(second), _SECOND_STIFFNESS)]),
    )


def _second_neighbours(bonds: NDArray[np.int64], kind: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs (p, 2) of atoms bonded to the same carbon atom."""
    from scipy.sparse import coo_array

    both = np.vstack([bonds, bonds[:, ::-1]])
    n = len(kind)
    shape = (n, n)
    linked = coo_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=shape).tocsr()
    through = linked @ coo_array(((kind == 0).astype(float), (np.arange(n), np.arange(n))), shape=shape)
    i, j = (through.tocsr() @ linked).nonzero()
    pairs = np.column_stack([i, j])[i < j].astype(np.int64)
    return pairs[np.lexsort(pairs.T[::-1])]


def _apart(sheet: Sheet) -> Sheet:
    """Without the later of two atoms that are too close."""
    atoms = np.flatnonzero(sheet.kind <= 2)
    close = cKDTree(sheet.positions_nm[atoms]).query_pairs(CLOSEST_NM, output_type="ndarray")
    keep = np.ones(len(sheet.kind), bool)
    for i, j in sorted(map(tuple, np.sort(close, axis=1).tolist())):
        if keep[atoms[i]]:
            keep[atoms[j]] = False
    return sheet.part(keep)
