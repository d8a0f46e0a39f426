"""Numba kernels that draw discs and rectangles, pixel by pixel centre.

Coordinates are in pixels from the corner of the image: pixel (iy, ix) has its centre at (ix + 1/2, iy + 1/2).
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def _fill_row(out, iy, low, high, periodic):
    """Set the pixels of a row whose centres lie between `low` and `high`."""
    ny, nx = out.shape
    first, last = int(np.ceil(low - 0.5)), int(np.floor(high - 0.5))
    if periodic:
        row = iy % ny
        for ix in range(first, last + 1):
            out[row, ix % nx] = 1
    elif 0 <= iy < ny:
        for ix in range(max(first, 0), min(last, nx - 1) + 1):
            out[iy, ix] = 1


@njit(cache=True)
def fill_discs(out, x, y, radii, periodic):
    """Set `out` (ny, nx) uint8 to 1 in discs of centres x, y (n,) and radii (n,)."""
    for k in range(x.size):
        for iy in range(int(np.ceil(y[k] - radii[k] - 0.5)), int(np.floor(y[k] + radii[k] - 0.5)) + 1):
            square = radii[k] ** 2 - (iy + 0.5 - y[k]) ** 2
            if square >= 0:
                half = np.sqrt(square)
                _fill_row(out, iy, x[k] - half, x[k] + half, periodic)


@njit(cache=True)
def fill_rectangles(out, x, y, lengths, widths, cosines, sines, periodic):
    """Set `out` (ny, nx) uint8 to 1 in rectangles of centres x, y (n,) whose long sides run along (c, s)."""
    for k in range(x.size):
        a, b, c, s = lengths[k] / 2, widths[k] / 2, cosines[k], sines[k]
        tall = a * abs(s) + b * abs(c)
        for iy in range(int(np.ceil(y[k] - tall - 0.5)), int(np.floor(y[k] + tall - 0.5)) + 1):
            dy = iy + 0.5 - y[k]
            low, high = -np.inf, np.inf
            # |dx c + dy s| <= a and |dy c - dx s| <= b
            if c != 0.0:
                low, high = (-a - dy * s) / c, (a - dy * s) / c
                if low > high:
                    low, high = high, low
            elif abs(dy * s) > a:
                continue
            if s != 0.0:
                one, other = (dy * c - b) / s, (dy * c + b) / s
                low, high = max(low, min(one, other)), min(high, max(one, other))
            elif abs(dy * c) > b:
                continue
            if low <= high:
                _fill_row(out, iy, x[k] + low, x[k] + high, periodic)
