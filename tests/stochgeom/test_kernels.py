"""Kernels against their plain NumPy references, and the probabilities that the affinity sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stochgeom import kernels, reference

finite = st.floats(-20, 20)


@settings(max_examples=150)
@given(st.tuples(finite, finite, finite), st.tuples(finite, finite, finite), st.floats(0.5, 20))
def test_forbidden_arc(first, second, contact):
    first, second = np.array(first), np.array(second)
    rho = [math.hypot(*p[:2]) for p in (first, second)]
    half = kernels.forbidden_arc(rho[0], first[2], rho[1], second[2], contact)
    tried = reference.forbidden_arc(first, second, contact, 20_001)
    assert max(half, 0) == pytest.approx(max(tried, 0), abs=2e-3)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 6.28), st.floats(0.01, 3)), min_size=1, max_size=12))
def test_free_ends(arcs):
    arcs = list(dict.fromkeys(arcs))
    start = np.array([a for a, _ in arcs])
    stop = start + np.array([w for _, w in arcs])
    edges = np.sort(np.concatenate((start, stop)) % (2 * np.pi))
    if len(edges) > 1 and min(np.diff(edges).min(), edges[0] + 2 * np.pi - edges[-1]) < 1e-9:
        return  # arcs that meet exactly: either answer is right
    ends = np.empty((2 * len(arcs), 2), np.int64)
    found = kernels.free_ends(start, stop, len(arcs), ends)
    assert sorted(map(tuple, ends[:found].tolist())) == reference.free_ends(start, stop)


def test_random_rotations_are_rotations_and_uniform(rng):
    matrix, columns = np.empty((3, 3)), []
    for _ in range(4000):
        kernels.random_rotation(rng, matrix)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
        columns.append(matrix[:, 0].copy())
    error = 1 / math.sqrt(3 * 4000)
    assert (np.abs(np.mean(columns, axis=0)) < 4 * error).all()


def two_clusters(rng, keep=1.0):
    """Two clusters of four spheres each, grown by the kernels, as (clusters, scratch, ends, a, b)."""
    radii = rng.uniform(3, 7, 8)
    clusters = kernels.make_clusters(radii, np.array([0, 0, 0, 0, 1, 1, 1, 1]), 2)
    scratch = kernels.make_scratch(8)
    ends = np.empty((2 * scratch.start.size, 2), np.int64)
    roots = []
    for begin in (0, 4):
        law = (12.0, clusters.mass[begin : begin + 4].sum(), 1.8, 1.0)
        members = np.arange(begin, begin + 4)
        _, root = kernels.join(clusters, scratch, ends, members, law, 0.0, keep, False, rng)
        roots.append(root)
    return clusters, scratch, ends, *roots


def members(clusters, root):
    found, p = [], clusters.head[root]
    while p >= 0:
        found.append(p)
        p = clusters.follower[p]
    return np.array(found)


@pytest.mark.parametrize("keep", [1.0, 0.85])
def test_a_merge_gives_the_gyration_asked_for_and_one_exact_contact(keep, rng):
    for _ in range(30):
        clusters, scratch, ends, a, b = two_clusters(rng, keep)
        for root in (a, b):
            own = members(clusters, root)
            measured = reference.radius_of_gyration(clusters.centres[own], clusters.radii[own])
            assert math.sqrt(clusters.gyration[root]) == pytest.approx(measured, rel=1e-12)
        distance = kernels.merging_distance(clusters, a, b, 14.0**2)
        outcome, _ = kernels.try_merge(clusters, scratch, ends, a, b, distance, keep, 0.0, 200, rng)
        if outcome != kernels.FOUND:
            continue
        assert math.sqrt(clusters.gyration[a]) == pytest.approx(14.0, rel=1e-12)
        assert reference.radius_of_gyration(clusters.centres, clusters.radii) == pytest.approx(
            14.0, rel=1e-12
        )
        assert sorted(members(clusters, a)) == list(range(8))
        i, j = np.triu_indices(8, 1)
        gaps = np.linalg.norm(clusters.centres[i] - clusters.centres[j], axis=1) - keep * (
            clusters.radii[i] + clusters.radii[j]
        )
        assert gaps.min() > -1e-10
        assert np.sum(gaps < 1e-10) == 7
        return
    pytest.fail("no merge succeeded")


@pytest.mark.parametrize(("gyration", "reason"), [(100.0, kernels.FAR), (3.0, kernels.NEAR)])
def test_the_last_merge_never_settles_for_another_gyration(gyration, reason, rng):
    clusters, scratch, ends, a, b = two_clusters(rng)
    law = (gyration, clusters.mass[a] + clusters.mass[b], 1.8, 1.0)
    outcome, _ = kernels.merge_pair(clusters, scratch, ends, a, b, law, 0.0, 1.0, True, True, rng)
    assert outcome == reason
    assert clusters.size[a] == clusters.size[b] == 4


@pytest.mark.parametrize("affinity", [-1.5, 0.0, 1.0])
def test_partners_are_drawn_with_the_odds_of_the_affinity(affinity, rng):
    """Three single unlike particles against two like ones: odds 3 exp(a) : 2."""
    clusters = kernels.make_clusters(np.ones(6), np.array([0, 0, 0, 1, 1, 1]), 2)
    waiting = np.array([1, 2, 3, 4, 5])
    draws = 20_000
    unlike = (
        sum(kernels.draw_partner(clusters, waiting, 5, 0, affinity, rng) >= 2 for _ in range(draws)) / draws
    )
    expected = 3 * math.exp(affinity) / (3 * math.exp(affinity) + 2)
    assert abs(unlike - expected) < 4 * math.sqrt(expected * (1 - expected) / draws)


@pytest.mark.parametrize("affinity", [-1.0, 2.0])
def test_contacts_are_accepted_with_the_odds_of_the_affinity(affinity, rng):
    clusters = kernels.make_clusters(np.ones(3), np.array([0, 0, 1]), 2)
    draws = 20_000
    like = sum(kernels.accepts(clusters, 0, 1, affinity, rng) for _ in range(draws)) / draws
    unlike = sum(kernels.accepts(clusters, 0, 2, affinity, rng) for _ in range(draws)) / draws
    error = 4 * math.sqrt(0.25 / draws)
    assert max(like, unlike) == 1
    assert min(like, unlike) == pytest.approx(math.exp(-abs(affinity)), abs=error)
    assert (unlike > like) == (affinity > 0)


def test_unlike_share():
    clusters = kernels.make_clusters(np.ones(4), np.array([0, 1, 2, 0]), 3)
    clusters.counts[0] = [3, 1, 0]
    clusters.size[0] = 4
    clusters.counts[1] = [1, 1, 2]
    clusters.size[1] = 4
    assert kernels.unlike_share(clusters, 0, 1) == pytest.approx(1 - (3 * 1 + 1 * 1) / 16)
