"""Windows show what lies about their centres, and keep account of those that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from learn.micrographs.micrograph import Micrograph
from learn.micrographs.windows import cut_patches, grid_centres
from stochgeom.errors import UserError


def noise(shape, seed=0, pixel=0.02):
    return Micrograph(np.random.default_rng(seed).normal(3, 1, shape), pixel, f"noise {seed}")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 15), st.integers(1, 15))
@settings(max_examples=100, deadline=None)
def test_windows_of_a_grid_are_the_pixels_themselves_and_all_fit(ny, nx, step, h, w):
    centres = grid_centres((ny, nx), step, (h, w))
    if h > ny or w > nx:
        assert centres.shape == (0, 2)
        return
    assert len(centres) == ((ny - h) // step + 1) * ((nx - w) // step + 1)
    image = noise((2, ny, nx))
    found = cut_patches(image, centres, (h, w), interpolate=False)
    assert found.dropped == 0
    assert found.centres_px == pytest.approx(centres)
    start = (centres - (np.array([h, w]) - 1) / 2).astype(int)
    for patch, (y, x) in zip(found.patches, start, strict=True):
        assert (patch == image.image[:, y : y + h, x : x + w]).all()


@pytest.mark.parametrize("window", [(9, 12), (8, 8), (1, 1), (11, 7)])
def test_between_pixels_windows_are_what_scipy_reads_there(window):
    image = noise((2, 40, 50))
    centres = np.random.default_rng(1).uniform((6.2, 6.2), (32, 43), (20, 2))
    found = cut_patches(image, centres, window)
    assert found.centres_px == pytest.approx(centres)
    y = centres[:, 0, None, None] + (np.arange(window[0]) - (window[0] - 1) / 2)[:, None]
    x = centres[:, 1, None, None] + np.arange(window[1]) - (window[1] - 1) / 2
    y, x = np.broadcast_arrays(y, x)
    for channel in range(2):
        read = ndimage.map_coordinates(image.image[channel].astype(float), [y, x], order=3, mode="mirror")
        assert found.patches[:, channel] == pytest.approx(read, abs=2e-4)


def test_interpolated_windows_at_whole_pixels_are_the_pixels():
    image = noise((30, 30))
    centres = grid_centres(image.shape, 4, 7)
    exact = cut_patches(image, centres, 7, interpolate=False)
    assert cut_patches(image, centres, 7).patches == pytest.approx(exact.patches, abs=1e-4)


def test_whole_pixel_windows_say_where_their_middles_are():
    found = cut_patches(noise((30, 30)), [[10.3, 11.8], [14.6, 9.4]], 6, interpolate=False)
    assert found.centres_px.tolist() == [[10.5, 11.5], [14.5, 9.5]]


def test_windows_that_leave_the_image_are_dropped_and_counted():
    centres = np.array([[0.0, 0.0], [10.0, 10.0], [28.0, 15.0], [4.0, 4.0]])
    found = cut_patches(noise((30, 30)), centres, 9)
    assert found.centres_px.tolist() == [[10, 10], [4, 4]]
    assert found.dropped == 2
    assert found.part([0]).dropped == 2


def test_windows_of_several_images_keep_their_source():
    images = [noise((30, 30)), noise((20, 40), 1), noise((25, 25), 2)]
    found = cut_patches(images, [np.array([[9, 9]]), np.empty((0, 2)), np.array([[8, 8], [12, 13]])], 5)
    assert found.source.tolist() == [0, 2, 2]
    assert found.patches[1, 0] == pytest.approx(images[2].image[0, 6:11, 6:11], abs=1e-4)


def test_normalised_patches():
    image = noise((2, 40, 40))
    image.image[1, :20, :20] = 4.0
    centres = grid_centres(image.shape, 10, 10)
    each = cut_patches(image, centres, 10, "patch").patches
    assert (each[0, 1] == 0).all()
    rest = each[(each != 0).any(axis=(2, 3))]
    assert rest.mean(axis=(1, 2)) == pytest.approx(0, abs=1e-5)
    assert rest.std(axis=(1, 2)) == pytest.approx(1, abs=1e-5)
    whole = cut_patches(image, centres, 10, "image").patches
    assert whole.mean(axis=(0, 2, 3)) == pytest.approx([0, 0], abs=1e-5)
    assert whole.std(axis=(0, 2, 3)) == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.parametrize("normalise", ["none", "patch", "image"])
@pytest.mark.parametrize("level", [0.0, 7.0, 1e30])
def test_a_constant_image_gives_finite_patches(normalise, level):
    image = Micrograph(np.full((20, 20), level), 0.02)
    patches = cut_patches(image, [[8.3, 9.1]], 5, normalise).patches
    assert patches == pytest.approx(level if normalise == "none" else 0, rel=1e-5)


def test_one_patch_of_the_whole_image():
    image = noise((7, 9))
    assert cut_patches(image, [[3, 4]], (7, 9)).patches[0] == pytest.approx(image.image, abs=1e-4)


@pytest.mark.parametrize(
    ("centres", "window", "words"),
    [
        ([[10, 10]], 41, "within its image"),
        (np.empty((0, 2)), 5, "no atomic column was found"),
        (np.empty((0, 2)), 41, "within its image"),
        ([[10, np.nan]], 5, "finite"),
        ([[10, 10]], 0, "from 1 on"),
        ([[10, 10]], (5, 2.5), "whole numbers"),
    ],
)
def test_what_gives_no_patch_is_refused_in_one_line(centres, window, words):
    with pytest.raises(UserError, match=words) as error:
        cut_patches(noise((30, 30)), centres, window)
    assert "\n" not in str(error.value)


def test_images_that_do_not_go_together_are_refused():
    at = np.array([[9, 9]])
    with pytest.raises(UserError, match="channels"):
        cut_patches([noise((20, 20)), noise((2, 20, 20))], [at, at], 5)
    with pytest.raises(UserError, match="pixel size"):
        cut_patches([noise((20, 20)), noise((20, 20), pixel=0.03)], [at, at], 5)
    with pytest.raises(UserError, match="one for each"):
        cut_patches([noise((20, 20)), noise((20, 20))], [at], 5)
