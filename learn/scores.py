"""Scores of predictions against the truth, with the uncertainty that comes from a finite test set.

Intervals are 95 % and by bootstrap over aggregates (percentiles), with the same resamples for all predictors,
so that differences are paired. Shares have exact binomial intervals (Clopper and Pearson 1934). Where the
truth or a prediction is not finite (a mixing index of one species), the aggregate is left out of that target.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special, stats

CONFIDENCE = 0.95
ROUNDS = 1000
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """How near predictions of one target are, over `n` aggregates. bias is prediction less truth."""

    n: int
    bias: Estimate
    mae: Estimate
    rmse: Estimate
    r2: Estimate


@dataclass(frozen=True)
class Difference:
    """How much nearer one predictor is than another; `beats` when the whole interval is above zero.

    `gain` is the mean squared error of the other less that of ours, over the variance of the truth: the
    difference in R2.
    """

    n: int
    gain: Estimate
    beats: bool


def resamples(n: int, rng: np.random.Generator, rounds: int = ROUNDS) -> np.ndarray:
    """How often each of n aggregates is drawn in each bootstrap round: (rounds, n) float64, every row sums to
    n.
    """
    return rng.multinomial(n, np.full(n, 1.0 / n), size=rounds).astype(np.float64)


def score(truth: np.ndarray, value: np.ndarray, weights: np.ndarray) -> Scores:
    """Scores of `value` (n,) for `truth` (n,). `weights` (rounds, n) come from `resamples`.

    R2 = 1 - sum (truth - value)^2 / sum (truth - mean(truth))^2, so the mean of the test set itself has 0.
    """
    ok = np.isfinite(truth) & np.isfinite(value)
    if ok.sum() < 3:
        nothing = Estimate(np.nan, np.nan, np.nan)
        return Scores(int(ok.sum()), nothing, nothing, nothing, nothing)
    t, e, w = truth[ok], (value - truth)[ok], weights[:, ok]
    total = np.maximum(w.sum(axis=1), 1.0)
    centred = t - t.mean()
    spread = w @ centred**2 - (w @ centred) ** 2 / total
    squared = w @ e**2
    r2 = 1 - squared / np.where(spread > 0, spread, np.nan)
    variation = float(centred @ centred)
    r2_value = 1 - float(e @ e) / variation if variation > 0 else np.nan
    return Scores(
        int(ok.sum()),
        _estimate(e.mean(), w @ e / total),
        _estimate(np.abs(e).mean(), w @ np.abs(e) / total),
        _estimate(np.sqrt((e**2).mean()), np.sqrt(squared / total)),
        _estimate(r2_value, r2),
    )


def compare(truth: np.ndarray, ours: np.ndarray, other: np.ndarray, weights: np.ndarray) -> Difference:
    """The paired difference of squared errors of two predictors (n,) over the aggregates where both are
    finite.
    """
    ok = np.isfinite(truth) & np.isfinite(ours) & np.isfinite(other)
    variance = float(truth[ok].var()) if ok.any() else 0.0
    if ok.sum() < 3 or variance <= 0:
        return Difference(int(ok.sum()), Estimate(np.nan, np.nan, np.nan), False)
    gain = ((other - truth)[ok] ** 2 - (ours - truth)[ok] ** 2) / variance
    w = weights[:, ok]
    estimate = _estimate(gain.mean(), w @ gain / np.maximum(w.sum(axis=1), 1.0))
    return Difference(int(ok.sum()), estimate, bool(estimate.low > 0))


def share(hits: np.ndarray) -> Estimate:
    """The share of true values in `hits` (n,) bool, with its exact binomial interval."""
    n, k = len(hits), int(np.count_nonzero(hits))
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan)
    interval = stats.binomtest(k, n).proportion_ci(CONFIDENCE, method="exact")
    return Estimate(k / n, float(interval.low), float(interval.high))


def calibration(
    truth: np.ndarray, middle: np.ndarray, sd: np.ndarray, levels: tuple[float, ...] = LEVELS
) -> list[tuple[float, Estimate]]:
    """For each level, the share of aggregates whose truth lies in the central interval middle +- z sd (all
    (n,)).
    """
    ok = np.isfinite(truth) & np.isfinite(middle) & np.isfinite(sd)
    z = np.abs((truth - middle)[ok]) / sd[ok]
    return [(level, share(z <= special.ndtri(0.5 + level / 2))) for level in levels]


def probability_deciles(truth: np.ndarray, middle: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Shares (10,) of aggregates by the stated probability of a value below the truth, in tenths.

    Each is 0.1 where the statement holds (the probability integral transform is uniform); arguments as in
    `calibration`.
    """
    ok = np.isfinite(truth) & np.isfinite(middle) & np.isfinite(sd)
    integral = special.ndtr((truth - middle)[ok] / sd[ok])
    return np.histogram(integral, bins=10, range=(0, 1))[0] / max(1, len(integral))


@dataclass(frozen=True)
class Bin:
    """Scores over the aggregates with low <= x < high of some quantity x."""

    low: float
    high: float
    scores: Scores


def score_in_bins(
    x: np.ndarray, edges: np.ndarray, truth: np.ndarray, value: np.ndarray, weights: np.ndarray
) -> list[Bin]:
    """Scores (as in `score`) in bins of x (n,) with the given edges; the last bin holds its upper edge. Empty
    bins go.
    """
    bins = []
    for low, high in pairwise(edges):
        inside = (x >= low) & ((x < high) | (high == edges[-1]) & (x <= high))
        if np.count_nonzero(inside) >= 3:
            bins.append(Bin(float(low), float(high), score(truth[inside], value[inside], weights[:, inside])))
    return bins


def quantile_edges(x: np.ndarray, bins: int) -> np.ndarray:
    """Edges of at most `bins` bins of x (n,) that hold about as many aggregates each."""
    x = x[np.isfinite(x)]
    return np.unique(np.quantile(x, np.linspace(0, 1, bins + 1))) if len(x) else np.array([0.0, 1.0])


def _estimate(value: float, rounds: np.ndarray) -> Estimate:
    tail = 50 * (1 - CONFIDENCE)
    rounds = rounds[np.isfinite(rounds)]
    if len(rounds) == 0:
        return Estimate(float(value), np.nan, np.nan)
    low, high = np.percentile(rounds, [tail, 100 - tail])
    return Estimate(float(value), float(low), float(high))
