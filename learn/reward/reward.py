"""The reward: how much better a mixture of Gaussians describes features than one Gaussian does."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from learn.clustering.mixture import Mixture
from learn.clustering.settings import Covariance
from learn.patch_analysis.latent_groups import gaussian_groups, standardized

from .settings import Criterion


@dataclass(frozen=True, eq=False)
class Reward:
    """Of groups of n patches by f features.

    value: (criterion of one Gaussian of full covariance - criterion of the mixture) / (2 n f): half the fall,
    which is in nats per patch and feature; above 0 where there are groups. With full covariances neither
    criterion's difference depends on how the features are scaled, turned or correlated, so representations of
    any model compare; divided by f, a feature that shows the same groups again adds nothing, and one that
    shows none takes away.
    """

    value: float
    features: int
    groups: Mixture


def reward(
    features: ArrayLike,
    clusters: int,
    criterion: Criterion = "icl",
    covariance: Covariance = "full",
    seed: int = 0,
) -> Reward:
    """The reward of so many clusters of features (n, f); both are standardized first."""
    values = standardized(features)
    found = gaussian_groups(values, clusters, covariance, seed)
    alone = gaussian_groups(values, 1, "full", seed)
    n, f = values.shape
    fall = getattr(alone, criterion) - getattr(found, criterion)  # of both the least is the best
    return Reward(fall / (2 * n * f), f, found)
