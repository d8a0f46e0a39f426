"""Two-point correlation functions by real Fourier transforms."""

from __future__ import annotations

import numpy as np
from scipy import fft

from ..errors import UserError
from .checks import check_normalisation, checked_fields, checked_mask
from .lags import Cutoff, LagGrid, PixelSize, lag_grid


def two_point(
    phases: np.ndarray,
    *,
    periodic: bool = True,
    mask: np.ndarray | None = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    normalise: str = "probability",
    centred: bool = True,
) -> np.ndarray:
    """All two-point functions (..., phase, phase, ly, lx) of indicators (..., phase, y, x): S_ab(r), the
    probability that a pixel lies in phase a and the pixel at r from it in phase b.

    See `cross_correlation` for the arguments; `mask` is (..., y, x), without a phase axis.
    """
    fields = checked_fields(phases, "phases", phases=True)
    inside = None
    if mask is not None:
        inside = checked_mask(mask, fields.shape[:-3] + fields.shape[-2:])[..., None, :, :]
    grid = lag_grid(fields.shape[-2:], periodic, cutoff, pixel_size_nm, centred)
    prepared, scale = _prepared(fields, inside, normalise)
    spectra = _spectra(prepared, grid)
    found = _lags_of(np.conj(spectra[..., :, None, :, :]) * spectra[..., None, :, :, :], grid)
    pairs = None if inside is None else pairs_of(inside, grid)[..., None, :, :]
    return normalised(found, grid, pairs, scale[..., :, None] * scale[..., None, :], normalise)


def cross_correlation(
    a: np.ndarray,
    b: np.ndarray,
    *,
    periodic: bool = True,
    mask: np.ndarray | None = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    normalise: str = "probability",
    centred: bool = True,
) -> np.ndarray:
    """S_ab(r) (..., ly, lx) of indicators a and b (..., y, x): the mean of a(x) b(x + r) over all pairs.

    Arguments: `periodic` images go on at the opposite border. Otherwise each lag has the pairs that the
    image holds, its transforms being padded so that no border meets the other; `pairs` of a lag are then
    (ny - |y|) (nx - |x|). Only pairs with both ends in `mask` (..., y, x; 0 and 1) count, and their number
    is the mask's own autocorrelation (Cecen, Fast, Kalidindi 2016). `cutoff` (one, or y and x) keeps lags up
    to that length in units of `pixel_size_nm`; which lags there are: `lags_nm`.

    `normalise`: "probability"; "count" (the sum over pairs, not divided); "covariance", of a and b less their
    means within the mask, for periodic images without one S_ab - phi_a phi_b; "correlation", that over
    the standard deviations of a and b: 1 at lag 0 for b = a.

    Lags without pairs are NaN, and so is the correlation of a phase that fills the image or is absent.
    float32 in, float32 out, with an error of about 1e-7 y x / pairs; anything else is float64. Any finite
    real field goes. UserError for empty images, values that are not finite, shapes that do not fit.
    """
    first, second = checked_fields(a, "a"), checked_fields(b, "b")
    if first.shape[-2:] != second.shape[-2:]:
        raise UserError(f"a and b of shapes {first.shape} and {second.shape}: sizes must be equal")
    try:
        shape = np.broadcast_shapes(first.shape, second.shape)
    except ValueError as error:
        raise UserError(f"a and b of shapes {first.shape} and {second.shape} do not fit together") from error
    inside = None if mask is None else checked_mask(mask, shape)
    grid = lag_grid(shape[-2:], periodic, cutoff, pixel_size_nm, centred)
    prepared_a, scale_a = _prepared(first, inside, normalise)
    spectra_a = _spectra(prepared_a, grid)
    if b is a:
        spectra_b, scale_b = spectra_a, scale_a
    else:
        prepared_b, scale_b = _prepared(second, inside, normalise)
        spectra_b = _spectra(prepared_b, grid)
    found = _lags_of(np.conj(spectra_a) * spectra_b, grid)
    pairs = None if inside is None else pairs_of(inside, grid)
    return normalised(found, grid, pairs, scale_a * scale_b, normalise)


def autocorrelation(
    a: np.ndarray,
    *,
    periodic: bool = True,
    mask: np.ndarray | None = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    normalise: str = "probability",
    centred: bool = True,
) -> np.ndarray:
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


def _prepared(fields: np.ndarray, mask: np.ndarray | None, normalise: str) -> tuple[np.ndarray, np.ndarray]:
    """Fields to correlate, and what to divide by for a correlation (..., without y, x; NaN: undefined)."""
    check_normalisation(normalise)
    kept = fields if mask is None else fields * mask.astype(fields.dtype)
    scale = np.ones(kept.shape[:-2], fields.dtype)
    if normalise in ("probability", "count"):
        return kept, scale
    pixels = float(fields.shape[-2] * fields.shape[-1])
    number = pixels if mask is None else mask.sum(axis=(-2, -1), keepdims=True, dtype=np.float64)
    mean = kept.sum(axis=(-2, -1), keepdims=True, dtype=np.float64) / number
    power = (kept.astype(np.float64) ** 2).sum(axis=(-2, -1), keepdims=True) / number
    kept = kept - mean.astype(fields.dtype)
    if mask is not None:
        kept = kept * mask.astype(fields.dtype)
    if normalise == "correlation":
        variance = (kept.astype(np.float64) ** 2).sum(axis=(-2, -1), keepdims=True) / number
        constant = variance <= (8 * np.finfo(fields.dtype).eps) ** 2 * power
        scale = np.where(constant, np.nan, np.sqrt(variance)).astype(fields.dtype)[..., 0, 0]
    return kept, scale


def _spectra(fields: np.ndarray, grid: LagGrid) -> np.ndarray:
    return np.asarray(fft.rfft2(fields, grid.fft_shape))


def _lags_of(spectra: np.ndarray, grid: LagGrid) -> np.ndarray:
    """Inverse transforms of products of spectra, at the lags of the grid."""
    return np.asarray(fft.irfft2(spectra, grid.fft_shape))[..., grid.y[:, None], grid.x]


def pairs_of(mask: np.ndarray, grid: LagGrid) -> np.ndarray:
    """Pairs (..., ly, lx) float64 of pixels in the mask at each lag: whole numbers."""
    spectra = _spectra(mask.astype(np.float64), grid)
    return np.rint(_lags_of(spectra.real**2 + spectra.imag**2, grid))


def normalised(
    sums: np.ndarray, grid: LagGrid, pairs: np.ndarray | None, scale: np.ndarray, normalise: str
) -> np.ndarray:
    if normalise == "count":
        return sums
    number = (grid.pairs if pairs is None else pairs).astype(sums.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(number > 0, sums / number, np.nan).astype(sums.dtype)
    return means / scale[..., None, None] if normalise == "correlation" else means
