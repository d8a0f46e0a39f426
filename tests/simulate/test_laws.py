"""Sampling laws are inverse distribution functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from simulate.laws import (
    Choice,
    LogUniform,
    Number,
    Uniform,
    bounds,
    describe_law,
    extremes,
    integer_at,
    quantiles,
    value_at,
)
from stochgeom.errors import UserError

NUMBER = TypeAdapter(Number)
unit = st.floats(0, 1, exclude_max=True)
positive = st.floats(1e-3, 1e3)


@settings(deadline=None)
@given(positive, positive, unit, unit)
def test_quantiles_rise_within_the_bounds(a, b, u, v):
    low, high = sorted((a, b))
    for law in (Uniform(low=low, high=high), LogUniform(low=low, high=high)):
        first, second = law.quantile(min(u, v)), law.quantile(max(u, v))
        assert low <= first <= second * (1 + 1e-12)
        assert second <= high * (1 + 1e-12)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (Uniform(low=2, high=5), stats.uniform(2, 3)),
        (LogUniform(low=0.1, high=10), stats.loguniform(0.1, 10)),
    ],
)
def test_uniform_numbers_become_the_law(law, reference):
    drawn = [law.quantile(u) for u in np.random.default_rng(0).random(4000)]
    assert stats.kstest(drawn, reference.cdf).pvalue > 1e-3


def test_integers_of_a_uniform_law_have_equal_weight_at_both_ends():
    u = (np.arange(6000) + 0.5) / 6000
    counts = np.bincount([Uniform(low=2, high=5).integer(x) for x in u])
    assert counts.tolist() == [0, 0, 1500, 1500, 1500, 1500]


def test_integers_of_a_log_uniform_law_follow_the_logarithm():
    u = (np.arange(100_000) + 0.5) / 100_000
    values = np.array([LogUniform(low=8, high=200).integer(x) for x in u])
    expected = np.log((np.arange(8, 201) + 1) / np.arange(8, 201)) / np.log(201 / 8)
    assert values.min() == 8
    assert values.max() == 200
    np.testing.assert_allclose(np.bincount(values)[8:] / len(values), expected, atol=2e-5)


def test_choice_takes_each_value_equally_often():
    law = Choice(values=(3.0, 1.0, 2.0))
    assert [law.quantile(u) for u in (0.0, 0.34, 0.67, 0.999999)] == [3.0, 1.0, 2.0, 2.0]
    assert bounds(law) == (1.0, 3.0)


def test_a_number_is_a_law_of_one_value():
    assert value_at(3.5, 0.9) == 3.5
    assert bounds(3.5) == (3.5, 3.5)
    assert integer_at(4.0, 0.2) == 4
    with pytest.raises(UserError, match=r"3\.5 should be a whole number"):
        integer_at(3.5, 0.2)


@pytest.mark.parametrize(
    "bad",
    [
        {"law": "uniform", "low": 2, "high": 1},
        {"law": "log-uniform", "low": 0, "high": 1},
        {"law": "log-uniform", "low": -1, "high": 1},
        {"law": "choice", "values": []},
        {"law": "gaussian", "low": 1, "high": 2},
        {"law": "uniform", "low": 1},
        {"law": "uniform", "low": 1, "high": float("inf")},
        {"law": "uniform", "low": 1, "high": 2, "mean": 1},
        float("nan"),
        "3",
    ],
)
def test_what_is_no_law_is_refused(bad):
    with pytest.raises(ValidationError):
        NUMBER.validate_python(bad, strict=True)


def test_laws_in_words():
    assert describe_law(2.0) == "2"
    assert describe_law(Uniform(low=1, high=2)) == "uniform in 1 to 2"
    assert describe_law(LogUniform(low=1, high=2)) == "log-uniform in 1 to 2"
    assert describe_law(Choice(values=(1, 2))) == "one of 1, 2"


def test_the_quantiles_to_check_reach_every_value_of_a_choice_and_the_ends_of_a_range():
    choice = Choice(values=(3.0, 1.0, 7.0, 2.0))
    assert [value_at(choice, u) for u in quantiles(choice)] == [3.0, 1.0, 7.0, 2.0]
    assert [value_at(choice, u) for u in extremes(choice)] == [1.0, 7.0]
    many = Choice(values=tuple(range(997)))
    assert [value_at(many, u) for u in quantiles(many)] == list(range(997))
    for law in (Uniform(low=2, high=5), LogUniform(low=2, high=5)):
        assert [value_at(law, u) for u in extremes(law)] == pytest.approx([2, 5])
        assert [law.integer(u) for u in quantiles(law)] == [2, 5]
