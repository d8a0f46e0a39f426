"""Shape of an aggregate: gyration tensor, distance of the species, areas of necks, volumes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from .bodies.contacts import overlaps

if TYPE_CHECKING:
    from .aggregate import HeteroAggregate

TOUCHING = 1e-9
"""Overlap below which spheres touch in a point: rounding of the places of spheres in contact."""


def gyration_tensor(aggregate: HeteroAggregate) -> np.ndarray:
    """(3, 3) nm²: sum r³ (d d' + r²/5) / sum r³, d the place from the centre of mass; its trace is Rg².

    Masses r³ stand for equal density, and r²/5 for the sphere itself; of other bodies their own moments.
    """
    if not aggregate.spherical:
        masses = aggregate.masses / aggregate.masses.sum()
        apart = aggregate.centres - aggregate.centre_of_mass
        return np.einsum("n,nij->ij", masses, aggregate.second_moments) + (masses[:, None] * apart).T @ apart
    return _gyration_tensor(aggregate.centres, aggregate.radii)


@njit(cache=True)
def _gyration_tensor(centres, radii):
    masses = radii * radii * radii
    total = masses.sum()
    centre = np.zeros(3)
    for i in range(radii.size):
        for a in range(3):
            centre[a] += masses[i] * centres[i, a] / total
    tensor = np.zeros((3, 3))
    for i in range(radii.size):
        for a in range(3):
            tensor[a, a] += masses[i] / total * radii[i] ** 2 / 5
            for b in range(3):
                tensor[a, b] += masses[i] / total * (centres[i, a] - centre[a]) * (centres[i, b] - centre[b])
    return tensor


def anisotropy(tensor: np.ndarray) -> dict[str, float]:
    """How a gyration tensor (3, 3) with eigenvalues a >= b >= c departs from a sphere's; all are numbers.

    asphericity = (a - (b + c) / 2) / Rg², 0 to 1; acylindricity = (b - c) / Rg², 0 to 1/2;
    relative_shape_anisotropy = 1 - 3 (ab + bc + ca) / Rg⁴, 0 for a sphere, 1 for points on a line (Theodorou
    and Suter 1985); gyration_anisotropy = a / c (Heinson, Sorensen and Chakrabarti 2010).
    """
    c, b, a = (float(value) for value in np.linalg.eigvalsh(tensor))
    square = a + b + c
    asphericity, acylindricity = (a - (b + c) / 2) / square, (b - c) / square
    return {
        "asphericity": asphericity,
        "acylindricity": acylindricity,
        "relative_shape_anisotropy": asphericity**2 + 0.75 * acylindricity**2,
        "gyration_anisotropy": a / c,
    }


def species_centre_distance(aggregate: HeteroAggregate) -> float:
    """Distance (nm) of the centres of mass of two species, the mean over pairs of more; NaN with one."""
    return float(
        _centre_distance(aggregate.centres, aggregate.radii, aggregate.species, len(aggregate.species_names))
    )


@njit(cache=True)
def _centre_distance(centres, radii, species, kinds):
    sums, masses = np.zeros((kinds, 3)), np.zeros(kinds)
    for i in range(radii.size):
        mass = radii[i] * radii[i] * radii[i]
        masses[species[i]] += mass
        for a in range(3):
            sums[species[i], a] += mass * centres[i, a]
    total, pairs = 0.0, 0
    for s in range(kinds):
        for t in range(s):
            if masses[s] > 0 and masses[t] > 0:
                total += np.sqrt(np.sum((sums[s] / masses[s] - sums[t] / masses[t]) ** 2))
                pairs += 1
    return total / pairs if pairs else np.nan


def contact_areas(aggregate: HeteroAggregate, contacts: np.ndarray) -> np.ndarray:
    """(m,) nm²: the circle in which the spheres of each contact (m, 2) intersect; 0 where they touch.

    The circle lies in the radical plane at (d² + r_i² - r_j²) / (2 d) from centre i. A third sphere that
    reaches into the circle is not taken off. Other bodies have no necks.
    """
    return areas_and_overlap(aggregate, contacts)[0]


def areas_and_overlap(aggregate: HeteroAggregate, contacts: np.ndarray) -> tuple[np.ndarray, float]:
    """Areas (m,) nm² of the necks at contacts (m, 2), and the largest overlap coefficient."""
    if aggregate.spherical:
        areas, largest = necks(aggregate.centres, aggregate.radii, contacts)
        return np.asarray(areas), float(largest)
    found = overlaps(aggregate.bodies, aggregate.centres, contacts)
    return np.zeros(len(contacts)), max(0.0, *found) if len(found) else 0.0


@njit(cache=True)
def necks(centres, radii, contacts):
    """Areas (m,) of the necks, and the largest overlap."""
    areas, largest = np.zeros(contacts.shape[0]), 0.0
    for k in range(contacts.shape[0]):
        i, j = contacts[k, 0], contacts[k, 1]
        dx, dy, dz = (
            centres[i, 0] - centres[j, 0],
            centres[i, 1] - centres[j, 1],
            centres[i, 2] - centres[j, 2],
        )
        square = dx * dx + dy * dy + dz * dz
        overlap = (radii[i] + radii[j] - np.sqrt(square)) / (radii[i] + radii[j])
        largest = max(largest, overlap)
        if overlap > TOUCHING and square > (radii[i] - radii[j]) ** 2:
            plane = (square + radii[i] * radii[i] - radii[j] * radii[j]) / 2
            areas[k] = np.pi * (radii[i] * radii[i] - plane * plane / square)
    return areas, largest


def particle_volumes(aggregate: HeteroAggregate) -> np.ndarray:
    """(n,) nm³: spheres less the caps beyond the radical planes of their necks.

    Exact as long as no point lies in three spheres; else too small, as caps that overlap are taken off twice.
    Other bodies have no necks.
    """
    volumes = 4 / 3 * math.pi * aggregate.radii**3
    if not aggregate.spherical:
        return volumes
    i, j = aggregate.contacts(-TOUCHING).T
    distances = np.linalg.norm(aggregate.centres[i] - aggregate.centres[j], axis=1)
    for own, other in ((i, j), (j, i)):
        r = aggregate.radii[own]
        plane = (distances**2 + r**2 - aggregate.radii[other] ** 2) / (2 * np.maximum(distances, 1e-300))
        height = np.clip(r - plane, 0, 2 * r)
        np.subtract.at(volumes, own, math.pi * height**2 * (3 * r - height) / 3)
    return np.maximum(volumes, 0.0)
