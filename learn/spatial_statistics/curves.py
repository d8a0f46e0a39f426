"""Maps over lags reduced to curves over distance; definitions: stochgeom.spatial_statistics.curves."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stochgeom.spatial_statistics.curves import checked_weights
from stochgeom.spatial_statistics.lags import PixelSize, cut_points, radial_bins

from .checks import as_fields


def radial_mean(
    values: Tensor,
    *,
    pixel_size_nm: PixelSize = 1.0,
    bin_nm: float | None = None,
    largest_nm: float | None = None,
    sector_deg: tuple[float, float] | None = None,
    weights: Tensor | np.ndarray | None = None,
) -> tuple[Tensor, Tensor]:
    """(distance (b,) nm, mean (..., b)) of a centred map (..., ly, lx) over annuli of lags."""
    fields = as_fields(values, "map over lags")
    shape = (int(fields.shape[-2]), int(fields.shape[-1]))
    bins = radial_bins(shape, pixel_size_nm, bin_nm, largest_nm, sector_deg)
    index = torch.tensor(bins.bin, device=fields.device)
    members = fields.flatten(-2)[..., torch.tensor(bins.member, device=fields.device)]
    weight = members.isfinite().to(fields.dtype)
    if weights is not None:
        array = weights.detach().cpu().numpy() if isinstance(weights, Tensor) else weights
        checked = checked_weights(array, shape).ravel()[bins.member]
        weight = weight * torch.as_tensor(checked, dtype=fields.dtype, device=fields.device)
    empty = fields.new_zeros(*fields.shape[:-2], len(bins.distance_nm))
    total = empty.index_add(-1, index, torch.where(weight > 0, members, 0) * weight)
    number = empty.index_add(-1, index, weight)
    mean = (total / number.where(number > 0, torch.ones_like(number))).masked_fill(number == 0, torch.nan)
    return torch.tensor(bins.distance_nm, dtype=fields.dtype, device=fields.device), mean


def directional_cut(
    values: Tensor,
    angle_deg: float,
    *,
    pixel_size_nm: PixelSize = 1.0,
    step_nm: float | None = None,
    largest_nm: float | None = None,
) -> tuple[Tensor, Tensor]:
    """(distance (p,) nm, value (..., p)) of a centred map (..., ly, lx) along a ray from the lag 0."""
    fields = as_fields(values, "map over lags")
    shape = (int(fields.shape[-2]), int(fields.shape[-1]))
    cut = cut_points(shape, angle_deg, pixel_size_nm, step_nm, largest_nm)
    weight = torch.tensor(cut.weight, dtype=fields.dtype, device=fields.device)
    corners = fields.flatten(-2)[..., torch.tensor(cut.corner, device=fields.device)]
    value = (torch.where(weight > 0, corners, 0) * weight).sum(dim=-2)
    return torch.tensor(cut.distance_nm, dtype=fields.dtype, device=fields.device), value
