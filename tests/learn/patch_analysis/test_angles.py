"""Circular statistics, and what is fitted to make an angle mean something."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learn.patch_analysis.angle_calibration import AngleCalibration
from learn.patch_analysis.circular import circular_errors, circular_mean, circular_median, wrapped
from stochgeom.errors import UserError

PERIODS = st.sampled_from([60.0, 90.0, 180.0, 360.0])
DEGREES = st.floats(-1000, 1000)


@given(DEGREES, PERIODS)
def test_wrapping_keeps_the_direction_and_halves_the_period(value, period):
    found = wrapped(value, period)
    assert -period / 2 <= found <= period / 2
    assert np.cos(2 * np.pi * (found - value) / period) == pytest.approx(1, abs=1e-9)


@given(st.lists(DEGREES, min_size=1, max_size=30), DEGREES, PERIODS)
def test_the_median_is_of_least_mean_difference(values, other, period):
    middle = circular_median(values, period)
    best, another = (circular_errors(values, one, period).mean() for one in (middle, other))
    # The search is on a grid of a 1440th of a period, so another direction may be better by that much.
    assert best <= another + period / 1440


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=40), DEGREES)
def test_turning_data_turns_mean_and_median(values, turn):
    values = np.array(values)
    for of in (lambda v: circular_mean(v, 90)[0], lambda v: circular_median(v, 360)):
        assert circular_errors(of(values + turn), of(values) + turn, 90) < 0.3


def test_a_mean_of_data_that_go_every_way_has_no_length():
    assert circular_mean([0, 15, 30, 45], 60)[1] == pytest.approx(0, abs=1e-12)
    mean, length = circular_mean([59, 1, 61, 119], 60)
    assert circular_errors(mean, 0, 60) == pytest.approx(0, abs=1e-9)
    assert length == pytest.approx(np.cos(2 * np.pi / 60))


def test_of_normal_errors_the_figures_are_those_of_the_law():
    rng = np.random.default_rng(1)
    true = rng.uniform(0, 60, 4000)
    angle = -(true - 17) + 3 * rng.standard_normal(4000)
    fitted = AngleCalibration.fit(angle[:2000], true[:2000], 60, "rotation", "one")
    assert fitted.sense == -1
    # The median of n normal errors of 3 degrees has a standard error of 1.25 * 3 / sqrt(n).
    assert circular_errors(fitted.offset_degrees, 17, 60) < 4 * 1.25 * 3 / np.sqrt(2000)
    score = fitted.score(angle[2000:], true[2000:])
    assert score.patches == 2000
    assert score.median_degrees == pytest.approx(0.6745 * 3, rel=0.06)
    assert score.p90_degrees == pytest.approx(1.645 * 3, rel=0.06)
    assert score.within_2_degrees == pytest.approx(0.495, abs=0.045)
    assert score.chance_median_degrees == 15


@given(st.floats(0, 360), st.sampled_from([1, -1]), PERIODS, st.integers(0, 2**31))
def test_offset_and_sense_are_found_modulo_the_period(offset, sense, period, seed):
    rng = np.random.default_rng(seed)
    true = rng.uniform(0, 360, 60)
    # A model's angle has the whole turn and does not know the symmetry: any multiple of the period is added.
    angle = sense * (true - offset) + period * rng.integers(-3, 4, 60)
    angle[:10] = rng.uniform(0, 360, 10)  # a few that are wrong
    fitted = AngleCalibration.fit(angle, true, period, "rotation", "one")
    assert fitted.sense == sense
    assert np.median(fitted.errors(angle, true)) < 1e-6
    assert circular_errors(fitted.offset_degrees, offset, period) < 1e-6


def test_offsets_that_lie_on_the_seam_are_as_good_as_any():
    true = np.linspace(0, 350, 36)
    angle = true + 0.05 * (-1.0) ** np.arange(36)
    fitted = AngleCalibration.fit(angle, true, 90, "rotation", "one")
    assert circular_errors(fitted.offset_degrees, 0, 90) <= 0.05 + 1e-9


def test_angles_that_know_nothing_are_seen_as_such():
    rng = np.random.default_rng(0)
    fitted = AngleCalibration.fit(rng.uniform(0, 360, 900), rng.uniform(0, 360, 900), 60, "rotation", "one")
    assert fitted.resultant < 4 / np.sqrt(900)
    assert fitted.score(rng.uniform(0, 360, 900), rng.uniform(0, 360, 900)).median_degrees > 12


def test_rows_without_truth_are_left_out():
    true = np.r_[np.linspace(0, 50, 20), np.full(5, np.nan)]
    fitted = AngleCalibration.fit(np.r_[np.linspace(0, 50, 20), np.arange(5)], true, 60, "rotation", "one")
    assert fitted.patches == 20
    assert np.isnan(fitted.errors(np.arange(25.0), true)[20:]).all()
    assert fitted.score(np.arange(3), np.full(3, np.nan)) is None
    with pytest.raises(UserError, match="5 patches with an angle and a true rotation"):
        AngleCalibration.fit(np.arange(5.0), np.arange(5.0), 60, "rotation", "one")


def test_a_calibration_goes_through_a_file(tmp_path):
    fitted = AngleCalibration.fit(np.arange(30.0), np.arange(30.0) + 7, 60, "polarization", "scene 0")
    fitted.save(tmp_path / "angle.json")
    assert AngleCalibration.load(tmp_path / "angle.json") == fitted
    data = json.loads((tmp_path / "angle.json").read_text())
    for change, said in (({"sense": 2}, "sense = 2"), ({"format": "another"}, "is no angle calibration")):
        (tmp_path / "bad.json").write_text(json.dumps(data | change))
        with pytest.raises(UserError, match=said):
            AngleCalibration.load(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text("[1")
    for missing in ("bad.json", "none.json"):
        with pytest.raises(UserError, match="cannot be read"):
            AngleCalibration.load(tmp_path / missing)
