"""2D descriptors against drawn shapes of known size, and their invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from learn.foreground import find_foreground, half_sample_mode, otsu_threshold, two_otsu_thresholds
from learn.image_descriptors import DESCRIPTORS, describe_images, image_descriptors
from learn.image_measures import crofton_perimeter
from stochgeom.errors import UserError

SIDE = 128


def disc(radius_pixels: float, centre: tuple[float, float] = (63.2, 64.7)) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.hypot(y - centre[0], x - centre[1]) <= radius_pixels


def spheres(rng: np.random.Generator, n: int = 25, pixel: float = 0.8, noise: bool = True) -> np.ndarray:
    """A HAADF-like image (1, SIDE, SIDE) of n spheres of two materials, with Poisson noise."""
    y, x = np.mgrid[:SIDE, :SIDE] * pixel
    depth = np.zeros((SIDE, SIDE))
    for _ in range(n):
        cy, cx = rng.normal(SIDE * pixel / 2, SIDE * pixel / 9, 2)
        radius, per_nm = rng.lognormal(np.log(6), 0.3), rng.choice([0.5e-3, 1.7e-3])
        depth += 2 * per_nm * np.sqrt(np.maximum(radius**2 - (x - cx) ** 2 - (y - cy) ** 2, 0))
    image = 1 - np.exp(-depth) + 0.002
    return (rng.poisson(image * 2000) / 2000 if noise else image)[None]


@pytest.mark.parametrize("radius", [8.0, 15.3, 30.0])
@pytest.mark.parametrize("pixel", [0.5, 2.0])
def test_a_disc_has_its_area_diameter_and_radius_of_gyration(radius: float, pixel: float) -> None:
    rng = np.random.default_rng(1)
    image = 0.02 * disc(radius) + 0.001 + rng.normal(0, 1e-4, (SIDE, SIDE))
    found = image_descriptors(image[None], pixel)
    # The smoothing of one pixel moves a sharp edge outwards.
    edge = 2.5 * pixel
    assert found["equivalent_diameter_nm"] == pytest.approx(2 * radius * pixel, abs=2 * edge)
    assert found["feret_max_nm"] == pytest.approx(found["equivalent_diameter_nm"], rel=0.06)
    assert found["area_nm2"] == pytest.approx(np.pi * found["equivalent_diameter_nm"] ** 2 / 4)
    # A disc's radius of gyration is its radius / sqrt(2).
    expected = found["equivalent_diameter_nm"] / np.sqrt(8)
    assert found["radius_of_gyration_mask_nm"] == pytest.approx(expected, rel=0.01)
    assert found["inscribed_max_nm"] == pytest.approx(found["equivalent_diameter_nm"] / 2, abs=1.2 * pixel)
    assert found["aspect_ratio"] == pytest.approx(1, abs=0.02)
    assert found["circularity"] == pytest.approx(1, abs=0.06)
    assert (found["components"], found["holes"], found["granules"]) == (1, 0, 1)


def test_the_mask_of_a_sharp_disc_is_the_disc_within_a_pixel() -> None:
    truth = disc(20.0)
    mask = find_foreground(0.05 * truth + np.random.default_rng(0).normal(0, 5e-3, truth.shape)).mask
    assert not np.any(truth & ~mask & ndimage.binary_erosion(truth, iterations=2))
    assert not np.any(mask & ~ndimage.binary_dilation(truth, iterations=3))


@pytest.mark.parametrize("angle", [0.0, 0.2, np.pi / 8, np.pi / 4, 1.1])
def test_crofton_perimeter_of_discs_and_turned_squares(angle: float) -> None:
    assert crofton_perimeter(disc(25.0)) == pytest.approx(2 * np.pi * 25, rel=0.015)
    y, x = np.mgrid[:SIDE, :SIDE] - 63.7
    square = (
        np.maximum(abs(np.cos(angle) * x + np.sin(angle) * y), abs(np.cos(angle) * y - np.sin(angle) * x))
        <= 25
    )
    # Four directions instead of all: at most 5.5 % off for a straight edge (at its worst directions).
    assert crofton_perimeter(square) == pytest.approx(200, rel=0.06)


def test_aspect_ratio_of_an_ellipse_and_slope_of_a_line() -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - 63.5
    ellipse = image_descriptors(0.1 * ((x / 40) ** 2 + (y / 16) ** 2 <= 1)[None], 1.0)
    # The smoothing of a pixel widens a sharp outline by up to 2.5 pixels.
    assert 42.5 / 18.5 < ellipse["aspect_ratio"] <= 2.5
    line = image_descriptors(0.1 * (abs(y) <= 1.5)[None], 1.0)
    full = image_descriptors(0.1 * (np.maximum(abs(x), abs(y)) <= 60)[None], 1.0)
    assert line["box_counting_slope"] < 1.35 < 1.9 < full["box_counting_slope"]


def test_hole_and_components_are_counted() -> None:
    ring = disc(30) & ~disc(15)
    one = image_descriptors(0.1 * ring[None], 1.0)
    assert (one["holes"], one["components"]) == (1, 1)
    two = image_descriptors(0.1 * (disc(9, (30, 30)) | disc(9, (90, 90)))[None], 1.0)
    assert (two["holes"], two["components"], two["granules"]) == (0, 2, 2)


def test_two_materials_are_told_apart_by_level() -> None:
    left, right = disc(12, (64, 30)), disc(12, (64, 98))
    found = image_descriptors((0.01 * left + 0.034 * right)[None], 1.0)
    assert found["bright_patches"] == 1
    # The centre of the right disc is 34 pixels from the middle of both.
    assert found["bright_offset_over_rg"] == pytest.approx(34 / np.sqrt(34**2 + 12**2 / 2), rel=0.08)
    assert found["bright_mass_share"] == pytest.approx(0.034 / 0.044, abs=0.08)
    assert 0.3 < found["bright_area_share"] < 0.55  # half, less its smoothed rim


@pytest.mark.parametrize("radius", [4.0, 6.0, 9.0])
def test_blobs_have_the_spheres_radius_number_and_relative_brightness(radius: float) -> None:
    pixel = 0.8
    y, x = np.mgrid[:SIDE, :SIDE] * pixel
    depth = np.zeros((SIDE, SIDE))
    for k, (cy, cx) in enumerate([(25, 25), (25, 75), (75, 25), (75, 75)]):
        per_nm = 0.5e-3 if k % 2 else 1.5e-3
        depth += 2 * per_nm * np.sqrt(np.maximum(radius**2 - (y - cy) ** 2 - (x - cx) ** 2, 0))
    found = image_descriptors((1 - np.exp(-depth))[None], pixel)
    assert found["blobs"] == 4
    # The Laplacian of a sphere's projection answers most at a radius a little below its own.
    assert found["blob_radius_mean_nm"] == pytest.approx(radius, rel=0.2)
    assert found["bright_over_dim_blobs"] == pytest.approx(3.0, rel=0.1)
    assert found["bright_blob_share"] == 0.5


def test_correlation_length_scales_with_the_pixel_size() -> None:
    image = spheres(np.random.default_rng(3), noise=False)
    one, two = image_descriptors(image, 0.8), image_descriptors(image, 1.6)
    for name in ("correlation_50_nm", "radius_of_gyration_mass_nm", "perimeter_nm", "inscribed_mean_nm"):
        assert two[name] == pytest.approx(2 * one[name], rel=1e-9)
    assert two["depth_mass_nm2"] == pytest.approx(4 * one["depth_mass_nm2"], rel=1e-9)
    for name in ("circularity", "level_cv", "mass_radius_slope", "bright_area_share"):
        assert two[name] == pytest.approx(one[name], rel=1e-9)


def test_optical_depth_of_a_slab_is_that_of_beer_lambert() -> None:
    slab = np.zeros((1, SIDE, SIDE))
    slab[0, 30:90, 30:90] = 1 - np.exp(-0.25)
    found = image_descriptors(slab, 1.0)
    assert found["depth_q75"] == pytest.approx(0.25, rel=1e-6)


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), turns=st.integers(1, 3), flip=st.booleans())
@example(seed=2, turns=1, flip=False)  # blobs at equal distances: which are the nearest?
def test_turning_by_90_degrees_or_mirroring_changes_nothing(seed: int, turns: int, flip: bool) -> None:
    image = spheres(np.random.default_rng(seed))
    turned = np.rot90(image[:, ::-1] if flip else image, turns, axes=(1, 2))
    one, two = image_descriptors(image, 0.8), image_descriptors(turned, 0.8)
    for name in one:
        assert two[name] == pytest.approx(one[name], rel=1e-6, abs=1e-9, nan_ok=True), name


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), gain=st.floats(0.1, 10.0), offset=st.floats(-0.5, 0.5))
@example(seed=843, gain=3.3, offset=0.1)  # few blobs: two thresholds as good as each other
def test_gain_and_offset_change_only_the_optical_depths(seed: int, gain: float, offset: float) -> None:
    image = spheres(np.random.default_rng(seed))
    one, two = image_descriptors(image, 0.8), image_descriptors(gain * image + offset, 0.8)
    for name in one:
        if not name.startswith("depth"):
            assert two[name] == pytest.approx(one[name], rel=1e-5, abs=1e-7, nan_ok=True), name


def test_names_are_documented_and_the_same_for_every_image() -> None:
    rng = np.random.default_rng(5)
    images = [spheres(rng), np.zeros((1, SIDE, SIDE)), spheres(rng, n=1)]
    table, names = describe_images(iter(images), [0.8, 0.8, 0.3])
    assert names == tuple(DESCRIPTORS)
    assert table.shape == (3, len(DESCRIPTORS))
    assert np.isfinite(table[0]).all()
    assert np.isnan(np.delete(table[1], names.index("pixel_size_nm"))).all()
    several = image_descriptors(np.concatenate([images[0], images[0] * 2]), 0.8)
    assert several["channel1_level_cv"] == pytest.approx(several["level_cv"])


@pytest.mark.parametrize(
    ("image", "pixel", "message"),
    [
        (np.zeros((SIDE, SIDE)), 1.0, "channel, y, x"),
        (np.zeros((1, 8, 8)), 1.0, "at least 16 x 16"),
        (np.full((1, SIDE, SIDE), np.nan), 1.0, "not finite"),
        (np.zeros((1, SIDE, SIDE)), 0.0, "positive number of nm"),
    ],
)
def test_bad_images_are_refused(image: np.ndarray, pixel: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        image_descriptors(image, pixel)


def test_otsu_splits_classes_and_the_mode_is_found() -> None:
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(0, 0.1, 4000), rng.normal(1, 0.1, 4000), rng.normal(3, 0.1, 4000)
    assert 0.3 < otsu_threshold(np.concatenate([a, b])) < 0.7
    low, high = two_otsu_thresholds(np.concatenate([a, b, c]))
    assert 0.3 < low < 0.7
    assert 1.5 < high < 2.6
    assert half_sample_mode(np.sort(np.concatenate([a, rng.uniform(0, 5, 3000)]))) == pytest.approx(
        0, abs=0.12
    )
