"""Wulff's construction: the equilibrium shape of a crystal from the energies of its surfaces.

The body of the points with n . x <= gamma(n) for all surfaces n (Wulff 1901). A family {hkl} stands for all
planes that the crystal's Laue class makes of one, so the body is symmetric under inversion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from .polytope import Polytope

LaueClass = Literal[
    "-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m1", "-31m", "6/m", "6/mmm", "m-3", "m-3m"
]  # fmt: skip

_TWO_Y = ((-1, 0, 0), (0, 1, 0), (0, 0, -1))
_TWO_Z = ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
_FOUR_Z = ((0, -1, 0), (1, 0, 0), (0, 0, 1))
_THREE_Z = ((0, -1, 0), (1, -1, 0), (0, 0, 1))
_SIX_Z = ((1, -1, 0), (1, 0, 0), (0, 0, 1))
_TWO_AB = ((0, 1, 0), (1, 0, 0), (0, 0, -1))
_TWO_A_B = ((0, -1, 0), (-1, 0, 0), (0, 0, -1))
_THREE_ABC = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
# Rotations in the basis of the conventional cell (b unique if monoclinic, hexagonal axes if trigonal) that,
# with inversion, make each class: International Tables for Crystallography A, chapter 3.2.
_GENERATORS: dict[str, tuple] = {
    "-1": (),
    "2/m": (_TWO_Y,),
    "mmm": (_TWO_Y, _TWO_Z),
    "4/m": (_FOUR_Z,),
    "4/mmm": (_FOUR_Z, _TWO_Y),
    "-3": (_THREE_Z,),
    "-3m1": (_THREE_Z, _TWO_AB),
    "-31m": (_THREE_Z, _TWO_A_B),
    "6/m": (_SIX_Z,),
    "6/mmm": (_SIX_Z, _TWO_AB),
    "m-3": (_TWO_Z, _THREE_ABC),
    "m-3m": (_FOUR_Z, _THREE_ABC),
}


def wulff_polytope(
    cell_angstrom: Sequence[float],
    angles_deg: Sequence[float],
    laue_class: str,
    surface_energies: Mapping[str, float],
) -> Polytope:
    """The Wulff shape of a crystal, in its Cartesian crystal frame (a along x, b in the xy plane).

    cell_angstrom a, b, c and angles_deg alpha, beta, gamma of the conventional cell; surface_energies by
    Miller indices ("101", "1 0 -1"), in J/m² (their ratios matter). ValueError for indices or a class that do
    not fit, UserError if the families enclose no body.
    """
    lattice = cell_vectors(cell_angstrom, angles_deg)
    operations = laue_operations(laue_class)
    _check_fits(lattice, operations, laue_class)
    normals, distances = [], []
    for family, energy in surface_energies.items():
        planes = np.unique(np.array(miller_indices(family)) @ operations, axis=0)
        directions = planes @ np.linalg.inv(lattice).T
        normals.append(directions / np.linalg.norm(directions, axis=1, keepdims=True))
        distances.append(np.full(len(planes), float(energy)))
    return Polytope.of_halfspaces(np.concatenate(normals), np.concatenate(distances))


def cell_vectors(cell_angstrom: Sequence[float], angles_deg: Sequence[float]) -> np.ndarray:
    """(3, 3) rows a, b, c in Å: a along x, b in the xy plane. ValueError if there is no such cell."""
    a, b, c = cell_angstrom
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(angles_deg)).round(15)
    sin_gamma = np.sqrt(1 - cos_gamma**2)
    along = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    height = 1 - cos_beta**2 - along**2
    if not height > 0:
        raise ValueError(f"no cell has the angles {', '.join(f'{angle:g}' for angle in angles_deg)}")
    return np.array(
        [[a, 0, 0], [b * cos_gamma, b * sin_gamma, 0], [c * cos_beta, c * along, c * np.sqrt(height)]]
    )


@lru_cache(maxsize=16)
def laue_operations(laue_class: str) -> np.ndarray:
    """(g, 3, 3) int64: all operations of a Laue class in the basis of the conventional cell."""
    generators = [np.array(g) for g in (*_GENERATORS[laue_class], -np.eye(3, dtype=int))]
    group = {np.eye(3, dtype=int).tobytes(): np.eye(3, dtype=int)}
    fresh = list(group.values())
    while fresh:
        products = [one @ g for one in fresh for g in generators]
        fresh = []
        for product in products:
            if product.tobytes() not in group:
                group[product.tobytes()] = product
                fresh.append(product)
    return np.array(list(group.values()), dtype=np.int64)


def miller_indices(text: str) -> tuple[int, int, int]:
    """Indices h, k, l of "101", "1 0 -1" or, with i = -h - k left out, "1 0 -1 0"; ValueError for others."""
    found = re.findall(r"-?\d+", text) if re.search(r"[\s,]", text.strip()) else re.findall(r"-?\d", text)
    left = re.sub(r"-?\d|[\s,]", "", text)
    numbers = [int(one) for one in found]
    if len(numbers) == 4 and numbers[0] + numbers[1] + numbers[2] == 0:
        numbers = [*numbers[:2], numbers[3]]
    if left or len(numbers) != 3 or not any(numbers) or max(map(abs, numbers)) > 99:
        raise ValueError(f"{text!r} are no Miller indices; accepted: 101 or 1 0 -1, for example")
    return numbers[0], numbers[1], numbers[2]


def _check_fits(lattice: np.ndarray, operations: np.ndarray, laue_class: str) -> None:
    """ValueError if the operations change the lengths and angles of the cell."""
    metric = lattice @ lattice.T
    turned = np.swapaxes(operations, 1, 2) @ metric @ operations
    if np.abs(turned - metric).max() > 1e-3 * metric.max():
        raise ValueError(f"Laue class {laue_class} does not fit the cell: its operations distort it")
