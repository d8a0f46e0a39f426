"""Maps over lags reduced to curves over distance."""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from .checks import check_shape
from .lags import PixelSize, cut_points, radial_bins


def radial_mean(
    values: np.ndarray,
    *,
    pixel_size_nm: PixelSize = 1.0,
    bin_nm: float | None = None,
    largest_nm: float | None = None,
    sector_deg: tuple[float, float] | None = None,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(distance (b,) nm, mean (..., b)) of a centred map (..., ly, lx) over annuli of lags.

    Annulus k holds the distances from (k - 1/2) bin_nm up to (k + 1/2) bin_nm, and `distance` is the mean of
    its lags; the first one is the lag 0 alone for bins of up to two pixels. By default bins are a pixel wide
    and go up to `largest_nm`, the largest circle within the map. `sector_deg` (direction, half the opening)
    keeps the lags around a direction and around its opposite, in degrees from +x towards +y. `weights`
    (ly, lx), such as the numbers of pairs, weigh the lags; lags that are NaN count nowhere. NaN for annuli
    without lags.
    """
    array = _checked_map(values)
    bins = radial_bins(array.shape[-2:], pixel_size_nm, bin_nm, largest_nm, sector_deg)
    members = array.reshape(*array.shape[:-2], -1)[..., bins.member]
    weight = np.isfinite(members).astype(array.dtype)
    if weights is not None:
        weight = weight * checked_weights(weights, array.shape[-2:]).ravel()[bins.member].astype(array.dtype)
    filled, starts = np.unique(bins.bin, return_index=True)
    total = np.add.reduceat(np.where(weight > 0, members, 0) * weight, starts, axis=-1)
    number = np.add.reduceat(weight, starts, axis=-1)
    mean = np.full((*array.shape[:-2], len(bins.distance_nm)), np.nan, array.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean[..., filled] = total / number
    return bins.distance_nm, mean


def directional_cut(
    values: np.ndarray,
    angle_deg: float,
    *,
    pixel_size_nm: PixelSize = 1.0,
    step_nm: float | None = None,
    largest_nm: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(distance (p,) nm, value (..., p)) of a centred map (..., ly, lx) along a ray from the lag 0.

    The angle is in degrees from +x towards +y, which points down the page. Along axes and, for square pixels,
    diagonals the points are the lags themselves; elsewhere they are one pixel apart (or `step_nm`) and
    interpolated bilinearly. The ray ends at the border of the map, or at `largest_nm`.
    """
    array = _checked_map(values)
    cut = cut_points(array.shape[-2:], angle_deg, pixel_size_nm, step_nm, largest_nm)
    corners = array.reshape(*array.shape[:-2], -1)[..., cut.corner]
    weight = cut.weight.astype(array.dtype)
    return cut.distance_nm, np.where(weight > 0, corners * weight, 0).sum(axis=-2)


def checked_weights(weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Weights (ly, lx) of lags, at least 0 and not all 0."""
    array = np.asarray(weights)
    if array.shape != tuple(shape):
        raise UserError(f"weights of shape {array.shape}: the map has {tuple(shape)} lags")
    if not np.isfinite(array).all() or (array < 0).any() or not (array > 0).any():
        raise UserError("weights: numbers of at least 0, some of them above")
    return array


def _checked_map(values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    check_shape(array.shape, "map over lags")
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
