"""How far apart images are in their two-point statistics: a loss; definition:
stochgeom.spatial_statistics.distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stochgeom.errors import UserError
from stochgeom.spatial_statistics.curves import checked_weights
from stochgeom.spatial_statistics.distance import check_same_size, check_way, half_spectrum_weights
from stochgeom.spatial_statistics.lags import Cutoff, PixelSize

from .checks import Mask, as_fields
from .correlations import autocorrelation, power, two_point


def statistics_distance(
    a: Tensor,
    b: Tensor,
    *,
    by: str = "parseval",
    cross: bool = False,
    periodic: bool = True,
    mask: Mask = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    weights: Tensor | np.ndarray | None = None,
) -> Tensor:
    """Mean squared difference (...) of the two-point functions of images a and b (..., y, x), per image.

    Arguments as in NumPy's namesake. Differentiable in a and b, once for `by` "parseval". A NaN in an image
    makes its own distance NaN and no other. The means over a batch in use: `.mean()`, `.median()`.
    """
    check_way(by, not periodic or mask is not None or cutoff is not None or weights is not None)
    first = as_fields(a, "a", phases=cross)
    second = as_fields(b, "b", phases=cross)
    check_same_size(first.shape, second.shape, cross)
    if first.dtype != second.dtype:
        raise UserError(f"a of type {first.dtype} and b of type {second.dtype}: one precision is needed")
    if by == "parseval":
        return _cross_distance(first, second) if cross else _SpectralDistance.apply(first, second)
    correlate = two_point if cross else autocorrelation
    plain = mask is None and weights is None
    one, other = (
        correlate(
            field,
            periodic=periodic,
            mask=mask,
            cutoff=cutoff,
            pixel_size_nm=pixel_size_nm,
            centred=not plain,  # a plain mean asks for no order
        )
        for field in (first, second)
    )
    if plain:
        return (one - other).square().mean(dim=(-4, -3, -2, -1) if cross else (-2, -1))
    return _weighted_mean(one - other, mask is not None, weights, cross)


def _weighted_mean(
    difference: Tensor, masked: bool, weights: Tensor | np.ndarray | None, cross: bool
) -> Tensor:
    """Mean square over lags; lags without pairs, NaN, count nowhere."""
    weight = torch.ones_like(difference)
    if masked:
        # The lag 0 always has pairs: it is NaN where an image is, and then the distance shall be, too.
        weight = difference.detach().isfinite().to(difference.dtype)
        middle = difference[..., difference.shape[-2] // 2, difference.shape[-1] // 2]
        difference = torch.where(weight > 0, difference, 0) + 0 * middle[..., None, None]
    if weights is not None:
        array = weights.detach().cpu().numpy() if isinstance(weights, Tensor) else weights
        checked = checked_weights(array, tuple(difference.shape[-2:]))
        weight = weight * torch.as_tensor(checked, dtype=difference.dtype, device=difference.device)
    over = (-4, -3, -2, -1) if cross else (-2, -1)
    return (difference.square() * weight).sum(dim=over) / weight.sum(dim=over)


class _SpectralDistance(torch.autograd.Function):
    """(1 / n²) sum_k (P_a - P_b)², P = |FFT|² / n, over the whole spectrum, of which a half is computed.

    Its gradient in a is (4 / n²) times the inverse transform of (P_a - P_b) FFT a, one real transform; the
    backward pass that torch has for a real transform is a complex one of the whole spectrum.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.shapes = a.shape, b.shape
        n = a.shape[-2] * a.shape[-1]
        spectra = [torch.fft.rfft2(field, norm="ortho") for field in (a, b)]  # |.|² is P
        difference = power(spectra[0]) - power(spectra[1])
        needed = [s if need else None for s, need in zip(spectra, ctx.needs_input_grad, strict=True)]
        ctx.save_for_backward(difference, *needed)
        columns = difference.square().sum(dim=-2)
        return columns @ columns.new_tensor(half_spectrum_weights(a.shape[-1])) / n**2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        difference, *spectra = ctx.saved_tensors
        found: list[Tensor | None] = []
        for sign, spectrum, shape in zip((4, -4), spectra, ctx.shapes, strict=True):
            if spectrum is None:
                found.append(None)
                continue
            n = shape[-2] * shape[-1]
            slope = difference * (gradient * (sign / n**2))[..., None, None]
            full = torch.fft.irfft2(spectrum * slope, shape[-2:], norm="ortho")
            found.append(full.sum_to_size(shape))
        return tuple(found)


def _cross_distance(a: Tensor, b: Tensor) -> Tensor:
    """The same over all pairs of phases, P_st = conj(FFT s) FFT t / n, their mean."""
    n = a.shape[-2] * a.shape[-1]
    powers = []
    for fields in (a, b):
        spectra = torch.fft.rfft2(fields, norm="ortho")
        powers.append(spectra.unsqueeze(-3).conj() * spectra.unsqueeze(-4))
    columns = torch.view_as_real(powers[0] - powers[1]).square().sum(dim=(-1, -3))
    weighted = columns @ columns.new_tensor(half_spectrum_weights(a.shape[-1])) / n**2
    return weighted.mean(dim=(-2, -1))
