"""Split-conformal scaling of stated uncertainties.

A network states a mean and a standard deviation. On samples that it was not trained with, the ratio of the
error to the stated deviation has some distribution, Gaussian or not; its quantile is what the deviation must
be multiplied by for an interval of given coverage. With n calibration samples the coverage of the interval is
at least the level, and at most 1 / (n + 1) above it, if the samples are exchangeable (Lei et al. 2018,
"Distribution-free predictive inference for regression", section 5.2: locally weighted conformal inference).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.90
NORMAL_90 = 1.6448536269514722  # half-width of the central 90 % of a normal law, in standard deviations
Array = NDArray[np.float64]


def interval_factors(truth: Array, mean: Array, sd: Array, level: float = LEVEL) -> Array:
    """Factor (t,) by which each target's `sd` gives intervals mean -+ factor sd that cover a share `level`.

    truth, mean, sd: (n, t), on the scale where the interval is symmetric; NaN truths are left out. A target
    with too few samples for the level (fewer than level / (1 - level)) gets an infinite factor.
    """
    ratio = np.abs(truth - mean) / sd
    return np.array([_quantile(column[np.isfinite(column)], level) for column in ratio.T])


def _quantile(scores: Array, level: float) -> float:
    """The ceil((n + 1) level)-th smallest score; infinite when there is none."""
    rank = math.ceil((len(scores) + 1) * level)
    return float(np.partition(scores, rank - 1)[rank - 1]) if rank <= len(scores) else math.inf


def coverage(truth: Array, lower: Array, upper: Array) -> Array:
    """Share (t,) of the defined truths (n, t) inside [lower, upper]; NaN for a target without any."""
    inside = ((lower <= truth) & (truth <= upper)).astype(float)
    inside[np.isnan(truth)] = np.nan
    counts = np.isfinite(inside).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, np.nansum(inside, axis=0) / np.maximum(counts, 1), np.nan)
