"""What is true of a patch is what is true where its middle is."""

from __future__ import annotations

import numpy as np
import pytest

from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_truth import patch_truth, wall_distances
from learn.micrographs.windows import cut_patches, grid_centres
from simulate.corpus.scene_truth import NO_REGION


def test_patches_about_true_columns_have_the_columns_truth():
    micrograph = draw_micrograph("film", 256, seed=1)
    table = micrograph.truth.columns
    far = wall_distances(table[:, :2], micrograph.truth.walls).min(axis=1) > 0.05
    patches = cut_patches(micrograph, micrograph.pixels_of(table[:, :2]), 9)
    rows = [
        int(np.argmin(np.abs(micrograph.pixels_of(table[:, :2]) - centre).sum(axis=1)))
        for centre in patches.centres_px
    ]
    found, true = patch_truth(patches), table[rows]
    sure = far[rows]
    assert sure.sum() > 100
    assert (found.kind == true[:, 2]).all()
    assert (found.phase == true[:, 3])[sure].all()
    assert (found.domain == true[:, 4])[sure].all()
    assert found.rotation_degrees[sure] == pytest.approx(true[sure, 5])
    assert found.polarization_pm[sure] == pytest.approx(true[sure, 6:8], nan_ok=True)
    assert found.tilt_mrad[sure] == pytest.approx(true[sure, 8:10])
    assert found.wall_distance_nm == pytest.approx(
        wall_distances(true[:, :2], micrograph.truth.walls).min(axis=1), abs=1e-6
    )


def test_a_patch_near_a_wall_takes_the_truth_of_its_own_side():
    micrograph = draw_micrograph("graphene", 256, seed=2)
    patches = cut_patches(micrograph, grid_centres(micrograph.shape, 3, 5), 5)
    found = patch_truth(patches)
    turn = {row[4]: row[5] for row in micrograph.truth.columns}
    assert found.rotation_degrees == pytest.approx([turn[domain] for domain in found.domain])
    assert np.unique(found.region).size == 3
    assert (found.kind == NO_REGION).any()


def test_without_truth_nothing_is_true():
    micrograph = draw_micrograph("film", 100)
    plain = Micrograph(micrograph.image, micrograph.pixel_size_nm)
    found = patch_truth(cut_patches([plain, micrograph], [[[50, 50]], [[50, 50]]], 9))
    assert found.phase.tolist() == [NO_REGION, 0]
    assert found.region.tolist()[0] == -1
    assert np.isnan(found.wall_distance_nm[0])
    assert np.isfinite(found.wall_distance_nm[1])
    assert np.isnan(found.polarization_pm[0]).all()


def test_distances_from_a_piece_and_beyond_its_ends():
    walls = np.array([[0.0, 0, 2, 0, 1], [5, 5, 5, 5, 0]])
    found = wall_distances(np.array([[1.0, 3], [-3, 4], [5, 6]]), walls)
    assert found == pytest.approx(np.array([[3, np.sqrt(20)], [5, np.sqrt(65)], [np.sqrt(45), 1]]))
