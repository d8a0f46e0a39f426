"""Phases of tensors as indicator functions; definitions: stochgeom.spatial_statistics.phases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stochgeom.errors import UserError
from stochgeom.spatial_statistics.checks import check_shape
from stochgeom.spatial_statistics.phases import annealed_eps, check_soft, checked_levels, gaps

from .checks import as_fields

__all__ = ["annealed_eps", "indicators", "soft_indicator", "soft_indicators"]


def indicators(image: Tensor, phases: Sequence[int] | None = None) -> Tensor:
    """Indicator functions (..., phase, y, x) float32 of phase indices (..., y, x). A step has no gradient."""
    labels = torch.as_tensor(image)
    check_shape(labels.shape, "image")
    if labels.is_floating_point() and not torch.equal(labels, labels.round()):  # NaN equals nothing
        raise UserError(
            "image: not all values are phase indices; soft_indicators makes indicators of grey values"
        )
    if labels.is_complex() or labels.isinf().any():
        raise UserError("image: expected phase indices, finite whole numbers")
    chosen = labels.unique() if phases is None else torch.as_tensor(list(phases), device=labels.device)
    if chosen.ndim != 1 or chosen.numel() == 0 or chosen.unique().numel() < chosen.numel():
        raise UserError(f"phases = {phases}: a list of different phase indices")
    return (labels.unsqueeze(-3) == chosen[:, None, None]).float()


def soft_indicator(image: Tensor, kind: str = "linear", eps: float = 0.25, level: float = 0.0) -> Tensor:
    """How much each pixel (..., y, x), 0 to 1, belongs to the phase of grey value `level`: 1 - |x - level|
    ("linear"), or exp(-(x - level)² / (2 eps²)) ("gaussian"), which at eps 0.25 has no slope to speak of
    where |x - level| is 1.
    """
    check_soft(kind, eps)
    distance = as_fields(image) - level
    return 1 - distance.abs() if kind == "linear" else torch.exp(-distance.square() / (2 * eps**2))


def soft_indicators(
    image: Tensor, levels: Sequence[float], kind: str = "linear", eps: float = 0.25
) -> Tensor:
    """Soft indicators (..., phase, y, x) of grey values (..., y, x) for phases of grey values `levels`; they
    sum to 1. A linear one has no gradient beyond the outermost levels.
    """
    check_soft(kind, eps)
    values = checked_levels(levels)
    fields = as_fields(image).unsqueeze(-3)
    centres, up, down = (
        torch.as_tensor(column, dtype=fields.dtype, device=fields.device)[:, None, None]
        for column in (values, *gaps(values))
    )
    if kind == "gaussian":
        return torch.softmax(-(fields - centres).square() / (2 * eps**2), dim=-3)
    # One branch per side of a level, so that a value on a level has the slope of one side, not half of both.
    clipped = fields.clamp(float(values[0]), float(values[-1]))
    below = clipped < centres
    return torch.where(below, 1 - (centres - clipped) / down, 1 - (clipped - centres) / up).clamp(min=0)
