"""The measurements behind the image descriptors: outline, intensities, and scales of one image.

Every function takes what `learn.foreground` found, with at least SMALLEST_MASK_PIXELS in the mask, and
returns part of the table that `learn.image_descriptors` documents. A quantity that is undefined for an image
is NaN.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import fft, ndimage

from learn.foreground import Foreground, otsu_threshold, two_otsu_thresholds

SMALLEST_MASK_PIXELS = 16
FERET_ANGLES = 32
BLOB_RADII_NM = (2.0, 2.8, 4.0, 5.6, 8.0, 11.3, 16.0)
BAND_EDGES_NM = (2.0, 4.0, 6.0, 9.0, 13.5, 20.0, 30.0, 60.0)
QUANTILES = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.99)
SMALLEST_BLOB_SIGMA_PIXELS = 0.7
SMALLEST_BLOB = 0.12  # of the mean signal: weaker maxima are noise
GRADIENT_SIGMA_NM = 2.0
EIGHT = np.ones((3, 3), dtype=bool)


def outline(mask: np.ndarray, pixel: float) -> dict[str, float]:
    """Area, perimeter, diameters, elongation, holes and box-counting slope of a mask (H, W) of pixels of
    `pixel` nm.
    """
    area = float(mask.sum() * pixel**2)
    perimeter = crofton_perimeter(mask) * pixel
    y, x = np.nonzero(mask)
    # A pixel is a square, not a point: 1/12 of its area adds to each variance.
    small, large = np.linalg.eigvalsh(np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12.0)
    widths = _feret_widths(mask) * pixel
    background, gaps = ndimage.label(np.pad(~mask, 1, constant_values=True))
    return {
        "area_nm2": area,
        "perimeter_nm": perimeter,
        "circularity": 4 * np.pi * area / perimeter**2,
        "equivalent_diameter_nm": float(np.sqrt(4 * area / np.pi)),
        "radius_of_gyration_mask_nm": float(np.sqrt(small + large) * pixel),
        "aspect_ratio": float(np.sqrt(large / small)),
        "feret_max_nm": float(widths.max()),
        "feret_min_nm": float(widths.min()),
        "filling": float(area / (np.pi / 4 * widths.max() * widths.min())),
        "components": float(ndimage.label(mask, structure=EIGHT)[1]),
        "holes": float(gaps - 1),
        "hole_area_share": float((background > 1).sum() * pixel**2 / area),
        "covered_share": float(mask.mean()),
        "box_counting_slope": _box_counting_slope(mask),
    }


def crofton_perimeter(mask: np.ndarray) -> float:
    """Length in pixels of the border of a mask (H, W), from its crossings with lines in four directions
    (Cauchy, Crofton).
    """
    m = np.pad(mask, 1).astype(np.int8)
    axes = np.abs(np.diff(m, axis=0)).sum() + np.abs(np.diff(m, axis=1)).sum()
    diagonals = np.abs(m[1:, 1:] - m[:-1, :-1]).sum() + np.abs(m[1:, :-1] - m[:-1, 1:]).sum()
    return float(np.pi / 8 * (axes + diagonals / np.sqrt(2)))


def _feret_widths(mask: np.ndarray) -> np.ndarray:
    """Widths in pixels between parallel tangents, at FERET_ANGLES directions."""
    y, x = np.nonzero(mask & ~ndimage.binary_erosion(mask))
    angles = np.arange(FERET_ANGLES) * np.pi / FERET_ANGLES
    along = np.outer(np.cos(angles), x) + np.outer(np.sin(angles), y)
    return along.max(axis=1) - along.min(axis=1) + 1.0


def _box_counting_slope(mask: np.ndarray) -> float:
    """Minus the slope of ln(boxes that hold foreground) against ln(box side), boxes of 2 to 16 pixels."""
    sides = (2, 4, 8, 16)
    boxes = np.pad(mask, [((-n % 16) // 2, (-n % 16) - (-n % 16) // 2) for n in mask.shape])
    counts = []
    for side in sides:
        ny, nx = boxes.shape[0] // side, boxes.shape[1] // side
        counts.append(boxes.reshape(ny, side, nx, side).any(axis=(1, 3)).sum())
    return float(-np.polyfit(np.log(sides), np.log(counts), 1)[0])


def granules(mask: np.ndarray, pixel: float) -> dict[str, float]:
    """The distance to the outline, and its maxima: one for each lobe that stands out of the outline."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    smooth = ndimage.gaussian_filter(distance, 1.0)
    peaks = (smooth == ndimage.maximum_filter(smooth, 5)) & (distance > 1.5)
    heights = distance[peaks] if peaks.any() else np.array([distance.max()])
    inside = distance[mask]
    return {
        "inscribed_max_nm": float(inside.max() * pixel),
        "inscribed_mean_nm": float(inside.mean() * pixel),
        "inscribed_median_nm": float(np.median(inside) * pixel),
        "granules": float(len(heights)),
        "granule_radius_mean_nm": float(heights.mean() * pixel),
        "granule_radius_cv": float(heights.std() / heights.mean()),
    }


def levels(smooth: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Optical depth -ln(1 - I), which needs the gain, and the form of the histogram, which does not."""
    inside = smooth[mask]
    depth = -np.log1p(-np.clip(inside, 0.0, 0.999))
    result = {"depth_mean": float(depth.mean()), "depth_sd": float(depth.std())}
    for q, value in zip(QUANTILES, np.quantile(depth, QUANTILES), strict=True):
        result[f"depth_q{round(100 * q):02d}"] = float(value)
    median = float(np.median(inside))
    for q, value in zip(QUANTILES, np.quantile(inside, QUANTILES), strict=True):
        if q != 0.5:
            result[f"level_q{round(100 * q):02d}_over_median"] = _ratio(value, median)
    mean, sd = inside.mean(), inside.std()
    z = (inside - mean) / sd if sd > 0 else np.full_like(inside, np.nan)
    shares = np.histogram(np.clip(inside / mean, 0, 4), bins=32, range=(0, 4))[0] / inside.size
    shares = shares[shares > 0]
    return result | {
        "level_cv": _ratio(sd, mean),
        "level_skewness": float((z**3).mean()),
        "level_kurtosis": float((z**4).mean() - 3.0),
        "level_entropy_bits": float(-(shares * np.log2(shares)).sum()),
    }


def mass_profile(found: Foreground, pixel: float) -> dict[str, float]:
    """How the projected mass (the signal inside the mask) lies about its centre."""
    weight = np.where(found.mask, np.maximum(found.smooth, 0.0), 0.0)
    total = float(weight.sum())
    y, x = (np.arange(n, dtype=np.float64) for n in weight.shape)
    py, px = weight.sum(axis=1) / total, weight.sum(axis=0) / total
    dy, dx = y - py @ y, x - px @ x
    cross = dy @ weight @ dx / total
    small, large = np.linalg.eigvalsh([[px @ dx**2 + 1 / 12, cross], [cross, py @ dy**2 + 1 / 12]])
    gyration = np.sqrt(small + large)
    distance = np.hypot(dy[:, None], dx[None, :])[found.mask]
    order = np.argsort(distance, kind="stable")
    mass = np.cumsum(weight[found.mask][order]) / total
    last = len(order) - 1
    near, half, far = (distance[order[min(int(np.searchsorted(mass, s)), last)]] for s in (0.25, 0.5, 0.9))
    return {
        "depth_mass_nm2": float(-np.log1p(-np.clip(weight, 0, 0.999)).sum() * pixel**2),
        "radius_of_gyration_mass_nm": float(gyration * pixel),
        "mass_aspect_ratio": float(np.sqrt(large / small)),
        "mass_r25_over_rg": float(near / gyration),
        "mass_r50_over_rg": float(half / gyration),
        "mass_r90_over_rg": float(far / gyration),
        "mass_radius_slope": float(np.log(0.9 / 0.25) / np.log(far / near)) if far > near > 0 else np.nan,
    }


def intensity_classes(found: Foreground, pixel: float) -> dict[str, float]:
    """Three classes of intensity inside the mask (Otsu): dim, middle, bright; and the patches that the bright
    ones form.
    """
    mask, smooth = found.mask, found.smooth
    inside = smooth[mask]
    low, high = two_otsu_thresholds(inside)
    bright = mask & (smooth > high)
    middle, dim = inside[(inside > low) & (inside <= high)], inside[inside <= low]
    sizes = np.bincount(ndimage.label(bright)[0].ravel())[1:]
    sizes = sizes[sizes >= 4]
    (y, x), (by, bx) = np.nonzero(mask), np.nonzero(bright)
    offset = np.hypot(_mean(by) - y.mean(), _mean(bx) - x.mean())
    return {
        "middle_area_share": middle.size / inside.size,
        "bright_area_share": bright.sum() / inside.size,
        "middle_over_dim": _ratio(_mean(middle), _mean(dim)),
        "bright_over_dim": _ratio(_mean(smooth[bright]), _mean(dim)),
        "bright_patches": float(len(sizes)),
        "bright_patch_diameter_nm": float(np.sqrt(4 / np.pi * _mean(sizes)) * pixel),
        "bright_border_over_area_per_nm": crofton_perimeter(bright) / (mask.sum() * pixel),
        "bright_offset_over_rg": _ratio(offset, np.sqrt(y.var() + x.var())),
        "bright_mass_share": float(smooth[bright].sum() / inside.sum()),
    }


def waves(found: Foreground, pixel: float) -> dict[str, float]:
    """What one Fourier transform of the normalised signal gives: correlation, bands, gradients, blobs."""
    mean = float(found.smooth[found.mask].mean())
    signal = np.where(found.mask, found.signal, 0.0) / mean
    spectrum = fft.rfft2(signal)
    ny, nx = signal.shape
    frequency = np.hypot(fft.fftfreq(ny, pixel)[:, None], fft.rfftfreq(nx, pixel)[None, :])
    return (
        _correlation(spectrum, signal.shape, pixel)
        | _bands(spectrum, frequency, nx)
        | _blobs(spectrum, frequency, found.mask, pixel, mean)
    )


def _correlation(spectrum: np.ndarray, shape: tuple[int, ...], pixel: float) -> dict[str, float]:
    """Lengths at which the autocorrelation of the signal falls to 3/4, 1/2 and 1/4, and its slope between
    them.

    In projection the correlation of an aggregate of dimension Df < 2 falls as r^(Df - 2) beyond the
    particles' size.
    """
    correlation = fft.irfft2(np.abs(spectrum) ** 2, s=shape)
    reach = min(shape) // 2
    rows, columns = (np.r_[-reach:reach] for _ in range(2))
    ring = np.minimum(np.rint(np.hypot(rows[:, None], columns[None])).astype(int), reach).ravel()
    profile = np.bincount(ring, correlation[np.ix_(rows, columns)].ravel()) / np.bincount(ring)
    # The noise of the pixels adds to the value at zero alone, so that one is extrapolated from the next two.
    profile[0] = min(profile[0], 2 * profile[1] - profile[2])
    profile = profile[:reach] / profile[0]
    lengths = [_first_below(profile, level) * pixel for level in (0.75, 0.5, 0.25)]
    fallen = lengths[2] > lengths[0] > 0
    return {
        "correlation_75_nm": lengths[0],
        "correlation_50_nm": lengths[1],
        "correlation_25_nm": lengths[2],
        "correlation_slope": float(np.log(1 / 3) / np.log(lengths[2] / lengths[0])) if fallen else np.nan,
    }


def _first_below(profile: np.ndarray, level: float) -> float:
    """Where, between samples, a profile that starts at 1 first falls below `level`; else its last index."""
    below = np.flatnonzero(profile < level)
    if len(below) == 0:
        return float(len(profile) - 1)
    k = int(below[0])
    return float(k - 1 + (profile[k - 1] - level) / (profile[k - 1] - profile[k]))


def _bands(spectrum: np.ndarray, frequency: np.ndarray, columns: int) -> dict[str, float]:
    """Shares of the signal's power in bands of wavelength, and the power of its gradient per own power."""
    power = np.abs(spectrum) ** 2
    # A real transform holds half of the plane: columns that have a mirror image count twice.
    power[:, 1 : (columns + 1) // 2] *= 2
    edges = 1.0 / np.array(BAND_EDGES_NM)[::-1]
    shares = np.histogram(frequency, bins=edges, weights=power)[0][::-1] / power.sum()
    result = {
        f"band_{low:g}_to_{high:g}_nm": float(s)
        for (low, high), s in zip(pairwise(BAND_EDGES_NM), shares, strict=True)
    }
    angular = (2 * np.pi * frequency) ** 2
    soft = power * np.exp(-angular * GRADIENT_SIGMA_NM**2)
    return result | {"gradient_energy_per_nm2": float((soft * angular).sum() / soft.sum())}


def _blobs(
    spectrum: np.ndarray, frequency: np.ndarray, mask: np.ndarray, pixel: float, mean: float
) -> dict[str, float]:
    """Bright blobs: maxima over place and scale of the scale-normalised Laplacian of Gaussians (Lindeberg
    1998).

    A sphere answers most at sigma about its radius / sqrt(2), in proportion to its chord and its scattering.
    The answer over the radius (`brightness`) is therefore a measure of the material. `mean` makes it
    absolute.
    """
    sigmas = np.array(BLOB_RADII_NM) / np.sqrt(2)
    sigmas = sigmas[sigmas >= SMALLEST_BLOB_SIGMA_PIXELS * pixel]
    y = x = np.empty(0, dtype=int)
    radii = brightness = np.empty(0)
    if len(sigmas) >= 3:
        square = (2 * np.pi * frequency) ** 2
        filters = (s**2 * square * np.exp(-0.5 * s**2 * square) for s in sigmas)
        answers = np.stack([fft.irfft2(spectrum * kernel, s=mask.shape) for kernel in filters])
        best = answers.max(axis=0)
        y, x = np.nonzero((best == ndimage.maximum_filter(best, 3)) & mask & (best > SMALLEST_BLOB))
        radii = _interpolated_radii(answers[:, y, x], sigmas)
        brightness = best[y, x] / radii
    classes = np.histogram(radii, bins=np.array(BLOB_RADII_NM))[0]
    result = {f"blobs_{r:g}_nm": float(n) for r, n in zip(BLOB_RADII_NM[:-1], classes, strict=True)}
    result |= {
        "blobs": float(len(y)),
        "blobs_over_equivalent_discs": float(np.pi * (radii**2).sum() / (mask.sum() * pixel**2)),
        "blob_radius_mean_nm": _mean(radii),
        "blob_radius_log_sd": float(np.log(radii).std()) if len(y) > 1 else np.nan,
    }
    return result | _brightness(np.stack([y, x], axis=1) * pixel, radii, brightness, mean)


def _brightness(
    points: np.ndarray, radii: np.ndarray, brightness: np.ndarray, mean: float
) -> dict[str, float]:
    """How the brightness of blobs (p,) at `points` (p, 2) nm is spread, split in two, and correlated between
    neighbours.
    """
    enough = len(brightness) > 3 and np.ptp(brightness) > 0
    log = np.log(brightness)
    bright = log > otsu_threshold(log) if enough else np.zeros(len(log), dtype=bool)
    sd = log.std() if enough else np.nan
    quantiles = np.quantile(brightness, (0.1, 0.5, 0.9)) if len(brightness) else np.full(3, np.nan)
    result = {
        "brightness_log_sd": float(sd),
        "brightness_skewness": float((((log - log.mean()) / sd) ** 3).mean()) if enough else np.nan,
        "bright_blob_share": float(bright.mean()) if enough else np.nan,
        "bright_over_dim_blobs": float(np.exp(_mean(log[bright]) - _mean(log[~bright]))),
        "bright_over_dim_blob_radius": _ratio(_mean(radii[bright]), _mean(radii[~bright])),
        "brightness_neighbour_correlation": _neighbour_correlation(points, log),
    }
    for name, value in zip(("q10", "q50", "q90"), quantiles, strict=True):
        result[f"depth_over_blob_radius_{name}_per_um"] = float(1e3 * mean * value)
    return result


def _interpolated_radii(answers: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Radii (p,) nm of blobs: a parabola in ln(sigma) through the largest of the answers (scale, p) and its
    neighbours.
    """
    k = np.clip(np.argmax(answers, axis=0), 1, len(sigmas) - 2)
    p = np.arange(answers.shape[1])
    a, b, c = answers[k - 1, p], answers[k, p], answers[k + 1, p]
    bend = a - 2 * b + c
    shift = np.where(bend < 0, 0.5 * (a - c) / np.where(bend < 0, bend, -1.0), np.sign(c - a))
    return sigmas[k] * (sigmas[1] / sigmas[0]) ** np.clip(shift, -1, 1) * np.sqrt(2)


def _neighbour_correlation(points: np.ndarray, values: np.ndarray, neighbours: int = 3) -> float:
    """Moran's I: the correlation of `values` (p,) between each of `points` (p, 2) and its nearest
    neighbours.

    Points lie on pixels, so distances tie: all that are as near as the last neighbour count, lest the answer
    depend on the order of the points.
    """
    if len(values) <= neighbours + 1 or np.ptp(values) == 0:
        return np.nan
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    reach = np.partition(squared, neighbours - 1, axis=1)[:, neighbours - 1, None]
    near = squared <= reach * (1 + 1e-9)
    z = values - values.mean()
    return float((z * (near @ z) / near.sum(axis=1)).mean() / (z**2).mean())


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _ratio(value: float, other: float) -> float:
    return float(value / other) if other > 0 else np.nan
