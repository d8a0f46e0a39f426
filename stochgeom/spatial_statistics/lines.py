"""Lines of pixels through a phase: the lineal-path function and chord lengths."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..errors import UserError
from .checks import checked_binary, checked_mask, checked_soft
from .lags import PixelSize, Segments, line_step, segments


def lineal_path(
    phase: np.ndarray,
    angle_deg: float = 0.0,
    *,
    periodic: bool = True,
    mask: np.ndarray | None = None,
    cutoff: float | None = None,
    pixel_size_nm: PixelSize = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """(distance (k,) nm, L (..., k)): the probability that a segment lies wholly in a phase (..., y, x).

    (Lu and Torquato 1992.) A segment of length z has its ends on two pixels at distance z and holds all
    pixels between them: L(0) is the share of the phase, and L(z) is at most the two-point function at the
    same lag. Lines run at 0, 45, 90 or 135 degrees from +x towards +y. Segments start anywhere (`periodic`),
    or wherever they fit into the image, or, with `mask` (..., y, x), into the mask; they go up to the size of
    the image along the line, or up to `cutoff`. Lengths no segment of which fits the mask are NaN.

    Runs of pixels are counted if all values are 0 and 1. For soft indicators, within 0 and 1, the same
    function is the mean product of the values along a segment. float32 in, float32 out.
    """
    values = checked_soft(phase)
    inside = None if mask is None else checked_mask(mask, values.shape)
    lines = segments(values.shape[-2:], angle_deg, periodic, cutoff, pixel_size_nm)
    places = lines.places if inside is None else count_segments(inside, lines, periodic)
    binary = values.astype(bool)
    if (binary == values).all():
        sums = count_segments(binary if inside is None else binary & inside, lines, periodic)
    else:
        sums = _products(values if inside is None else values * inside, lines, periodic)
    with np.errstate(invalid="ignore", divide="ignore"):
        return lines.distance_nm, np.where(places > 0, sums / places, np.nan).astype(values.dtype)


def phase_chord_lengths(
    phase: np.ndarray,
    angle_deg: float = 0.0,
    *,
    periodic: bool = True,
    mask: np.ndarray | None = None,
    pixel_size_nm: PixelSize = 1.0,
    complete: bool = True,
) -> np.ndarray:
    """Lengths (m,) float64 nm of the chords that lines of pixels cut from a phase (..., y, x) of 0 and 1.

    A chord of m pixels has the length of m steps from pixel to pixel. Chords of all images follow one
    another. Those cut off by the border of an image that is not periodic, or of the mask, are shorter than
    in truth and are left out unless `complete` is False. A line of a periodic image that never leaves the
    phase is one chord without ends, of length inf. Angles as in `lineal_path`.
    """
    binary = checked_binary(phase)
    step, unit = line_step(angle_deg, pixel_size_nm)
    inside = np.ones(binary.shape[-2:], bool) if mask is None else checked_mask(mask, binary.shape)
    inside = np.ascontiguousarray(np.broadcast_to(inside, binary.shape)).reshape(-1, *binary.shape[-2:])
    images = np.ascontiguousarray(binary).reshape(-1, *binary.shape[-2:]) & inside
    found = [
        _chords(image, allowed, *step, periodic, complete)
        for image, allowed in zip(images, inside, strict=True)
    ]
    return np.concatenate(found) * unit


def chord_length_density(lengths_nm: np.ndarray, edges_nm: np.ndarray) -> np.ndarray:
    """Density (b,) per nm of chord lengths in bins between `edges_nm` (b + 1,): p(z) of Torquato and Lu 1993.

    By number, over all finite chords, so that the densities times the bins' widths sum to 1 if the bins hold
    all of them. NaN without any chord.
    """
    edges = np.asarray(edges_nm, float)
    if edges.ndim != 1 or len(edges) < 2 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise UserError("edges_nm: a rising list of at least two lengths")
    lengths = np.asarray(lengths_nm, float)
    finite = lengths[np.isfinite(lengths)]
    counts = np.histogram(finite, edges)[0]
    return counts / (len(finite) * np.diff(edges)) if len(finite) else np.full(len(edges) - 1, np.nan)


def count_segments(binary: np.ndarray, lines: Segments, periodic: bool) -> np.ndarray:
    """Segments (..., k) float64 of 1, 2, ... pixels that lie in a phase."""
    flat = np.ascontiguousarray(binary).reshape(-1, *binary.shape[-2:])
    counts = np.zeros((len(flat), len(lines.distance_nm)), np.int64)
    for image, row in zip(flat, counts, strict=True):
        _add_segments(image, lines.step[0], lines.step[1], periodic, row)
    return counts.reshape(*binary.shape[:-2], -1).astype(float)


def _products(values: np.ndarray, lines: Segments, periodic: bool) -> np.ndarray:
    """Sums (..., k) over the segments of the products of their pixels."""
    (dy, dx), steps = lines.step, len(lines.distance_nm)
    if dx < 0:
        values, dx = values[..., ::-1], -dx
    product, sums = values, []
    for k in range(steps):
        if k and periodic:
            product = product * np.roll(values, (-k * dy, -k * dx), (-2, -1))
        elif k:
            ny, nx = product.shape[-2:]
            product = product[..., : ny - dy, : nx - dx] * values[..., k * dy :, k * dx :]
        sums.append(product.sum(axis=(-2, -1), dtype=np.float64))
    return np.stack(sums, axis=-1)


@njit(cache=True)
def _add_segments(image, dy, dx, periodic, counts):
    """Adds the segments of k + 1 pixels in a phase to counts[k]: a run of m pixels holds m - k of them."""
    ny, nx = image.shape
    seen = np.zeros((ny, nx), np.bool_)
    for y in range(ny):
        for x in range(nx):
            if image[y, x] and not _inside(image, y - dy, x - dx, periodic):
                length = _run(image, seen, y, x, dy, dx, periodic)
                for k in range(min(length, counts.size)):
                    counts[k] += length - k
    left = 0
    for y in range(ny):
        for x in range(nx):
            if (
                image[y, x] and not seen[y, x]
            ):  # on a line without an end: a segment of any length starts here
                left += 1
    for k in range(counts.size):
        counts[k] += left


@njit(cache=True)
def _chords(image, allowed, dy, dx, periodic, complete):
    ny, nx = image.shape
    seen = np.zeros((ny, nx), np.bool_)
    lengths = np.empty(ny * nx)
    found = 0
    for y in range(ny):
        for x in range(nx):
            if image[y, x] and not _inside(image, y - dy, x - dx, periodic):
                length = _run(image, seen, y, x, dy, dx, periodic)
                after = _inside(allowed, y + length * dy, x + length * dx, periodic)
                if not complete or (after and _inside(allowed, y - dy, x - dx, periodic)):
                    lengths[found] = length
                    found += 1
    for y in range(ny):
        for x in range(nx):
            if image[y, x] and not seen[y, x]:
                lengths[found] = np.inf
                found += 1
                at_y, at_x = y, x
                while not seen[at_y, at_x]:
                    seen[at_y, at_x] = True
                    at_y, at_x = (at_y + dy) % ny, (at_x + dx) % nx
    return lengths[:found].copy()


@njit(cache=True)
def _inside(image, y, x, periodic):
    """Whether the pixel at (y, x) exists and is in the phase."""
    ny, nx = image.shape
    if periodic:
        return image[y % ny, x % nx]
    return 0 <= y < ny and 0 <= x < nx and image[y, x]


@njit(cache=True)
def _run(image, seen, y, x, dy, dx, periodic):
    """Pixels of the run that starts at (y, x)."""
    ny, nx = image.shape
    length = 0
    while _inside(image, y, x, periodic):
        if periodic:
            y, x = y % ny, x % nx
        seen[y, x] = True
        length += 1
        y += dy
        x += dx
    return length
