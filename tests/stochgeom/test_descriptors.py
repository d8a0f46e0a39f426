"""Contacts, same-species clusters and descriptors: worked examples, references, identities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stochgeom import (
    AggregateParameters,
    HeteroAggregate,
    describe,
    descriptor_names,
    reference,
    sample_aggregate,
)
from stochgeom.contacts import (
    contact_pairs,
    coordination_numbers,
    hetero_coordination_numbers,
    same_species_clusters,
)
from stochgeom.descriptors import _extent, random_hetero_fraction


def spheres(centres, radii, species, names=("A", "B")) -> HeteroAggregate:
    n = len(radii)
    return HeteroAggregate(
        centres=centres,
        radii=radii,
        species=species,
        cluster=np.arange(n),
        orientations=[[0, 0, 0, 1]] * n,
        phase=species,
        species_names=names,
        phase_names=names,
    )


def chain(labels: str) -> HeteroAggregate:
    """Unit spheres in a row, labelled A, B, C."""
    names = tuple("ABC"[: max("ABC".index(x) for x in labels) + 1])
    return spheres([[2 * k, 0, 0] for k in range(len(labels))], np.ones(len(labels)),
                   ["ABC".index(x) for x in labels], names)  # fmt: skip


def test_a_worked_chain():
    row = describe(chain("AABBA"))
    assert row["count"] == 5
    assert (row["count_A"], row["count_B"]) == (3, 2)
    assert (row["number_fraction_A"], row["number_fraction_B"]) == (0.6, 0.4)
    assert row["contacts"] == 4
    assert row["coordination"] == 8 / 5
    assert row["hetero_contacts"] == 2
    assert row["hetero_contact_fraction"] == 0.5
    assert row["hetero_coordination"] == 4 / 5
    assert (row["hetero_coordination_A"], row["hetero_coordination_B"]) == (2 / 3, 1)
    assert row["mixing_index"] == pytest.approx(0.5 / (2 * 3 * 2 / 20))
    assert row["same_species_cluster_size"] == pytest.approx(5 / 3)
    assert (row["same_species_cluster_size_A"], row["same_species_cluster_size_B"]) == (1.5, 2)
    assert row["extent_nm"] == 10
    assert row["radius_of_gyration_nm"] == pytest.approx(math.sqrt(8 + 0.6))
    assert row["largest_overlap"] == 0
    assert (row["radius_geometric_mean_nm_A"], row["radius_geometric_sd_A"]) == (1, 1)


def test_three_species_in_a_chain():
    row = describe(chain("ABCA"))
    assert row["hetero_contacts"] == 3
    assert (row["hetero_coordination_A"], row["hetero_coordination_B"], row["hetero_coordination_C"]) == (
        1,
        2,
        2,
    )
    assert row["mixing_index"] == pytest.approx(1 / (1 - 2 / 12))


def test_undefined_values_are_nan():
    row = describe(chain("AAA"))
    assert math.isnan(row["mixing_index"])
    single = describe(spheres([[0, 0, 0]], [3], [0]))
    assert math.isnan(single["hetero_contact_fraction"])
    assert math.isnan(single["radius_geometric_mean_nm_B"])
    assert math.isnan(single["hetero_coordination_B"])
    assert single["coordination"] == 0
    assert single["extent_nm"] == 6
    assert single["radius_of_gyration_nm"] == pytest.approx(3 * math.sqrt(0.6))


def test_names_are_those_of_the_contract():
    assert list(describe(chain("AB"))) == list(descriptor_names(("A", "B")))
    assert set(descriptor_names(("A", "B"))) == {
        "count", "count_A", "count_B", "number_fraction_A", "number_fraction_B",
        "radius_geometric_mean_nm_A", "radius_geometric_mean_nm_B",
        "radius_geometric_sd_A", "radius_geometric_sd_B",
        "radius_of_gyration_nm", "extent_nm", "contacts", "coordination", "hetero_contacts",
        "hetero_contact_fraction", "hetero_coordination", "hetero_coordination_A", "hetero_coordination_B",
        "mixing_index", "same_species_cluster_size", "same_species_cluster_size_A",
        "same_species_cluster_size_B", "largest_overlap", "random_hetero_contact_fraction",
        "random_hetero_contact_fraction_sd", "lacey_index", "species_centre_distance_over_rg",
        "largest_same_species_cluster", "largest_same_species_cluster_A", "largest_same_species_cluster_B",
        "contact_area_nm2", "hetero_contact_area_nm2", "asphericity", "acylindricity",
        "relative_shape_anisotropy", "gyration_anisotropy",
    }  # fmt: skip


def test_necks_are_measured_and_counted():
    pair = spheres([[0, 0, 0], [0, 0, 8]], [6, 4], [0, 1])
    assert describe(pair)["largest_overlap"] == pytest.approx(0.2)
    assert describe(pair)["contacts"] == 1


clouds = st.integers(0, 2**32).map(np.random.default_rng)


@settings(max_examples=60)
@given(clouds, st.integers(1, 80), st.floats(-0.3, 0.3))
def test_contacts_and_clusters_equal_their_references(rng, n, tolerance):
    centres, radii, species = rng.uniform(0, 25, (n, 3)), rng.uniform(0.5, 5, n), rng.integers(0, 3, n)
    pairs = contact_pairs(centres, radii, tolerance)
    expected = reference.contact_pairs(centres, radii, tolerance)
    np.testing.assert_array_equal(pairs, expected.reshape(-1, 2))
    assert pairs.dtype == np.int64
    np.testing.assert_array_equal(
        same_species_clusters(species, pairs), reference.same_species_clusters(species, pairs)
    )
    assert _extent(centres, radii) == pytest.approx(reference.extent(centres, radii), rel=1e-12)


@settings(max_examples=40)
@given(clouds, st.integers(2, 60))
def test_both_species_count_the_same_hetero_contacts(rng, n):
    centres, radii, species = rng.uniform(0, 20, (n, 3)), rng.uniform(1, 5, n), np.arange(n) % 2
    row = describe(spheres(centres, radii, species))
    from_a = row["count_A"] * row["hetero_coordination_A"]
    assert from_a == pytest.approx(row["count_B"] * row["hetero_coordination_B"])
    assert from_a == pytest.approx(row["hetero_contacts"])
    assert row["hetero_coordination"] == pytest.approx(2 * row["hetero_contacts"] / n)
    pairs = contact_pairs(centres, radii)
    own = hetero_coordination_numbers(species, pairs)
    assert own.mean() == pytest.approx(row["hetero_coordination"])
    assert coordination_numbers(n, pairs).mean() == pytest.approx(row["coordination"])


def test_tree_aggregates_have_the_coordination_of_trees(rng):
    row = describe(sample_aggregate(AggregateParameters(n_particles=50), rng))
    assert row["coordination"] >= 2 * 49 / 50  # accidental contacts within the tolerance only add


def test_mixing_index_is_one_on_average_over_permuted_labels(rng):
    """The expectation is exact for any contact graph and any number of species (4 standard errors)."""
    aggregate = sample_aggregate(AggregateParameters(n_particles=60), rng)
    pairs = aggregate.contacts()
    species = np.repeat([0, 1, 2], (30, 20, 10))
    expected = random_hetero_fraction(np.bincount(species))
    values = []
    for _ in range(2000):
        labels = rng.permutation(species)
        values.append(np.mean(labels[pairs[:, 0]] != labels[pairs[:, 1]]) / expected)
    assert abs(np.mean(values) - 1) < 4 * np.std(values, ddof=1) / math.sqrt(len(values))
