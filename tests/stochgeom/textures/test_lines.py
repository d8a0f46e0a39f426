"""Line textures: what they promise, their law, and what is measured on them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.stats import chisquare

from stochgeom import InfeasibleParametersError, LineTextureParameters, UserError, sample_texture
from stochgeom.textures.measure import (
    axial_difference,
    coherence,
    count_lines,
    measured_two_point,
    orientation_degrees,
)

from .cases import OTHERS

LINES = [name for name in OTHERS if name.startswith("lines")]


def across(texture) -> tuple[np.ndarray, np.ndarray]:
    """Places across the lines (n,) and thicknesses (n,), sorted by place."""
    angle = np.radians(texture.truth["orientation_degrees"])
    x, y = texture.elements["centres_nm"].T
    places = y * np.cos(angle) - x * np.sin(angle)
    order = np.argsort(places)
    return places[order], texture.elements["thicknesses_nm"][order]


def assert_as_promised(texture, parameters):
    n = texture.truth["count"]
    assert parameters.count[0] <= n <= parameters.count[1]
    assert n == len(texture.elements["centres_nm"])
    assert ndimage.label(texture.phase, np.ones((3, 3)))[1] == n
    lengths, thicknesses = texture.elements["lengths_nm"], texture.elements["thicknesses_nm"]
    for name, values in (("length_nm", lengths), ("thickness_nm", thicknesses)):
        low, high = getattr(parameters, name)
        assert low - 1e-9 <= values.min() <= values.max() <= high + 1e-9
    places, sizes = across(texture)
    gaps = np.diff(places) - (sizes[1:] + sizes[:-1]) / 2
    assert gaps.min(initial=np.inf) >= parameters.gap_nm - 1e-6
    angle = np.radians(texture.truth["orientation_degrees"])
    along = np.array([np.cos(angle), np.sin(angle)])
    normal = np.array([-along[1], along[0]])
    halves = np.array([(i, j) for i in (-0.5, 0.5) for j in (-0.5, 0.5)])
    sides = lengths[:, None, None] * along, thicknesses[:, None, None] * normal
    corners = texture.elements["centres_nm"][:, None] + halves[:, :1] * sides[0] + halves[:, 1:] * sides[1]
    assert np.all(np.abs(corners) <= np.array(parameters.size_nm) / 2 + 1e-6)
    # Every line is drawn: its area in pixels; of oblique ones to the rounding of their borders (of 5 pixels
    # at 45 degrees, 7 or 8 diagonals that are 0.71 apart).
    drawn = texture.phase.sum() * parameters.pixel_size_nm**2
    area = (lengths * thicknesses).sum()
    if angle % (np.pi / 2) < 1e-9:
        assert drawn == pytest.approx(area)
    else:
        assert drawn == pytest.approx(area, rel=0.16)


@pytest.mark.parametrize("name", LINES)
def test_lines_are_as_promised(name):
    rng = np.random.default_rng(2)
    for _ in range(150):
        assert_as_promised(sample_texture(OTHERS[name], rng), OTHERS[name])


@settings(max_examples=60)
@given(
    st.tuples(st.integers(60, 130), st.integers(60, 130)),
    st.integers(1, 3),
    st.floats(0, 179.9),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_lines_of_any_grid_and_angle(shape, count, angle, seed, pixel):
    parameters = LineTextureParameters(
        shape=shape,
        pixel_size_nm=pixel,
        count=(count, count),
        orientations=(angle,),
        length_nm=(20 * pixel, 40 * pixel),
        thickness_nm=(3 * pixel, 5 * pixel),
        gap_nm=4 * pixel,
    )
    assert_as_promised(sample_texture(parameters, np.random.default_rng(seed)), parameters)


def test_counts_orientations_and_sizes_follow_their_laws():
    """Uniform counts, orientations, lengths and thicknesses; a chi-squared test of each."""
    rng = np.random.default_rng(8)
    parameters = LineTextureParameters(orientations=("horizontal", "vertical", "diagonal"))
    textures = [sample_texture(parameters, rng) for _ in range(1500)]
    truth = {key: np.array([one.truth[key] for one in textures]) for key in ("count", "orientation_degrees")}
    assert chisquare(np.bincount(truth["count"].astype(int))[1:]).pvalue > 1e-3
    angles, found = np.unique(truth["orientation_degrees"], return_counts=True)
    assert angles.tolist() == [0, 45, 90, 135]
    assert chisquare(found, [500, 250, 500, 250]).pvalue > 1e-3
    thicknesses = np.concatenate([one.elements["thicknesses_nm"] for one in textures]).astype(int)
    assert chisquare(np.bincount(thicknesses)[5:]).pvalue > 1e-3
    lengths = np.concatenate([one.elements["lengths_nm"] for one in textures]).astype(int)
    assert chisquare(np.bincount((lengths - 112) // 14, minlength=8)).pvalue > 1e-3


def test_places_are_equally_likely():
    """Two lines of 3 in 20 rows, 4 apart: all 66 pairs of places across, and 6 x 6 along, are as likely."""
    parameters = LineTextureParameters(
        shape=(20, 20), count=(2, 2), orientations=("horizontal",), length_nm=(15, 15), thickness_nm=(3, 3),
        gap_nm=4,
    )  # fmt: skip
    rng = np.random.default_rng(3)
    pairs: dict[tuple, int] = {}
    along = np.zeros(6, int)
    for _ in range(6600):
        centres = sample_texture(parameters, rng).elements["centres_nm"]
        top, bottom = sorted(centres[:, 1] + 10 - 1.5)
        pairs[int(top), int(bottom)] = pairs.get((int(top), int(bottom)), 0) + 1
        np.add.at(along, (centres[:, 0] + 10 - 7.5).astype(int), 1)
    possible = [(a, b) for a in range(18) for b in range(a + 7, 18)]
    assert sorted(pairs) == possible
    assert chisquare(list(pairs.values())).pvalue > 1e-3
    assert chisquare(along).pvalue > 1e-3


def test_as_many_lines_as_there_is_room_for():
    """15 lines of 5 and 14 gaps of 10 take 215 of 224 pixels; 16 would take 230."""
    parameters = LineTextureParameters(count=(15, 15), thickness_nm=(5, 5), orientations=("vertical",))
    texture = sample_texture(parameters, np.random.default_rng(0))
    assert_as_promised(texture, parameters)
    with pytest.raises(InfeasibleParametersError, match="count = 16"):
        sample_texture(parameters.model_copy(update={"count": (16, 16)}), np.random.default_rng(0))
    # Possible, but only if nearly all lines have 5 pixels: given up, not tried for ever.
    hopeless = LineTextureParameters(count=(15, 15), thickness_nm=(5, 40))
    with pytest.raises(InfeasibleParametersError, match="200 draws"):
        sample_texture(hopeless, np.random.default_rng(0))


def test_mean_volume_fraction(rng):
    parameters = LineTextureParameters()
    found = np.array([sample_texture(parameters, rng).truth["volume_fraction"] for _ in range(1500)])
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - parameters.expected_volume_fraction) < 4 * error
    assert parameters.expected_volume_fraction == pytest.approx(2.5 * 167.5 * 7 / 224**2)


@pytest.mark.parametrize("name", ["lines", "lines-harder", "lines-diagonal", "lines-oblique"])
def test_measured_orientation_and_count_agree_with_the_truth(name):
    rng = np.random.default_rng(6)
    textures = [sample_texture(OTHERS[name], rng) for _ in range(400)]
    truth = np.array([(one.truth["orientation_degrees"], one.truth["count"]) for one in textures])
    found = np.array([(orientation_degrees(one.phase), count_lines(one.phase)) for one in textures])
    assert axial_difference(truth[:, 0], found[:, 0]).max() < 2
    assert np.mean(found[:, 1] == truth[:, 1]) >= 0.999


def spoiled(image: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    image = image.astype(float)
    if how == "noise":
        return 40 + 100 * image + 30 * rng.standard_normal(image.shape)
    if how == "specks":
        return np.where(rng.random(image.shape) < 0.05, 1 - image, image)
    if how == "blur":
        return ndimage.gaussian_filter(image, 2) + 0.1 * rng.standard_normal(image.shape)
    for row, column in rng.integers(0, 218, (12, 2)):
        image[row : row + 6, column : column + 6] = 0
    return image


@pytest.mark.parametrize("how", ["noise", "specks", "blur", "gaps"])
def test_measures_bear_spoiled_images(how):
    rng = np.random.default_rng(7)
    parameters = LineTextureParameters(count=(1, 7), orientations=("horizontal", "vertical", "diagonal"))
    right = 0
    for _ in range(100):
        texture = sample_texture(parameters, rng)
        image = spoiled(texture.phase, how, rng)
        assert axial_difference(orientation_degrees(image), texture.truth["orientation_degrees"]) < 5
        right += count_lines(image) == texture.truth["count"]
    assert right >= 97


def test_measures_of_images_without_lines(rng):
    assert count_lines(np.zeros((40, 50))) == 0
    assert count_lines(np.full((40, 50), 7.0)) == 0
    assert np.isnan(orientation_degrees(np.ones((40, 50))))
    assert np.isnan(coherence(np.ones((40, 50))))
    assert [count_lines(rng.standard_normal((224, 224))) for _ in range(20)] == [0] * 20
    assert coherence(rng.standard_normal((224, 224))) < 0.1
    for bad in (np.zeros(5), np.full((5, 5), np.nan), np.zeros((1, 9))):
        with pytest.raises(UserError, match="image"):
            count_lines(bad)
        with pytest.raises(UserError, match="image"):
            orientation_degrees(bad)


def test_orientation_of_a_wave():
    """Stripes of a sine wave at known angles, y downwards, to a tenth of a degree."""
    y, x = np.mgrid[:200, :200]
    for angle in (0, 10, 45, 80, 90, 120, 135, 179):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        wave = np.sin(0.3 * (y * c - x * s))
        assert axial_difference(orientation_degrees(wave), angle) < 0.2
        assert coherence(wave) > 0.99
    assert axial_difference(179, 1) == 2
    assert axial_difference([10, 100], [100, 10]).tolist() == [90, 90]


def test_measured_two_point_by_hand():
    """Of [[1, 1, 0], [0, 0, 1], [1, 1, 0]]: the golden autocorrelation, periodic; pairs counted else."""
    from stochgeom.textures import Texture

    phase = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0]], np.uint8)
    x, y = np.meshgrid([-1, 0, 1], [-1, 0, 1])
    torus = Texture(phase, 1.0, "by hand", True, {})
    golden = [[3, 2, 3], [2, 5, 2], [3, 2, 3]]
    assert (9 * measured_two_point(torus, x, y)).round(9).tolist() == golden
    window = Texture(phase, 1.0, "by hand", False, {})
    assert measured_two_point(window, 1, 0) == pytest.approx(2 / 6)
    assert measured_two_point(window, 0, 2) == pytest.approx(2 / 3)
    assert measured_two_point(window, 1, 1) == pytest.approx(1 / 4)
    assert measured_two_point(window, 1, -1) == measured_two_point(window, -1, 1) == pytest.approx(1 / 4)
    with pytest.raises(UserError, match="inside"):
        measured_two_point(window, 3, 0)
    with pytest.raises(UserError, match="whole"):
        measured_two_point(window, 0.5, 0)
    with pytest.raises(UserError, match="uint8"):
        Texture(phase.astype(float), 1.0, "by hand", True, {})


def test_pairwise_order_is_that_of_drawing(rng):
    """Lines come from one side to the other in the order of their record."""
    texture = sample_texture(OTHERS["lines-harder"], rng)
    places = texture.elements["centres_nm"] @ (
        [0, 1] if texture.truth["orientation_degrees"] == 0 else [-1, 0]
    )
    assert all(b > a for a, b in pairwise(places))
