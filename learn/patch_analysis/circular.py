"""Statistics of directions that repeat after a period: 360 degrees, or less for lattices of some symmetry.

Sources: Mardia and Jupp, Directional Statistics (2000), sections 2.2 to 2.4; Fisher, Statistical Analysis of
Circular Data (1993), section 2.3. Data of period p are multiplied by 360 / p (Fisher's p-axial data).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from stochgeom.errors import UserError

from .arrays import Array

BINS = 1440
"""Of the search for a median: a quarter of a degree at a period of 360."""


def wrapped(degrees: ArrayLike, period: float = 360.0) -> Array:
    """The same directions within half a period of zero: from -period / 2, included, to period / 2."""
    values = np.asarray(degrees, np.float64)
    return (values + period / 2) % period - period / 2


def circular_errors(found: ArrayLike, true: ArrayLike, period: float = 360.0) -> Array:
    """Absolute differences in degrees, 0 to period / 2; NaN where either is."""
    return np.abs(wrapped(np.asarray(found, np.float64) - np.asarray(true, np.float64), period))


def circular_mean(degrees: ArrayLike, period: float = 360.0) -> tuple[float, float]:
    """Mean direction, 0 to period, and mean resultant length, 0 (no direction) to 1 (all alike).

    UserError if there is no finite value.
    """
    turns = 2j * np.pi * _finite(degrees) / period
    resultant = np.exp(turns).mean()
    return float(np.angle(resultant) % (2 * np.pi) * period / (2 * np.pi)), float(abs(resultant))


def circular_median(degrees: ArrayLike, period: float = 360.0) -> float:
    """The direction, 0 to period, of least mean absolute difference (Fisher's circular median).

    It takes no notice of how far off some of the data are, where a mean does. Searched for among `BINS`
    directions, then the ordinary median of the differences from the best of them. UserError if there is no
    finite value.
    """
    values = _finite(degrees) % period
    counts = np.bincount((values / period * BINS).astype(int) % BINS, minlength=BINS)
    distance = np.abs(wrapped(np.arange(BINS) * period / BINS, period))
    cost = np.fft.irfft(np.fft.rfft(counts) * np.fft.rfft(distance), BINS)
    middle = (int(np.argmin(cost)) + 0.5) * period / BINS
    return float((middle + np.median(wrapped(values - middle, period))) % period)


def _finite(degrees: ArrayLike) -> Array:
    values = np.asarray(degrees, np.float64).ravel()
    values = values[np.isfinite(values)]
    if len(values) == 0:
        raise UserError("no directions: a mean or median needs at least one that is finite")
    return values
