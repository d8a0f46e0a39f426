"""Kernels of one merge against their plain NumPy references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stochgeom import compiled, merging, reference

finite = st.floats(-20, 20)


@settings(max_examples=150)
@given(st.tuples(finite, finite, finite), st.tuples(finite, finite, finite), st.floats(0.5, 20))
def test_forbidden_arc(first, second, contact):
    first, second = np.array(first), np.array(second)
    rho = [math.hypot(*p[:2]) for p in (first, second)]
    nearest, farthest = (math.hypot(first[2] - second[2], rho[0] + sign * rho[1]) for sign in (-1, 1))
    assume(min(abs(nearest - contact), abs(farthest - contact)) > 1e-6)  # there, rounding decides
    half = merging.forbidden_arc(rho[0], first[2], rho[1], second[2], contact)
    tried = reference.forbidden_arc(first, second, contact, 20_001)
    assert max(half, 0) == pytest.approx(max(tried, 0), abs=2e-3)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 6.28), st.floats(0.01, 3)), min_size=1, max_size=12))
def test_free_gaps(arcs):
    check_gaps(list(dict.fromkeys(arcs)))


def test_free_gaps_of_many_arcs(rng):
    """More arcs than are sorted by insertion."""
    check_gaps(list(zip(rng.uniform(0, 6.28, 90), rng.uniform(0.001, 0.05, 90), strict=True)))


def check_gaps(arcs):
    start = np.array([a for a, _ in arcs])
    stop = start + np.array([w for _, w in arcs])
    edges = np.sort(np.concatenate((start, stop)) % (2 * np.pi))
    if len(edges) > 1 and min(np.diff(edges).min(), edges[0] + 2 * np.pi - edges[-1]) < 1e-9:
        return  # arcs that meet exactly: either answer is right
    records = np.zeros(len(arcs), merging.ARC)
    records["start"], records["stop"], records["i"] = start, stop, np.arange(len(arcs))
    ends = np.empty((len(arcs), 2), np.int64)
    found = merging.free_gaps(records, len(arcs), ends)
    names = [(int(records["i"][row[side]]), 1 - side) for row in ends[:found] for side in (0, 1)]
    assert sorted(names) == reference.free_ends(start, stop)


def test_random_turns_are_rotations_and_uniform(rng):
    """Frames of random directions, turned onto one another and spun by a random angle."""
    pose, placed, columns = np.zeros((7, 3)), np.empty((3, 3)), []
    axes = spheres(np.eye(3), np.ones(3), centred=False)
    for _ in range(4000):
        for row in (0, 3):
            merging.fill_frame(*merging.random_direction(rng), pose, row)
        merging.place(axes, pose, 2 * np.pi * rng.random(), placed)
        np.testing.assert_allclose(placed @ placed.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(placed) == pytest.approx(1)
        columns.append(placed[0].copy())
    error = 1 / math.sqrt(3 * 4000)
    assert (np.abs(np.mean(columns, axis=0)) < 4 * error).all()


def spheres(centres, radii, centred=True):
    """A cluster as the kernels keep it."""
    if centred:
        centres = centres - radii**3 @ centres / np.sum(radii**3)
    records = np.zeros(len(radii), merging.SPHERE)
    for axis, name in enumerate("xyz"):
        records[name] = centres[:, axis]
    records["r"], records["arm"] = radii, np.linalg.norm(centres, axis=1)
    records["particle"] = np.arange(len(radii))
    return records


def coil(n, rng):
    """A cluster of n spheres in a crooked row, each touching the next; they may overlap otherwise."""
    radii = rng.uniform(2, 6, n)
    steps = np.array([1.5, 0, 0]) + [merging.random_direction(rng) for _ in range(n)]
    steps *= ((radii + np.roll(radii, 1)) / np.linalg.norm(steps, axis=1))[:, None]
    return spheres(np.cumsum(steps, axis=0), radii)


def distances(first, placed):
    centres = np.column_stack([first[axis] for axis in "xyz"])
    return np.linalg.norm(centres[:, None] - placed, axis=2)


# From two spheres on in the first cluster: two single ones touch at one distance only, up to rounding.
@settings(max_examples=150)
@given(st.integers(2, 6), st.integers(1, 4), st.floats(0.2, 1), st.floats(0.7, 1), st.integers(0, 2**32))
def test_a_link_is_one_exact_contact_at_the_distance_asked_for(n, m, share, keep, seed):
    rng = np.random.default_rng(seed)
    first, second = coil(n, rng), coil(m, rng)
    distance = share * ((first["arm"] + first["r"]).max() + (second["arm"] + second["r"]).max())
    links, farthest = merging.count_links(first, second, distance, keep)
    expected, shorter, longer = (
        reference.links(first["arm"], first["r"], second["arm"], second["r"], distance * factor, keep)
        for factor in (1, 1 - 1e-9, 1 + 1e-9)
    )
    # At the first and the last distance at which they touch, rounding decides.
    assume(len(expected) == len(shorter) == len(longer))
    assert links == len(expected)
    if not links:
        return
    assert distance <= farthest * (1 + 1e-12)
    wanted = int(rng.integers(links))
    i, j = merging.find_link(first, second, distance, keep, wanted)
    assert [i, j] == expected[wanted].tolist()
    scratch = merging.make_scratch(10)
    free = merging.link(first, second, i, j, distance, keep, scratch.pose, scratch.placed, rng)
    placed = scratch.placed[:m]
    np.testing.assert_allclose(np.linalg.norm(second["r"] ** 3 @ placed) / np.sum(second["r"] ** 3), distance)
    contact = keep * (first["r"][:, None] + second["r"])
    gaps = distances(first, placed) - contact
    assert abs(gaps[i, j]) < 1e-6  # a chain pulled nearly straight loses half the digits
    gaps[i, j] = np.inf
    assert free == bool((gaps >= 0).all())
    own = distances(second, np.column_stack([second[axis] for axis in "xyz"]))
    np.testing.assert_allclose(np.linalg.norm(placed[:, None] - placed, axis=2), own, atol=1e-9)


def test_a_spin_is_one_exact_contact_at_the_distance_asked_for(rng):
    outcomes = []
    for _ in range(400):
        first, second = coil(9, rng), coil(6, rng)
        reach = float((second["arm"] + second["r"]).max())
        distance = rng.uniform(0.3, 1) * ((first["arm"] + first["r"]).max() + reach)
        s = merging.make_scratch(10)
        outcome, angle, i, j = merging.spin(
            first, second, reach, distance, 0.9, s.pose, s.rings, s.arcs, s.ends, rng
        )
        outcomes.append(outcome)
        if outcome != merging.FOUND:
            continue
        merging.place(second, s.pose, angle, s.placed)
        placed = s.placed[:6]
        assert np.linalg.norm(second["r"] ** 3 @ placed) / np.sum(second["r"] ** 3) == pytest.approx(distance)
        gaps = distances(first, placed) - 0.9 * (first["r"][:, None] + second["r"])
        assert gaps.min() > -1e-10
        assert abs(gaps[i, j]) < 1e-10
        assert np.sum(gaps < 1e-8) == 1
    assert set(outcomes) == {merging.FOUND, merging.FAR, merging.NEAR}


def test_a_cached_kernel_is_compiled_again_when_another_kernel_file_changes():
    """numba keeps the stamp that `compiled.kernel` sets and throws a cache away whose stamp differs."""
    cached = merging.spin._cache._cache_file
    assert cached._source_stamp[1] == compiled.STAMP
    merging.spin(*spin_arguments())
    assert cached._load_index()
    cached._source_stamp = (cached._source_stamp[0], "another")
    try:
        assert not cached._load_index()
    finally:
        cached._source_stamp = (cached._source_stamp[0], compiled.STAMP)


def spin_arguments():
    rng = np.random.default_rng(0)
    s = merging.make_scratch(10)
    return coil(5, rng), coil(5, rng), 20.0, 15.0, 1.0, s.pose, s.rings, s.arcs, s.ends, rng
