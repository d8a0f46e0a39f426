"""The lineal-path function of tensors; definition: stochgeom.spatial_statistics.lines."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stochgeom.spatial_statistics.lags import PixelSize, segments
from stochgeom.spatial_statistics.lines import count_segments

from .checks import Mask, as_fields, as_mask


def lineal_path(
    phase: Tensor,
    angle_deg: float = 0.0,
    *,
    periodic: bool = True,
    mask: Mask = None,
    cutoff: float | None = None,
    pixel_size_nm: PixelSize = 1.0,
) -> tuple[Tensor, Tensor]:
    """(distance (k,) nm, L (..., k)): the mean product of the values of a phase (..., y, x) along segments.

    That is the exact lineal path for values 0 and 1, and has a gradient for any. Arguments as in NumPy's
    namesake. Time grows with pixels times segments k, memory with pixels times the root of k.
    """
    values = as_fields(phase, "phase")
    shape = (int(values.shape[-2]), int(values.shape[-1]))
    lines = segments(shape, angle_deg, periodic, cutoff, pixel_size_nm)
    places = torch.tensor(lines.places, device=values.device)
    if mask is not None:
        inside = as_mask(mask, values.shape, values.device)
        values = values * inside
        counted = count_segments(inside.cpu().numpy(), lines, periodic)
        places = torch.tensor(counted, device=values.device)
    dy, dx = lines.step
    if dx < 0:
        values, dx = values.flip(-1), -dx
    steps = len(lines.distance_nm)
    if periodic:
        values = torch.cat((values, values[..., : (steps - 1) * dy, :]), dim=-2)
        values = torch.cat((values, values[..., : (steps - 1) * dx]), dim=-1)
    sums = _SegmentProducts.apply(values, steps, dy, dx, shape if periodic else None)
    path = (sums / places.clamp(min=1).to(sums.dtype)).masked_fill(places == 0, torch.nan)
    return torch.tensor(lines.distance_nm, dtype=path.dtype, device=path.device), path


class _SegmentProducts(torch.autograd.Function):
    """Sums over all places of the products of 1, 2, ... values along a direction.

    P_k(x) = P_{k-1}(x) v(x + k step); backwards the same recursion runs from the longest segment down. Every
    so many P are kept and the others made again, so that memory grows with the root of the number of steps.
    `starts` (y, x) is how many places there are for any length, None: those that fit.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, steps: int, dy: int, dx: int, starts: tuple[int, int] | None
    ) -> Tensor:
        ctx.plan = steps, dy, dx, starts
        every = max(1, math.isqrt(steps))
        product, kept, sums = _window(values, 0, ctx.plan), [], []
        for k in range(steps):
            if k:
                product = _shorter(product, k, ctx.plan) * _window(values, k, ctx.plan)
            if k % every == 0:
                kept.append(product)
            sums.append(product.sum(dim=(-2, -1)))
        ctx.save_for_backward(values, *kept)
        return torch.stack(sums, dim=-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, *kept = ctx.saved_tensors
        plan = ctx.plan
        steps, every = plan[0], max(1, math.isqrt(plan[0]))
        found = torch.zeros_like(values)
        slope: Any = None  # of the sums in P_k
        for block in reversed(range(len(kept))):
            begin, end = block * every, min((block + 1) * every, steps)
            products = [kept[block]]
            for k in range(begin + 1, end):
                products.append(_shorter(products[-1], k, plan) * _window(values, k, plan))
            if slope is not None:
                slope = _back(slope, products[-1], values, found, end, plan)
            for k in reversed(range(begin, end)):
                own = gradient[..., k, None, None]
                slope = own.expand_as(products[k - begin]) if slope is None else slope + own
                if k > begin:
                    slope = _back(slope, products[k - begin - 1], values, found, k, plan)
        _window(found, 0, plan).add_(slope)
        return found, None, None, None, None


def _back(slope: Tensor, shorter: Tensor, values: Tensor, found: Tensor, k: int, plan: tuple) -> Tensor:
    """From the slope in P_k to that in P_{k-1}; adds the slope in v(x + k step) to `found`."""
    _window(found, k, plan).add_(slope * _shorter(shorter, k, plan))
    if plan[3] is not None:  # as many places as before
        return slope * _window(values, k, plan)
    below = torch.zeros_like(shorter)
    _shorter(below, k, plan).add_(slope * _window(values, k, plan))
    return below


def _window(values: Tensor, k: int, plan: tuple) -> Tensor:
    """v(x + k step) for all places x of a segment of k + 1 values; a view."""
    _, dy, dx, starts = plan
    if starts is None:
        return values[..., k * dy :, k * dx :]
    return values[..., k * dy : k * dy + starts[0], k * dx : k * dx + starts[1]]


def _shorter(product: Tensor, k: int, plan: tuple) -> Tensor:
    """The places of P_{k-1} from which a segment of k + 1 values fits; a view."""
    _, dy, dx, starts = plan
    if starts is not None or k == 0:
        return product
    return product[..., : product.shape[-2] - dy, : product.shape[-1] - dx]
