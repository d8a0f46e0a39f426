"""Merges to a radius of gyration, and the probabilities that the affinity sets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stochgeom import growth, merging, reference


def single_particles(radii, species, n_species=2):
    clusters = growth.make_clusters(len(radii), n_species)
    for k, (radius, kind) in enumerate(zip(radii, species, strict=True)):
        growth.add_particle(clusters, k, radius, kind)
    return clusters


def two_clusters(rng, keep=1.0):
    """Two clusters of six spheres each, grown by the kernels: (clusters, scratch, species)."""
    scratch = merging.make_scratch(12)
    species = np.repeat([0, 1], 6)
    both = growth.make_clusters(12, 2)
    radii = rng.uniform(3, 7, 12)
    for kind in range(2):
        own = single_particles(radii[6 * kind : 6 * kind + 6], [kind] * 6)
        law = growth.Law(14.0, float(np.sum(radii[6 * kind : 6 * kind + 6] ** 3)), 1.8)
        outcome, whole = growth.join(own, scratch, law, False, species, keep, 0.0, rng)
        assert outcome == merging.FOUND
        growth.add_copy(own, whole, both, 0)
    return both, scratch, species


def geometry(clusters, k):
    """Centres (n, 3) and radii (n,) of a cluster."""
    own = clusters.spheres[clusters.table["begin"][k] : clusters.table["end"][k]]
    return np.column_stack([own[axis] for axis in "xyz"]), own["r"]


@pytest.mark.parametrize("keep", [1.0, 0.85])
def test_a_merge_gives_the_gyration_asked_for_and_one_exact_contact(keep, rng):
    found = 0
    for _ in range(10):
        clusters, scratch, species = two_clusters(rng, keep)
        for k in range(2):
            measured = reference.radius_of_gyration(*geometry(clusters, k))
            assert math.sqrt(clusters.table["gyration"][k]) == pytest.approx(measured, rel=1e-12)
        mass = float(clusters.table["mass"][:2].sum())
        distance = growth.merging_distance(clusters.table[0], clusters.table[1], 18.0**2)
        law = growth.Law(18.0, mass, 1.8)
        clusters.number[1] = 0
        outcome = growth.merge(
            clusters, scratch, 0, 1, law, 1.0, False, False, 1, species, keep, 0.0, rng
        )  # fmt: skip
        if outcome != merging.FOUND:
            continue
        found += 1
        assert distance > 0
        centres, radii = geometry(clusters, 12)
        assert reference.radius_of_gyration(centres, radii) == pytest.approx(18.0, rel=1e-12)
        assert math.sqrt(clusters.table["gyration"][12]) == pytest.approx(18.0, rel=1e-12)
        np.testing.assert_allclose(radii**3 @ centres / mass, 0, atol=1e-12)
        reach = np.max(np.linalg.norm(centres, axis=1) + radii)
        assert clusters.table["reach"][12] == pytest.approx(reach, rel=1e-12)
        assert clusters.counts[12].tolist() == [6, 6]
        i, j = np.triu_indices(12, 1)
        gaps = np.linalg.norm(centres[i] - centres[j], axis=1) - keep * (radii[i] + radii[j])
        assert gaps.min() > -1e-10
        assert np.sum(gaps < 1e-7) == 11
    assert found > 2


@pytest.mark.parametrize(("gyration", "reason"), [(100.0, merging.FAR), (3.0, merging.NEAR)])
def test_the_last_merge_never_settles_for_another_gyration(gyration, reason, rng):
    clusters, scratch, species = two_clusters(rng)
    law = growth.Law(gyration, float(clusters.table["mass"][:2].sum()), 1.8)
    outcome = growth.merge(clusters, scratch, 0, 1, law, 1.0, True, True, 1, species, 1.0, 0.0, rng)
    assert outcome == reason
    assert clusters.number[1] == 0


def test_growth_meets_the_law_with_radii_of_very_unlike_sizes(rng):
    """The last merge often fails at first; then the growth goes back, the structure does not fail."""
    for _ in range(30):
        radii = np.exp(rng.normal(0, 0.45, 24))
        zeros = np.zeros(24, np.int64)
        outcome, centres, reached = growth.grow(
            radii, zeros, np.ones(24, np.int64), 1, 2.1, 1.3, 0.0, 0.0, True, rng
        )
        assert outcome == merging.FOUND
        assert reached == pytest.approx(1, abs=growth.TOLERANCE + 1e-9)
        asked = np.mean(radii**3) ** (1 / 3) * (24 / 1.3) ** (1 / 2.1)
        assert reference.radius_of_gyration(centres, radii) == pytest.approx(reached * asked, rel=1e-9)


@pytest.mark.parametrize("affinity", [-1.5, 0.0, 1.0])
def test_partners_are_drawn_with_the_odds_of_the_affinity(affinity, rng):
    """Three single unlike particles against two like ones: odds 3 exp(a) : 2."""
    counts = single_particles(np.ones(6), [0, 0, 0, 1, 1, 1]).counts
    waiting = np.array([1, 2, 3, 4, 5])
    draws = 20_000
    unlike = sum(growth.draw_partner(counts, 0, waiting, 5, affinity, rng) >= 2 for _ in range(draws)) / draws
    expected = 3 * math.exp(affinity) / (3 * math.exp(affinity) + 2)
    assert abs(unlike - expected) < 4 * math.sqrt(expected * (1 - expected) / draws)


@pytest.mark.parametrize("affinity", [-1.0, 2.0])
def test_contacts_are_accepted_with_the_odds_of_the_affinity(affinity, rng):
    draws = 20_000
    like = sum(growth.accepts(False, affinity, rng) for _ in range(draws)) / draws
    unlike = sum(growth.accepts(True, affinity, rng) for _ in range(draws)) / draws
    error = 4 * math.sqrt(0.25 / draws)
    assert max(like, unlike) == 1
    assert min(like, unlike) == pytest.approx(math.exp(-abs(affinity)), abs=error)
    assert (unlike > like) == (affinity > 0)


def test_unlike_share():
    counts = np.array([[3, 1, 0], [1, 1, 2]])
    assert growth.unlike_share(counts, 0, 1) == pytest.approx(1 - (3 * 1 + 1 * 1) / 16)
