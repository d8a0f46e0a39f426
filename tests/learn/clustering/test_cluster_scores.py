"""Scores of clusters against truth: known walls, known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.clustering.scan import best_row, scan
from learn.clustering.scores import _near, adjusted_rand, score_labels, wall_scores
from learn.clustering.settings import clustering_settings
from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_truth import patch_truth, wall_distances
from learn.micrographs.windows import cut_patches, grid_centres
from simulate.corpus.scene_truth import SceneTruth
from stochgeom.errors import UserError


def halves(at_nm=0.0, shape=(100, 100)):
    """Patches on a grid 0.2 nm apart in a field of 2 nm with one upright wall."""
    x = (np.arange(shape[1]) - (shape[1] - 1) / 2) * 0.02
    phase = np.broadcast_to((x > at_nm).astype(np.uint8), shape)
    truth = SceneTruth(
        phase, phase, np.empty((0, 10)), np.array([[at_nm, -1.0, at_nm, 1, 0]]), (), ("a", "b"), ("a", "b")
    )
    image = Micrograph(np.random.default_rng(0).random(shape), 0.02, truth=truth)
    return cut_patches(image, grid_centres(shape, 10), 10)


def test_true_labels_score_full():
    patches = halves()
    found = wall_scores(patch_truth(patches).phase, patches, tolerance_nm=0.05)
    assert (found.precision, found.recall, found.f1) == pytest.approx((1, 1, 1))
    assert found.found_length_nm == pytest.approx(2)
    assert found.true_length_nm == pytest.approx(2)


def test_walls_elsewhere_cost_precision_and_missing_ones_recall():
    patches = halves()
    y, x = patches.centres_px.T
    third = wall_scores((x > 50) * 1 + (x > 80), patches, tolerance_nm=0.1)
    assert (third.precision, third.recall) == pytest.approx((0.5, 1))
    half = wall_scores((x > 50) & (y > 50), patches, tolerance_nm=0.05)
    # One nm of wall is right, one runs across; of either, the corner's neighbourhood counts.
    assert (half.precision, half.recall) == pytest.approx((0.525, 0.525), abs=0.03)
    none = wall_scores(np.zeros(100), patches)
    assert (none.recall, none.f1, none.found_length_nm) == (0, 0, 0)
    assert np.isnan(none.precision)


@given(st.floats(0.01, 0.6), st.floats(0.02, 0.5))
@settings(max_examples=25, deadline=None)
def test_a_wall_counts_if_it_is_within_the_tolerance(off, tolerance):
    patches = halves(at_nm=off)
    found = wall_scores(patches.centres_px[:, 1] > 50, patches, tolerance_nm=tolerance)
    if abs(off - tolerance) > 1e-6:
        assert found.f1 == pytest.approx(float(off < tolerance))


def test_other_walls_can_be_asked_for_and_a_scene_without_any_scores_nan():
    patches = halves()
    labels = patch_truth(patches).phase
    assert wall_scores(labels, patches, kinds=("phase boundary",)).f1 == pytest.approx(1)
    assert np.isnan(wall_scores(labels, patches, kinds=("domain wall",)).f1)
    with pytest.raises(UserError, match="phase boundary"):
        wall_scores(labels, patches, kinds=("fence",))


def test_true_walls_count_only_where_patches_lie():
    patches = halves()
    upper = patches.part(patches.centres_px[:, 0] < 50)
    found = wall_scores(patch_truth(upper).phase, upper)
    assert found.true_length_nm == pytest.approx(1)
    assert found.f1 == pytest.approx(1)


def test_adjusted_rand_by_hand():
    assert adjusted_rand([0, 0, 1, 1], [1, 1, 0, 0]) == 1
    # Pairs: 1 agrees of 2 and 2; expected 2 * 2 / 6: (0 - 2/3) / (2 - 2/3).
    assert adjusted_rand([0, 1, 0, 1], [0, 0, 1, 1]) == pytest.approx(-0.5)
    assert adjusted_rand([0, 1, 0, 1, 7], [0, 1, 0, 1, 255]) == 1
    assert np.isnan(adjusted_rand([0, 1, 2], [4, 4, 4]))
    with pytest.raises(UserError, match="as many"):
        adjusted_rand([0, 1], [0, 1, 2])


def test_random_labels_agree_with_nothing():
    rng = np.random.default_rng(0)
    found = [adjusted_rand(rng.integers(0, 4, 500), rng.integers(0, 3, 500)) for _ in range(40)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(40)


def test_the_truth_of_a_drawn_film_scores_full_on_its_own_cells():
    micrograph = draw_micrograph("film", 256, seed=1)
    patches = cut_patches(micrograph, grid_centres(micrograph.shape, 10), 10)
    truth = patch_truth(patches)
    scores = score_labels(truth.region, patches, 0.2)
    assert scores["ari_region"] == scores["ari_domain"] == 1
    assert scores["wall_f1"] > 0.99
    assert 1 < scores["wall_found_length_nm"] / scores["wall_true_length_nm"] < np.sqrt(2)


def test_without_truth_walls_cannot_be_scored():
    image = Micrograph(np.random.default_rng(0).random((40, 40)), 0.02)
    patches = cut_patches(image, grid_centres((40, 40), 8), 8)
    with pytest.raises(UserError, match="no micrograph has a truth"):
        wall_scores(np.zeros(len(patches)), patches)


def test_a_scan_finds_the_number_of_kinds(composite_patches):
    options = clustering_settings(descriptor="pca", components=3)
    rows = scan(
        composite_patches, options, clusters=(1, 2, 3), covariances=("full", "tied"), windows_px=(8, 16)
    )
    assert len(rows) == 12
    assert {row.settings.window_px for row in rows} == {8, 16}
    whole = [row for row in rows if row.settings.window_px == 16]
    assert best_row(whole).settings.clusters == 3
    assert best_row(whole).scores["ari_kind"] > 0.85
    with pytest.raises(UserError, match="1 to 16"):
        scan(composite_patches, options, windows_px=(20,))


def test_points_near_lines_are_those_whose_distance_is_small():
    rng = np.random.default_rng(5)
    points, start = rng.uniform(0, 10, (400, 2)), rng.uniform(0, 10, (30, 2))
    lines = np.concatenate([start, start + rng.normal(0, [[3.0], [0.01], [0.0]] * 10, (30, 2))], axis=1)
    for reach in (0.05, 0.4, 20.0):
        near = wall_distances(points, lines).min(axis=1) <= reach
        np.testing.assert_array_equal(_near(points, lines, reach), near)
    assert not _near(points, lines[:0], 1.0).any()
