"""One fit of Gaussian mixtures for all: scikit-learn's, in one go or a few iterations at a time."""

from __future__ import annotations

import numpy as np
import pytest

from learn.clustering.mixture import fit_mixture
from stochgeom.errors import UserError


@pytest.fixture(scope="module")
def values():
    rng = np.random.default_rng(1)
    return np.concatenate([rng.normal(middle, 1, (size, 2)) for middle, size in ((0, 60), (2, 90), (5, 30))])


def test_starts_are_those_of_scikit_learn(values):
    mixture = pytest.importorskip("sklearn.mixture")
    ridge = 1e-4 * values.var(axis=0).mean()
    known = mixture.GaussianMixture(3, n_init=3, random_state=4, reg_covar=ridge).fit(values)
    found = fit_mixture(values, 3, regularisation=1e-4, starts=3, seed=4)
    assert found.bic == pytest.approx(known.bic(values), rel=1e-12)
    assert found.iterations == known.n_iter_
    assert (np.diff(found.shares) <= 0).all()
    assert sorted(found.weights) == pytest.approx(sorted(known.weights_), rel=1e-12)


def test_pauses_change_nothing_and_can_end_it(values):
    pauses = []
    whole = fit_mixture(values, 3, regularisation=1e-4, starts=2)
    parts = fit_mixture(
        values, 3, regularisation=1e-4, starts=2, pause=lambda: pauses.append(1), pause_every=2
    )
    assert len(pauses) >= parts.iterations / 2 > 1
    assert (parts.iterations, parts.converged) == (whole.iterations, whole.converged)
    assert parts.probabilities == pytest.approx(whole.probabilities, abs=1e-9)

    def enough():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fit_mixture(values, 3, regularisation=1e-4, pause=enough)


def test_iterations_are_bounded(values):
    found = fit_mixture(values, 5, regularisation=1e-4, iterations=3, tolerance=1e-12, pause_every=2)
    assert found.iterations == 3
    assert not found.converged


@pytest.mark.parametrize("clusters", [0, 4])
def test_clusters_are_fewer_than_patches(values, clusters):
    with pytest.raises(
        UserError, match=f"{clusters} clusters of 4 patches; accepted: one or more, and fewer"
    ):
        fit_mixture(values[:4], clusters, regularisation=1e-4)


def test_what_cannot_be_fitted_is_said_in_one_line(values):
    with pytest.raises(UserError, match="cannot be fitted") as error:
        fit_mixture(np.where(values > 1, np.nan, values), 2, regularisation=1e-4)
    assert "\n" not in str(error.value)
