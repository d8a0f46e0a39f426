"""Groups of patches: mixtures of Gaussians over what a model says of them, or over the patches themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from learn.clustering.mixture import Mixture, fit_mixture
from learn.clustering.settings import Covariance
from stochgeom.errors import UserError, require

from .arrays import Array

if TYPE_CHECKING:
    from learn.patch_vae import Encoding

STARTS = 2
REGULARISATION = 1e-4
"""Added to the variances of standardized features: a group that is one point has no density."""


def gaussian_groups(
    features: ArrayLike, groups: int, covariance: Covariance = "full", seed: int = 0, starts: int = STARTS
) -> Mixture:
    """A mixture of so many Gaussians over standardized features (n, f). UserError for fewer patches than
    groups.
    """
    values = standardized(features)
    return fit_mixture(values, groups, covariance, regularisation=REGULARISATION, starts=starts, seed=seed)


def standardized(features: ArrayLike) -> Array:
    """Features (n, f) with mean 0 and standard deviation 1 each; those without any spread are left out.

    UserError if none is left, or a value is not finite.
    """
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise UserError(f"features of shape {values.shape}; accepted: (n, f), all finite")
    spread = values.std(axis=0)
    kept = spread > 1e-9 * np.maximum(1, np.abs(values).max(axis=0, initial=0))
    if not kept.any():
        raise UserError("all patches have the same latent numbers: there is nothing to group")
    return (values[:, kept] - values[:, kept].mean(axis=0)) / spread[kept]


def latent_features(encoding: Encoding, fold: int = 1) -> dict[str, Array]:
    """Features (n, f) by name: "latents", the means; where there is an angle also "angle", the cosine and
    sine of `fold` times it, and "latents and angle". `fold` is the symmetry of what is looked for: 6 for
    grains of graphene, 1 for directions.
    """
    means = np.asarray(encoding.mean, np.float64)
    if encoding.angle_degrees is None:
        return {"latents": means}
    turn = np.radians(fold * np.asarray(encoding.angle_degrees, np.float64))
    angle = np.column_stack([np.cos(turn), np.sin(turn)])
    return {"latents": means, "angle": angle, "latents and angle": np.column_stack([means, angle])}


def patch_components(patches: NDArray[np.float32], components: int = 10, seed: int = 0) -> Array:
    """Principal components (n, at most `components`) of patches (n, channel, h, w): what a model is compared
    with.
    """
    decomposition = require("sklearn.decomposition", extra="learn")
    flat = patches.reshape(len(patches), -1)
    size = min(components, *flat.shape)
    return np.asarray(decomposition.PCA(size, random_state=seed).fit_transform(flat), np.float64)
