"""Where the aggregate is in an image: background, noise and a mask, whatever the gain and offset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SMOOTHING_PIXELS = 1.0
NOISE_MULTIPLE = 3.5  # a threshold this many standard deviations above the background
SIGNAL_SHARE = (
    0.02  # and at least this share of the brightest signal: a sharp edge smoothed over a pixel has tails
)
SMALLEST_COMPONENT_PIXELS = 12  # what is smaller is noise


@dataclass(frozen=True)
class Foreground:
    """A two-dimensional image split into background and aggregate.

    `signal` (ny, nx) float64 is the image less its background level, `smooth` the same after a Gaussian of
    one pixel,
    `mask` (ny, nx) bool. `level` and `noise` (the standard deviation of the smoothed background) are in units
    of the image.
    """

    signal: np.ndarray
    smooth: np.ndarray
    mask: np.ndarray
    level: float
    noise: float


def find_foreground(image: np.ndarray) -> Foreground:
    """Split `image` (ny, nx). Scaling the image or adding a constant leaves the mask as it is."""
    image = np.asarray(image, dtype=np.float64)
    smooth = ndimage.gaussian_filter(image, SMOOTHING_PIXELS, mode="nearest")
    values = np.sort(smooth, axis=None)
    split = otsu_threshold(values)
    below = values[: max(2, int(np.searchsorted(values, split)))]
    level = half_sample_mode(below)
    noise = float(np.sqrt(np.mean((below[below <= level] - level) ** 2)))
    # The aggregate's faint rim lies below Otsu's threshold, its noise never above: so the lower of the two.
    brightest = float(values[int(0.995 * (len(values) - 1))]) - level
    faintest = level + max(NOISE_MULTIPLE * noise, SIGNAL_SHARE * brightest)
    mask = (smooth > min(split, faintest)) & (smooth > level)
    return Foreground(image - level, smooth - level, _without_specks(mask), level, noise)


def otsu_threshold(values: np.ndarray, bins: int = 128) -> float:
    """The threshold that maximises the variance between two classes of `values` (n,) (Otsu 1979)."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return high
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    centres = 0.5 * (edges[:-1] + edges[1:])
    weight = np.cumsum(counts)[:-1]
    first = np.cumsum(counts * centres)[:-1]
    rest = counts.sum() - weight
    with np.errstate(divide="ignore", invalid="ignore"):
        between = weight * rest * (first / weight - ((counts * centres).sum() - first) / rest) ** 2
    return _within_gap(edges, counts, _first_of_the_best(np.nan_to_num(between)) + 1)


def two_otsu_thresholds(values: np.ndarray, bins: int = 64) -> tuple[float, float]:
    """The two thresholds that maximise the variance between three classes of `values` (n,) (Otsu 1979)."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        return high, high
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    centres = 0.5 * (edges[:-1] + edges[1:])
    weight = np.concatenate([[0.0], np.cumsum(counts)])
    moment = np.concatenate([[0.0], np.cumsum(counts * centres)])
    mass = weight[None, :] - weight[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(mass > 0, (moment[None, :] - moment[:, None]) ** 2 / mass, 0.0)
    # score[i, j]: a class of bins i..j-1. The sum over three classes, over all 0 < i < j < bins.
    total = score[0, :, None] + score + score[:, -1][None, :]
    total[np.tril_indices(bins + 1)] = -np.inf
    i, j = np.unravel_index(_first_of_the_best(total[1:bins, 1:bins].ravel()), (bins - 1, bins - 1))
    return _within_gap(edges, counts, int(i) + 1), _within_gap(edges, counts, int(j) + 1)


def _first_of_the_best(scores: np.ndarray) -> int:
    """First index of the maximum, where what differs by rounding counts as equal: gain must not decide."""
    best = float(scores.max())
    return int(np.argmax(scores >= best - 1e-9 * abs(best)))


def _within_gap(edges: np.ndarray, counts: np.ndarray, k: int) -> float:
    """Edge k, or the middle of the run of empty bins that follows it: there every edge is as good."""
    end = k
    while end < len(counts) - 1 and counts[end] == 0:
        end += 1
    return float(0.5 * (edges[k] + edges[end]))


def half_sample_mode(ordered: np.ndarray) -> float:
    """The mode of sorted values (n,): again and again the densest half of them (Robertson and Cryer 1974)."""
    while len(ordered) > 3:
        half = (len(ordered) + 1) // 2
        widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
        start = int(np.argmin(widths))
        ordered = ordered[start : start + half]
    return float(ordered.mean())


def _without_specks(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    keep = sizes >= min(SMALLEST_COMPONENT_PIXELS, sizes[1:].max())
    keep[0] = False
    return keep[labels]
