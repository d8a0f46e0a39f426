"""Where the atomic columns of a micrograph are, to a fraction of a pixel.

Columns are the local maxima of the image's negative Laplacian of a Gaussian (Marr & Hildreth 1980), which a
slowly varying thickness leaves at zero; each is then refined by a Gaussian over a level background.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from learn.micrographs.micrograph import Micrograph
from stochgeom.errors import UserError

SEPARATION_NM = 0.11  # below the bond of graphene (0.142 nm), and half of any spacing of a perovskite
COLUMN_WIDTH_NM = 0.04
THRESHOLD = 0.12
STEPS = 8  # of the refinement; six are enough for 1e-3 pixels
Refinement = Literal["gaussian", "parabola", "none"]


def find_columns(
    micrograph: Micrograph,
    separation_nm: float = SEPARATION_NM,
    column_width_nm: float = COLUMN_WIDTH_NM,
    threshold: float = THRESHOLD,
    brightest_within_nm: float | None = None,
    refine: Refinement = "gaussian",
    channel: int = 0,
) -> NDArray[np.float64]:
    """Centres (n, 2) y, x in pixels of the atomic columns of one channel, from the top row downwards.

    `separation_nm` is the least distance of two columns, `column_width_nm` the standard deviation of a
    column's spot; `threshold` the least height of a spot (of the image so filtered) as a share of the
    typical column's, their median weighted by height squared. `brightest_within_nm` keeps only columns with
    no brighter one within that distance: one sublattice (0.33 nm keeps the A sites of a perovskite). A
    constant image has none. UserError for options outside their range, and for pixels or images that cannot
    show columns so far apart.
    """
    if not 0 <= channel < len(micrograph.image):
        raise UserError(f"{micrograph.name}: has {len(micrograph.image)} channels, none numbered {channel}")
    for name, value in (("separation", separation_nm), ("column width", column_width_nm)):
        if not value > 0:
            raise UserError(f"{name} of {value:g} nm; accepted: above zero")
    if not 0 < threshold < 1:
        raise UserError(f"threshold of {threshold:g}; accepted: between 0 and 1 of the brightest columns")
    image = micrograph.image[channel].astype(np.float64)
    sigma = column_width_nm / micrograph.pixel_size_nm
    image -= image.mean()
    if np.ptp(image) <= 1e-6 * np.abs(micrograph.image[channel]).max():
        return np.empty((0, 2))
    pixel, (ny, nx) = micrograph.pixel_size_nm, micrograph.shape
    if not pixel <= separation_nm <= min(ny, nx) * pixel:
        raise UserError(
            f"{micrograph.name}: {ny} x {nx} pixels of {pixel:g} nm cannot show columns {separation_nm:g} nm "
            "apart; accepted: pixels that are smaller than that, images that are larger"
        )
    filtered = -ndimage.gaussian_laplace(image, sigma, mode="nearest") * sigma**2
    peaks = _peaks(filtered, separation_nm / micrograph.pixel_size_nm, threshold)
    if len(peaks) == 0:
        return np.empty((0, 2))
    centres = _parabola(filtered, peaks) if refine != "none" else peaks.astype(np.float64)
    heights = filtered[tuple(peaks.T)]
    if refine == "gaussian":
        centres = _gaussian(image, centres, sigma)
    kept = _apart(centres, heights, separation_nm / micrograph.pixel_size_nm)
    if brightest_within_nm is not None:
        kept &= _apart(centres, heights, brightest_within_nm / micrograph.pixel_size_nm)
    centres = centres[kept]
    return centres[np.lexsort((centres[:, 1], np.rint(centres[:, 0])))]


def _peaks(filtered: NDArray[np.float64], separation: float, threshold: float) -> NDArray[np.int64]:
    """Pixels (n, 2) that are the largest within half the separation, and not of the image's edge."""
    reach = max(1, round(separation / 2))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    around = y**2 + x**2 <= reach**2
    largest = ndimage.maximum_filter(filtered, footprint=around, mode="nearest")
    noise = 1e-6 * np.abs(filtered).max(initial=0)
    peaks = np.argwhere((filtered == largest) & (filtered > noise))
    inside = ((peaks >= 1) & (peaks < np.array(filtered.shape) - 1)).all(axis=1)
    peaks = peaks[inside]
    if len(peaks) == 0:
        return peaks
    heights = filtered[tuple(peaks.T)]
    return peaks[heights >= threshold * _typical(heights)]


def _typical(heights: NDArray[np.float64]) -> float:
    """Median weighted by height squared: neither ripples nor a few hot pixels move it much."""
    ordered = np.sort(heights)
    sums = np.cumsum(ordered**2)
    return float(ordered[np.searchsorted(sums, sums[-1] / 2)])


def _parabola(filtered: NDArray[np.float64], peaks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The top of a parabola through three pixels along each axis."""
    centres = peaks.astype(np.float64)
    for axis in range(2):
        step = np.eye(2, dtype=np.int64)[axis]
        left, middle, right = (filtered[tuple((peaks + k * step).T)] for k in (-1, 0, 1))
        bend = left - 2 * middle + right
        shift = np.divide(left - right, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
        centres[:, axis] += np.clip(shift, -0.5, 0.5)
    return centres


def _gaussian(image: NDArray[np.float64], centres: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Least squares for height, position, width and background of every column at once (Gauss-Newton over
    discs of 1.5 widths); where that runs away by more than a width, the first guess stays.
    """
    reach = max(2, round(1.5 * sigma))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.stack([y, x], -1)[y**2 + x**2 <= (reach + 0.3) ** 2]
    pixels = np.rint(centres).astype(np.int64)[:, None] + disc
    inside = ((pixels >= 0) & (pixels < image.shape)).all(axis=-1)
    clipped = np.clip(pixels, 0, np.array(image.shape) - 1)
    values = image[clipped[..., 0], clipped[..., 1]]
    low = np.where(inside, values, np.inf).min(axis=1)
    state = np.column_stack([values.max(axis=1) - low, centres, np.full(len(centres), sigma), low])
    for _ in range(STEPS):
        residual, slopes = _model(state, pixels, values, inside)
        normal = np.einsum("npi,npj->nij", slopes, slopes)
        diagonal = np.einsum("nii->ni", normal)
        diagonal *= 1 + 1e-3
        diagonal += 1e-12 * diagonal.max(axis=1, keepdims=True) + 1e-30
        step = np.linalg.solve(normal, np.einsum("npi,np->ni", slopes, residual)[..., None])[..., 0]
        step[:, 1:4] = np.clip(step[:, 1:4], -sigma / 2, sigma / 2)
        state = state + step
        state[:, 3] = np.clip(state[:, 3], sigma / 2, 3 * sigma)
    found = state[:, 1:3]
    near = (np.linalg.norm(found - centres, axis=1) < sigma) & (state[:, 0] > 0)
    return np.where(near[:, None], found, centres)


def _model(
    state: NDArray[np.float64],
    pixels: NDArray[np.int64],
    values: NDArray[np.float64],
    inside: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is left (n, pixel) of the image, and the model's slopes (n, pixel, 5)."""
    height, width, level = state[:, :1], state[:, 3:4], state[:, 4:]
    away = pixels - state[:, None, 1:3]
    squared = (away**2).sum(axis=-1)
    spot = np.exp(-squared / (2 * width**2))
    along = (height * spot / width**2)[..., None] * away
    slopes = np.stack(
        [
            spot,
            along[..., 0],
            along[..., 1],
            height * spot * squared / width**3,
            np.ones_like(spot),
        ],
        axis=-1,
    )
    return np.where(inside, values - level - height * spot, 0), slopes * inside[..., None]


def _apart(centres: NDArray[np.float64], heights: NDArray[np.float64], distance: float) -> NDArray[np.bool_]:
    """Which columns stay when, from the highest down, each removes the lower ones nearer than `distance`."""
    kept = np.ones(len(centres), bool)
    neighbours = cKDTree(centres).query_ball_point(centres, distance * (1 - 1e-9))
    for k in np.argsort(-heights, kind="stable"):
        if kept[k]:
            kept[[j for j in neighbours[k] if j != k]] = False
    return kept
