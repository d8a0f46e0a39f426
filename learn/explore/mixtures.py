"""Mixtures of Gaussians that can be stopped, and what they will take."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from learn.explore.state import ClusterState
from stochgeom.errors import UserError, require

Array = NDArray[np.float64]
STARTS = 2
FEW = 64
"""Numbers of a descriptor up to which a mixture is cheap enough for several starts."""
STEPS = 100
STEPS_AT_ONCE = 4
SLOW_STEPS_AT_ONCE = 2
"""Of many numbers: a step may take a second, and only between them can it be stopped."""
TOLERANCE = 1e-3
RIDGE = 1e-6
"""Added to variances, as a share of the descriptor's mean variance."""
TYPICAL_STEPS = 25
FLOPS = 1.2e10
"""Per second, of the matrix products of one core that does little else."""


class StoppedError(Exception):
    """Nobody waits for the result any more."""


@dataclass(frozen=True, eq=False)
class Groups:
    """k groups of n patches by falling share: labels (n,), probabilities (n, k).

    log_likelihood, bic and icl in nats per patch; of the criteria the least is best: bic = parameters
    ln(n) / n - 2 log_likelihood (Schwarz 1978), icl = bic + 2 mean entropy of the probabilities (Biernacki,
    Celeux and Govaert 2000).
    """

    labels: NDArray[np.int64]
    probabilities: Array
    log_likelihood: float
    bic: float
    icl: float

    @property
    def count(self) -> int:
        """Number of groups asked for; some may hold no patch."""
        return self.probabilities.shape[1]

    @property
    def shares(self) -> Array:
        """(k,) share of the patches that each group holds."""
        return np.bincount(self.labels, minlength=self.count) / len(self.labels)


def seconds_for(n: int, numbers: int, settings: ClusterState) -> float:
    """About what a mixture over (n, numbers) takes on one core."""
    k = settings.count
    if settings.covariance in ("full", "tied"):
        step = 4.0 * n * numbers**2 * k + k * numbers**3
    else:
        step = 12.0 * n * numbers * k
    starts = STARTS if numbers <= FEW else 1
    return starts * TYPICAL_STEPS * (step / FLOPS + 1e-3)


def mixture(values: Array, settings: ClusterState, stop: Callable[[], bool] = lambda: False) -> Groups:
    """The likeliest of a few mixtures over descriptors (n, d), each begun at k-means.

    UserError for fewer patches than groups; StoppedError soon after `stop` says so.
    """
    n = len(values)
    if n <= settings.count:
        raise UserError(f"{settings.count} clusters of {n} patches; accepted: at most {max(n - 1, 0)}")
    few = values.shape[1] <= FEW
    starts = STARTS if few and settings.count > 1 else 1
    threads = require("threadpoolctl", extra="learn")
    with threads.threadpool_limits(1 if few else None):  # threads only wait for each other in small products
        best = max(
            (_one_mixture(values, settings, settings.seed + start, stop) for start in range(starts)),
            key=lambda model: model.lower_bound_,
        )
    probabilities = best.predict_proba(values)
    order = np.argsort(-np.bincount(probabilities.argmax(axis=1), minlength=settings.count), kind="stable")
    probabilities = probabilities[:, order]
    likelihood = float(best.score(values))
    bic = best._n_parameters() * np.log(n) / n - 2 * likelihood
    entropy = special.entr(probabilities).sum(axis=1).mean()
    labels = probabilities.argmax(axis=1)
    return Groups(labels, probabilities, likelihood, float(bic), float(bic + 2 * entropy))


def _one_mixture(values: Array, settings: ClusterState, seed: int, stop: Callable[[], bool]):
    """Expectation and maximisation a few steps at a time, so that it can be stopped between them."""
    models = require("sklearn.mixture", extra="learn")
    at_once = STEPS_AT_ONCE if values.shape[1] <= FEW else SLOW_STEPS_AT_ONCE
    model = models.GaussianMixture(
        settings.count,
        covariance_type=settings.covariance,
        tol=TOLERANCE,
        reg_covar=RIDGE * float(values.var(axis=0).mean()),
        max_iter=at_once,
        random_state=seed,
        warm_start=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps that did not end in a maximum yet
        for _ in range(STEPS // at_once):
            if stop():
                raise StoppedError
            model.fit(values)
            if model.converged_:
                break
    return model
