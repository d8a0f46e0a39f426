"""Numbers that stand for a patch: pixels, components, latent numbers; and what is seen in them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learn.explore.state import LARGEST_COMPONENTS
from learn.micrographs.patch_set import PatchSet
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from learn.patch_vae import PatchVAE

Array = NDArray[np.float64]
Images = NDArray[np.float32]
NMF_STEPS = 150


@dataclass(frozen=True, eq=False)
class Descriptor:
    """values (n, d) are clustered; chart (n, m) with `names` is what scatters and maps show, extras (n,) what
    they can show besides. pictures (m, c, h, w): the component that each number of the chart weighs (None: a
    model decodes them), added to `base` (c, h, w). shares (m,): of the variance that each explains.
    """

    values: Array
    chart: Array
    names: tuple[str, ...]
    pictures: Images | None = None
    shares: Array | None = None
    base: Images | None = None
    extras: dict[str, Array] = field(default_factory=dict)
    model: PatchVAE | None = None

    def rebuilt(self, patches: Images, rows: NDArray[np.int64]) -> Images | None:
        """Patches (r, c, h, w) as the numbers tell them; None where the numbers are the pixels."""
        if self.model is not None:
            return np.asarray(self.model.reconstruct(patches[rows]), np.float32)
        if self.base is None or self.pictures is None:
            return None
        weights = self.chart[rows].astype(np.float32)
        return self.base + np.tensordot(weights, self.pictures, 1)


def components_of(patches: PatchSet, seed: int = 0) -> Descriptor:
    """The first principal components, as many as a page offers: PCA(n) is the first n of them, so they are
    found once for a set of patches. UserError if all patches are alike.
    """
    decomposition = require("sklearn.decomposition", extra="learn")
    flat = _flat(patches)
    size = min(LARGEST_COMPONENTS, *flat.shape)
    solver = "randomized" if min(flat.shape) > 4 * size else "full"
    model = decomposition.PCA(size, svd_solver=solver, random_state=seed)
    chart = np.asarray(model.fit_transform(flat), np.float64)
    pictures = model.components_.reshape(size, *patches.patches.shape[1:]).astype(np.float32)
    names = tuple(f"PC {k + 1}" for k in range(size))
    mean = model.mean_.reshape(patches.patches.shape[1:]).astype(np.float32)
    return Descriptor(chart, chart, names, pictures, np.asarray(model.explained_variance_ratio_), mean)


def first_components(found: Descriptor, count: int) -> Descriptor:
    """The first `count` of the components."""
    count = min(count, len(found.names))
    assert found.pictures is not None
    assert found.shares is not None
    chart = found.chart[:, :count]
    return Descriptor(
        chart, chart, found.names[:count], found.pictures[:count], found.shares[:count], found.base
    )


def raw_descriptor(patches: PatchSet, components: Descriptor) -> Descriptor:
    """All pixels of a patch; charts show principal components, as no pixel alone tells anything."""
    flat = _flat(patches).astype(np.float64)
    return Descriptor(flat, components.chart, components.names, components.pictures, components.shares)


def nmf_descriptor(patches: PatchSet, count: int, seed: int = 0) -> Descriptor:
    """Weights of `count` non-negative components of the patches, which are lifted to begin at zero."""
    decomposition = require("sklearn.decomposition", extra="learn")
    flat = _flat(patches)
    low = flat.min()
    size = min(count, *flat.shape)
    model = decomposition.NMF(size, init="nndsvda", random_state=seed, max_iter=NMF_STEPS, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of factors that still improve a little
        weights = model.fit_transform(flat - low)
    shape = patches.patches.shape[1:]
    pictures = model.components_.reshape(size, *shape).astype(np.float32)
    chart = np.asarray(weights, np.float64)
    names = tuple(f"NMF {k + 1}" for k in range(size))
    return Descriptor(chart, chart, names, pictures, base=np.full(shape, low, np.float32))


def load_model(folder: str) -> PatchVAE:
    """The autoencoder in a folder. UserError for none, and for one that needs to be told of a condition."""
    from learn.patch_vae import PatchVAE

    if not folder.strip():
        raise UserError("descriptor: give the folder of a trained autoencoder of patches")
    vae = PatchVAE.load(Path(folder))
    if vae.config.condition is not None:
        raise UserError(f"{folder}: this model must be told a condition; accepted: models without one")
    return vae


def latent_descriptor(patches: PatchSet, vae: PatchVAE) -> Descriptor:
    """Latent means; angle, shift, scale and class beside them, where the model has them."""
    found = vae.encode(patches.patches)
    names = tuple(f"z{k + 1}" for k in range(found.mean.shape[1]))
    extras = {}
    if found.angle_degrees is not None:
        extras["angle (degrees)"] = found.angle_degrees
    if found.shift_px is not None:
        extras["shift y (px)"], extras["shift x (px)"] = found.shift_px.T
    if found.scale is not None:
        extras["scale"] = found.scale
    if found.classes is not None:
        extras["model's class"] = found.classes.astype(np.float64)
    return Descriptor(found.mean, found.mean, names, extras=extras, model=vae)


def _flat(patches: PatchSet) -> Images:
    """(n, pixels of all channels). UserError if all patches are alike: nothing sets them apart."""
    flat = patches.patches.reshape(len(patches), -1)
    if len(patches) < 2:
        raise UserError(f"{len(patches)} patch; accepted: at least two, to compare them")
    scale = float(np.abs(flat).max())
    if float(np.ptp(flat, axis=0).max()) <= 1e-6 * max(scale, 1e-30):
        raise UserError("all patches are alike: nothing sets them apart (is the image constant?)")
    return flat
