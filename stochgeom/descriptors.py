"""Numbers that describe an aggregate. docs/descriptors.md lists them with units and sources."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numba import njit

from .aggregate import HeteroAggregate
from .bodies.bodies import diameter
from .contacts import CONTACT_TOLERANCE, coordination_numbers, same_species_clusters
from .mixing import lacey_index, random_hetero_fraction, random_hetero_fraction_sd
from .shape import anisotropy, areas_and_overlap, gyration_tensor, species_centre_distance


def describe(aggregate: HeteroAggregate) -> dict[str, float]:
    """The descriptors of an aggregate by name; lengths in nm, areas in nm², NaN where undefined.

    count, and per species S: count_S, number_fraction_S, radius_geometric_mean_nm_S, radius_geometric_sd_S
    (population value: 1 for one particle); radius_of_gyration_nm (masses r³); extent_nm, the largest distance
    between two points of the aggregate; contacts (tolerance 1e-4), coordination = 2 E / N, hetero_contacts =
    E_AB, hetero_contact_fraction = E_AB / E, hetero_coordination = 2 E_AB / N, hetero_coordination_S = E_AB /
    n_S (contacts of S with other species); mixing_index M; same_species_cluster_size, the mean size of the
    components of the contacts between like particles, over all species and per species; largest_overlap = max
    (r_i + r_j - d) / (r_i + r_j), 0 without contact.

    random_hetero_contact_fraction and its _sd, mean and standard deviation of the hetero-contact fraction
    over random labels; lacey_index; species_centre_distance_over_rg; largest_same_species_cluster, in
    particles, and per species; contact_area_nm2 and hetero_contact_area_nm2, the necks' circles summed;
    asphericity, acylindricity, relative_shape_anisotropy and gyration_anisotropy of the gyration tensor.

    None depends on the pose; `describe_projection` gives what does.
    """
    pairs = aggregate.contacts(CONTACT_TOLERANCE)
    unlike = aggregate.species[pairs[:, 0]] != aggregate.species[pairs[:, 1]]
    row = _particles(aggregate) | _contacts(aggregate, pairs, unlike) | _clusters(aggregate, pairs)
    row |= _geometry(aggregate, pairs, unlike)
    return {name: float(row[name]) for name in descriptor_names(aggregate.species_names)}


@lru_cache(maxsize=64)
def descriptor_names(species_names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that `describe` gives, in its order; new ones go to the end, so that old columns stay."""
    per_species = ("count", "number_fraction", "radius_geometric_mean_nm", "radius_geometric_sd")
    names = ["count", *(f"{stem}_{s}" for s in species_names for stem in per_species)]
    names += ["radius_of_gyration_nm", "extent_nm", "contacts", "coordination", "hetero_contacts"]
    names += ["hetero_contact_fraction", "hetero_coordination"]
    names += [f"hetero_coordination_{s}" for s in species_names]
    names += ["mixing_index", "same_species_cluster_size"]
    names += [f"same_species_cluster_size_{s}" for s in species_names]
    names += ["largest_overlap", "random_hetero_contact_fraction", "random_hetero_contact_fraction_sd"]
    names += ["lacey_index", "species_centre_distance_over_rg", "largest_same_species_cluster"]
    names += [f"largest_same_species_cluster_{s}" for s in species_names]
    names += ["contact_area_nm2", "hetero_contact_area_nm2"]
    names += ["asphericity", "acylindricity", "relative_shape_anisotropy", "gyration_anisotropy"]
    return tuple(names)


def _particles(aggregate: HeteroAggregate) -> dict[str, float]:
    """Numbers and radii of the particles."""
    n, logs = len(aggregate), np.log(aggregate.radii)
    row = {"count": float(n)}
    for k, name in enumerate(aggregate.species_names):
        own = logs[aggregate.species == k]
        mean, sd = _mean_and_sd(own) if own.size else (math.nan, math.nan)
        row[f"count_{name}"] = float(own.size)
        row[f"number_fraction_{name}"] = own.size / n
        row[f"radius_geometric_mean_nm_{name}"] = math.exp(mean)
        row[f"radius_geometric_sd_{name}"] = math.exp(sd)
    return row


def _mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    """Mean and population standard deviation, bit by bit those of NumPy's methods in half their time."""
    mean = np.add.reduce(values) / values.size
    rest = values - mean
    return float(mean), math.sqrt(np.add.reduce(rest * rest) / values.size)


def _contacts(aggregate: HeteroAggregate, pairs: np.ndarray, unlike: np.ndarray) -> dict[str, float]:
    """Contacts, those between unlike particles, and what random labels would give."""
    n, kinds = len(aggregate), len(aggregate.species_names)
    counts = np.bincount(aggregate.species, minlength=kinds)
    hetero = np.bincount(aggregate.species[pairs[unlike]].ravel(), minlength=kinds)
    edges, mixed = len(pairs), int(unlike.sum())
    expected = random_hetero_fraction(counts)
    row = {
        "contacts": float(edges),
        "coordination": 2 * edges / n,
        "hetero_contacts": float(mixed),
        "hetero_contact_fraction": _ratio(mixed, edges),
        "hetero_coordination": 2 * mixed / n,
        "mixing_index": _ratio(_ratio(mixed, edges), expected),
        "random_hetero_contact_fraction": expected,
        "random_hetero_contact_fraction_sd": random_hetero_fraction_sd(
            counts, coordination_numbers(n, pairs)
        ),
        "lacey_index": lacey_index(aggregate),
    }
    for k, name in enumerate(aggregate.species_names):
        row[f"hetero_coordination_{name}"] = _ratio(hetero[k], counts[k])
    return row


def _clusters(aggregate: HeteroAggregate, pairs: np.ndarray) -> dict[str, float]:
    """Mean and largest size of the clusters of like particles."""
    n, species = len(aggregate), aggregate.species
    sizes = np.bincount(same_species_clusters(species, pairs), minlength=n)
    row = {
        "same_species_cluster_size": n / np.count_nonzero(sizes),
        "largest_same_species_cluster": float(sizes.max()),
    }
    for k, name in enumerate(aggregate.species_names):
        own = sizes[species == k]  # a cluster stands at its first particle
        row[f"same_species_cluster_size_{name}"] = _ratio(own.size, int(np.count_nonzero(own)))
        row[f"largest_same_species_cluster_{name}"] = float(own.max()) if own.size else math.nan
    return row


def _geometry(aggregate: HeteroAggregate, pairs: np.ndarray, unlike: np.ndarray) -> dict[str, float]:
    """Sizes, shape and necks."""
    rg = aggregate.radius_of_gyration
    areas, overlap = areas_and_overlap(aggregate, pairs)
    return {
        "radius_of_gyration_nm": rg,
        "extent_nm": _extent_of(aggregate),
        "largest_overlap": overlap,
        "species_centre_distance_over_rg": species_centre_distance(aggregate) / rg,
        "contact_area_nm2": float(areas.sum()),
        "hetero_contact_area_nm2": float(areas @ unlike),
        **anisotropy(gyration_tensor(aggregate)),
    }


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else math.nan


def _extent_of(aggregate: HeteroAggregate) -> float:
    """Largest distance between two points of the aggregate, nm."""
    if aggregate.spherical:
        return float(_extent(aggregate.centres, aggregate.radii))
    return diameter(aggregate.bodies, aggregate.centres)


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
