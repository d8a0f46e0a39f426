"""Baselines in statistics space against plain computations of the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.texture_analysis.baselines import AllWhite, ClassMeans, NearestTexture, PrincipalComponents
from learn.texture_analysis.curves import CurveErrors
from learn.texture_analysis.evaluation import evaluate, reading_at
from learn.texture_analysis.nearest import nearest_textures
from learn.texture_analysis.scores import RAW, Bootstrap
from learn.texture_analysis.statistics_vectors import VectorBlocks, statistics_vectors, two_point_maps
from learn.texture_analysis.texture_set import (
    TextureSet,
    draw_textures,
    orientation_classes,
    textures_of_arrays,
)
from stochgeom.errors import UserError
from stochgeom.spatial_statistics import autocorrelation, directional_cut, radial_mean, statistics_distance
from stochgeom.textures import BooleanDiscParameters, LineTextureParameters

SMALL = LineTextureParameters(shape=(48, 48), length_nm=(24, 47), thickness_nm=(4, 6), gap_nm=8, count=(1, 2))


@pytest.fixture(scope="module")
def train() -> TextureSet:
    return draw_textures(SMALL, 300, seed=1)


@pytest.fixture(scope="module")
def held_out() -> TextureSet:
    return draw_textures(SMALL, 40, seed=2)


def maps_of(textures: TextureSet) -> np.ndarray:
    return autocorrelation(textures.pictures().astype(np.float64))


def predicted(method, textures: TextureSet) -> np.ndarray:
    """f of every prediction, (n, ny, nx)."""
    vectors = np.concatenate([one.vectors for _, one in method.blocks(textures)])
    return two_point_maps(vectors, textures.shape)


@settings(max_examples=30, deadline=None)
@given(ny=st.integers(2, 13), nx=st.integers(2, 13), seed=st.integers(0, 99))
def test_vectors_have_the_distances_of_the_two_point_functions(ny, nx, seed):
    images = np.random.default_rng(seed).random((3, ny, nx)).astype(np.float32)
    vectors = statistics_vectors(images)
    assert vectors.shape == (3, ny * (nx // 2 + 1))
    for i, j in ((0, 1), (1, 2)):
        square = float(((vectors[i] - vectors[j]) ** 2).sum())
        assert square == pytest.approx(float(statistics_distance(images[i], images[j])), rel=1e-3, abs=1e-9)
    assert two_point_maps(vectors, (ny, nx)) == pytest.approx(autocorrelation(images), abs=1e-6)


def test_vectors_do_not_depend_on_whether_they_are_kept(train):
    kept, made = VectorBlocks(train), VectorBlocks(train, cache_bytes=0)
    first = [vectors.copy() for _, vectors in kept]
    for again in (kept, made):
        assert all(np.array_equal(a, b) for a, (_, b) in zip(first, again, strict=True))
    assert kept.mean() == pytest.approx(np.concatenate(first).mean(axis=0, dtype=np.float64), abs=1e-9)


def test_white_predicts_nothing(held_out):
    assert np.all(predicted(AllWhite(), held_out) == 0)


def test_class_means_are_the_means_of_f(train, held_out):
    maps = maps_of(train)
    found = predicted(ClassMeans(VectorBlocks(train)), held_out)
    for k in range(len(held_out)):
        same = (train.orientation_degrees == held_out.orientation_degrees[k]) & (
            train.count == held_out.count[k]
        )
        assert found[k] == pytest.approx(maps[same].mean(axis=0), abs=1e-7)


def test_a_class_without_training_images_takes_the_mean_of_all(train, held_out):
    one = held_out.part(slice(0, 1))
    strange = TextureSet(one.images, one.volume_fraction, one.orientation_degrees, np.array([9.0]))
    found = predicted(ClassMeans(VectorBlocks(train)), strange)
    assert found[0] == pytest.approx(maps_of(train).mean(axis=0), abs=1e-7)


def test_without_any_class_the_class_mean_is_the_mean():
    discs = draw_textures(BooleanDiscParameters(shape=(32, 32)), 60, seed=3)
    assert np.all(np.isnan(discs.count))
    found = predicted(ClassMeans(VectorBlocks(discs)), discs.part(slice(0, 3)))
    assert found == pytest.approx(np.repeat(maps_of(discs).mean(axis=0)[None], 3, axis=0), abs=1e-6)


@pytest.mark.parametrize("components", [1, 4])
def test_principal_components_are_the_exact_ones(train, held_out, components):
    method = PrincipalComponents(VectorBlocks(train, cache_bytes=0), components, seed=5, passes=12)
    flat = maps_of(train).reshape(len(train), -1)
    mean = flat.mean(axis=0)
    _, values, axes = np.linalg.svd(flat - mean, full_matrices=False)
    sought = maps_of(held_out).reshape(len(held_out), -1) - mean
    exact = sought @ axes[:components].T @ axes[:components] + mean
    found = predicted(method, held_out).reshape(len(held_out), -1)
    assert np.sqrt(np.mean((found - exact) ** 2)) < 2e-3 * np.sqrt(np.mean(sought**2))
    share = (values[:components] ** 2).sum() / (values**2).sum()
    assert method.explained_share == pytest.approx(share, rel=1e-3)


def test_as_many_components_as_images_reproduce_them(train):
    few = train.part(slice(0, 8))
    found = predicted(PrincipalComponents(VectorBlocks(few), 7), few)
    assert found == pytest.approx(maps_of(few), abs=1e-6)
    with pytest.raises(UserError, match="1 to 7"):
        PrincipalComponents(VectorBlocks(few), 8)


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
def test_the_nearest_are_those_of_a_plain_search(train, held_out, cache_bytes):
    index, distance = nearest_textures(VectorBlocks(train, cache_bytes), held_out, k=3)
    everything = train.pictures()
    for k, image in enumerate(held_out.pictures()):
        plain = statistics_distance(everything, image[None])
        order = np.sort(plain)[:3]
        assert distance[k] == pytest.approx(order, rel=1e-4, abs=1e-10)
        assert plain[index[k]] == pytest.approx(order, rel=1e-4, abs=1e-10)


def test_the_nearest_of_moved_training_images_are_themselves(train):
    moved = textures_of_arrays(np.roll(train.pictures(slice(0, 20)), (7, -5), axis=(1, 2)))
    index, distance = nearest_textures(VectorBlocks(train), moved)
    apart = statistics_distance(train.pictures(index[:, 0]), train.pictures(slice(0, 20)))
    assert np.all(distance < 1e-10)
    assert np.all(apart < 1e-10)  # another training image may have the very same f


def test_scores_of_baselines(train, held_out):
    vectors, targets = VectorBlocks(train), VectorBlocks(held_out)
    classes = orientation_classes(train.orientation_degrees)
    bootstrap = Bootstrap(len(held_out), rounds=50)
    results = {
        kind: evaluate(method, kind, targets, classes, 0.5, bootstrap)
        for kind, method in (
            ("images", NearestTexture(vectors)),
            ("statistics", PrincipalComponents(vectors, 5)),
        )
    }
    nearest, linear = results["images"], results["statistics"]
    assert set(nearest.scores) == {RAW, reading_at(0.5)}
    assert np.array_equal(nearest.scores[RAW].f_mse, nearest.scores["at 0.5"].f_mse)
    _, distance = nearest_textures(vectors, held_out)
    assert nearest.column("f_mse", 0.5) == pytest.approx(distance[:, 0], rel=1e-3, abs=1e-10)
    assert nearest.figures[RAW]["orientation_kept"].value == 1
    assert set(linear.scores) == {RAW}
    assert np.isnan(linear.figures[RAW]["count_kept"].value)
    error = predicted(PrincipalComponents(vectors, 5), held_out) - maps_of(held_out)
    assert linear.column("f_mse", 0.5) == pytest.approx((error**2).mean(axis=(1, 2)), rel=1e-2)


def test_images_of_another_size_are_refused(train):
    other = draw_textures(BooleanDiscParameters(shape=(32, 32)), 3, seed=3)
    with pytest.raises(UserError, match=r"48 x 48 .* 32 x 32"):
        list(NearestTexture(VectorBlocks(train)).blocks(other))


def test_curves_are_those_of_each_image(held_out):
    true = autocorrelation(held_out.pictures())
    wrong = true * 1.1 + 0.01
    errors = CurveErrors(held_out.shape)
    for rows in (slice(0, 15), slice(15, None)):
        errors.add(wrong[rows], true[rows], held_out.orientation_degrees[rows])
    curves = errors.curves()
    distance, radial = radial_mean(true, largest_nm=23)
    assert curves["radial"].distance == pytest.approx(np.arange(24))
    at = np.stack([np.interp(np.arange(24), distance, one) for one in radial])
    assert curves["radial"].mean_error == pytest.approx((0.1 * at + 0.01).mean(axis=0), rel=1e-4)
    assert curves["radial"].rms_error == pytest.approx(
        np.sqrt(((0.1 * at + 0.01) ** 2).mean(axis=0)), rel=1e-4
    )
    along = np.array(
        [
            directional_cut(one, angle, largest_nm=23)[1][:24]
            for one, angle in zip(true, held_out.orientation_degrees, strict=True)
        ]
    )
    assert curves["along"].true_mean == pytest.approx(along.mean(axis=0), rel=1e-4)
    assert curves["along"].true_sd == pytest.approx(along.std(axis=0), rel=1e-2, abs=1e-6)
    assert curves["along"].true_mean[10] > curves["across"].true_mean[10]
