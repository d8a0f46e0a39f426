"""Tensors as the statistics need them. Values are not looked at: that would wait for the device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stochgeom.errors import UserError
from stochgeom.spatial_statistics.checks import check_shape, checked_mask

Mask = Tensor | np.ndarray | None


def as_fields(values: Tensor | np.ndarray, name: str = "image", phases: bool = False) -> Tensor:
    """`values` as float32 or float64; whole numbers and truth values in torch's default precision."""
    fields = torch.as_tensor(values)
    check_shape(fields.shape, name, phases)
    if fields.is_complex():
        raise UserError(f"{name} of type {fields.dtype}: expected real numbers")
    if not fields.is_floating_point():
        return fields.to(torch.get_default_dtype())
    return fields.float() if fields.dtype in (torch.float16, torch.bfloat16) else fields


def as_mask(mask: Tensor | np.ndarray, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """A mask (..., y, x) as bool on `device`."""
    array = mask.detach().cpu().numpy() if isinstance(mask, Tensor) else mask
    return torch.as_tensor(checked_mask(array, tuple(shape)), device=device)
