"""Resting poses: contact with the film, stability, worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stochgeom import AggregateParameters, sample_aggregate
from stochgeom.poses import resting_pose, support_height
from stochgeom.rotations import rotation_matrices

Z = np.array([0.0, 0.0, 1.0])


def rested(centres, radii, rng):
    centres = np.asarray(centres, float)
    centres = centres - np.average(centres, axis=0, weights=radii**3)
    return centres @ rotation_matrices(resting_pose(centres, radii, rng)).T


def assert_stable(centres, radii, rng):
    """No small tilt lowers the centre of mass."""
    height = support_height(centres, radii, Z)
    tilts = Z + 1e-4 * rng.standard_normal((300, 3))
    tilts /= np.linalg.norm(tilts, axis=1, keepdims=True)
    lowest = min(support_height(centres, radii, tilt) for tilt in tilts)
    assert lowest > height - 1e-9 * (np.abs(centres).max() + radii.max())


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_poses_are_stable(seed, n):
    rng = np.random.default_rng(seed)
    aggregate = sample_aggregate(AggregateParameters(n_particles=n, pose="resting"), rng)
    centres, radii = aggregate.centres, aggregate.radii
    assert_stable(centres, radii, rng)
    if n > 3:
        bottom = centres[:, 2] - radii
        assert np.sum(bottom < bottom.min() + 1e-6) >= 2


def test_clouds_with_spheres_of_very_different_size(rng):
    for _ in range(40):
        centres, radii = rng.normal(0, 10, (15, 3)), rng.uniform(0.1, 8, 15)
        assert_stable(rested(centres, radii, rng), radii, rng)


def test_three_spheres_lie_flat(rng):
    radii = np.array([3.0, 4.0, 5.0])
    centres = np.array([[0, 0, 0], [7, 0, 0], [1, 7.5, 0]])
    placed = rested(centres, radii, rng)
    assert np.ptp(placed[:, 2] - radii) < 1e-9


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_spheres(n, rng):
    radii = np.array([5.0, 3.0])[:n]
    placed = rested([[0, 0, 0], [0, 0, 8]][:n], radii, rng)
    assert np.ptp(placed[:, 2] - radii) < 1e-9


def test_shape_and_distances_are_kept(rng):
    aggregate = sample_aggregate(AggregateParameters(n_particles=20, pose="resting"), rng)
    assert len(aggregate.contacts(1e-9)) >= 19
    np.testing.assert_allclose(aggregate.centre_of_mass, 0, atol=1e-9)


def test_resting_aggregates_are_flatter(rng):
    heights = {}
    for pose in ("random", "resting"):
        parameters = AggregateParameters(n_particles=25, pose=pose)
        spread = []
        for _ in range(60):
            aggregate = sample_aggregate(parameters, rng)
            low, high = aggregate.bounds
            spread.append((high - low)[2] / aggregate.radius_of_gyration)
        heights[pose] = np.mean(spread), np.std(spread) / np.sqrt(60)
    difference = heights["random"][0] - heights["resting"][0]
    assert difference > 4 * np.hypot(heights["random"][1], heights["resting"][1])
