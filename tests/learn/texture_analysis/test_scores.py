"""Scores of reconstructions: definitions, what they must not depend on, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.texture_analysis.readings import interface_length, read_images, straightness
from learn.texture_analysis.scores import (
    FIGURES,
    Bootstrap,
    ImageScores,
    kept_class,
    score_images,
    summarise,
    thresholded,
)
from stochgeom.errors import UserError
from stochgeom.spatial_statistics import autocorrelation
from stochgeom.textures import LineTextureParameters, sample_texture

SMALL = LineTextureParameters(shape=(64, 64), length_nm=(30, 60), thickness_nm=(4, 6), gap_nm=8, count=(1, 3))


def lines(n: int, seed: int = 0) -> list:
    rng = np.random.default_rng(seed)
    return [sample_texture(SMALL, rng) for _ in range(n)]


def scored(textures, reconstruction: np.ndarray) -> ImageScores:
    truth = np.stack([one.phase for one in textures]).astype(np.float32)
    known = {
        key: np.array([one.truth[key] for one in textures])
        for key in ("volume_fraction", "orientation_degrees", "count")
    }
    return score_images(truth, reconstruction, classes=np.array([0.0, 90.0]), **known)


def pictures(textures) -> np.ndarray:
    return np.stack([one.phase for one in textures]).astype(np.float32)


def test_distances_are_those_of_the_literature():
    textures = lines(4)
    rng = np.random.default_rng(1)
    found = rng.random((4, 64, 64)).astype(np.float32)
    scores = scored(textures, found)
    for k, (a, b) in enumerate(zip(pictures(textures).astype(float), found.astype(float), strict=True)):
        f_a, f_b = (np.fft.ifft2(np.abs(np.fft.fft2(m)) ** 2).real / m.size for m in (a, b))
        assert scores.f_mse[k] == pytest.approx(np.mean((f_a - f_b) ** 2), rel=1e-4)
        assert scores.data_mse[k] == pytest.approx(np.mean((a - b) ** 2), rel=1e-5)


def test_white_images_score_the_mean_square_of_f_and_keep_nothing():
    textures = lines(5)
    scores = scored(textures, np.zeros((5, 64, 64), np.float32))
    f = autocorrelation(pictures(textures).astype(float))
    assert scores.f_mse == pytest.approx((f**2).mean(axis=(1, 2)), rel=1e-5)
    assert np.all(scores.orientation_kept == 0)
    assert np.all(np.isnan(scores.orientation_difference))
    assert np.all(scores.count_kept == 0)
    assert np.all(scores.relative_volume_difference == 1)


def test_a_faithful_copy_keeps_everything():
    textures = lines(12)
    scores = scored(textures, pictures(textures))
    assert np.all(scores.f_mse < 1e-12)
    assert np.all(scores.data_mse == 0)
    assert np.all(scores.orientation_kept == 1)
    assert np.all(scores.count_kept == 1)
    assert np.all(scores.volume_difference < 1e-7)


@settings(max_examples=25, deadline=None)
@given(shift=st.tuples(st.integers(-63, 63), st.integers(-63, 63)), seed=st.integers(0, 50))
def test_moving_a_reconstruction_changes_neither_f_nor_the_volume_fraction(shift, seed):
    textures = lines(2, seed)
    found = np.clip(pictures(textures) + np.random.default_rng(seed).normal(0, 0.2, (2, 64, 64)), 0, 1)
    found = found.astype(np.float32)
    still, moved = scored(textures, found), scored(textures, np.roll(found, shift, axis=(1, 2)))
    assert moved.f_mse == pytest.approx(still.f_mse, rel=1e-3)
    assert moved.volume_difference == pytest.approx(still.volume_difference, rel=1e-5, abs=1e-7)
    if shift != (0, 0):
        assert not np.allclose(moved.data_mse, still.data_mse, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 50), flips=st.tuples(st.booleans(), st.booleans()))
def test_point_reflection_of_both_changes_no_score(seed, flips):
    textures = lines(2, seed)
    found = np.random.default_rng(seed).random((2, 64, 64)).astype(np.float32) * pictures(textures)
    axes = tuple(axis for axis, flip in zip((1, 2), flips, strict=True) if flip)
    truth = pictures(textures)
    known = {
        "volume_fraction": truth.mean(axis=(1, 2)),
        "orientation_degrees": np.array([one.truth["orientation_degrees"] for one in textures]),
        "count": np.array([one.truth["count"] for one in textures]),
        "classes": np.array([0.0, 90.0]),
    }
    one = score_images(truth, found, **known)
    other = score_images(np.flip(truth, axes), np.flip(found, axes), **known)
    assert other.f_mse == pytest.approx(one.f_mse, rel=1e-3)
    assert other.data_mse == pytest.approx(one.data_mse, rel=1e-5)
    assert other.orientation_difference == pytest.approx(one.orientation_difference, abs=1e-3)
    assert np.array_equal(other.orientation_kept, one.orientation_kept)


def test_lines_turned_by_90_degrees_lose_the_orientation_and_keep_the_count():
    textures = lines(10, 3)
    scores = scored(textures, pictures(textures).transpose(0, 2, 1))
    assert np.all(scores.orientation_kept == 0)
    assert np.all(scores.orientation_difference > 89)
    assert np.all(scores.count_kept == 1)
    assert np.all(scores.volume_difference < 1e-7)


def test_a_line_more_loses_the_count_and_changes_the_volume_fraction_by_its_area():
    textures = [one for one in lines(30, 4) if one.truth["count"] == 1][:4]
    found = pictures(textures)
    for image, one in zip(found, textures, strict=True):
        extra = np.zeros((64, 64))
        upright = one.truth["orientation_degrees"] == 90
        free = np.flatnonzero(image.any(axis=0 if upright else 1) == 0)
        place = max(free, key=lambda k: np.abs(np.flatnonzero(image.any(axis=0 if upright else 1)) - k).min())
        extra[10:50, max(0, place - 2) : place + 2] = 1
        image += extra if upright else extra.T
    scores = scored(textures, found)
    assert np.all(scores.count_kept == 0)
    assert np.all(scores.orientation_kept == 1)
    added = found.sum(axis=(1, 2)) / pictures(textures).sum(axis=(1, 2)) - 1
    assert scores.relative_volume_difference == pytest.approx(added, rel=1e-4)


def test_images_without_the_phase_have_no_relative_difference():
    nothing = np.zeros((2, 32, 32), np.float32)
    found = nothing.copy()
    found[1, 3:7] = 0.5
    scores = score_images(
        nothing, found, volume_fraction=np.zeros(2), orientation_degrees=np.full(2, np.nan),
        count=np.full(2, np.nan), classes=np.empty(0),
    )  # fmt: skip
    assert np.all(np.isnan(scores.relative_volume_difference))
    assert scores.volume_difference == pytest.approx([0, 0.5 * 4 / 32])
    for column in ("orientation_kept", "count_kept", "count", "orientation_difference"):
        assert np.all(np.isnan(getattr(scores, column)))
    figures = summarise(scores, Bootstrap(2))
    assert np.isnan(figures["relative_volume_difference_mean"].value)
    assert figures["volume_difference_mean"].value == pytest.approx(0.03125)


@pytest.mark.parametrize(
    ("measured", "true", "classes", "kept"),
    [
        (80.0, 90.0, (0, 90), 1), (44.0, 90.0, (0, 90), 0), (46.0, 90.0, (0, 90), 1),
        (179.0, 0.0, (0, 90), 1), (30.0, 45.0, (0, 45, 90, 135), 1), (20.0, 45.0, (0, 45, 90, 135), 0),
        (170.0, 135.0, (0, 45, 90, 135), 0),
        (np.nan, 0.0, (0, 90), 0), (10.0, np.nan, (0, 90), np.nan), (10.0, 0.0, (), np.nan),
        (50.0, 0.0, (0,), 0), (40.0, 0.0, (0,), 1),
    ],
)  # fmt: skip
def test_a_class_is_kept_if_it_is_the_nearest(measured, true, classes, kept):
    found = kept_class(np.array([measured]), np.array([true]), np.array(classes, float))
    assert np.array_equal(found, [float(kept)], equal_nan=True)


def test_shapes_and_values_are_checked():
    good = np.zeros((1, 8, 8), np.float32)
    truth = {
        "volume_fraction": np.zeros(1), "orientation_degrees": np.zeros(1), "count": np.zeros(1),
        "classes": np.zeros(1),
    }  # fmt: skip
    with pytest.raises(UserError, match=r"\(1, 8, 9\)"):
        score_images(good, np.zeros((1, 8, 9), np.float32), **truth)
    with pytest.raises(UserError, match="not finite"):
        score_images(good, np.full((1, 8, 8), np.nan, np.float32), **truth)


def test_every_figure_is_of_a_column():
    columns = set(ImageScores.__dataclass_fields__)
    assert {one.column for one in FIGURES} <= columns
    assert len({one.key for one in FIGURES}) == len(FIGURES)


def test_statistics_alone_have_one_score():
    scores = ImageScores.of_statistics(np.array([1.0, 3.0]))
    figures = summarise(scores, Bootstrap(2))
    assert figures["f_mse_mean"].value == 2
    assert all(np.isnan(figures[one.key].value) for one in FIGURES if one.column != "f_mse")


def test_intervals_are_those_of_the_sampling_distribution():
    values = np.random.default_rng(0).normal(3, 2, 4000)
    bootstrap = Bootstrap(4000, rounds=600)
    mean = bootstrap.estimate(values, "mean")
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * 2 / np.sqrt(4000), rel=0.12)
    assert mean.low < mean.value < mean.high
    median = bootstrap.estimate(values, "median")
    assert median.high - median.low == pytest.approx(
        2 * 1.96 * 2 * np.sqrt(np.pi / 2) / np.sqrt(4000), rel=0.2
    )
    half = bootstrap.estimate((values > 3).astype(float), "share")
    assert half.low < 0.5 < half.high


def test_intervals_leave_out_what_is_not_known():
    values = np.array([1.0, np.nan, 3.0, np.nan])
    bootstrap = Bootstrap(4, rounds=200)
    for statistic in ("mean", "median"):
        one = bootstrap.estimate(values, statistic)
        assert one.value == 2
        assert 1 <= one.low <= one.high <= 3
    assert bootstrap.estimate(np.array([1.0, np.nan, 0.0, 1.0]), "share").value == pytest.approx(2 / 3)


def test_differences_are_paired():
    rng = np.random.default_rng(1)
    ours = rng.lognormal(0, 2, 300)
    bootstrap = Bootstrap(300)
    same = bootstrap.ratio_of_means(ours, 3 * ours)
    assert (same.value, same.low, same.high) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    apart = bootstrap.difference_of_means(ours + 1, ours)
    assert (apart.value, apart.low, apart.high) == pytest.approx((1, 1, 1))
    assert np.isnan(bootstrap.ratio_of_means(ours, np.full(300, np.nan)).value)


def test_straight_lines_are_straight_and_others_are_not():
    assert straightness(lines(1, 5)[0].phase) == pytest.approx(1, abs=1e-6)
    y, x = np.mgrid[:64, :64]
    disc = ((y - 32) ** 2 + (x - 32) ** 2 < 20**2).astype(np.uint8)
    bent = ((np.abs(y - 32 - 12 * np.sin(x / 10)) < 3) & (x > 4) & (x < 60)).astype(np.uint8)
    assert straightness(disc) < 0.85
    assert straightness(bent) < 0.5
    assert straightness(np.zeros((64, 64))) == 0
    diagonal = LineTextureParameters(
        orientations=("diagonal",), count=(1, 2), shape=(128, 128), length_nm=(60, 90)
    )
    slanting = sample_texture(diagonal, np.random.default_rng(0)).phase
    assert straightness(slanting) > 0.75


def test_interface_is_what_s2_loses_at_a_lag_of_one_pixel():
    image = (np.random.default_rng(3).random((40, 40)) < 0.3).astype(float)
    image[0] = image[-1] = 0
    image[:, 0] = image[:, -1] = 0  # so that opposite borders meet without an interface
    s2 = autocorrelation(image)
    mean = (s2[20, 21] + s2[21, 20]) / 2
    assert interface_length(image[None])[0] == pytest.approx(4 * (image.mean() - mean), abs=1e-9)


def test_lines_are_counted_only_where_asked():
    found = read_images(pictures(lines(3)), np.array([True, False, True]))
    assert np.array_equal(np.isnan(found.count), [False, True, False])
    assert np.all(np.isfinite(found.coherence))


def test_thresholding_gives_two_phases():
    image = np.array([[[0.2, 0.5, 0.51]]], np.float32)
    assert np.array_equal(thresholded(image, 0.5), [[[0, 0, 1]]])
