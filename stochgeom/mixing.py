"""How the species of an aggregate mix: what random labels would give, the Lacey index, sizes of clusters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from .contacts import same_species_clusters

if TYPE_CHECKING:
    from .aggregate import HeteroAggregate

LACEY_SAMPLE = 8
"""Particles of a sample of the Lacey index: about a primary cluster of the TiO2/WO3 aggregates."""


def random_hetero_fraction(counts: np.ndarray) -> float:
    """Expected share of unlike contacts for random labels; NaN with one species.

    1 - sum n_s (n_s - 1) / (N (N - 1)), on any fixed contact graph.
    """
    numbers = [int(c) for c in counts if c]
    n = sum(numbers)
    return 1.0 - sum(c * (c - 1) for c in numbers) / (n * (n - 1)) if len(numbers) > 1 else math.nan


def random_hetero_fraction_sd(counts: np.ndarray, coordination: np.ndarray) -> float:
    """Standard deviation of the share of unlike contacts over random labels; NaN with one species.

    `coordination` (n,) are the contacts of each particle. Exact for a fixed graph of E contacts: two of them
    share a particle in T = sum z_i (z_i - 1) / 2 of their pairs, and none in the rest (join counts with fixed
    numbers of each label: Moran 1948; Cliff and Ord 1981).
    """
    ends, squares = int(coordination.sum()), int(coordination @ coordination)
    edges = ends // 2
    numbers = [int(c) for c in counts if c]
    if edges == 0 or len(numbers) < 2:
        return math.nan
    sharing = (squares - ends) // 2
    apart = edges * (edges - 1) // 2 - sharing
    one, both_sharing, both_apart = _unlike_probabilities(numbers)
    square = edges * one + 2 * sharing * both_sharing + 2 * apart * both_apart
    return math.sqrt(max(0.0, square - (edges * one) ** 2)) / edges


def _unlike_probabilities(counts: list[int]) -> tuple[float, float, float]:
    """Probabilities that a pair of particles is unlike, that a-b and b-c both are, that a-b and c-d both are.

    For labels drawn without replacement; 1 - 2 P(like) + P(both like) each.
    """
    n = sum(counts)
    pairs = [c * (c - 1) for c in counts]
    like = sum(pairs) / (n * (n - 1))
    triple = sum(c * (c - 1) * (c - 2) for c in counts) / max(n * (n - 1) * (n - 2), 1)
    fours = (
        sum(pairs) ** 2
        - sum(p * p for p in pairs)
        + sum(p * (c - 2) * (c - 3) for p, c in zip(pairs, counts, strict=True))
    )
    quadruple = fours / max(n * (n - 1) * (n - 2) * (n - 3), 1)
    return 1 - like, 1 - 2 * like + triple, 1 - 2 * like + quadruple


def lacey_index(aggregate: HeteroAggregate, sample: int = LACEY_SAMPLE) -> float:
    """Lacey's mixing index (s0² - s²) / (s0² - sr²): 0 segregated, 1 random, above 1 ordered (Lacey 1954).

    A sample is a particle with its nearest neighbours, centre to centre: `sample` particles, or half of all
    where these are fewer than twice as many. s² is the mean square deviation of a sample's number fractions
    from those of the aggregate, summed over the species; s0² = 1 - sum p² its value for pure samples; sr² =
    s0² / m (N - m) / (N - 1) its expectation for random labels in samples of m of N particles, which makes
    the index 1 on average over permuted labels. NaN with one species or fewer than four particles.
    """
    size = min(sample, len(aggregate) // 2)
    if size < 2 or np.ptp(aggregate.species) == 0:
        return math.nan
    counts = np.bincount(aggregate.species, minlength=len(aggregate.species_names))
    return float(_lacey(aggregate.centres, aggregate.species, counts, size))


@njit(cache=True)
def _lacey(centres, species, counts, size):
    n, kinds = species.size, counts.size
    nearest = nearest_particles(centres, size)
    segregated, variance = 1.0, 0.0
    for s in range(kinds):
        segregated -= (counts[s] / n) ** 2
    found = np.empty(kinds, np.int64)
    for i in range(n):
        found[:] = 0
        for k in range(size):
            found[species[nearest[i, k]]] += 1
        for s in range(kinds):
            variance += (found[s] / size - counts[s] / n) ** 2 / n
    random = segregated / size * (n - size) / (n - 1)
    return (segregated - variance) / (segregated - random)


@njit(cache=True)
def nearest_particles(centres, size):
    """(n, size) the nearest particles of each, itself first; a sweep to both sides along the longest axis."""
    n, axis, longest = centres.shape[0], 0, -1.0
    for a in range(3):
        width = centres[:, a].max() - centres[:, a].min()
        if width > longest:
            axis, longest = a, width
    order = np.argsort(centres[:, axis])
    points = centres[order]
    along = points[:, axis].copy()
    found, squares = np.empty((n, size), np.int64), np.empty(size)
    held = np.empty(size, np.int64)
    for a in range(n):
        squares[:] = np.inf
        x, y, z = points[a, 0], points[a, 1], points[a, 2]
        for step in (-1, 1):
            b = a if step < 0 else a + 1
            while 0 <= b < n and (along[b] - along[a]) ** 2 < squares[size - 1]:
                square = (points[b, 0] - x) ** 2 + (points[b, 1] - y) ** 2 + (points[b, 2] - z) ** 2
                if square < squares[size - 1]:
                    place = size - 1
                    while place > 0 and squares[place - 1] > square:
                        squares[place], held[place] = squares[place - 1], held[place - 1]
                        place -= 1
                    squares[place], held[place] = square, b
                b += step
        for k in range(size):
            found[order[a], k] = order[held[k]]
    return found


def same_species_cluster_sizes(aggregate: HeteroAggregate) -> dict[str, np.ndarray]:
    """Sizes of the same-species clusters of each species, largest first: (clusters,) int64 by species' name.

    Same-species clusters are the connected components of the contacts between like particles.
    """
    labels = same_species_clusters(aggregate.species, aggregate.contacts())
    sizes = np.bincount(labels, minlength=len(aggregate))
    kinds = aggregate.species
    return {
        name: np.sort(sizes[(sizes > 0) & (kinds == k)])[::-1]
        for k, name in enumerate(aggregate.species_names)
    }


class RandomLabels(NamedTuple):
    """A descriptor under random labels: mean over permutations, its standard error, standard deviation."""

    mean: float
    standard_error: float
    sd: float


def random_label_expectations(
    aggregate: HeteroAggregate, rng: np.random.Generator, permutations: int = 200
) -> dict[str, RandomLabels]:
    """What each descriptor that depends on the labels would be with the species permuted among the particles.

    The particles stay; their radii do, too, so that species exchange radii. Descriptors that no permutation
    changes, and those undefined for every one, are left out.
    """
    from dataclasses import replace

    from .descriptors import describe

    rows = [
        describe(replace(aggregate, species=rng.permutation(aggregate.species))) for _ in range(permutations)
    ]
    found = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        values = values[np.isfinite(values)]
        if len(values) > 1 and np.ptp(values) > 0:
            sd = float(values.std(ddof=1))
            found[name] = RandomLabels(float(values.mean()), sd / math.sqrt(len(values)), sd)
    return found
