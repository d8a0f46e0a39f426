"""What the recording does to an image, against its statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from simulate.laws import LogUniform, Uniform
from simulate.realism import Realism, _correlated_noise, _poisson, apply_realism


def rng(seed=0):
    return np.random.default_rng(seed)


def flat(value=0.05, side=64):
    return np.full((1, side, side), value, np.float32)


def point(side=65):
    image = np.zeros((1, side, side), np.float32)
    image[0, side // 2, side // 2] = 1
    return image


def test_the_default_changes_nothing():
    image = rng().random((2, 9, 7)).astype(np.float32)
    np.testing.assert_array_equal(apply_realism(image, 0.5, Realism(), rng()), image)


def test_the_result_depends_on_its_arguments_alone_and_leaves_them_alone():
    image, realism = flat(), Realism(electrons_per_pixel=100, carbon_thickness_nm=10, carbon_relative_sd=0.3)
    before = image.copy()
    first, second = (apply_realism(image, 0.5, realism, rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)
    assert not np.array_equal(first, apply_realism(image, 0.5, realism, rng(6)))
    assert first.dtype == np.float32


@pytest.mark.parametrize("mean", [0.2, 3.0, 11.9, 12.1, 60.0])
def test_counts_are_poisson_on_both_sides_of_the_change_of_method(mean):
    values = np.full(60_000, mean / 50, np.float32)
    _poisson(values, 50.0, rng(1))
    counts = np.rint(values * 50).astype(int)
    low, high = stats.poisson.ppf((1e-4, 1 - 1e-4), float(np.float32(mean / 50)) * 50).astype(int)
    seen = np.bincount(np.clip(counts, low, high) - low, minlength=high - low + 1)
    law = stats.poisson(float(np.float32(mean / 50)) * 50)
    edges = np.concatenate(([0], law.cdf(np.arange(low, high)), [1]))
    expected = np.diff(edges) * len(values)
    keep = expected > 5
    seen, expected = (
        np.append(seen[keep], seen[~keep].sum()),
        np.append(expected[keep], expected[~keep].sum()),
    )
    assert stats.chisquare(seen[expected > 0], expected[expected > 0]).pvalue > 1e-4


def test_dose_gives_the_mean_and_variance_of_counting():
    image, dose = flat(0.03, 200), 2000
    noisy = apply_realism(image, 0.5, Realism(electrons_per_pixel=dose), rng(2))
    n = image.size
    assert abs(noisy.mean() - 0.03) < 4 * np.sqrt(0.03 / dose / n)
    # The variance of a sample variance of nearly normal numbers is 2 / n.
    assert abs(noisy.var() / (0.03 / dose) - 1) < 4 * np.sqrt(2 / n) + 0.01


def test_gain_and_offset_and_readout_noise_come_after_the_counting():
    realism = Realism(gain=4.0, offset=-0.01, readout_noise=0.002)
    recorded = apply_realism(flat(0.05, 100), 0.5, realism, rng(3))
    assert abs(recorded.mean() - (4 * 0.05 - 0.01)) < 4 * 0.002 / 100
    assert recorded.std() == pytest.approx(0.002, rel=0.05)


def test_the_source_blurs_to_its_width_and_loses_nothing():
    fwhm, pixel = 3.0, 0.5
    image = apply_realism(point(), pixel, Realism(source_fwhm_nm=fwhm), rng())[0]
    y, x = np.mgrid[:65, :65] - 32
    sd = fwhm / (2 * np.sqrt(2 * np.log(2))) / pixel
    assert image.sum() == pytest.approx(1, abs=1e-4)
    assert np.sqrt((image * x**2).sum()) == pytest.approx(sd, rel=0.01)
    assert np.sqrt((image * y**2).sum()) == pytest.approx(sd, rel=0.01)


@pytest.mark.parametrize("drift", [6.0, -6.0])
def test_drift_moves_the_last_row_against_the_first(drift):
    image = np.zeros((1, 41, 41), np.float32)
    image[0, :, 20] = 1
    moved = apply_realism(image, 0.5, Realism(drift_nm=drift), rng())[0]
    place = (moved * np.arange(41)).sum(axis=1) / moved.sum(axis=1)
    np.testing.assert_allclose(place[[0, 20, 40]] - 20, np.array([-0.5, 0, 0.5]) * drift / 0.5, atol=1e-4)


def test_scan_jitter_moves_each_row_by_its_own_amount():
    image = np.zeros((1, 400, 41), np.float32)
    image[0, :, 20] = 1
    moved = apply_realism(image, 0.5, Realism(scan_jitter_nm=1.0), rng(4))[0]
    place = (moved * np.arange(41)).sum(axis=1) - 20
    assert np.std(place) == pytest.approx(2, rel=4 / np.sqrt(2 * 400))
    assert abs(np.corrcoef(place[1:], place[:-1])[0, 1]) < 4 / np.sqrt(400)


def test_all_channels_share_the_scan():
    image = np.repeat(point(), 2, axis=0)
    moved = apply_realism(image, 0.5, Realism(scan_jitter_nm=1.0, drift_nm=1.0), rng(4))
    np.testing.assert_array_equal(moved[0], moved[1])


def test_the_film_adds_its_thickness_times_coefficient_where_nothing_is():
    realism = Realism(carbon_thickness_nm=20, carbon_coefficient_per_um=0.07)
    film = -np.expm1(-0.07 * 0.02)
    np.testing.assert_allclose(apply_realism(flat(0), 0.5, realism, rng()), film, rtol=1e-5)
    np.testing.assert_allclose(apply_realism(flat(0.4), 0.5, realism, rng()), 0.4 + 0.6 * film, rtol=1e-5)


@pytest.mark.parametrize("length", [0.5, 2.0, 5.0])
def test_correlated_noise_has_unit_variance_and_the_stated_correlation(length):
    noise = _correlated_noise((256, 192), length, rng(7)).astype(float)
    independent = noise.size / (4 * np.pi * length**2)
    assert noise.std() == pytest.approx(1, abs=4 / np.sqrt(2 * independent) + 0.01)
    for shift in (1, 2, 4):
        expected = np.exp(-((shift / (2 * length)) ** 2))
        for axis in (0, 1):
            measured = np.mean(noise * np.roll(noise, shift, axis=axis)) / noise.var()
            assert measured == pytest.approx(expected, abs=4 / np.sqrt(independent) + 0.02)


def test_laws_are_drawn_anew_for_every_image():
    realism = Realism(gain=LogUniform(low=0.1, high=10), offset=Uniform(low=0, high=1))
    gains = [realism.draw(rng(seed))["gain"] for seed in range(300)]
    assert stats.kstest(gains, stats.loguniform(0.1, 10).cdf).pvalue > 1e-3
    known = realism.model_copy(update={"gain": 1.0})
    # Fixing the gain leaves the other draws as they were.
    assert known.draw(rng(1)) == realism.draw(rng(1)) | {"gain": 1.0}


@pytest.mark.parametrize(
    ("key", "value"), [("electrons_per_pixel", -1), ("gain", 0), ("readout_noise", -0.1), ("dose", 3)]
)
def test_impossible_conditions_are_refused(key, value):
    with pytest.raises(ValidationError):
        Realism(**{key: value})


@settings(deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(0.1, 5),
    st.floats(0, 3000),
    st.floats(0, 3),
    st.floats(-3, 3),
)
def test_any_condition_gives_finite_images_of_the_same_shape(c, ny, nx, pixel, dose, length, drift):
    realism = Realism(
        electrons_per_pixel=dose,
        source_fwhm_nm=length,
        scan_jitter_nm=length,
        drift_nm=drift,
        carbon_thickness_nm=10,
        carbon_relative_sd=0.5,
        gain=2.0,
    )
    image = rng().random((c, ny, nx)).astype(np.float32)
    recorded = apply_realism(image, pixel, realism, rng(1))
    assert recorded.shape == image.shape
    assert np.isfinite(recorded).all()
    assert recorded.min() >= 0


def test_an_image_without_channels_is_refused():
    with pytest.raises(ValueError, match=r"expected \(channel, y, x\)"):
        apply_realism(np.zeros((4, 4)), 1.0, Realism(), rng())
