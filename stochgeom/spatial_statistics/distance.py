"""How far apart two images are in their two-point statistics."""

from __future__ import annotations

import numpy as np
from scipy import fft

from ..errors import UserError
from .checks import checked_fields
from .correlations import autocorrelation, two_point
from .curves import checked_weights
from .lags import Cutoff, PixelSize

WAYS = ("parseval", "f")


def statistics_distance(
    a: np.ndarray,
    b: np.ndarray,
    *,
    by: str = "parseval",
    cross: bool = False,
    periodic: bool = True,
    mask: np.ndarray | None = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Mean squared difference (...) of the two-point functions f of images a and b (..., y, x), per image.

    f(r) is the probability `autocorrelation`; for periodic images of n pixels it is the inverse transform of
    |FFT|² / n. The mean is over lags: n times it is ||f_a - f_b||². With `cross`, a and b are phases (...,
    phase, y, x), and the mean is also over all pairs of phases, of their cross-correlations.

    `by` "parseval" never leaves Fourier space: ||f_a - f_b||² = (1/n) sum_k |P_a - P_b|² with P = conj(FFT)
    FFT / n, for periodic images and all lags. `by` "f" compares f itself, and so takes a mask, a cut-off,
    images that are not periodic, and `weights` (ly, lx) of the lags, for a weighted mean; lags without pairs
    count nowhere. Errors as in `cross_correlation`.
    """
    check_way(by, not periodic or mask is not None or cutoff is not None or weights is not None)
    first = checked_fields(a, "a", phases=cross)
    second = checked_fields(b, "b", phases=cross)
    check_same_size(first.shape, second.shape, cross)
    n = first.shape[-2] * first.shape[-1]
    if by == "parseval":
        difference = _powers(first, cross) - _powers(second, cross)
        square = (difference.real**2 + difference.imag**2).sum(axis=-2, dtype=np.float64)
        total = (square @ half_spectrum_weights(first.shape[-1])) / float(n) ** 4
        return (total.mean(axis=(-2, -1)) if cross else total).astype(first.dtype)
    correlate = two_point if cross else autocorrelation
    maps = [
        correlate(field, periodic=periodic, mask=mask, cutoff=cutoff, pixel_size_nm=pixel_size_nm)
        for field in (first, second)
    ]
    square = (maps[0] - maps[1]).astype(np.float64) ** 2
    weight = np.isfinite(square).astype(float)
    if weights is not None:
        weight = weight * checked_weights(weights, square.shape[-2:])
    over = (-4, -3, -2, -1) if cross else (-2, -1)
    return (np.where(weight > 0, square * weight, 0).sum(over) / weight.sum(over)).astype(first.dtype)


def half_spectrum_weights(nx: int) -> np.ndarray:
    """(nx // 2 + 1,) how often each column of a real transform's half spectrum occurs in the whole one."""
    weight = np.full(nx // 2 + 1, 2.0)
    weight[0] = 1
    if nx % 2 == 0:
        weight[-1] = 1
    return weight


def check_way(by: str, needs_lags: bool) -> None:
    """UserError for a way that does not exist or that cannot do what is asked."""
    if by not in WAYS:
        raise UserError(f"by = {by!r}: one of {', '.join(WAYS)}")
    if by == "parseval" and needs_lags:
        raise UserError(
            "by = 'parseval' compares all lags of periodic images; a mask, a cut-off, weights or images that "
            "are not periodic need by = 'f'"
        )


def check_same_size(a: tuple[int, ...], b: tuple[int, ...], cross: bool) -> None:
    """UserError unless images of shapes a and b compare."""
    axes = 3 if cross else 2
    if a[-axes:] != b[-axes:]:
        raise UserError(f"a and b of shapes {tuple(a)} and {tuple(b)}: sizes must be equal")


def _powers(fields: np.ndarray, cross: bool) -> np.ndarray:
    """n P of each image, (..., y, x / 2 + 1), or of each pair of phases."""
    spectra = fft.rfft2(fields)
    if cross:
        return np.asarray(np.conj(spectra[..., :, None, :, :]) * spectra[..., None, :, :, :])
    return np.asarray(spectra.real**2 + spectra.imag**2)
