"""How well clusters of patches agree with what is true of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from learn.clustering.scores import score_labels
from learn.micrographs.neighbours import NeighbourGraph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.patch_truth import PatchTruth
from simulate.corpus.scene_truth import NO_REGION

NAMES = {
    "ari_phase": "ARI of phases",
    "ari_domain": "ARI of domains",
    "ari_kind": "ARI of kinds of column",
    "wall_f1": "F1 of walls",
}
"""Of the scores that are shown, in this order."""


def agreement(
    labels: NDArray[np.int64], patches: PatchSet, truth: PatchTruth, graph: NeighbourGraph
) -> dict[str, float]:
    """Adjusted Rand indices and the F1 of walls (`learn.clustering.scores`) of labels (n,), by the page's
    names; without those that the image has no truth for.
    """
    scores = score_labels(labels, patches, truth=truth, graph=graph)
    return {name: scores[key] for key, name in NAMES.items() if np.isfinite(scores[key])}


def true_values(truth: PatchTruth) -> dict[str, NDArray[np.float64]]:
    """What can be shown of the truth (n,), by name; NaN where nothing is known."""
    found = {}
    for name, true in (("phase", truth.phase), ("domain", truth.domain), ("kind", truth.kind)):
        found[f"true {name}"] = np.where(true == NO_REGION, np.nan, true.astype(np.float64))
    found["true rotation (degrees)"] = truth.rotation_degrees
    found["true polarization x (pm)"], found["true polarization y (pm)"] = truth.polarization_pm.T
    found["true tilt x (mrad)"], found["true tilt y (mrad)"] = truth.tilt_mrad.T
    finite = np.where(np.isfinite(truth.wall_distance_nm), truth.wall_distance_nm, np.nan)
    found["true distance to a wall (nm)"] = finite
    return {name: values for name, values in found.items() if np.isfinite(values).any()}
