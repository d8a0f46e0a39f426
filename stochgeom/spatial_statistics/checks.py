"""What the statistics accept, and the errors for what they do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import UserError

NORMALISATIONS = ("probability", "count", "covariance", "correlation")


def check_shape(shape: Sequence[int], name: str, phases: bool = False) -> None:
    """UserError unless `shape` is (..., y, x), or (..., phase, y, x), with pixels in it."""
    axes, least = ("(..., phase, y, x)", 3) if phases else ("(..., y, x)", 2)
    if len(shape) < least:
        raise UserError(f"{name} of shape {tuple(shape)}: expected {axes}")
    if 0 in shape:
        raise UserError(f"{name} of shape {tuple(shape)} holds no pixels")


def check_normalisation(normalise: str, accepted: Sequence[str] = NORMALISATIONS) -> None:
    """UserError for an unknown normalisation."""
    if normalise not in accepted:
        raise UserError(f"normalise = {normalise!r}: one of {', '.join(accepted)}")


def checked_fields(values: np.ndarray, name: str = "image", phases: bool = False) -> np.ndarray:
    """`values` as float32 (what is float32 or smaller) or float64, finite and not empty."""
    array = np.asarray(values)
    check_shape(array.shape, name, phases)
    if array.dtype.kind not in "buif":
        raise UserError(f"{name} of type {array.dtype}: expected real numbers")
    array = array.astype(np.float32 if array.dtype in (np.float32, np.float16) else np.float64, copy=False)
    if not np.isfinite(array).all():
        bad = int(np.size(array) - np.isfinite(array).sum())
        raise UserError(f"{name}: {bad} values are not finite; set them to 0 and leave them out with a mask")
    return array


def checked_soft(values: np.ndarray, name: str = "phase") -> np.ndarray:
    """`checked_fields` within 0 to 1."""
    array = checked_fields(values, name)
    if array.min() < 0 or array.max() > 1:
        raise UserError(f"{name}: indicators lie within 0 and 1, got {array.min():.4g} to {array.max():.4g}")
    return array


def checked_binary(values: np.ndarray, name: str = "phase") -> np.ndarray:
    """`values` as bool; UserError unless they are 0 and 1."""
    array = np.asarray(values)
    if array.dtype != bool:
        checked = checked_fields(array, name)
        array = checked != 0
        if not (array == checked).all():
            other = checked[array != checked].flat[0]
            raise UserError(
                f"{name}: expected 0 and 1, got {other:.6g}; one phase of an image: image == phase"
            )
    check_shape(array.shape, name)
    return array


def checked_mask(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask (..., y, x) as bool, for images of `shape`; True is what counts."""
    checked = checked_binary(mask, "mask")
    try:
        fits = np.broadcast_shapes(checked.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits or checked.shape[-2:] != tuple(shape[-2:]):
        raise UserError(f"mask of shape {checked.shape} does not fit images of shape {tuple(shape)}")
    if not checked.any(axis=(-2, -1)).all():
        raise UserError("mask: leaves no pixel of an image")
    return checked
