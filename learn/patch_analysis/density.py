"""Densities of latent numbers on a grid, by Gaussian kernels of half Scott's width.

Scott's rule (Scott 1992, Multivariate Density Estimation, section 6.3) suits one hump; groups of patches make
several, which it would smear.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import gaussian_kde

from .arrays import Array

MOST = 3000
"""Points that a density is made from; more would change the picture by less than its line width."""
MARGIN = 0.1


def span(values: Array) -> tuple[float, float]:
    """Ends of an axis for values (n,): all but 0.2 % of them at either end, and a margin."""
    low, high = np.quantile(values, (0.002, 0.998))
    room = MARGIN * (high - low) if high > low else 0.5
    return float(low - room), float(high + room)


def density_of_one(values: Array, steps: int = 200, seed: int = 0) -> tuple[Array, Array] | None:
    """Grid (steps,) and density on it; None where all values are alike."""
    found = _kernels(values[None], seed)
    if found is None:
        return None
    grid = np.linspace(*span(values), steps)
    return grid, np.asarray(found(grid))


def density_of_two(first: Array, second: Array, steps: int = 64, seed: int = 0) -> Array | None:
    """Density (steps, steps), row by the second, over the two `span`s; None where they lie on a line."""
    found = _kernels(np.stack([first, second]), seed)
    if found is None:
        return None
    across, up = np.meshgrid(np.linspace(*span(first), steps), np.linspace(*span(second), steps))
    return np.asarray(found(np.stack([across.ravel(), up.ravel()]))).reshape(steps, steps)


def levels_holding(density: Array, shares: tuple[float, ...] = (0.9, 0.6, 0.3)) -> list[float]:
    """Levels, rising, above which a gridded density holds these shares of its sum."""
    falling = np.sort(density.ravel())[::-1]
    held = np.cumsum(falling) / falling.sum()
    places = np.minimum(np.searchsorted(held, shares), len(falling) - 1)
    return sorted({float(level) for level in falling[places]})


def _kernels(values: Array, seed: int) -> gaussian_kde | None:
    if values.shape[1] > MOST:
        values = values[:, np.random.default_rng(seed).choice(values.shape[1], MOST, replace=False)]
    try:
        return gaussian_kde(values, lambda kernels: 0.5 * kernels.scotts_factor())
    except (np.linalg.LinAlgError, ValueError):  # all alike, on a line, or fewer points than dimensions
        return None
