"""Phases as indicator functions: 1 inside a phase, 0 outside, or anything between where an image is soft."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from .checks import check_shape, checked_fields

KINDS = ("linear", "gaussian")


def indicators(image: np.ndarray, phases: Sequence[int] | None = None) -> np.ndarray:
    """Indicator functions (..., phase, y, x) float32 of an image (..., y, x) of phase indices.

    `phases` are the indices that make the phase axis, in order; by default those that occur, rising. Pixels
    of other phases are 0 throughout. UserError for grey values, for values that are not finite, for an image
    without pixels.
    """
    array = np.asarray(image)
    check_shape(array.shape, "image")
    if array.dtype.kind not in "bui":
        checked = checked_fields(array)
        grey = checked != np.round(checked)
        if grey.any():
            raise UserError(
                f"image: {checked[grey].flat[0]:.6g} is no phase index; a threshold makes phases of grey "
                "values, and soft_indicators indicator functions"
            )
    chosen = np.unique(array) if phases is None else np.asarray(phases)
    if chosen.ndim != 1 or chosen.size == 0 or len(np.unique(chosen)) < chosen.size:
        raise UserError(f"phases = {phases}: a list of different phase indices")
    return (array[..., None, :, :] == chosen[:, None, None]).astype(np.float32)


def soft_indicator(
    image: np.ndarray, kind: str = "linear", eps: float = 0.25, level: float = 0.0
) -> np.ndarray:
    """How much each pixel of a grey image (..., y, x), 0 to 1, belongs to the phase of grey value `level`.

    With distance d = |x - level|: "linear" is 1 - d; "gaussian" is exp(-d² / (2 eps²)) (Hashemi, Guerzhoy,
    Paulson 2024, eps 0.25), whose slope at d = 1 is 16 exp(-8) = 0.005 for that eps: a white pixel learns
    nothing from it. Start with a wide eps and narrow it (`annealed_eps`), or take the linear one. The same
    shape and precision as `image`.
    """
    check_soft(kind, eps)
    distance = np.abs(checked_fields(image) - level)
    return 1 - distance if kind == "linear" else np.exp(-(distance**2) / (2 * eps**2))


def soft_indicators(
    image: np.ndarray, levels: Sequence[float], kind: str = "linear", eps: float = 0.25
) -> np.ndarray:
    """Soft indicators (..., phase, y, x) of a grey image (..., y, x) whose phases have grey values `levels`.

    They sum to 1 in each pixel. "linear" shares a pixel between the two levels its value lies between, and
    clips beyond the outermost; "gaussian" is exp(-(x - level)² / (2 eps²)) over the sum of these. `levels`
    rise; UserError otherwise.
    """
    check_soft(kind, eps)
    values = checked_levels(levels)
    array = checked_fields(image)[..., None, :, :]
    centres = values.astype(array.dtype)[:, None, None]
    if kind == "gaussian":
        exponent = -((array - centres) ** 2) / (2 * eps**2)
        weight = np.exp(exponent - exponent.max(axis=-3, keepdims=True))
        return weight / weight.sum(axis=-3, keepdims=True)
    clipped = np.clip(array, values[0], values[-1])
    up, down = (gap.astype(array.dtype)[:, None, None] for gap in gaps(values))
    return np.clip(np.minimum(1 - (centres - clipped) / down, 1 - (clipped - centres) / up), 0, 1)


def annealed_eps(progress: float, start: float = 1.0, end: float = 0.25) -> float:
    """Width of the gaussian soft indicator at `progress` (0 to 1) of a training: from `start` down to `end`.

    Geometric: each share of the training narrows it by the same factor. Beyond 0 to 1 it stays.
    """
    if not (start > 0 and end > 0):
        raise UserError(f"start = {start}, end = {end}: widths above 0")
    return start * (end / start) ** min(max(progress, 0.0), 1.0)


def check_soft(kind: str, eps: float) -> None:
    """UserError for an unknown kind or an impossible width."""
    if kind not in KINDS:
        raise UserError(f"kind = {kind!r}: one of {', '.join(KINDS)}")
    if not (math.isfinite(eps) and eps > 0):
        raise UserError(f"eps = {eps}: a width above 0")


def checked_levels(levels: Sequence[float]) -> np.ndarray:
    """(phase,) float64."""
    values = np.asarray(levels, float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
        raise UserError(f"levels = {levels}: at least two rising grey values")
    return values


def gaps(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (phase,) to the level above and to that below; outermost levels have any."""
    between = np.diff(levels)
    return np.append(between, between[-1]), np.append(between[:1], between)
