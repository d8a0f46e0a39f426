"""Scores against hand computation and against problems whose answer is known; the analysis of an oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from learn.error_analysis import judge, overlap_in_projection, size_edges
from learn.scores import (
    Estimate,
    calibration,
    compare,
    probability_deciles,
    quantile_edges,
    resamples,
    score,
    score_in_bins,
    share,
)


def weights(n: int, rounds: int = 400, seed: int = 0) -> np.ndarray:
    return resamples(n, np.random.default_rng(seed), rounds)


def test_scores_by_hand() -> None:
    truth, value = np.array([1.0, 2.0, 3.0, 6.0]), np.array([2.0, 2.0, 2.0, 7.0])
    found = score(truth, value, weights(4))
    assert found.n == 4
    assert found.bias.value == pytest.approx(0.25)
    assert found.mae.value == pytest.approx(0.75)
    assert found.rmse.value == pytest.approx(np.sqrt(3 / 4))
    assert found.r2.value == pytest.approx(1 - 3 / 14)


def test_undefined_values_are_left_out() -> None:
    truth, value = np.array([1.0, np.nan, 3.0, 6.0, 4.0]), np.array([2.0, 5.0, 2.0, 7.0, np.nan])
    found = score(truth, value, weights(5))
    assert found.n == 3
    assert found.mae.value == pytest.approx(1.0)
    assert np.isnan(score(truth, np.full(5, np.nan), weights(5)).r2.value)


def test_confidence_intervals_cover_the_true_r2_as_often_as_they_say() -> None:
    rng, true_r2, trials = np.random.default_rng(1), 0.6, 200
    hits = 0
    for _ in range(trials):
        value = rng.normal(0, np.sqrt(true_r2), 300)
        truth = value + rng.normal(0, np.sqrt(1 - true_r2), 300)
        r2 = score(truth, value, resamples(300, rng, 200)).r2
        hits += r2.low <= true_r2 <= r2.high
    # Four binomial standard errors of 95 %, and a percent for the percentile bootstrap's own bias.
    assert hits / trials == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / trials) + 0.01)


def test_mean_squared_error_interval_is_that_of_the_normal_theory() -> None:
    rng = np.random.default_rng(3)
    error = rng.normal(0, 2.0, 4000)
    found = score(
        np.zeros(4000) + np.linspace(-1, 1, 4000), np.linspace(-1, 1, 4000) + error, weights(4000)
    ).bias
    half = 1.96 * 2.0 / np.sqrt(4000)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.12)


def test_paired_bootstrap_finds_a_known_difference_and_no_difference_where_there_is_none() -> None:
    rng = np.random.default_rng(5)
    truth = rng.standard_normal(3000)
    shared = rng.normal(0, 1.0, 3000)
    ours, other = truth + shared, truth + 1.1 * shared
    found = compare(truth, ours, other, weights(3000))
    # E[(1.1^2 - 1) shared^2] / var(truth) = 0.21, within four standard errors (of a chi-squared mean and of
    # the variance).
    assert found.gain.value == pytest.approx(0.21, abs=4 * 0.21 * np.sqrt(4 / 3000))
    assert found.beats
    # Unpaired, this difference would drown: errors of 1 +- sqrt(2 / 3000) each. Paired, its interval is
    # narrow.
    assert found.gain.high - found.gain.low < 0.05
    false = [
        compare(t, t + rng.standard_normal(200), t + rng.standard_normal(200), weights(200, seed=k)).beats
        for k, t in enumerate(rng.standard_normal((200, 200)))
    ]
    # One of two tails of 5 %; four binomial standard errors.
    assert np.mean(false) <= 0.025 + 4 * np.sqrt(0.025 * 0.975 / 200)


def test_share_has_the_exact_binomial_interval() -> None:
    found = share(np.arange(200) < 180)
    expected = stats.binomtest(180, 200).proportion_ci(0.95, "exact")
    assert (found.value, found.low, found.high) == (0.9, expected.low, expected.high)


def test_calibration_of_a_true_statement_is_the_diagonal() -> None:
    rng, n = np.random.default_rng(7), 4000
    middle, sd = rng.normal(size=n), rng.uniform(0.5, 2, n)
    truth = rng.normal(middle, sd)
    for level, found in calibration(truth, middle, sd):
        assert found.value == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / n))
    assert probability_deciles(truth, middle, sd) == pytest.approx(
        np.full(10, 0.1), abs=4 * np.sqrt(0.09 / n)
    )
    high = probability_deciles(truth, middle + sd, sd)
    assert high[0] == pytest.approx(stats.norm.cdf(stats.norm.ppf(0.1) + 1), abs=4 * np.sqrt(0.25 / n))
    narrow = dict(calibration(truth, middle, 0.5 * sd))
    assert narrow[0.9].high < 0.9
    assert narrow[0.9].value == pytest.approx(2 * stats.norm.cdf(1.645 / 2) - 1, abs=0.03)


def test_bins_hold_every_sample_once_and_their_scores() -> None:
    rng = np.random.default_rng(11)
    x, truth = rng.uniform(0, 10, 500), rng.standard_normal(500)
    value = truth + np.where(x > 5, 1.0, 0.1)
    bins = score_in_bins(x, np.array([0.0, 5.0, 10.0]), truth, value, weights(500))
    assert [b.scores.n for b in bins] == [np.count_nonzero(x < 5), np.count_nonzero(x >= 5)]
    assert [b.scores.bias.value for b in bins] == pytest.approx([0.1, 1.0])
    edges = quantile_edges(x, 4)
    counts = [b.scores.n for b in score_in_bins(x, edges, truth, value, weights(500))]
    assert sum(counts) == 500
    assert max(counts) - min(counts) <= 2


def test_size_bins_are_wide_enough() -> None:
    sizes = np.random.default_rng(0).integers(8, 201, 400).astype(float)
    edges = size_edges(sizes)
    assert (edges[0], edges[-1]) == (sizes.min(), sizes.max())
    assert np.histogram(sizes, edges)[0].min() >= 20
    assert len(size_edges(np.full(50, 12.0))) >= 1


class Spheres:
    def __init__(self, centres: list[list[float]], radii: list[float]) -> None:
        self.centres, self.radii = np.array(centres, float), np.array(radii, float)


def test_overlap_in_projection_of_two_spheres() -> None:
    assert overlap_in_projection(Spheres([[0, 0, 0], [4, 0, 0]], [2, 2])) == 0
    assert overlap_in_projection(Spheres([[0, 0, 0], [0, 0, 9]], [2, 1])) == pytest.approx(0.25, abs=0.01)
    # A lens of two circles of radius 1 at distance 1: 2 pi / 3 - sqrt(3) / 2.
    lens = 2 * np.pi / 3 - np.sqrt(3) / 2
    found = overlap_in_projection(Spheres([[0, 0, 0], [1, 0, 5]], [1, 1]))
    assert found == pytest.approx(lens / (2 * np.pi - lens), abs=0.01)


@pytest.mark.parametrize(
    ("r2", "stated", "others", "verdict", "words"),
    [
        ((0.8, 0.75, 0.84), 0.4, {}, "determined", "R² 0.80"),
        ((0.3, 0.25, 0.35), 0.8, {}, "narrowed", "R² 0.30"),
        ((0.05, -0.02, 0.11), 0.97, {}, "undetermined", "says so"),
        ((0.05, -0.02, 0.11), 0.5, {}, "undetermined", "claims more"),
        (
            (0.05, -0.02, 0.11),
            0.97,
            {"gradient boosting": Estimate(0.5, 0.4, 0.6)},
            "missed",
            "gradient boosting",
        ),
        ((np.nan, np.nan, np.nan), np.nan, {}, "unknown", "too few"),
    ],
)
def test_verdicts(r2: tuple, stated: float, others: dict, verdict: str, words: str) -> None:
    found = judge(Estimate(*r2), stated, others)
    assert found[0] == verdict
    assert words in found[1]
