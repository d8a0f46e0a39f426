"""Descriptors of patches: their pixels, or the principal or non-negative components of these."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.clustering.settings import ClusteringSettings
from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError, require

NMF_ITERATIONS = 300


@dataclass(frozen=True, eq=False)
class Descriptors:
    """values (n, d) float64; components (d, channel, h, w) that pca or nmf found, with the share (d,) of the
    patches' variance that each explains, else None.
    """

    values: NDArray[np.float64]
    components: NDArray[np.float32] | None = None
    explained: NDArray[np.float64] | None = None


def middle_windows(patch_set: PatchSet, window_px: int | None) -> NDArray[np.float32]:
    """The middle (n, channel, s, s) of each patch. UserError if patches are smaller.

    Where an odd side is taken of an even one, the middle is half a pixel up and to the left.
    """
    h, w = patch_set.window
    if window_px is None:
        return patch_set.patches
    if window_px > min(h, w):
        raise UserError(f"a window of {window_px} pixels of patches of {h} x {w}; accepted: 1 to {min(h, w)}")
    y, x = (h - window_px) // 2, (w - window_px) // 2
    return patch_set.patches[:, :, y : y + window_px, x : x + window_px]


def describe_patches(patch_set: PatchSet, settings: ClusteringSettings) -> Descriptors:
    """Descriptors of every patch. UserError if all patches are alike, or too few for the components."""
    windows = middle_windows(patch_set, settings.window_px)
    pixels = windows.reshape(len(windows), -1).astype(np.float64)
    if np.ptp(pixels, axis=0).max() <= 1e-6 * np.abs(pixels).max():
        raise UserError(
            f"all {len(pixels)} patches are alike: there is nothing to cluster; accepted: patches that differ"
        )
    if settings.descriptor == "raw":
        return Descriptors(pixels)
    most = min(pixels.shape)
    if settings.components > most:
        raise UserError(
            f"{settings.components} {settings.descriptor} components of {len(pixels)} patches of "
            f"{pixels.shape[1]} pixels; accepted: 1 to {most}"
        )
    found = _principal(pixels, settings) if settings.descriptor == "pca" else _positive(pixels, settings)
    return Descriptors(found[0], found[1].reshape(-1, *windows.shape[1:]).astype(np.float32), found[2])


Found = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _principal(pixels: NDArray[np.float64], settings: ClusteringSettings) -> Found:
    decomposition = require("sklearn.decomposition", extra="learn")
    model = decomposition.PCA(settings.components, svd_solver="auto", random_state=settings.seed)
    values = model.fit_transform(pixels)
    return values, model.components_, model.explained_variance_ratio_


def _positive(pixels: NDArray[np.float64], settings: ClusteringSettings) -> Found:
    """NMF of the pixels above their least value: a normalised image has negative ones."""
    decomposition = require("sklearn.decomposition", extra="learn")
    model = decomposition.NMF(
        settings.components, init="nndsvda", max_iter=NMF_ITERATIONS, tol=1e-3, random_state=settings.seed
    )
    above = pixels - pixels.min()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # factors that would still change a little are good enough
        values = model.fit_transform(above)
    power = values.var(axis=0) * (model.components_**2).sum(axis=1)
    return values, model.components_, power / above.var(axis=0).sum()
