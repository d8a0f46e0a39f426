"""Scores of found columns."""

from __future__ import annotations

import numpy as np
import pytest

from learn.micrographs.column_scores import column_scores
from learn.micrographs.columns import find_columns
from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.micrograph import Micrograph
from stochgeom.errors import UserError


@pytest.fixture(scope="module")
def film():
    return draw_micrograph("film", 200, seed=1)


def test_the_truth_scores_full(film):
    found = column_scores(film.pixels_of(film.truth.positions_nm), film)
    assert (found.precision, found.recall, found.rms_error_pm) == (1, 1, 0)
    assert found.true < len(film.truth.columns)


def test_moved_missing_and_added_columns_count(film):
    true = film.pixels_of(film.truth.positions_nm)
    inside = true[((true > 20) & (true < 180)).all(axis=1)]
    moved = inside[5:] + np.array([0.3, 0.4])
    found = column_scores(np.vstack([moved, [[100.0, 100.0]], [[3.0, 100.0]]]), film, margin_nm=0.41)
    assert found.matched == len(inside) - 5
    assert found.found == found.matched + 1
    assert found.rms_error_pm == pytest.approx(10)
    assert found.median_error_pm == pytest.approx(10)


def test_one_kind(film):
    found = find_columns(film, brightest_within_nm=0.33)
    scores = column_scores(found, film, kinds=("Bi", "Sr"))
    assert scores.precision > 0.97
    assert scores.recall == 1
    assert column_scores(found, film).recall < 0.6


def test_nothing_found_or_true(film):
    assert np.isnan(column_scores(np.empty((0, 2)), film).precision)
    assert column_scores(np.empty((0, 2)), film).recall == 0
    with pytest.raises(UserError, match="no truth"):
        column_scores(np.empty((0, 2)), Micrograph(film.image, 0.02))
    with pytest.raises(UserError, match="accepted"):
        column_scores(np.empty((0, 2)), film, kinds=("Au",))
