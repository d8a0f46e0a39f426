"""How well clusters of patches agree with what is true of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from learn.explore.mixtures import Groups
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.patch_truth import PatchTruth
from simulate.corpus.scene_truth import NO_REGION
from stochgeom.errors import require

LEAST = 20
"""Patches of known truth that a score needs."""


def agreement(groups: Groups, patches: PatchSet, truth: PatchTruth) -> tuple[tuple[str, float, str], ...]:
    """Adjusted Rand index (Hubert and Arabie 1985) with each of phase, domain and kind of column that takes
    more than one value: name, value, how many patches it rests on.
    """
    metrics = require("sklearn.metrics", extra="learn")
    found = []
    for name, true in (("phase", truth.phase), ("domain", truth.domain), ("kind of column", truth.kind)):
        known = true != NO_REGION
        if known.sum() >= LEAST and len(np.unique(true[known])) > 1:
            value = float(metrics.adjusted_rand_score(true[known], groups.labels[known]))
            found.append((f"adjusted Rand index, {name}", value, f"{int(known.sum())} patches"))
    return tuple(found)


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
