"""Clusters of patches: mixtures of Gaussians on their descriptors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.clustering.descriptors import Descriptors, describe_patches, middle_windows
from learn.clustering.mixture import Mixture, check_count, fit_mixture
from learn.clustering.settings import ClusteringSettings
from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError

LARGEST_GB = 6.0


@dataclass(frozen=True, eq=False)
class Clustering(Mixture):
    """The clusters of patches, and how they were found.

    means (k, channel, h, w) float32, of the patches themselves, weighted by the probabilities; `remarks`,
    lines on what to mind.
    """

    settings: ClusteringSettings
    descriptors: Descriptors
    means: NDArray[np.float32]
    remarks: tuple[str, ...]


def cluster(
    patch_set: PatchSet, settings: ClusteringSettings | None = None, descriptors: Descriptors | None = None
) -> Clustering:
    """Cluster patches; `descriptors` made before by `describe_patches` are used if given.

    UserError if there are not more patches than clusters, all are alike, or the covariances need too much
    memory.
    """
    settings = ClusteringSettings() if settings is None else settings
    n = len(patch_set)
    check_count(settings.clusters, n)
    found = describe_patches(patch_set, settings) if descriptors is None else descriptors
    dimensions = found.values.shape[1]
    _check_memory(settings, n, dimensions)
    mixture = fit_mixture(
        found.values,
        settings.clusters,
        settings.covariance,
        regularisation=settings.regularisation,
        starts=settings.restarts,
        iterations=settings.iterations,
        tolerance=settings.tolerance * dimensions,
        seed=settings.seed,
    )
    return Clustering(
        **vars(mixture),
        settings=settings,
        descriptors=found,
        means=_means(middle_windows(patch_set, settings.window_px), mixture.probabilities),
        remarks=_remarks(settings, mixture, dimensions),
    )


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


def _remarks(settings: ClusteringSettings, mixture: Mixture, dimensions: int) -> tuple[str, ...]:
    found = []
    n = len(mixture.labels)
    numbers = n * dimensions
    smallest = np.bincount(mixture.labels, minlength=mixture.count).min()
    own = dimensions if settings.covariance == "full" else 1
    if mixture.parameters > numbers:
        found.append(
            f"{mixture.parameters:,} free parameters for {n:,} patches of {dimensions:,} numbers: too few "
            "patches; the criteria then measure the regularisation"
        )
    elif smallest <= own:
        found.append(
            f"the smallest cluster holds {smallest:,} patches in {dimensions:,} dimensions: its "
            "covariance is the regularisation's in some directions, and the criteria measure that"
        )
    if not mixture.converged:
        found.append(f"the fit still changed after {settings.iterations} iterations")
    return tuple(found)
