"""Lags: which of them a statistic has, where they lie, and how they gather into curves. Plain geometry.

Lengths are in the unit of `pixel_size_nm`. Left at 1, a length counts pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import next_fast_len

from ..errors import UserError

PixelSize = float | tuple[float, float]
Cutoff = float | tuple[float, float] | None
STEPS = {0: (0, 1), 45: (1, 1), 90: (1, 0), 135: (1, -1)}  # pixels (y, x) from one to the next of a line


@dataclass(frozen=True, eq=False)
class LagGrid:
    """The lags of images of one shape.

    `fft_shape` (y, x) of the transforms; `y` (ly,) and `x` (lx,) lags in pixels as they are given back, also
    the indices into an inverse transform; `pairs` (ly, lx) float64, the pixels that have a partner at each
    lag, or (1, 1) where all lags have as many.
    """

    fft_shape: tuple[int, int]
    y: np.ndarray
    x: np.ndarray
    pairs: np.ndarray


def lag_grid(
    shape: tuple[int, int],
    periodic: bool = True,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    centred: bool = True,
) -> LagGrid:
    """The lags of images of `shape` (y, x); UserError where the cut-off is larger than the image has lags."""
    size = pixel_sizes(pixel_size_nm)
    largest = tuple(n // 2 if periodic else n - 1 for n in shape)
    if cutoff is None:
        return _lag_grid(tuple(shape), bool(periodic), None, bool(centred))
    asked = tuple(cutoff) if isinstance(cutoff, tuple | list) else (cutoff, cutoff)
    if len(asked) != 2 or not all(math.isfinite(c) and c >= 0 for c in asked):
        raise UserError(f"cutoff = {cutoff}: a length of at least 0, or two of them (y, x)")
    pixels = tuple(int(c / s + 1e-9) for c, s in zip(asked, size, strict=True))
    for axis, got, most, unit in zip("yx", pixels, largest, size, strict=True):
        if got > most:
            kind = "periodic" if periodic else "not periodic"
            raise UserError(
                f"cutoff = {cutoff}: an image of {shape[0]} x {shape[1]} pixels ({kind}) has lags "
                f"up to {most * unit:g} along {axis}"
            )
    return _lag_grid(tuple(shape), bool(periodic), pixels, bool(centred))


@lru_cache(maxsize=64)
def _lag_grid(
    shape: tuple[int, int], periodic: bool, cutoff: tuple[int, int] | None, centred: bool
) -> LagGrid:
    axes, sizes = [], []
    for axis, n in enumerate(shape):
        if cutoff is not None:
            low = high = cutoff[axis]
        else:
            low, high = (n // 2, (n - 1) // 2) if periodic else (n - 1, n - 1)
        lags = np.arange(-low, high + 1)
        axes.append(lags if centred else np.roll(lags, -low))
        # Lags that are kept may not meet any other a transform further on: n + high pixels, not 2 n - 1.
        sizes.append(n if periodic else next_fast_len(n + high, real=True))
    y, x = axes
    if periodic:
        pairs = np.full((1, 1), float(shape[0] * shape[1]))
    else:
        pairs = np.outer(shape[0] - np.abs(y), shape[1] - np.abs(x)).astype(float)
    for array in (y, x, pairs):
        array.flags.writeable = False
    return LagGrid((sizes[0], sizes[1]), y, x, pairs)


def lags_nm(
    shape: tuple[int, int],
    pixel_size_nm: PixelSize = 1.0,
    *,
    periodic: bool = True,
    cutoff: Cutoff = None,
    centred: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """(y (ly,), x (lx,)) in nm of the lags that a statistic of images of `shape` (y, x) has; float64.

    Periodic images of n pixels have the lags -(n // 2) ... (n - 1) // 2, others -(n - 1) ... n - 1, and any
    image -cutoff ... cutoff if there is one. `centred` puts the lag 0 in the middle, at index length // 2;
    otherwise it comes first, and the negative lags follow the positive ones as in a Fourier transform.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise UserError(f"shape = {shape}: the shape of an image, (y, x), each at least 1")
    size_y, size_x = pixel_sizes(pixel_size_nm)
    grid = lag_grid(shape, periodic, cutoff, pixel_size_nm, centred)
    return grid.y * size_y, grid.x * size_x


def pixel_sizes(pixel_size_nm: PixelSize) -> tuple[float, float]:
    """Size of a pixel along y and along x."""
    sizes = pixel_size_nm if isinstance(pixel_size_nm, tuple) else (pixel_size_nm, pixel_size_nm)
    if len(sizes) != 2 or not all(math.isfinite(s) and s > 0 for s in sizes):
        raise UserError(f"pixel_size_nm = {pixel_size_nm}: a length above 0, or two of them (y, x)")
    return float(sizes[0]), float(sizes[1])


@dataclass(frozen=True, eq=False)
class Bins:
    """Annuli of lags: `member` (m,) flat indices of lags in a map, `bin` (m,) which annulus each lies in,
    `distance_nm` (b,) their mean distance (the middle of an annulus without lags).
    """

    member: np.ndarray
    bin: np.ndarray
    distance_nm: np.ndarray


def radial_bins(
    shape: tuple[int, int],
    pixel_size_nm: PixelSize = 1.0,
    bin_nm: float | None = None,
    largest_nm: float | None = None,
    sector_deg: tuple[float, float] | None = None,
) -> Bins:
    """Annuli k of distances from (k - 1/2) `bin_nm` up to (k + 1/2) `bin_nm` in a centred map of `shape`."""
    sizes = pixel_sizes(pixel_size_nm)
    width = min(sizes) if bin_nm is None else bin_nm
    if not (math.isfinite(width) and width > 0):
        raise UserError(f"bin_nm = {bin_nm}: a length above 0")
    whole = min((n - 1) // 2 * size for n, size in zip(shape, sizes, strict=True))
    largest = whole if largest_nm is None else largest_nm
    if not (math.isfinite(largest) and largest >= 0):
        raise UserError(f"largest_nm = {largest_nm}: a length of at least 0")
    sector = None if sector_deg is None else tuple(float(d) for d in sector_deg)
    if sector is not None and not (len(sector) == 2 and math.isfinite(sector[0]) and 0 < sector[1] <= 90):
        raise UserError(
            f"sector_deg = {sector_deg}: a direction, and half an opening above 0 up to 90 degrees"
        )
    return _radial_bins(tuple(shape), sizes, float(width), float(largest), sector)


@lru_cache(maxsize=64)
def _radial_bins(
    shape: tuple[int, int],
    sizes: tuple[float, float],
    width: float,
    largest: float,
    sector: tuple[float, ...] | None,
) -> Bins:
    y = (np.arange(shape[0]) - shape[0] // 2)[:, None] * sizes[0]
    x = (np.arange(shape[1]) - shape[1] // 2)[None, :] * sizes[1]
    distance = np.hypot(y, x)
    inside = distance <= largest * (1 + 1e-12)
    if sector is not None:
        off = (np.degrees(np.arctan2(y, x)) - sector[0] + 90) % 180 - 90  # a lag and its opposite are one
        inside &= (np.abs(off) <= sector[1] + 1e-9) | (distance == 0)
    member = np.flatnonzero(inside)
    distance = distance.ravel()[member]
    index = np.floor(distance / width + 0.5 + 1e-9).astype(np.int64)
    order = np.argsort(index, kind="stable")
    member, index, distance = member[order], index[order], distance[order]
    count = np.bincount(index)
    total = np.bincount(index, distance)
    middle = np.arange(len(count)) * width
    mean = np.where(count > 0, total / np.maximum(count, 1), middle)
    for array in (member, index, mean):
        array.flags.writeable = False
    return Bins(member, index, mean)


@dataclass(frozen=True, eq=False)
class Cut:
    """Points on a ray from the lag 0: `distance_nm` (p,); each is a mean of four lags of a map, whose flat
    indices are `corner` (4, p) and whose weights are `weight` (4, p). A weight is 0 where a point is a lag.
    """

    distance_nm: np.ndarray
    corner: np.ndarray
    weight: np.ndarray


def cut_points(
    shape: tuple[int, int],
    angle_deg: float,
    pixel_size_nm: PixelSize = 1.0,
    step_nm: float | None = None,
    largest_nm: float | None = None,
) -> Cut:
    """Points of a ray in a centred map of `shape`; angle from +x towards +y."""
    sizes = pixel_sizes(pixel_size_nm)
    if not math.isfinite(angle_deg):
        raise UserError(f"angle_deg = {angle_deg}: a finite angle")
    direction = (math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg)))
    if step_nm is None:
        step_nm = min(sizes)
        exact = angle_deg % 180
        if exact in STEPS and (exact in (0, 90) or sizes[0] == sizes[1]):
            step_nm = math.hypot(STEPS[int(exact)][0] * sizes[0], STEPS[int(exact)][1] * sizes[1])
    if not (math.isfinite(step_nm) and step_nm > 0):
        raise UserError(f"step_nm = {step_nm}: a length above 0")
    steps = max(shape) * max(sizes) / step_nm * 1.5 + 1
    distance = np.arange(int(steps) + 1) * step_nm
    # Rounded, so that along axes and diagonals points are lags, not 1e-16 beside them.
    y = np.round(distance * direction[0] / sizes[0], 9) + shape[0] // 2
    x = np.round(distance * direction[1] / sizes[1], 9) + shape[1] // 2
    kept = (y >= 0) & (y <= shape[0] - 1) & (x >= 0) & (x <= shape[1] - 1)
    if largest_nm is not None:
        kept &= distance <= largest_nm * (1 + 1e-12)
    distance, y, x = distance[kept], y[kept], x[kept]
    y0, x0 = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    fy, fx = y - y0, x - x0
    y1, x1 = y0 + (fy > 0), x0 + (fx > 0)
    corner = np.stack([y0 * shape[1] + x0, y0 * shape[1] + x1, y1 * shape[1] + x0, y1 * shape[1] + x1])
    weight = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx])
    return Cut(distance, corner, weight)


@dataclass(frozen=True, eq=False)
class Segments:
    """Segments of 1, 2, ... pixels along a direction: `step` (y, x) pixels from one pixel to the next.

    `distance_nm` (k,) between their ends, `places` (k,) float64 how many an image without a mask holds.
    """

    step: tuple[int, int]
    distance_nm: np.ndarray
    places: np.ndarray


def line_step(angle_deg: float, pixel_size_nm: PixelSize = 1.0) -> tuple[tuple[int, int], float]:
    """From pixel to pixel of a line at 0, 45, 90 or 135 degrees: (y, x) in pixels, and the distance in nm."""
    size_y, size_x = pixel_sizes(pixel_size_nm)
    angle = angle_deg % 180 if math.isfinite(angle_deg) else math.nan
    if angle not in STEPS:
        raise UserError(f"angle_deg = {angle_deg}: lines run at 0, 45, 90 or 135 degrees")
    step = STEPS[int(angle)]
    if 0 not in step and size_y != size_x:
        raise UserError(
            f"angle_deg = {angle_deg}: lines of pixels that are not square run at 0 or 90 degrees"
        )
    return step, math.hypot(step[0] * size_y, step[1] * size_x)


def segments(
    shape: tuple[int, int],
    angle_deg: float,
    periodic: bool,
    cutoff: float | None,
    pixel_size_nm: PixelSize = 1.0,
) -> Segments:
    """Segments of a lineal path: as long as the image is along their direction, or as `cutoff`."""
    step, unit = line_step(angle_deg, pixel_size_nm)
    longest = min(n for n, s in zip(shape, step, strict=True) if s) - 1
    steps = longest if cutoff is None else int(cutoff / unit + 1e-9) if 0 <= cutoff < math.inf else -1
    if not 0 <= steps <= longest:
        raise UserError(f"cutoff = {cutoff}: the segments of this image are 0 to {longest * unit:g} long")
    k = np.arange(steps + 1)
    ny, nx = shape
    one_by_one = (ny - k * abs(step[0])) * (nx - k * abs(step[1]))
    places = np.full(len(k), ny * nx) if periodic else one_by_one
    return Segments(step, k * unit, places.astype(float))
