"""Radius laws and sizes of primary clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import stats
from scipy.stats import chisquare, kstest, norm

from stochgeom import ConstantRadii, HistogramRadii, LognormalRadii, NormalRadii, ScipyRadii
from stochgeom.clusters import cluster_sizes
from stochgeom.radius_laws import RadiusLaw


def test_lognormal_radii_follow_the_truncated_law(rng):
    radii = LognormalRadii(median_nm=5.78, geometric_sd=1.42).sample(20_000, rng)
    scores = np.log(radii / 5.78) / math.log(1.42)
    assert abs(scores).max() <= 3
    below = norm.cdf(-3)
    assert kstest(scores, lambda x: (norm.cdf(x) - below) / (1 - 2 * below)).pvalue > 1e-3


def test_normal_and_constant_radii(rng):
    radii = NormalRadii(mean_nm=6, sd_nm=1).sample(20_000, rng)
    assert radii.min() >= 3
    assert radii.max() <= 9
    assert abs(radii.mean() - 6) < 4 / math.sqrt(20_000)
    assert NormalRadii(mean_nm=6, sd_nm=1).geometric_sd == pytest.approx(1 + 1 / 6, rel=0.02)
    state = rng.bit_generator.state
    assert ConstantRadii(radius_nm=4).sample(3, rng).tolist() == [4, 4, 4]
    assert rng.bit_generator.state == state


LAWS = ["geometric", "poisson", "constant"]


def test_a_scipy_law_is_the_distribution_cut_at_three_deviations(rng):
    law = ScipyRadii(distribution="gamma", a=6.0, scale_nm=1.1, loc_nm=0.5)
    below = norm.cdf(-3)
    own = stats.gamma(6.0, loc=0.5, scale=1.1)
    assert kstest(law.sample(20_000, rng), lambda x: (own.cdf(x) - below) / (1 - 2 * below)).pvalue > 1e-3
    assert law.median_nm == pytest.approx(own.median())
    same = ScipyRadii(distribution="lognorm", s=math.log(1.4), scale_nm=5)
    lognormal = LognormalRadii(median_nm=5, geometric_sd=1.4)
    u = rng.random(100)
    assert np.allclose(same.quantile(u), lognormal.quantile(u))
    assert same.mean_cube_nm3 == pytest.approx(lognormal.mean_cube_nm3)


def test_mean_cube_of_a_truncated_lognormal_law():
    sigma = math.log(1.5)
    whole = norm.cdf(3) - norm.cdf(-3)
    exact = 4.0**3 * math.exp(4.5 * sigma**2) * (norm.cdf(3 - 3 * sigma) - norm.cdf(-3 - 3 * sigma)) / whole
    assert LognormalRadii(median_nm=4, geometric_sd=1.5).mean_cube_nm3 == pytest.approx(exact, rel=1e-3)


def test_a_histogram_keeps_its_bins(rng):
    law = HistogramRadii(edges_nm=(2, 3, 4, 6), counts=(30, 0, 10))
    radii = law.sample(20_000, rng)
    found = np.histogram(radii, bins=law.edges_nm)[0]
    assert found[1] == 0
    assert found[0] / 20_000 == pytest.approx(0.75, abs=4 * math.sqrt(0.75 * 0.25 / 20_000))
    assert kstest(radii[radii < 3] - 2, "uniform").pvalue > 1e-3
    assert law.quantile(np.array([0.0, 0.375, 0.75])).tolist() == pytest.approx([2, 2.5, 4])
    measured = rng.lognormal(1.5, 0.3, 3000)
    drawn = HistogramRadii.of_radii(measured, bins=40).sample(3000, rng)
    # Two samples of 3 000, and bins as wide as 0.2 deviations
    assert abs(np.median(drawn) - np.median(measured)) < 4 * 1.25 * measured.std() * math.sqrt(2 / 3000)
    assert HistogramRadii.of_radii(measured).geometric_sd == pytest.approx(math.exp(0.3), rel=0.02)


@pytest.mark.parametrize(
    ("radii", "where"),
    [
        ({"law": "scipy", "distribution": "gama", "a": 2}, "accepted: gamma"),
        ({"law": "scipy", "distribution": "gamma"}, "needs the keys a, not none"),
        ({"law": "scipy", "distribution": "gamma", "a": 2, "b": 3}, "needs the keys a, not a, b"),
        ({"law": "scipy", "distribution": "norm", "loc_nm": 2}, "must be positive"),
        ({"law": "scipy", "distribution": "norm", "a": 2}, "needs no further keys"),
        ({"law": "scipy", "distribution": "norm", "loc_nm": 9, "scale_nm": -1}, "scale_nm"),
        ({"law": "histogram", "edges_nm": [1, 2], "counts": [1, 2]}, "2 counts need 3 edges_nm"),
        ({"law": "histogram", "edges_nm": [2, 1], "counts": [1]}, "ascending"),
        ({"law": "histogram", "edges_nm": [1, 2], "counts": [0]}, "neither zero nor infinite"),
    ],
)
def test_impossible_laws_are_refused(radii, where):
    with pytest.raises(ValidationError, match=where):
        TypeAdapter(RadiusLaw).validate_python(radii)


@given(
    st.integers(1, 300),
    st.floats(1, 20),
    st.sampled_from(["geometric", "poisson", "constant"]),
    st.integers(0, 99),
)
def test_cluster_sizes_sum_up(count, mean, law, seed):
    sizes = cluster_sizes(count, mean, law, np.random.default_rng(seed))
    assert sum(sizes) == count
    assert min(sizes) >= 1


@pytest.mark.parametrize(
    ("law", "variance"), [("geometric", 3.5 * 2.5), ("poisson", 2.5), ("constant", 0.25)]
)
def test_cluster_size_laws_have_their_mean_and_variance(law, variance, rng):
    sizes = np.array(cluster_sizes(70_000, 3.5, law, rng)[:-1])
    assert sizes.mean() == pytest.approx(3.5, abs=4 * math.sqrt(variance / len(sizes)))
    assert sizes.var() == pytest.approx(variance, rel=0.06)  # 4 standard errors of the geometric one


def test_cluster_sizes_follow_the_geometric_law(rng):
    sizes = np.array(cluster_sizes(40_000, 4.0, "geometric", rng)[:-1])
    assert abs(sizes.mean() - 4) < 4 * sizes.std() / math.sqrt(len(sizes))
    observed = np.bincount(np.minimum(sizes, 15), minlength=16)[1:]
    law = 0.25 * 0.75 ** np.arange(15)
    law[-1] = 0.75**14
    assert chisquare(observed, law * len(sizes)).pvalue > 1e-3


@pytest.mark.parametrize("law", LAWS)
def test_clusters_larger_than_the_aggregate_are_one_cluster(law, rng):
    assert cluster_sizes(17, 1e30, law, rng).tolist() == [17]
