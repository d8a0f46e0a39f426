"""Inner loops of the response engine."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


def interpolate(
    knots: NDArray[np.float64], values: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Piecewise linear through (knots, values), the last piece going on beyond the last knot."""
    k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    return values[k] + (at - knots[k]) / (knots[k + 1] - knots[k]) * (values[k + 1] - values[k])


@numba.njit(cache=True)
def add_depths(summed, passed, order, windows, offsets, lengths, knots, depths, broadening, phase):  # type: ignore[no-untyped-def]
    """Add every particle's optical depth to `summed` (channel, y, x), in place.

    `passed` (q, channel, y, x) collects by how much phase q scatters more behind what has been passed.

    order: (n,) particles along the beam; windows: (n, 4) y0, y1, x0, x1; offsets: (n + 1,) into `lengths`,
    chords in nm, row by row within each window; knots: (T,) thicknesses in nm; depths: (n, T, channel);
    broadening: (p, q, channel) per nm; phase: (n,). Interpolates as `interpolate` does.
    """
    channels = summed.shape[0]
    for k in order:
        y0, y1, x0, x1 = windows[k]
        place = offsets[k]
        for y in range(y0, y1):
            for x in range(x0, x1):
                length = lengths[place]
                place += 1
                if length <= 0.0:
                    continue
                low, high = 0, knots.shape[0] - 1
                while high - low > 1:
                    middle = (low + high) // 2
                    if knots[middle] <= length:
                        low = middle
                    else:
                        high = middle
                part = (length - knots[low]) / (knots[low + 1] - knots[low])
                for c in range(channels):
                    below = depths[k, low, c]
                    own = below + part * (depths[k, low + 1, c] - below)
                    summed[c, y, x] += own * (1.0 + passed[phase[k], c, y, x])
                    for q in range(passed.shape[0]):
                        passed[q, c, y, x] += broadening[phase[k], q, c] * length


@numba.njit(cache=True)
def add_intensity(total, depth):  # type: ignore[no-untyped-def]
    """total += 1 - exp(-depth), both (channel, y, x)."""
    for c in range(total.shape[0]):
        for y in range(total.shape[1]):
            for x in range(total.shape[2]):
                if depth[c, y, x] > 0.0:
                    total[c, y, x] -= np.expm1(-depth[c, y, x])
