"""Mixtures of Gaussians on descriptors of patches, by scikit-learn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.clustering.criteria import bic, entropy, free_parameters, icl
from learn.clustering.descriptors import Descriptors, describe_patches, middle_windows
from learn.clustering.settings import ClusteringSettings
from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError, require

LARGEST_GB = 6.0


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of n patches, the largest first.

    labels (n,) int64; probabilities (n, k) float64, of each cluster given the patch; means (k, channel, h, w)
    float32, of the patches themselves, weighted so; shares (k,) of the mixture. `log_likelihood` of all
    patches in nats; `bic` and `icl` (see `criteria`: the least is best); `remarks`, lines on what to mind.
    """

    settings: ClusteringSettings
    descriptors: Descriptors
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    means: NDArray[np.float32]
    shares: NDArray[np.float64]
    log_likelihood: float
    parameters: int
    iterations: int
    converged: bool
    remarks: tuple[str, ...]

    @property
    def bic(self) -> float:
        """Bayesian information criterion."""
        return bic(self.log_likelihood, self.parameters, len(self.labels))

    @property
    def icl(self) -> float:
        """Integrated completed likelihood, as a criterion on the scale of BIC."""
        return icl(self.log_likelihood, self.parameters, self.probabilities)

    @property
    def entropy(self) -> float:
        """Of the probabilities, in nats, summed over patches."""
        return entropy(self.probabilities)


def cluster(
    patch_set: PatchSet, settings: ClusteringSettings | None = None, descriptors: Descriptors | None = None
) -> Clustering:
    """Cluster patches; `descriptors` made before by `describe_patches` are used if given.

    UserError if there are fewer patches than clusters, all are alike, or the covariances need too much
    memory.
    """
    settings = ClusteringSettings() if settings is None else settings
    n = len(patch_set)
    if n < max(2, settings.clusters):
        raise UserError(
            f"{settings.clusters} clusters of {n} patch{'es' if n > 1 else ''}; accepted: at least as many "
            "patches as clusters, and two"
        )
    found = describe_patches(patch_set, settings) if descriptors is None else descriptors
    dimensions = found.values.shape[1]
    _check_memory(settings, n, dimensions)
    model = _fitted(found.values, settings)
    log_densities = model.score_samples(found.values)
    probabilities = model.predict_proba(found.values)
    order = np.argsort(-np.bincount(probabilities.argmax(axis=1), minlength=settings.clusters), kind="stable")
    probabilities = probabilities[:, order]
    return Clustering(
        settings=settings,
        descriptors=found,
        labels=probabilities.argmax(axis=1),
        probabilities=probabilities,
        means=_means(middle_windows(patch_set, settings.window_px), probabilities),
        shares=model.weights_[order],
        log_likelihood=float(log_densities.sum()),
        parameters=free_parameters(settings.clusters, dimensions, settings.covariance),
        iterations=int(model.n_iter_),
        converged=bool(model.converged_),
        remarks=_remarks(settings, n, dimensions, bool(model.converged_), probabilities),
    )


def _fitted(values: NDArray[np.float64], settings: ClusteringSettings):  # type: ignore[no-untyped-def]
    mixture = require("sklearn.mixture", extra="learn")
    model = mixture.GaussianMixture(
        settings.clusters,
        covariance_type=settings.covariance,
        reg_covar=settings.regularisation * float(values.var(axis=0).mean()),
        n_init=settings.restarts,
        max_iter=settings.iterations,
        tol=settings.tolerance * values.shape[1],
        random_state=settings.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge is told by a remark
        try:
            return model.fit(values)
        except ValueError as error:
            reason = " ".join(str(error).split())[:120]
            raise UserError(
                f"the mixture cannot be fitted ({reason}); accepted: fewer clusters, fewer components, or "
                f"more regularisation than {settings.regularisation:g}"
            ) from error


def _check_memory(settings: ClusteringSettings, n: int, dimensions: int) -> None:
    """Covariances, their factors and scikit-learn's working copies."""
    matrices = {"full": settings.clusters, "tied": 1}.get(settings.covariance, 0)
    gigabytes = 8e-9 * (3 * matrices * dimensions**2 + 4 * n * dimensions)
    if gigabytes > LARGEST_GB:
        raise UserError(
            f"{settings.clusters} clusters of {settings.covariance} covariance in {dimensions} dimensions "
            f"and {n} patches need about {gigabytes:.1f} GB; accepted: up to {LARGEST_GB:g}, by smaller "
            "windows, pca, or another covariance"
        )


def _means(windows: NDArray[np.float32], probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    weights = probabilities / np.maximum(probabilities.sum(axis=0), 1e-300)
    return np.einsum("nk,nchw->kchw", weights.astype(np.float32), windows, optimize=True)


def _remarks(
    settings: ClusteringSettings, n: int, dimensions: int, converged: bool, probabilities: NDArray[np.float64]
) -> tuple[str, ...]:
    found = []
    parameters = free_parameters(settings.clusters, dimensions, settings.covariance)
    numbers = n * dimensions
    members = np.bincount(probabilities.argmax(axis=1), minlength=settings.clusters)
    own = dimensions if settings.covariance == "full" else 1
    if parameters > numbers:
        found.append(
            f"{parameters:,} free parameters for {n:,} patches of {dimensions:,} numbers: too few patches; "
            "the criteria then measure the regularisation"
        )
    elif members.min() <= own:
        found.append(
            f"the smallest cluster holds {members.min():,} patches in {dimensions:,} dimensions: its "
            "covariance is the regularisation's in some directions, and the criteria measure that"
        )
    if not converged:
        found.append(f"the fit still changed after {settings.iterations} iterations")
    return tuple(found)
