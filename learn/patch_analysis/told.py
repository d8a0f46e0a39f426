"""What a model may be told of each patch: a class or a number, as a condition or as a label."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learn.micrographs import PatchSet
from learn.micrographs.patch_truth import PatchTruth, patch_truth
from simulate.corpus.scene_truth import NO_REGION
from stochgeom.errors import UserError

CLASSES = ("phase", "domain", "kind", "micrograph")
NUMBERS = ("tilt", "brightness", "polarization")
"""tilt and polarization: x and y, from the truth; brightness: the mean of the window in its image."""
Kind = Literal["class", "continuous"]


def condition_of(patch_set: PatchSet, name: str) -> tuple[Kind, NDArray]:
    """Kind of a condition, and its values: (n,) int64, or (n, s) float64. UserError where it is not known."""
    if name in CLASSES:
        found = classes_of(patch_set, name)
        if (found < 0).any():
            raise UserError(
                f"condition {name}: not known of {int((found < 0).sum())} of {len(found)} patches; "
                "accepted: micrographs with their truth, or the condition micrograph"
            )
        return "class", found
    if name not in NUMBERS:
        raise UserError(f"condition {name!r}; accepted: {', '.join(CLASSES + NUMBERS)}")
    values = _numbers(patch_set, name)
    if not np.isfinite(values).all():
        unknown = int((~np.isfinite(values)).any(axis=1).sum())
        raise UserError(f"condition {name}: not known of {unknown} of {len(values)} patches")
    return "continuous", values


def classes_of(patch_set: PatchSet, name: str) -> NDArray[np.int64]:
    """Number of the class of each patch (n,), -1 where it is not known. UserError for an unknown name."""
    if name not in CLASSES:
        raise UserError(f"classes of {name!r}; accepted: {', '.join(CLASSES)}")
    if name == "micrograph":
        return patch_set.source.copy()
    found = getattr(patch_truth(patch_set), name).astype(np.int64)
    return np.where(found == NO_REGION, -1, found)


def class_names(patch_set: PatchSet, name: str) -> tuple[str, ...]:
    """Names of the classes, by number, of the first micrograph whose truth is known; () without any."""
    if name == "micrograph":
        return tuple(one.name for one in patch_set.micrographs)
    for one in patch_set.micrographs:
        if one.truth is not None:
            return tuple(getattr(one.truth, f"{name}_names"))
    return ()


def _numbers(patch_set: PatchSet, name: str) -> NDArray[np.float64]:
    if name == "brightness":
        return _brightness(patch_set)
    of: dict[str, Callable[[PatchTruth], NDArray[np.float64]]] = {
        "tilt": lambda truth: truth.tilt_mrad,
        "polarization": lambda truth: truth.polarization_pm,
    }
    return of[name](patch_truth(patch_set))


def _brightness(patch_set: PatchSet) -> NDArray[np.float64]:
    """Mean intensity (n, channels) about each centre, in units of its image's standard deviation."""
    from scipy.ndimage import map_coordinates, uniform_filter

    found = np.empty((len(patch_set), patch_set.channels))
    for number, one in enumerate(patch_set.micrographs):
        rows = np.flatnonzero(patch_set.source == number)
        for channel, image in enumerate(one.image.astype(np.float64)):
            smooth = uniform_filter(image, patch_set.window, mode="nearest")
            values = map_coordinates(smooth, patch_set.centres_px[rows].T, order=1, mode="nearest")
            found[rows, channel] = (values - image.mean()) / max(image.std(), 1e-12)
    return found
