"""Atomic columns are found where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from learn.micrographs.columns import find_columns
from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.micrograph import Micrograph
from stochgeom.errors import UserError


def spots(shape, at, width=2.0, height=1.0):
    y, x = np.indices(shape)
    squared = ((np.stack([y, x], -1)[..., None, :] - np.asarray(at)) ** 2).sum(-1)
    return 0.1 + (height * np.exp(-squared / (2 * width**2))).sum(-1)


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(1.5, 3.0), st.floats(0.2, 50))
@settings(max_examples=40, deadline=None)
def test_one_spot_is_found_to_a_hundredth_of_a_pixel_wherever_it_lies(dy, dx, width, height):
    at = [[20 + dy, 22 + dx]]
    found = find_columns(Micrograph(spots((41, 45), at, width, height), 0.02))
    assert found == pytest.approx(np.array(at), abs=0.01)


@pytest.mark.parametrize(("kind", "tolerance_px"), [("film", 0.01), ("graphene", 0.2), ("composite", 0.05)])
def test_all_columns_of_a_drawn_micrograph_are_found(kind, tolerance_px):
    micrograph = draw_micrograph(kind, 256, seed=1, noise=None)
    true = micrograph.pixels_of(micrograph.truth.positions_nm)
    found = find_columns(micrograph)
    distance, _ = cKDTree(true).query(found)
    assert (distance < 1.5).mean() > 0.99
    assert np.sqrt((distance[distance < 1.5] ** 2).mean()) < tolerance_px
    inside = true[((true > 3) & (true < 252)).all(axis=1)]
    assert (cKDTree(found).query(inside)[0] < 1.5).mean() > 0.985


def test_noise_blurs_positions_as_counting_must():
    micrograph = draw_micrograph("film", 256, seed=1, noise=400)
    true = micrograph.pixels_of(micrograph.truth.positions_nm)
    distance, _ = cKDTree(true).query(find_columns(micrograph))
    # The dimmest columns count 400 * 0.35 * 2 pi * 2.25**2 electrons, each 2.25 px off along either axis: no
    # estimate does better than 0.048 px rms. Two and a half times that is allowed.
    assert np.sqrt((distance**2).mean()) < 0.12


def test_one_sublattice_on_request():
    micrograph = draw_micrograph("film", 256, seed=1)
    found = find_columns(micrograph, brightest_within_nm=0.33)
    kind = micrograph.truth.column("kind")
    distance, nearest = cKDTree(micrograph.pixels_of(micrograph.truth.positions_nm)).query(found)
    assert set(kind[nearest[distance < 1]]) == {0, 2}
    assert len(found) == pytest.approx(np.isin(kind, (0, 2)).sum(), abs=6)


def test_columns_keep_their_distance():
    found = find_columns(draw_micrograph("graphene", 200, seed=2, noise=30), separation_nm=0.2)
    assert cKDTree(found).query(found, k=2)[0][:, 1].min() * 0.02 >= 0.2 * (1 - 1e-6)


@pytest.mark.parametrize("image", [np.zeros((32, 32)), np.full((32, 32), 7.5), np.ones((1, 1))])
def test_a_constant_image_has_no_columns(image):
    assert find_columns(Micrograph(image, 0.02)).shape == (0, 2)


def test_gain_and_offset_change_nothing():
    micrograph = draw_micrograph("composite", 160, seed=0)
    other = Micrograph(2500 * micrograph.image + 300, micrograph.pixel_size_nm)
    assert find_columns(other) == pytest.approx(find_columns(micrograph), abs=1e-2)


@pytest.mark.parametrize(
    "options",
    [{"separation_nm": 0}, {"column_width_nm": -1}, {"threshold": 1}, {"channel": 1}, {"threshold": np.nan}],
)
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(UserError):
        find_columns(draw_micrograph("film", 80), **options)


@pytest.mark.parametrize("pixel_size_nm", [2.0, 0.0002])
def test_a_pixel_size_in_another_unit_is_refused(pixel_size_nm):
    with pytest.raises(UserError, match="cannot show columns"):
        find_columns(Micrograph(draw_micrograph("film", 80).image, pixel_size_nm))
