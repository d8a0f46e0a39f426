"""Lattice planes of a crystal by the strength of their potential: along them electrons channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulate.cross_sections import scattering_factor_angstrom
from simulate.material import Material

_LARGEST_PER_ANGSTROM = 1.2  # of reciprocal lattice vectors; beyond, vibrations leave little
_ALIKE = 1e-5


class PlaneFamilies(NamedTuple):
    """normals (m, 3), unit vectors of the crystal's frame, each plane once; family (m,) int64 counts from 0,
    in falling order of strength (f,), relative to the strongest.
    """

    normals: NDArray[np.float64]
    family: NDArray[np.int64]
    strength: NDArray[np.float64]


def plane_families(material: Material, most: int = 80) -> PlaneFamilies:
    """The strongest families of planes that the Laue group maps onto each other, at most `most` of them.

    The strength is the root of the summed squares of the potential's Fourier coefficients along the normal,
    vibrations included.
    """
    vectors, coefficient = _coefficients(material)
    laue = material.laue_rotations()
    members: list[NDArray[np.float64]] = []
    squares: list[float] = []
    for k in np.argsort(-coefficient, kind="stable"):
        normal = vectors[k] / np.linalg.norm(vectors[k])
        which = [f for f, planes in enumerate(members) if (abs(planes @ normal) > 1 - _ALIKE).any()]
        if not which:
            members.append(_orbit(laue, normal))
            squares.append(float(coefficient[k] ** 2))
        elif abs(members[which[0]][0] @ normal) > 1 - _ALIKE and vectors[k] @ members[which[0]][0] > 0:
            squares[which[0]] += float(coefficient[k] ** 2)
    order = np.argsort(-np.array(squares), kind="stable")[:most]
    strength = np.sqrt(np.array(squares)[order])
    family = np.repeat(np.arange(len(order)), [len(members[f]) for f in order])
    return PlaneFamilies(np.concatenate([members[f] for f in order]), family, strength / strength[0])


def _coefficients(material: Material) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reciprocal lattice vectors (n, 3) in 1/Å whose coefficients (n,) are 3 % of the largest and more."""
    from ase.data import chemical_symbols

    reciprocal = np.linalg.inv(np.asarray(material.cell.cell.array)).T
    edges = np.linalg.norm(np.asarray(material.cell.cell.array), axis=1)
    axes = [np.arange(-n, n + 1) for n in np.ceil(_LARGEST_PER_ANGSTROM * edges).astype(int)]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(index @ reciprocal, axis=1)
    index = index[(length > 0) & (length < _LARGEST_PER_ANGSTROM)]
    vectors = index @ reciprocal
    length = np.linalg.norm(vectors, axis=1)
    places, numbers = material.cell.get_scaled_positions(), material.cell.numbers
    found = np.zeros(len(index), complex)
    for number in np.unique(numbers):
        sigma = float(material.sigma_angstrom(np.array([number]))[0])
        factor = scattering_factor_angstrom(chemical_symbols[number], length)
        phases = np.exp(2j * np.pi * index @ places[numbers == number].T).sum(axis=1)
        found += factor * np.exp(-2 * (np.pi * sigma * length) ** 2) * phases
    strong = abs(found) > 0.03 * abs(found).max()
    return vectors[strong], abs(found[strong])


def _orbit(laue: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """All images of a normal under the Laue group, opposite ones once; the first is the normal itself."""
    found = [normal]
    for image in laue @ normal:
        if all(abs(image @ other) < 1 - _ALIKE for other in found):
            found.append(image)
    return np.array(found)
