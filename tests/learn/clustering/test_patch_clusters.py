"""Mixtures on patches: they find what differs, and say what they cannot."""

from __future__ import annotations

import numpy as np
import pytest

from learn.clustering import ClusteringSettings, cluster, clustering_settings
from learn.clustering.descriptors import describe_patches, middle_windows
from learn.clustering.scores import adjusted_rand
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.patch_truth import patch_truth
from learn.micrographs.windows import cut_patches, grid_centres
from stochgeom.errors import UserError


@pytest.mark.parametrize(
    "options",
    [
        {"descriptor": "raw", "covariance": "tied"},
        {"descriptor": "pca", "components": 4},
        {"descriptor": "nmf", "components": 4},
    ],
)
def test_phases_are_told_apart(composite_patches, options):
    found = cluster(composite_patches, clustering_settings(clusters=3, **options))
    assert adjusted_rand(found.labels, patch_truth(composite_patches).kind) > 0.85
    n = len(composite_patches)
    assert found.labels.shape == (n,)
    assert found.probabilities.shape == (n, 3)
    assert found.probabilities.sum(axis=1) == pytest.approx(1)
    assert (found.labels == found.probabilities.argmax(axis=1)).all()
    assert found.means.shape == (3, 1, 16, 16)
    sizes = np.bincount(found.labels, minlength=3)
    assert (np.diff(sizes) <= 0).all()
    assert found.weights == pytest.approx(sizes / n, abs=0.05)
    assert found.icl >= found.bic


def test_means_are_those_of_the_patches(composite_patches):
    found = cluster(composite_patches, clustering_settings(clusters=2, descriptor="pca", components=3))
    sure = found.probabilities.max(axis=1) > 1 - 1e-9
    assert sure.mean() > 0.95
    for k in range(2):
        mean = composite_patches.patches[found.labels == k].mean(axis=0)
        assert found.means[k] == pytest.approx(mean, abs=0.02)


def test_the_same_seed_gives_the_same_clusters(composite_patches):
    options = clustering_settings(clusters=3, descriptor="pca", components=3, seed=5)
    once, again = (cluster(composite_patches, options) for _ in range(2))
    assert (once.labels == again.labels).all()
    assert once.bic == again.bic


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_the_likelihood_is_that_of_the_densities_drawn_from(covariance):
    """One component of known normals: the likelihood is the normal density's, to a share of the scatter."""
    rng = np.random.default_rng(2)
    patches = rng.normal(2, 3, (4000, 1, 2, 2)).astype(np.float32)
    image = Micrograph(np.zeros((4, 4)), 0.02)
    drawn = PatchSet(patches, rng.uniform(0, 3, (4000, 2)), np.zeros(4000, np.int64), (image,))
    found = cluster(drawn, clustering_settings(clusters=1, covariance=covariance))
    expected = -0.5 * patches.size * (np.log(2 * np.pi * 9) + 1)
    # 2 ln L strays by the chi-squared of at most 14 parameters and by sqrt(2 N) of the samples' own variance.
    assert found.log_likelihood == pytest.approx(expected, abs=5 * np.sqrt(patches.size / 2) + 14)
    assert found.entropy == 0


def test_too_few_patches_for_the_parameters_are_remarked(composite_patches):
    found = cluster(composite_patches.part(slice(0, 40)), clustering_settings(clusters=2))
    assert any("too few patches" in remark for remark in found.remarks)
    enough = cluster(composite_patches, clustering_settings(clusters=2, descriptor="pca", components=2))
    assert enough.remarks == ()


def test_components_explain_the_patches(composite_patches):
    full = describe_patches(composite_patches, clustering_settings(descriptor="pca", components=200))
    assert full.explained.sum() == pytest.approx(1, abs=0.02)
    assert full.components.shape == (200, 1, 16, 16)
    nmf = describe_patches(composite_patches, clustering_settings(descriptor="nmf", components=3))
    assert nmf.values.min() >= 0
    assert nmf.components.min() >= 0


def test_middle_windows(composite_patches):
    middle = middle_windows(composite_patches, 6)
    assert (middle == composite_patches.patches[:, :, 5:11, 5:11]).all()
    whole = cluster(composite_patches, clustering_settings(window_px=6, descriptor="pca", components=3))
    assert whole.means.shape == (5, 1, 6, 6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clusters": 0}, "clusters = 0"),
        ({"covariance": "round"}, "full"),
        ({"descriptor": "fft"}, "raw"),
        ({"regularisation": 0}, "regularisation"),
        ({"clusterz": 3}, "clusterz"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(options, words):
    with pytest.raises(UserError, match=words) as error:
        clustering_settings(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clusters": 1000}, "fewer than patches"),
        ({"window_px": 17}, "1 to 16"),
        ({"descriptor": "pca", "components": 300}, "1 to 247"),
        ({"descriptor": "nmf", "components": 300}, "1 to 247"),
    ],
)
def test_what_the_patches_do_not_allow_is_refused(composite_patches, options, words):
    with pytest.raises(UserError, match=words):
        cluster(composite_patches, clustering_settings(**options))


def test_one_patch_and_patches_that_are_alike_are_refused(composite_patches):
    with pytest.raises(UserError, match="1 patch;"):
        cluster(composite_patches.part([0]), ClusteringSettings(clusters=1))
    flat = Micrograph(np.full((40, 40), 3.0), 0.02)
    with pytest.raises(UserError, match="alike"):
        cluster(cut_patches(flat, grid_centres(flat.shape, 8), 8), ClusteringSettings(clusters=2))


def test_covariances_larger_than_memory_are_refused():
    wide = np.random.default_rng(0).normal(size=(12, 1, 300, 300)).astype(np.float32)
    image = Micrograph(np.zeros((4, 4)), 0.02)
    patches = PatchSet(wide, np.random.default_rng(1).random((12, 2)), np.zeros(12, np.int64), (image,))
    with pytest.raises(UserError, match="GB"):
        cluster(patches, ClusteringSettings(clusters=2))
