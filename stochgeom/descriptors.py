"""Numbers that describe an aggregate."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .aggregate import HeteroAggregate
from .contacts import CONTACT_TOLERANCE, same_species_clusters


def describe(aggregate: HeteroAggregate) -> dict[str, float]:
    """The descriptors of an aggregate by name; lengths in nm, NaN where undefined.

    count, and per species S: count_S, number_fraction_S, radius_geometric_mean_nm_S, radius_geometric_sd_S
    (population value: 1 for one particle); radius_of_gyration_nm (masses r³); extent_nm, the largest distance
    between two points of the aggregate; contacts (tolerance 1e-4), coordination = 2 E / N, hetero_contacts =
    E_AB, hetero_contact_fraction = E_AB / E, hetero_coordination = 2 E_AB / N, hetero_coordination_S = E_AB /
    n_S (contacts of S with other species); mixing_index M; same_species_cluster_size, the mean size of the
    components of the contacts between like particles, over all species and per species; largest_overlap = max
    (r_i + r_j - d) / (r_i + r_j), 0 without contact.
    """
    n, species, radii = len(aggregate), aggregate.species, aggregate.radii
    kinds = len(aggregate.species_names)
    counts = np.bincount(species, minlength=kinds)
    pairs = aggregate.contacts(CONTACT_TOLERANCE)
    unlike = species[pairs[:, 0]] != species[pairs[:, 1]]
    hetero = np.bincount(species[pairs[unlike]].ravel(), minlength=kinds)
    labels = same_species_clusters(species, pairs)
    clusters = np.bincount(species[labels == np.arange(n)], minlength=kinds)
    edges, mixed = len(pairs), int(unlike.sum())
    row = {
        "count": float(n),
        "radius_of_gyration_nm": aggregate.radius_of_gyration,
        "extent_nm": float(_extent(aggregate.centres, radii)),
        "contacts": float(edges),
        "coordination": 2 * edges / n,
        "hetero_contacts": float(mixed),
        "hetero_contact_fraction": _ratio(mixed, edges),
        "hetero_coordination": 2 * mixed / n,
        "mixing_index": _ratio(_ratio(mixed, edges), random_hetero_fraction(counts)),
        "same_species_cluster_size": n / clusters.sum(),
        "largest_overlap": _largest_overlap(aggregate, pairs),
    }
    logs = np.log(radii)
    for k, name in enumerate(aggregate.species_names):
        own = logs[species == k]
        row[f"count_{name}"] = float(counts[k])
        row[f"number_fraction_{name}"] = counts[k] / n
        row[f"radius_geometric_mean_nm_{name}"] = math.exp(own.mean()) if own.size else math.nan
        row[f"radius_geometric_sd_{name}"] = math.exp(own.std()) if own.size else math.nan
        row[f"hetero_coordination_{name}"] = _ratio(hetero[k], counts[k])
        row[f"same_species_cluster_size_{name}"] = _ratio(counts[k], clusters[k])
    return {name: float(row[name]) for name in descriptor_names(aggregate.species_names)}


def descriptor_names(species_names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that `describe` gives, in its order."""
    per_species = ("count", "number_fraction", "radius_geometric_mean_nm", "radius_geometric_sd")
    names = ["count", *(f"{stem}_{s}" for s in species_names for stem in per_species)]
    names += ["radius_of_gyration_nm", "extent_nm", "contacts", "coordination", "hetero_contacts"]
    names += ["hetero_contact_fraction", "hetero_coordination"]
    names += [f"hetero_coordination_{s}" for s in species_names]
    names += ["mixing_index", "same_species_cluster_size"]
    names += [f"same_species_cluster_size_{s}" for s in species_names]
    return (*names, "largest_overlap")


def random_hetero_fraction(counts: np.ndarray) -> float:
    """Expected share of unlike contacts for random labels; NaN with one species.

    1 - sum n_s (n_s - 1) / (N (N - 1)), on any fixed contact graph.
    """
    n = int(np.sum(counts))
    if n < 2 or np.count_nonzero(counts) < 2:
        return math.nan
    return 1.0 - sum(int(c) * (int(c) - 1) for c in counts) / (n * (n - 1))


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else math.nan


def _largest_overlap(aggregate: HeteroAggregate, pairs: np.ndarray) -> float:
    if not len(pairs):
        return 0.0
    i, j = pairs.T
    sums = aggregate.radii[i] + aggregate.radii[j]
    distances = np.linalg.norm(aggregate.centres[i] - aggregate.centres[j], axis=1)
    return max(0.0, float(np.max((sums - distances) / sums)))


@njit(cache=True)
def _extent(centres, radii):
    """Largest distance between two points of the spheres."""
    largest = 2.0 * radii.max()
    for i in range(radii.size):
        for j in range(i):
            dx, dy, dz = (
                centres[i, 0] - centres[j, 0],
                centres[i, 1] - centres[j, 1],
                centres[i, 2] - centres[j, 2],
            )
            largest = max(largest, np.sqrt(dx * dx + dy * dy + dz * dz) + radii[i] + radii[j])
    return largest
