"""Two-point correlation functions of tensors; definitions: stochgeom.spatial_statistics.correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stochgeom.errors import UserError
from stochgeom.spatial_statistics.checks import check_normalisation
from stochgeom.spatial_statistics.lags import Cutoff, LagGrid, PixelSize, lag_grid

from .checks import Mask, as_fields, as_mask


def two_point(
    phases: Tensor,
    *,
    periodic: bool = True,
    mask: Mask = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    normalise: str = "probability",
    centred: bool = True,
) -> Tensor:
    """All two-point functions (..., phase, phase, ly, lx) of indicators (..., phase, y, x)."""
    fields = as_fields(phases, "phases", phases=True)
    inside = None
    if mask is not None:
        inside = as_mask(mask, fields.shape[:-3] + fields.shape[-2:], fields.device).unsqueeze(-3)
    grid = lag_grid(_size(fields), periodic, cutoff, pixel_size_nm, centred)
    prepared, scale = _prepared(fields, inside, normalise)
    spectra = torch.fft.rfft2(prepared, grid.fft_shape)
    whole = torch.fft.irfft2(spectra.unsqueeze(-3).conj() * spectra.unsqueeze(-4), grid.fft_shape)
    pairs = None if inside is None else _pairs(inside, grid).unsqueeze(-4)
    return _normalised(_kept(whole, grid), grid, pairs, scale[..., :, None] * scale[..., None, :], normalise)


def cross_correlation(
    a: Tensor,
    b: Tensor,
    *,
    periodic: bool = True,
    mask: Mask = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    normalise: str = "probability",
    centred: bool = True,
) -> Tensor:
    """S_ab(r) (..., ly, lx) of indicators a and b (..., y, x): the mean of a(x) b(x + r) over all pairs.

    Arguments, normalisations and lags as in NumPy's namesake; differentiable in a and b, once where b is a.
    float32 and float64 keep their precision. Lags without pairs are NaN and pass no gradient. An image that
    holds a NaN has NaN everywhere; the others of its batch are untouched.
    """
    first, second = as_fields(a, "a"), as_fields(b, "b")
    if first.shape[-2:] != second.shape[-2:]:
        raise UserError(
            f"a and b of shapes {tuple(first.shape)} and {tuple(second.shape)}: sizes must be equal"
        )
    try:
        shape = torch.broadcast_shapes(first.shape, second.shape)
    except RuntimeError as error:
        raise UserError(
            f"a and b of shapes {tuple(first.shape)} and {tuple(second.shape)} do not fit together"
        ) from error
    inside = None if mask is None else as_mask(mask, shape, first.device)
    grid = lag_grid(_size(first), periodic, cutoff, pixel_size_nm, centred)
    prepared_a, scale_a = _prepared(first, inside, normalise)
    if b is a:
        whole, scale = _Autocorrelation.apply(prepared_a, grid.fft_shape), scale_a.square()
    else:
        prepared_b, scale_b = _prepared(second, inside, normalise)
        spectra = [torch.fft.rfft2(fields, grid.fft_shape) for fields in (prepared_a, prepared_b)]
        whole, scale = torch.fft.irfft2(spectra[0].conj() * spectra[1], grid.fft_shape), scale_a * scale_b
    pairs = None if inside is None else _pairs(inside, grid)
    return _normalised(_kept(whole, grid), grid, pairs, scale, normalise)


def autocorrelation(
    a: Tensor,
    *,
    periodic: bool = True,
    mask: Mask = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    normalise: str = "probability",
    centred: bool = True,
) -> Tensor:
    """S2(r) (..., ly, lx): `cross_correlation` of a phase (..., y, x) with itself."""
    return cross_correlation(
        a,
        a,
        periodic=periodic,
        mask=mask,
        cutoff=cutoff,
        pixel_size_nm=pixel_size_nm,
        normalise=normalise,
        centred=centred,
    )


def _size(fields: Tensor) -> tuple[int, int]:
    return int(fields.shape[-2]), int(fields.shape[-1])


def _prepared(fields: Tensor, mask: Tensor | None, normalise: str) -> tuple[Tensor, Tensor]:
    """Fields to correlate, and what to divide by for a correlation (..., without y, x; NaN: undefined)."""
    check_normalisation(normalise)
    kept = fields if mask is None else fields * mask
    if normalise in ("probability", "count"):
        return kept, kept.new_ones(kept.shape[:-2])
    pixels = float(fields.shape[-2] * fields.shape[-1])
    number = pixels if mask is None else mask.sum(dim=(-2, -1), keepdim=True).double()
    mean = kept.sum(dim=(-2, -1), keepdim=True, dtype=torch.float64) / number
    power = kept.detach().double().square().sum(dim=(-2, -1), keepdim=True) / number
    kept = kept - mean.to(fields.dtype)
    if mask is not None:
        kept = kept * mask
    if normalise == "covariance":
        return kept, kept.new_ones(kept.shape[:-2])
    variance = kept.double().square().sum(dim=(-2, -1), keepdim=True) / number
    constant = variance <= (8 * torch.finfo(fields.dtype).eps) ** 2 * power
    # The root is taken of 1 where it is not wanted: its slope at 0 is infinite, and 0 times infinity NaN.
    scale = torch.where(constant, torch.ones_like(variance), variance).sqrt()
    return kept, scale.masked_fill(constant, torch.nan).to(fields.dtype)[..., 0, 0]


def power(spectrum: Tensor) -> Tensor:
    """|spectrum|², real; three times as fast as abs().square()."""
    return spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)


class _Autocorrelation(torch.autograd.Function):
    """The inverse transform of |FFT|² of fields padded to `fft_shape`.

    Its slope for slopes G in the lags is the inverse transform of 2 Re(FFT G) FFT: two real transforms, where
    torch goes backwards through real ones by complex ones of the whole spectrum.
    """

    @staticmethod
    def forward(ctx: Any, fields: Tensor, fft_shape: tuple[int, int]) -> Tensor:
        spectrum = torch.fft.rfft2(fields, fft_shape)
        ctx.save_for_backward(spectrum)
        ctx.shapes = fft_shape, fields.shape[-2:]
        return torch.fft.irfft2(power(spectrum), fft_shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (spectrum,) = ctx.saved_tensors
        fft_shape, (ny, nx) = ctx.shapes
        slope = 2 * torch.fft.rfft2(gradient).real
        return torch.fft.irfft2(spectrum * slope, fft_shape)[..., :ny, :nx], None


def _kept(whole: Tensor, grid: LagGrid) -> Tensor:
    """The lags of the grid from an inverse transform."""
    return _in_order(_in_order(whole, grid.y, -2), grid.x, -1)


def _in_order(values: Tensor, lags: np.ndarray, axis: int) -> Tensor:
    """The values at consecutive lags, cut and joined: much faster backwards than an index."""
    low, high, length = -int(lags.min()), int(lags.max()), values.shape[axis]
    if lags[0] == 0 and low + 1 + high == length:
        return values
    before, after = values.narrow(axis, length - low, low), values.narrow(axis, 0, high + 1)
    return torch.cat((before, after) if lags[0] < 0 else (after, before), dim=axis)


@torch.no_grad()
def _pairs(mask: Tensor, grid: LagGrid) -> Tensor:
    """Pairs (..., ly, lx) float64 of pixels in the mask at each lag: whole numbers."""
    spectra = torch.fft.rfft2(mask.double(), grid.fft_shape)
    return _kept(torch.fft.irfft2(power(spectra), grid.fft_shape), grid).round()


def _normalised(sums: Tensor, grid: LagGrid, pairs: Tensor | None, scale: Tensor, normalise: str) -> Tensor:
    if normalise == "count":
        return sums
    if pairs is None:
        means = sums / torch.tensor(grid.pairs, dtype=sums.dtype, device=sums.device)
    else:
        means = (sums / pairs.clamp(min=1).to(sums.dtype)).masked_fill(pairs == 0, torch.nan)
    return means / scale[..., None, None] if normalise == "correlation" else means
