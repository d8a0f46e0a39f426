"""BIC and ICL are what their definitions say, and choose what was drawn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.clustering.criteria import bic, entropy, free_parameters, icl
from learn.clustering.settings import COVARIANCES


@given(st.integers(1, 6), st.integers(1, 7), st.sampled_from(COVARIANCES))
@settings(max_examples=40, deadline=None)
def test_parameters_and_bic_are_those_of_scikit_learn(clusters, dimensions, covariance):
    mixture = pytest.importorskip("sklearn.mixture")
    values = np.random.default_rng(clusters + 10 * dimensions).normal(size=(60, dimensions))
    model = mixture.GaussianMixture(clusters, covariance_type=covariance, max_iter=1, reg_covar=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one iteration does not converge
        model.fit(values)
    parameters = free_parameters(clusters, dimensions, covariance)
    likelihood = model.score_samples(values).sum()
    assert bic(likelihood, parameters, 60) == pytest.approx(model.bic(values))


@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_icl_charges_what_is_undecided(clusters, n, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(clusters), n)
    assert 0 <= entropy(shares) <= n * np.log(clusters) + 1e-9
    assert icl(-5.0, 3, shares) == pytest.approx(bic(-5.0, 3, n) + 2 * entropy(shares))
    certain = np.eye(clusters)[shares.argmax(axis=1)]
    assert icl(-5.0, 3, certain) == bic(-5.0, 3, n)


def test_of_two_clusters_that_overlap_bic_sees_two_and_icl_one():
    """Biernacki, Celeux and Govaert 2000: ICL counts clusters that can be told apart, BIC components."""
    mixture = pytest.importorskip("sklearn.mixture")
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 1000), rng.normal(0, 4, 1000)])[:, None]
    found = {}
    for k in (1, 2):
        model = mixture.GaussianMixture(k, n_init=3, random_state=0).fit(values)
        shares, likelihood = model.predict_proba(values), model.score_samples(values).sum()
        parameters = free_parameters(k, 1, "full")
        found[k] = bic(likelihood, parameters, 2000), icl(likelihood, parameters, shares)
    assert found[2][0] < found[1][0]
    assert found[2][1] > found[1][1]
