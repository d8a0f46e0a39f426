"""Contacts of spheres, coordination numbers and same-species clusters."""

from __future__ import annotations

import numpy as np
from numba import njit

from .compiled import fill

CONTACT_TOLERANCE = 1e-4


@njit(cache=True)
def _pairs_within(order, centres, radii, factor):
    """(m, 2) pairs no further apart than (ri + rj) factor; a sweep along x, left ends sorted by `order`."""
    n = radii.size
    found = np.empty((4 * n + 4, 2), np.int64)
    m = 0
    for a in range(n):
        i = order[a]
        right = centres[i, 0] + radii[i] * factor
        for b in range(a + 1, n):
            j = order[b]
            if centres[j, 0] - radii[j] * factor > right:
                break
            limit = (radii[i] + radii[j]) * factor
            dx, dy, dz = (
                centres[i, 0] - centres[j, 0],
                centres[i, 1] - centres[j, 1],
                centres[i, 2] - centres[j, 2],
            )
            if dx * dx + dy * dy + dz * dz <= limit * limit:
                if m == found.shape[0]:
                    grown = np.empty((2 * m, 2), np.int64)
                    for row in range(m):
                        fill(grown[row], found[row])
                    found = grown
                found[m, 0], found[m, 1] = min(i, j), max(i, j)
                m += 1
    return found[:m]


def contact_pairs(centres: np.ndarray, radii: np.ndarray, tolerance: float = CONTACT_TOLERANCE) -> np.ndarray:
    """(m, 2) int64 pairs i < j with d_ij <= (r_i + r_j)(1 + tolerance), sorted.

    centres (n, 3) and radii (n,) in nm.
    """
    factor = 1.0 + tolerance
    order = np.argsort(centres[:, 0] - radii * factor, kind="stable")
    pairs = _pairs_within(order, np.ascontiguousarray(centres), np.ascontiguousarray(radii), factor)
    return pairs[np.argsort(pairs[:, 0] * len(radii) + pairs[:, 1])]


def coordination_numbers(n: int, contacts: np.ndarray) -> np.ndarray:
    """(n,) int64 contacts of each particle, from (m, 2) pairs."""
    return np.bincount(contacts.ravel(), minlength=n)


def hetero_coordination_numbers(species: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """(n,) int64 contacts of each particle with particles of another species."""
    unlike = species[contacts[:, 0]] != species[contacts[:, 1]]
    return coordination_numbers(len(species), contacts[unlike])


@njit(cache=True)
def _components(n, pairs):
    """(n,) smallest index in each particle's connected component (union-find with path halving)."""
    parent = np.arange(n)
    for k in range(pairs.shape[0]):
        a, b = pairs[k, 0], pairs[k, 1]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a < b:
            parent[b] = a
        else:
            parent[a] = b
    for i in range(n):
        while parent[parent[i]] != parent[i]:
            parent[i] = parent[parent[i]]
        parent[i] = parent[parent[i]]
    return parent


def same_species_clusters(species: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """(n,) int64 label of each particle's same-species cluster: the smallest particle index in it.

    These clusters are the connected components of the contacts between like particles.
    """
    like = species[contacts[:, 0]] == species[contacts[:, 1]]
    return _components(len(species), contacts[like])
