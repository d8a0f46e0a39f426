"""Loops by bending: contacts kept, none lost, no overlap, the coordination asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stochgeom import AggregateParameters, InfeasibleParametersError, describe, sample_aggregate
from stochgeom.contacts import contact_pairs
from stochgeom.restructuring import close_loops


def distances(centres: np.ndarray) -> np.ndarray:
    return np.linalg.norm(centres[:, None] - centres[None], axis=2)


def test_a_chain_of_four_bends_into_a_ring():
    """Unit spheres in a zigzag: one bend closes a loop of three or of four."""
    centres = np.array([[0, 0, 0], [2, 0, 0], [3, math.sqrt(3), 0], [5, math.sqrt(3), 0]], float)
    radii = np.ones(4)
    contacts = contact_pairs(centres, radii)
    assert len(contacts) == 3
    assert close_loops(centres, radii, contacts, 4, 1.0, np.random.default_rng(0)) == 4
    apart = distances(centres)[np.triu_indices(4, 1)]
    assert apart.min() == pytest.approx(2, abs=1e-12)
    assert (apart < 2 + 1e-9).sum() == 4
    for i, j in contacts:
        assert np.linalg.norm(centres[i] - centres[j]) == pytest.approx(2, abs=1e-12)


@settings(max_examples=30)
@given(
    n=st.integers(12, 80),
    coordination=st.floats(2, 2.5),
    kernel=st.sampled_from(["tunable", "ballistic", "diffusion-limited"]),
    seed=st.integers(0, 99),
)
def test_loops_keep_the_tree_and_add_no_overlap(n, coordination, kernel, seed):
    plain = AggregateParameters(n_particles=n, kernel=kernel, fractal_dimension=1.7)
    bent = plain.model_copy(update={"coordination": coordination})
    tree, aggregate = (sample_aggregate(p, np.random.default_rng(seed)) for p in (plain, bent))
    assert np.array_equal(tree.radii, aggregate.radii)
    assert np.array_equal(tree.species, aggregate.species)
    sums = aggregate.radii[:, None] + aggregate.radii[None]
    i, j = np.triu_indices(n, 1)
    assert np.all((distances(aggregate.centres) / sums)[i, j] > 1 - 1e-9)
    assert len(aggregate.contacts()) >= max(math.ceil(coordination * n / 2 - 1e-9), n - 1)
    kept = {tuple(pair) for pair in tree.contacts()}
    assert kept <= {tuple(pair) for pair in aggregate.contacts()}


def test_a_moderate_coordination_hardly_moves_the_radius_of_gyration(rng):
    shrunk, found = [], []
    for _ in range(20):
        seed = int(rng.integers(1 << 30))
        plain = AggregateParameters(n_particles=128)
        bent = plain.model_copy(update={"coordination": 2.4})
        one, other = (describe(sample_aggregate(p, np.random.default_rng(seed))) for p in (plain, bent))
        shrunk.append(other["radius_of_gyration_nm"] / one["radius_of_gyration_nm"] - 1)
        found.append(other["coordination"])
    assert np.allclose(found, 154 * 2 / 128, atol=0.02)  # a bend may close two loops at once
    assert -0.02 < np.mean(shrunk) <= 0.001


def test_what_no_bend_can_reach_is_refused(rng):
    with pytest.raises(InfeasibleParametersError, match="coordination = 6 is infeasible") as error:
        sample_aggregate(AggregateParameters(n_particles=30, coordination=6), rng)
    assert 2 < error.value.nearest < 4


@pytest.mark.parametrize(
    ("change", "where"),
    [({"coordination": 1.5}, "coordination"), ({"coordination": 2.2, "overlap": 0.1}, "one of the two")],
)
def test_coordinations_that_aggregation_decides_are_refused(change, where):
    with pytest.raises(ValidationError, match=where):
        AggregateParameters(**change)
