"""Correlations over distance: spheres in closed form, integrals, references, labels at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.spatial.distance import cdist

from stochgeom import AggregateParameters, UserError, describe, reference, sample_aggregate
from stochgeom.correlations import (
    label_correlation,
    lens_volume,
    pair_correlation,
    pair_counts,
    species_covariance,
    sphere_covariance,
    volume_radius,
)


def test_one_sphere_has_the_covariance_of_a_ball(spheres):
    """f(r) = 1 - 3/4 (r/R) + 1/16 (r/R)³ up to 2 R (Matheron 1975)."""
    ball = spheres([[1.0, 2.0, 3.0]], [6.0])
    x = np.linspace(0, 2.5, 26)
    expected = np.where(x < 2, 1 - 3 / 4 * x + x**3 / 16, 0)
    np.testing.assert_allclose(pair_correlation(ball, x).value, expected, atol=1e-12)
    assert np.isnan(pair_correlation(ball, x).standard_error).all()


def test_two_equal_spheres_share_all_at_their_own_distance(spheres):
    """With R = 1 at centres 10 apart, only a shift by about 10 brings one onto the other."""
    two = spheres([[0, 0, 0], [0, 10, 0]], [1.0, 1.0], [0, 1])
    c = species_covariance(two, np.array([0.5, 5.0, 7.9, 10.0, 12.1]))
    assert c[0, 1, [0, 1, 2, 4]] == pytest.approx(0)
    assert c[0, 1, 3] == pytest.approx(reference.sphere_covariance(10, 10, 1, 1), rel=1e-5)
    np.testing.assert_allclose(c[0, 1], c[1, 0])


@settings(max_examples=80, deadline=None)
@given(
    st.floats(0.01, 40),
    st.floats(0, 40),
    st.floats(0.5, 8),
    st.floats(0.5, 8),
)
def test_sphere_covariance_equals_its_reference(distance, apart, first, second):
    exact = sphere_covariance(distance, apart, first, second)
    assert exact == pytest.approx(
        reference.sphere_covariance(distance, apart, first, second), rel=1e-4, abs=1e-4
    )
    assert exact == pytest.approx(sphere_covariance(distance, apart, second, first))
    assert exact == pytest.approx(sphere_covariance(apart, distance, first, second), abs=1e-9)
    assert -1e-9 <= exact <= 4 / 3 * math.pi * min(first, second) ** 3 + 1e-9


def test_lens_by_hand():
    """Radii 5 and 5 at 8: two caps of height 1."""
    assert lens_volume(8.0, 5.0, 5.0) == pytest.approx(2 * math.pi * (3 * 5 - 1) / 3)
    assert lens_volume(10.0, 5.0, 5.0) == 0
    assert lens_volume(1.0, 5.0, 2.0) == pytest.approx(4 / 3 * math.pi * 8)


def test_covariances_integrate_to_the_product_of_the_volumes(spheres):
    aggregate = spheres([[0, 0, 0], [7, 0, 0], [7, 6, 0], [0, 7, 3]], [4.0, 3.0, 3.0, 2.0], [0, 1, 0, 1])
    volumes = 4 / 3 * math.pi * np.array([4.0**3 + 3**3, 3.0**3 + 2**3])
    edges = np.linspace(1e-6, 22, 4001)
    shells = 4 * math.pi * edges**2 * species_covariance(aggregate, edges)
    integral = np.trapezoid(shells, edges, axis=2)
    np.testing.assert_allclose(integral, np.outer(volumes, volumes), rtol=1e-5)


def test_cross_covariance_of_two_balls_by_quadrature():
    """Against the integral over directions of the lens, by adaptive quadrature."""
    expected = quad(
        lambda c: lens_volume(math.sqrt(100 + 81 + 180 * c), 4.0, 3.0) / 2, -1, 1, points=[-0.9], limit=400
    )[0]
    assert sphere_covariance(9.0, 10.0, 4.0, 3.0) == pytest.approx(expected, rel=1e-6)


def test_pair_counts_of_a_row(spheres):
    """A A B in a row of unit spheres: distances 2 (AA, AB) and 4 (AB); each counted from both ends."""
    row = spheres([[0, 0, 0], [2, 0, 0], [4, 0, 0]], np.ones(3), [0, 0, 1])
    counts = pair_counts(row, np.array([0.0, 2.0, 3.0, 4.5]))
    assert counts[:, :, 0].tolist() == [[0, 0], [0, 0]]
    assert counts[:, :, 1].tolist() == [[2, 1], [1, 0]]
    assert counts[:, :, 2].tolist() == [[0, 1], [1, 0]]
    curve = label_correlation(row, np.array([0.0, 2.0, 3.0, 4.5]))
    # 2 n_A n_B / (N (N - 1)) = 2/3 of the pairs are unlike at random: 1/2 and 1 of them are.
    assert curve.value[1:] == pytest.approx([0.75, 1.5])
    assert math.isnan(curve.value[0])
    assert curve.distance == pytest.approx([1, math.sqrt(6), math.sqrt(13.5)])


def test_pair_counts_equal_numpy(rng):
    aggregate = sample_aggregate(AggregateParameters(n_particles=60), rng)
    edges = np.linspace(3, 120, 14)
    apart, kinds = cdist(aggregate.centres, aggregate.centres), aggregate.species
    np.fill_diagonal(apart, -1)
    for s in range(2):
        for t in range(2):
            expected = np.histogram(apart[np.ix_(kinds == s, kinds == t)], edges)[0]
            assert pair_counts(aggregate, edges)[s, t].tolist() == expected.tolist()


def test_labels_at_random_correlate_at_no_distance(rng):
    """Single particles of one law have exchangeable labels: M(r) = 1 everywhere (4 standard errors)."""
    law = AggregateParameters().species[0].model_dump() | {"mean_cluster_size": 1.0}
    species = [law | {"name": name, "fraction": 0.5} for name in "AB"]
    parameters = AggregateParameters.model_validate({"n_particles": 30, "species": species})
    several = [sample_aggregate(parameters, rng) for _ in range(80)]
    curve = label_correlation(several, np.array([1.0, 2.5, 4, 6, 9]))
    assert np.all(np.abs(curve.value - 1) < 4 * curve.standard_error)
    assert np.all(curve.standard_error < 0.1)


def test_clusters_of_like_particles_correlate_and_forget(rng):
    """The model's clusters of six: M(r) rises from the mixing index at contact towards 1 and beyond."""
    several = [sample_aggregate(AggregateParameters(n_particles=100), rng) for _ in range(30)]
    curve = label_correlation(several, np.array([1.0, 2.5, 5, 10, 20]))
    index = np.mean([describe(one)["mixing_index"] for one in several])
    assert curve.value[0] == pytest.approx(index, abs=0.2)
    assert curve.value[0] + 4 * curve.standard_error[0] < 0.9
    assert curve.value[0] < curve.value[1] < curve.value[2]


def test_ensemble_mean_and_error(rng):
    several = [sample_aggregate(AggregateParameters(n_particles=20), rng) for _ in range(5)]
    x = np.array([0.5, 2.0, 4.0])
    rows = np.array([pair_correlation(one, x).value for one in several])
    curve = pair_correlation(several, x)
    np.testing.assert_allclose(curve.value, rows.mean(axis=0))
    np.testing.assert_allclose(curve.standard_error, rows.std(axis=0, ddof=1) / math.sqrt(5))


def test_volume_radius_by_hand(spheres):
    assert volume_radius(spheres([[0, 0, 0], [9, 0, 0]], [1.0, 3.0])) == pytest.approx(14 ** (1 / 3))


def test_wrong_input_is_refused(spheres):
    one = spheres([[0, 0, 0], [9, 0, 0]], [1.0, 3.0])
    for bad in ([3.0, 2.0], [-1.0, 2.0], [1.0, math.nan], [[1.0], [2.0]]):
        with pytest.raises(UserError, match="rising"):
            pair_counts(one, bad)
    with pytest.raises(UserError, match="two species"):
        label_correlation(one, [1.0, 2.0])
    with pytest.raises(UserError, match="at least one"):
        pair_correlation([], [1.0])
