"""What an image shows: its orientation, its number of lines, its two-point function.

For any two-phase image, sampled or reconstructed. Lines are where the image is high: of black lines on white
give 1 - image.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from ..errors import UserError
from .texture import Texture, direction

SMOOTHING = 1.5  # pixels, standard deviation: below the thickness of lines, above noise and steps of pixels
STRONGER = 3.0  # where noise hides the lines then
DISTINCT = 0.68  # least share of the variance between the classes; one Gaussian cut in two has 0.64
BRIDGE = 9  # pixels along the lines: gaps up to about it are closed
SMALLEST = 0.15  # of the largest component: smaller ones are specks


def orientation_degrees(image: ArrayLike) -> float:
    """Orientation of what an image (ny, nx) shows, 0 to below 180 (see `texture.direction`); NaN if flat."""
    return _orientation(_smooth(_checked(image)))[0]


def coherence(image: ArrayLike) -> float:
    """How far an image (ny, nx) has one orientation: 0 isotropic, 1 straight lines; NaN if flat."""
    return _orientation(_smooth(_checked(image)))[1]


def axial_difference(one_degrees: ArrayLike, other_degrees: ArrayLike) -> np.ndarray:
    """Angle between orientations, 0 to 90 degrees: 179 and 1 differ by 2."""
    difference = np.abs(np.asarray(one_degrees, float) - np.asarray(other_degrees, float)) % 180
    return np.minimum(difference, 180 - difference)


def count_lines(image: ArrayLike) -> int:
    """The number of lines in an image (ny, nx), binary or grey.

    The image is smoothed by 1.5 pixels (3 where noise needs it) and cut at Otsu's threshold; gaps along the
    orientation of up to about nine pixels are closed; components that touch, also at corners, are one line;
    those below 15 % of the area of the largest are specks. 0 if there are no two classes of grey: if less
    than 68 % of the variance lies between the classes (of one Gaussian cut in two, 64 %). Lines should be 4
    pixels thick and 8 apart.
    """
    checked = _checked(image)
    for width in (SMOOTHING, STRONGER):
        smooth = _smooth(checked, width)
        threshold, distinct = _otsu(smooth)
        if distinct >= DISTINCT:
            return _components(smooth, smooth > threshold)
    return 0


def measured_two_point(texture: Texture, x_pixels: ArrayLike, y_pixels: ArrayLike = 0) -> np.ndarray:
    """S2 of one texture at whole-pixel lags (broadcast): the share of pairs of pixels both of phase 1.

    Over all pairs on the torus, or, not periodic, over those inside the image.
    """
    x, y = np.broadcast_arrays(np.asarray(x_pixels), np.asarray(y_pixels))
    if x.dtype.kind not in "iu" or y.dtype.kind not in "iu":
        raise UserError("lags of measured_two_point are whole pixels")
    ny, nx = texture.shape
    if not texture.periodic and (np.abs(x).max(initial=0) >= nx or np.abs(y).max(initial=0) >= ny):
        raise UserError(f"lags must be inside the image, below {nx} and {ny} pixels")
    phase = texture.phase.view(bool)
    found = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        i, j = int(x[index]), int(y[index])
        if texture.periodic:
            pairs = phase & np.roll(phase, (-j, -i), (0, 1))
        else:
            i, j = (-i, -j) if i < 0 else (i, j)
            rows = (slice(0, ny - j), slice(j, ny)) if j >= 0 else (slice(-j, ny), slice(0, ny + j))
            pairs = phase[rows[0], : nx - i] & phase[rows[1], i:]
        found[index] = np.count_nonzero(pairs) / pairs.size
    return found


def _checked(image: ArrayLike) -> np.ndarray:
    checked = np.asarray(image, np.float32)
    if checked.ndim != 2 or min(checked.shape) < 2 or not np.isfinite(checked).all():
        raise UserError(f"an image is (ny, nx), at least 2 x 2 and finite, not {checked.shape}")
    return checked


def _smooth(image: np.ndarray, width: float = SMOOTHING) -> np.ndarray:
    return ndimage.gaussian_filter(image, width, mode="nearest", truncate=3.0)


def _orientation(smooth: np.ndarray) -> tuple[float, float]:
    """Degrees and coherence from the structure tensor: the mean outer product of the gradient.

    Lines run across its first eigenvector; coherence is the difference of its eigenvalues over their sum
    (Jähne, Digital Image Processing). Central differences, without the outermost pixels.
    """
    dx = smooth[1:-1, 2:] - smooth[1:-1, :-2]
    dy = smooth[2:, 1:-1] - smooth[:-2, 1:-1]
    xx, yy, xy = (float(np.vdot(a, b)) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    if xx + yy <= 1e-12 * smooth.size * max(1e-30, float(np.abs(smooth).max()) ** 2):
        return math.nan, math.nan
    angle = math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) + 90
    return angle % 180, math.hypot(xx - yy, 2 * xy) / (xx + yy)


def _otsu(image: np.ndarray) -> tuple[float, float]:
    """The threshold that parts an image into two classes best, and the share of the variance between them.

    Otsu 1979, on 256 grey levels.
    """
    low, high = float(image.min()), float(image.max())
    if high - low <= 1e-6 * max(abs(low), abs(high), 1e-30):
        return high, 0.0
    counts = np.bincount(((image - low) * (255.999 / (high - low))).astype(np.uint8).ravel(), minlength=256)
    levels = np.arange(256)
    below = np.cumsum(counts)[:-1] / image.size
    mean = np.cumsum(counts * levels)[:-1] / image.size
    whole = float((counts * levels).sum() / image.size)
    variance = float((counts * (levels - whole) ** 2).sum() / image.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((whole * below - mean) ** 2 / (below * (1 - below)))
    best = int(np.argmax(between))
    return low + (best + 1) * (high - low) / 256, float(between[best]) / max(variance, 1e-30)


def _components(smooth: np.ndarray, lines: np.ndarray) -> int:
    """How many lines there are where `lines` (ny, nx) is true; closed along the orientation of `smooth`."""
    angle, _ = _orientation(smooth)
    if not math.isnan(angle):
        lines = _closed(lines, angle)
    labels, found = ndimage.label(lines, np.ones((3, 3), int))
    if found == 0:
        return 0
    areas = np.bincount(labels.ravel())[1:]
    return int((areas >= SMALLEST * areas.max()).sum())


def _closed(lines: np.ndarray, angle: float) -> np.ndarray:
    """Lines (ny, nx) bool with gaps along the orientation closed: dilated along it, then eroded."""
    c, s = direction(angle)
    half = BRIDGE // 2
    steps = np.arange(-2 * half, 2 * half + 1) / 2
    element = np.zeros((2 * half + 1, 2 * half + 1), bool)
    element[half + np.rint(steps * s).astype(int), half + np.rint(steps * c).astype(int)] = True
    padded = np.pad(lines, half)  # closing at the border would else wear lines off
    return ndimage.binary_closing(padded, element)[half:-half, half:-half]
