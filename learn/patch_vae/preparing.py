"""Patches, conditions and labels as given, made into what a network sees; refused where they do not fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from learn.patch_vae.config import PatchLayout, PatchVAEConfig
from stochgeom.errors import UserError

Patches = NDArray[np.float32]
SMALLEST_WINDOW = 3
OUTLIERS = 0.0005
"""Share of pixels at either end that may lie outside of the range of a likelihood of values from 0 to 1."""
SAMPLED = 2_000_000
"""Pixels of a channel that its range is taken from."""


def layout_of(patches: Patches, config: PatchVAEConfig, condition: ArrayLike | None) -> PatchLayout:
    """The layout of training patches (n, c, h, w) and their condition.

    Gaussian: zero and unit of a channel are its mean and standard deviation; otherwise 0 and 1 are its lowest
    and highest intensities, but for a thousandth of outliers.
    """
    n, channels, h, w = patches.shape
    if n < 2:
        raise UserError(f"{n} patch to learn from; accepted: 2 or more")
    if min(h, w) < SMALLEST_WINDOW:
        raise UserError(f"a window of {h} x {w} pixels; accepted: sides of {SMALLEST_WINDOW} or more")
    offset, unit = [], []
    for channel in range(channels):
        values = patches[:, channel].reshape(-1)[:: max(1, n * h * w // SAMPLED)].astype(np.float64)
        if config.likelihood == "gaussian":
            middle, spread = float(values.mean()), float(values.std())
        else:
            middle, high = np.quantile(values, [OUTLIERS, 1 - OUTLIERS]).tolist()
            spread = high - middle
        if not spread > 1e-6 * max(abs(middle), 1e-30):
            raise UserError(
                f"channel {channel} of the patches is constant ({middle:g}); nothing can be learnt from it"
            )
        offset.append(middle)
        unit.append(spread)
    size, middles, units = _condition_layout(n, config, condition)
    return PatchLayout(
        channels=channels,
        window=(h, w),
        offset=tuple(offset),
        unit=tuple(unit),
        condition_size=size,
        condition_middle=middles,
        condition_unit=units,
    )


def _condition_layout(
    n: int, config: PatchVAEConfig, condition: ArrayLike | None
) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    if config.condition is None:
        if condition is not None:
            raise UserError("a condition for a model without; accepted: condition = class or continuous")
        return 0, (), ()
    if condition is None:
        raise UserError(f"condition = {config.condition}: the condition of the patches is missing")
    values = _condition_values(condition, n)
    if config.condition == "class":
        classes = _classes(values[:, 0], "condition") if values.shape[1] == 1 else None
        if classes is None or classes.min() < 0:
            raise UserError("condition = class: accepted: one whole number from 0 for each patch")
        return int(classes.max()) + 1, (), ()
    spread = values.std(axis=0)
    if not (spread > 0).all():
        raise UserError("condition = continuous: a variable is the same for all patches; leave it out")
    return values.shape[1], tuple(values.mean(axis=0).tolist()), tuple(spread.tolist())


def scaled(patches: ArrayLike, layout: PatchLayout, config: PatchVAEConfig) -> Patches:
    """Patches (n, c, h, w), (n, h, w) of one channel, or a single one, in units of the network."""
    found = np.asarray(patches, np.float32)
    c, (h, w) = layout.channels, layout.window
    if c == 1 and found.shape[-2:] == (h, w) and found.ndim in (2, 3):
        found = found.reshape(-1, 1, h, w)
    elif found.shape == (c, h, w):
        found = found[None]
    if found.ndim != 4 or found.shape[1:] != (c, h, w):
        raise UserError(f"patches have the shape {np.shape(patches)}; this model accepts (n, {c}, {h}, {w})")
    if not np.isfinite(found).all():
        raise UserError("patches hold values that are not finite")
    offset, unit = (np.array(one, np.float32)[:, None, None] for one in (layout.offset, layout.unit))
    found = (found - offset) / unit
    return found if config.likelihood == "gaussian" else np.clip(found, 0, 1)


def unscaled(found: Patches, layout: PatchLayout) -> Patches:
    """The inverse of `scaled`."""
    offset, unit = (np.array(one, np.float32)[:, None, None] for one in (layout.offset, layout.unit))
    return offset + unit * found


def condition_rows(
    condition: ArrayLike | None, n: int, layout: PatchLayout, config: PatchVAEConfig
) -> NDArray[np.float32] | None:
    """The condition of n patches as the network sees it (n, s); one value may stand for all."""
    if config.condition is None:
        if condition is not None:
            raise UserError("this model is unconditional; accepted: no condition")
        return None
    if condition is None:
        raise UserError(f"this model is conditional ({config.condition}); the condition is missing")
    values = _condition_values(condition, n)
    if config.condition == "class":
        classes = _classes(values[:, 0], "condition")
        if values.shape[1] != 1 or classes.min() < 0 or classes.max() >= layout.condition_size:
            raise UserError(f"condition: accepted: whole numbers from 0 to {layout.condition_size - 1}")
        return np.eye(layout.condition_size, dtype=np.float32)[classes]
    if values.shape[1] != layout.condition_size:
        raise UserError(f"condition: {values.shape[1]} variables; this model accepts {layout.condition_size}")
    middle, unit = np.array(layout.condition_middle), np.array(layout.condition_unit)
    return ((values - middle) / unit).astype(np.float32)


def _condition_values(condition: ArrayLike, n: int) -> NDArray[np.float64]:
    """(n, s), finite."""
    values = np.asarray(condition, np.float64)
    values = np.full((n, 1), values) if values.ndim == 0 else values
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n:
        raise UserError(f"condition: has the shape {np.shape(condition)}; accepted: ({n},) or ({n}, s)")
    if not np.isfinite(values).all():
        raise UserError("condition: holds values that are not finite")
    return values


def label_rows(labels: ArrayLike | None, n: int, config: PatchVAEConfig) -> NDArray[np.int64] | None:
    """Labels (n,) from 0 to k - 1, -1 where unknown."""
    if labels is None:
        return None
    if not config.classes:
        raise UserError("labels for a model without classes; accepted: classes = 2 or more")
    values = np.asarray(labels, np.float64)
    if values.shape != (n,):
        raise UserError(f"labels: have the shape {values.shape}; accepted: ({n},)")
    found = _classes(values, "labels")
    if found.min() < -1 or found.max() >= config.classes:
        raise UserError(
            f"labels: from {found.min()} to {found.max()}; accepted: 0 to {config.classes - 1}, -1 unknown"
        )
    return found


def _classes(values: NDArray[np.float64], name: str) -> NDArray[np.int64]:
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise UserError(f"{name}: accepted: whole numbers")
    return values.astype(np.int64)


def seen_labels(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """A share of the known labels, drawn by a seed; the others become unknown."""
    known = np.flatnonzero(labels >= 0)
    kept = np.random.default_rng([seed, 2]).permutation(known)[: round(share * len(known))]
    found = np.full_like(labels, -1)
    found[kept] = labels[kept]
    return found
