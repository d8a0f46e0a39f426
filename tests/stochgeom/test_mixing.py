"""Random labels, the Lacey index and cluster sizes: hand-computed cases, exact expectations, references."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stochgeom import AggregateParameters, describe, reference, sample_aggregate
from stochgeom.contacts import coordination_numbers
from stochgeom.mixing import (
    lacey_index,
    nearest_particles,
    random_hetero_fraction,
    random_hetero_fraction_sd,
    random_label_expectations,
    same_species_cluster_sizes,
)


def row_of(labels: str, spheres):
    """Unit spheres in a row, labelled A, B, C."""
    species = ["ABC".index(x) for x in labels]
    return spheres([[2 * k, 0, 0] for k in range(len(labels))], np.ones(len(labels)), species, tuple("ABC"))


def shares_over_all_labels(pairs, counts) -> list[float]:
    """Share of unlike contacts of every distinct labelling."""
    labels = np.repeat(np.arange(len(counts)), counts)
    found = []
    for one in set(itertools.permutations(labels.tolist())):
        kinds = np.array(one)
        found.append(float(np.mean(kinds[pairs[:, 0]] != kinds[pairs[:, 1]])))
    return found


@pytest.mark.parametrize("counts", [(1, 1), (2, 1), (1, 1, 1), (2, 2), (3, 2), (2, 2, 1), (4, 2), (2, 2, 2)])
@pytest.mark.parametrize("graph", ["chain", "star", "ring"])
def test_random_labels_by_counting_every_labelling(counts, graph):
    n = sum(counts)
    pairs = {
        "chain": [(k, k + 1) for k in range(n - 1)],
        "star": [(0, k) for k in range(1, n)],
        "ring": [(k, (k + 1) % n) for k in range(n if n > 2 else 1)],
    }[graph]
    shares = shares_over_all_labels(np.array(pairs), counts)
    coordination = coordination_numbers(n, np.array(pairs))
    assert random_hetero_fraction(np.array(counts)) == pytest.approx(np.mean(shares))
    assert random_hetero_fraction_sd(np.array(counts), coordination) == pytest.approx(
        np.std(shares), abs=1e-12
    )


def test_random_labels_are_undefined_without_two_species_or_contacts():
    assert math.isnan(random_hetero_fraction_sd(np.array([5, 0]), np.array([1, 2, 2, 2, 1])))
    assert math.isnan(random_hetero_fraction_sd(np.array([1, 1]), np.array([0, 0])))


def test_lacey_index_of_rows(spheres):
    """Samples of two in AABB (the lower neighbour first among equals): by hand.

    Pure halves far apart give 0, and pairs that all hold one of each give (1/2) / (1/2 - 1/6) = 3/2.
    """
    apart = [[0, 0, 0], [2, 0, 0], [100, 0, 0], [102, 0, 0]]
    assert lacey_index(spheres(apart, np.ones(4), [0, 0, 1, 1])) == pytest.approx(0)
    assert lacey_index(spheres(apart, np.ones(4), [0, 1, 0, 1])) == pytest.approx(1.5)
    assert math.isnan(lacey_index(row_of("AAAAAA", spheres)))
    assert math.isnan(lacey_index(row_of("ABA", spheres)))


def test_lacey_index_is_one_on_average_over_permuted_labels(rng):
    """Exact for any places and any number of species (4 standard errors)."""
    aggregate = sample_aggregate(AggregateParameters(n_particles=40), rng)
    found = random_label_expectations(aggregate, rng, 400)
    assert abs(found["lacey_index"].mean - 1) < 4 * found["lacey_index"].standard_error
    assert abs(found["mixing_index"].mean - 1) < 4 * found["mixing_index"].standard_error
    expected = describe(aggregate)
    share = found["hetero_contact_fraction"]
    assert abs(share.mean - expected["random_hetero_contact_fraction"]) < 4 * share.standard_error
    # The standard error of a standard deviation is about sd / sqrt(2 n).
    sd = expected["random_hetero_contact_fraction_sd"]
    assert share.sd == pytest.approx(sd, abs=4 * sd / math.sqrt(2 * 400))
    assert "contacts" not in found
    assert "radius_of_gyration_nm" not in found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(4, 60), st.integers(2, 9))
def test_lacey_index_equals_its_reference(spheres, seed, n, size):
    rng = np.random.default_rng(seed)
    centres, species = rng.normal(size=(n, 3)) * (1, 3, 0.2), np.arange(n) % 3
    size = min(size, n // 2)
    expected = reference.lacey_index(centres, species, size)
    aggregate = spheres(centres, np.ones(n), species, tuple("ABC"))
    assert lacey_index(aggregate, size) == pytest.approx(expected, abs=1e-12)
    near = nearest_particles(centres, size)
    squares = np.sum((centres[near] - centres[:, None]) ** 2, axis=2)
    assert (near[:, 0] == np.arange(n)).all()
    assert (np.diff(squares, axis=1) >= 0).all()


def test_segregated_mixes_worse_than_random(rng):
    """The model's clusters of like particles lower the index; single particles leave it at 1."""
    means = []
    for size in (1.0, 10.0):
        species = [
            one.model_copy(update={"mean_cluster_size": size}) for one in AggregateParameters().species
        ]
        parameters = AggregateParameters(n_particles=60, species=species)
        values = [lacey_index(sample_aggregate(parameters, rng)) for _ in range(60)]
        means.append((np.mean(values), np.std(values) / math.sqrt(60)))
    assert means[1][0] + 4 * means[1][1] < means[0][0] - 4 * means[0][1]


def test_cluster_sizes(spheres):
    aggregate = row_of("AABBBABA", spheres)
    found = same_species_cluster_sizes(aggregate)
    assert {name: sizes.tolist() for name, sizes in found.items()} == {"A": [2, 1, 1], "B": [3, 1], "C": []}
    row = describe(aggregate)
    assert row["same_species_cluster_size_A"] == pytest.approx(4 / 3)
    assert row["largest_same_species_cluster"] == 3
    assert (row["largest_same_species_cluster_A"], row["largest_same_species_cluster_B"]) == (2, 3)
    assert math.isnan(row["largest_same_species_cluster_C"])
