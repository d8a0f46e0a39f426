import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn.intervals import coverage, interval_factors


@pytest.mark.parametrize("law", ["gaussian", "laplace", "skewed"])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_is_the_level_whatever_the_errors(law, level):
    rng = np.random.default_rng(5)
    draw = {
        "gaussian": rng.standard_normal,
        "laplace": lambda size: rng.laplace(size=size),
        "skewed": lambda size: rng.exponential(size=size) - 1,
    }[law]
    calibration, test = 2000, 20_000
    sd = rng.uniform(0.5, 2, (calibration + test, 3))
    truth = sd * draw(size=sd.shape) * [1, 0.2, 7]  # the stated deviations are off by these factors
    factors = interval_factors(
        truth[:calibration], np.zeros_like(truth[:calibration]), sd[:calibration], level
    )
    half = factors * sd[calibration:]
    found = coverage(truth[calibration:], -half, half)
    # Calibration and test are both binomial samples of the same law.
    error = np.sqrt(level * (1 - level) * (1 / calibration + 1 / test))
    assert np.all(np.abs(found - level) < 4 * error)


@given(st.integers(1, 60), st.integers(0, 2**31))
def test_factor_is_the_conformal_order_statistic(n, seed):
    scores = np.random.default_rng(seed).random((n, 1))
    factor = interval_factors(scores, np.zeros((n, 1)), np.ones((n, 1)), 0.9)[0]
    rank = int(np.ceil((n + 1) * 0.9))
    assert factor == (np.sort(scores[:, 0])[rank - 1] if rank <= n else np.inf)


def test_undefined_truths_do_not_count():
    truth = np.array([[0.0, np.nan], [1.0, np.nan], [np.nan, np.nan]])
    found = coverage(truth, np.full((3, 2), -0.5), np.full((3, 2), 0.5))
    assert found[0] == 0.5
    assert np.isnan(found[1])
    assert np.isinf(interval_factors(truth, np.zeros((3, 2)), np.ones((3, 2)))[1])
