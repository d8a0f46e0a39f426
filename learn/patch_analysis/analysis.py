"""What a trained autoencoder of patches makes of a set of them, and how near the truth that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from learn.clustering.mixture import Mixture
from learn.micrographs import PatchSet
from learn.micrographs.neighbours import neighbour_graph
from learn.micrographs.patch_truth import PatchTruth, patch_truth
from stochgeom.errors import UserError

from .angle_calibration import AngleCalibration
from .angles import AngleFinding, angle_findings
from .arrays import Array, Images
from .latent_groups import gaussian_groups, latent_features, patch_components
from .truth_scores import RegionScore, region_numbers, region_score

if TYPE_CHECKING:
    from learn.patch_vae import Encoding, PatchVAE

ACTIVE_NATS = 0.1
MOST_GROUPS = 8


@dataclass(frozen=True, eq=False)
class Grouping:
    """Groups of the patches by some features, as the maps show them; and the scores of as many groups as
    there are regions, for every kind of region that the truth knows.
    """

    features: str
    groups: Mixture
    scores: tuple[RegionScore, ...]


@dataclass(frozen=True, eq=False)
class PatchAnalysis:
    """A model on a patch set of n patches.

    unexplained (n,): squared difference of patch and reconstruction over the scatter of all patches about
    their mean patch, 0 perfect, 1 no better than the mean patch on average. kl_nats (l,): divergence of each
    latent number from its prior, a mean. examples (m,): rows of `originals` and `reconstructions`.
    """

    name: str
    model: PatchVAE
    patch_set: PatchSet
    encoding: Encoding
    unexplained: Array
    kl_nats: Array
    truth: PatchTruth | None
    groupings: tuple[Grouping, ...]
    angles: tuple[AngleFinding, ...]
    examples: NDArray[np.int64]
    originals: Images
    reconstructions: Images
    folder: Path | None = None
    condition: NDArray | None = None
    baselines: tuple[Grouping, ...] = field(default=())

    @property
    def active(self) -> NDArray[np.bool_]:
        """Latent numbers (l,) in use: more than 0.1 nats from the prior."""
        return np.asarray(self.kl_nats > ACTIVE_NATS)

    @property
    def names(self) -> list[str]:
        """z1, z2, ..."""
        return [f"z{k + 1}" for k in range(self.encoding.mean.shape[1])]


def analyse_patches(
    model: PatchVAE,
    patch_set: PatchSet,
    name: str = "model",
    calibrations: Sequence[AngleCalibration] = (),
    groups: int | None = None,
    fold: int | None = None,
    condition: ArrayLike | None = None,
    examples: int = 10,
    baselines: bool = True,
    folder: str | Path | None = None,
    seed: int = 0,
) -> PatchAnalysis:
    """Encode, decode and group patches, and score what comes out where the truth is known.

    groups: of the maps; None: as many, up to eight, as the ICL finds. fold: of the angle, where
    patches are grouped by it; None: the model's symmetry order. calibrations: of the angle, fitted on
    other micrographs. condition: of a conditional model, (n,) or (n, s). baselines: also group principal
    components of the patches. UserError if the patches are not the model's.
    """
    check_patches(model, patch_set)
    more = {} if condition is None else {"condition": condition}
    encoding = model.encode(patch_set.patches, **more)
    made = model.reconstruct(patch_set.patches, **more)
    unexplained = _unexplained(patch_set.patches, made)
    truth = patch_truth(patch_set) if any(one.truth is not None for one in patch_set.micrographs) else None
    fold = model.config.symmetry_order if fold is None else fold
    features = latent_features(encoding, fold)
    parts = {"patches": patch_components(patch_set.patches)} if baselines else {}
    rows = _examples(unexplained, examples, seed)
    return PatchAnalysis(
        name,
        model,
        patch_set,
        encoding,
        unexplained,
        _divergence(encoding),
        truth,
        _groupings(features, patch_set, truth, groups, seed),
        () if truth is None else tuple(angle_findings(encoding, patch_set, truth, calibrations)),
        rows,
        patch_set.patches[rows],
        made[rows],
        None if folder is None else Path(folder),
        None if condition is None else np.asarray(condition),
        _groupings(parts, patch_set, truth, groups, seed),
    )


def check_patches(model: PatchVAE, patch_set: PatchSet) -> None:
    """UserError if patches differ from the model's in their window."""
    if tuple(model.window) != patch_set.window:
        raise UserError(
            f"patches of {patch_set.window} pixels; the model was trained on windows of {tuple(model.window)}"
        )
    if len(patch_set) < 3:
        raise UserError(f"{len(patch_set)} patches; accepted: three or more to analyse")


def chosen_groups(features: Array, most: int = MOST_GROUPS, seed: int = 0) -> Mixture:
    """Groups, 1 to `most`, of the least ICL."""
    tried = [gaussian_groups(features, k, seed=seed) for k in range(1, min(most, len(features) // 5 + 1) + 1)]
    return min(tried, key=lambda one: one.icl)


def _groupings(
    features: dict[str, Array],
    patch_set: PatchSet,
    truth: PatchTruth | None,
    groups: int | None,
    seed: int,
) -> tuple[Grouping, ...]:
    found = []
    graph = None if truth is None else neighbour_graph(patch_set)
    for name, values in features.items():
        if np.ptp(values, axis=0).max() <= 1e-9:
            continue  # a model that says the same of every patch tells nothing apart
        shown = (
            chosen_groups(values, seed=seed) if groups is None else gaussian_groups(values, groups, seed=seed)
        )
        scores = []
        for kind, regions in ({} if truth is None else region_numbers(truth)).items():
            labels = _as_many(values, regions, patch_set, seed)
            scores.append(region_score(kind, labels, regions, patch_set, graph))
        found.append(Grouping(name, shown, tuple(scores)))
    return tuple(found)


def _as_many(values: Array, regions: NDArray[np.int64], patch_set: PatchSet, seed: int) -> NDArray[np.int64]:
    """Groups (n,) of the patches of each micrograph on its own, as many as it has regions: the grains of one
    are not those of the next.
    """
    labels = np.zeros(len(values), np.int64)
    for source in range(len(patch_set.micrographs)):
        own = patch_set.source == source
        many = len(np.unique(regions[own & (regions >= 0)]))
        if 1 < many < own.sum() and np.ptp(values[own], axis=0).max() > 1e-9:
            labels[own] = gaussian_groups(values[own], many, seed=seed).labels
    return labels


def _divergence(encoding: Encoding) -> Array:
    """KL of normal laws from the standard normal one (Kingma and Welling 2014, appendix B)."""
    mean, sd = np.asarray(encoding.mean), np.maximum(np.asarray(encoding.sd), 1e-12)
    return np.asarray((0.5 * (mean**2 + sd**2 - 1) - np.log(sd)).mean(axis=0))


def _unexplained(patches: Images, made: Images) -> Array:
    axes = (1, 2, 3)
    scatter = float(((patches - patches.mean(axis=0)).astype(np.float64) ** 2).sum(axis=axes).mean())
    return np.asarray(((patches - made).astype(np.float64) ** 2).sum(axis=axes) / max(scatter, 1e-30))


def _examples(unexplained: Array, count: int, seed: int) -> NDArray[np.int64]:
    """The best and the worst reconstructed patch, and others at random between, by rising error."""
    order = np.argsort(unexplained, kind="stable")
    between = np.random.default_rng(seed).choice(order[1:-1], min(count, len(order)) - 2, replace=False)
    rows = np.concatenate([order[[0, -1]], between]) if len(between) else order[[0, -1]]
    return rows[np.argsort(unexplained[rows], kind="stable")]
