"""Mixtures of Gaussians over numbers of patches, by scikit-learn; all that groups patches fits them here."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.clustering.criteria import bic, entropy, free_parameters, icl
from learn.clustering.settings import Covariance
from stochgeom.errors import UserError, require

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mixture:
    """k clusters of n patches, that of the most patches first.

    labels (n,) int64; probabilities (n, k), of each cluster given the patch; weights (k,) of the mixture;
    log_likelihood of all patches, nats; parameters: how many are free. iterations and converged are those of
    the start that was kept. Of `bic` and `icl` (see `criteria`) the least is the best.
    """

    labels: NDArray[np.int64]
    probabilities: Array
    weights: Array
    log_likelihood: float
    parameters: int
    iterations: int
    converged: bool

    @property
    def count(self) -> int:
        """Number of clusters; some may hold no patch."""
        return self.probabilities.shape[1]

    @property
    def shares(self) -> Array:
        """(k,) share of the patches that each cluster holds."""
        return np.bincount(self.labels, minlength=self.count) / len(self.labels)

    @property
    def bic(self) -> float:
        """Bayesian information criterion."""
        return bic(self.log_likelihood, self.parameters, len(self.labels))

    @property
    def icl(self) -> float:
        """Integrated completed likelihood, as a criterion on the scale of BIC."""
        return icl(self.log_likelihood, self.parameters, self.probabilities)

    @property
    def bic_per_patch(self) -> float:
        """BIC / n."""
        return self.bic / len(self.labels)

    @property
    def icl_per_patch(self) -> float:
        """ICL / n."""
        return self.icl / len(self.labels)

    @property
    def entropy(self) -> float:
        """Of the probabilities, in nats, summed over patches."""
        return entropy(self.probabilities)


def fit_mixture(
    values: Array,
    clusters: int,
    covariance: Covariance = "full",
    *,
    regularisation: float,
    starts: int = 1,
    iterations: int = 100,
    tolerance: float = 1e-3,
    seed: int = 0,
    pause: Callable[[], None] | None = None,
    pause_every: int | None = None,
) -> Mixture:
    """The likeliest of some fits to values (n, d), each begun at k-means.

    regularisation
        Added to all variances, as a share of the mean variance of the d numbers.
    tolerance
        Nats per patch: an iteration that gains less ends the fit.
    pause
        Called before the first and every `pause_every` iterations; what it raises ends the fit.

    UserError unless there are more patches than clusters, and for values that cannot be fitted.
    """
    check_count(clusters, len(values))
    models = require("sklearn.mixture", extra="learn")
    stream = np.random.RandomState(seed)  # one for all starts, as scikit-learn's own n_init has it

    def fitted() -> tuple[Any, int]:
        model = models.GaussianMixture(
            clusters,
            covariance_type=covariance,
            reg_covar=regularisation * float(values.var(axis=0).mean()),
            tol=tolerance,
            random_state=stream,
            warm_start=True,
        )
        return model, _iterate(model, values, iterations, pause_every or iterations, pause)

    try:
        model, done = max((fitted() for _ in range(starts)), key=lambda fit: fit[0].lower_bound_)
    except ValueError as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"the mixture cannot be fitted ({reason}); accepted: fewer clusters, fewer components, or more "
            f"regularisation than {regularisation:g}"
        ) from error
    probabilities = model.predict_proba(values)
    order = np.argsort(-np.bincount(probabilities.argmax(axis=1), minlength=clusters), kind="stable")
    probabilities = probabilities[:, order]
    return Mixture(
        labels=probabilities.argmax(axis=1),
        probabilities=probabilities,
        weights=model.weights_[order],
        log_likelihood=float(model.score_samples(values).sum()),
        parameters=free_parameters(clusters, values.shape[1], covariance),
        iterations=done,
        converged=bool(model.converged_),
    )


def check_count(clusters: int, patches: int) -> None:
    """UserError for a number of clusters that so many patches do not allow."""
    if not 1 <= clusters < patches:
        raise UserError(
            f"{clusters} clusters of {patches} patch{'' if patches == 1 else 'es'}; accepted: one or more, "
            "and fewer than patches"
        )


def _iterate(
    model: Any, values: Array, iterations: int, at_once: int, pause: Callable[[], None] | None
) -> int:
    """Expectation and maximisation, `at_once` iterations between two pauses; how many it took."""
    done, converged = 0, False
    while done < iterations and not converged:
        if pause is not None:
            pause()
        model.set_params(max_iter=min(at_once, iterations - done))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of iterations that did not end in a maximum yet
            model.fit(values)
        done, converged = done + int(model.n_iter_), bool(model.converged_)
    return done
