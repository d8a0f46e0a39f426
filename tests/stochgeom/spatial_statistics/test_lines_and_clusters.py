"""Lineal path, chords, clusters: loops over segments, identities, analytic models, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stochgeom import UserError
from stochgeom.spatial_statistics import (
    autocorrelation,
    chord_length_density,
    directional_cut,
    indicators,
    label_clusters,
    lineal_path,
    phase_chord_lengths,
    two_point_cluster,
)
from stochgeom.spatial_statistics.clusters import _count_pairs
from stochgeom.spatial_statistics.lags import STEPS

from . import brute_force
from .test_two_point import boolean_discs, lens_area, within_errors


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 7), (6, 4), (6, 6)])
def test_lineal_path_against_loops_over_segments(shape, masked, periodic, angle, rng):
    binary = rng.random((2, *shape)) < 0.8
    binary[1, 0] = True  # a line without an end
    mask = None
    if masked:
        mask = rng.random(shape) < 0.9
        mask[0, 0] = True
    soft = np.where(binary, rng.random(binary.shape), 0)
    soft[0, 0, 0] = 0.5
    for values in (binary.astype(float), soft):
        distance, path = lineal_path(values, angle, periodic=periodic, mask=mask, pixel_size_nm=0.5)
        steps = min(n for n, s in zip(shape, STEPS[angle], strict=True) if s)
        np.testing.assert_allclose(distance, np.arange(steps) * 0.5 * math.hypot(*STEPS[angle]))
        for image, found in zip(values, path, strict=True):
            expected = brute_force.lineal_path(image, STEPS[angle], steps, periodic, mask)
            np.testing.assert_allclose(found, expected, atol=1e-12)


@given(st.integers(2, 12), st.integers(2, 12), st.floats(0.3, 1), st.booleans(), st.integers(0, 2**32 - 1))
def test_lineal_path_is_below_the_two_point_function(ny, nx, share, periodic, seed):
    phase = np.random.default_rng(seed).random((ny, nx)) < share
    map_ = autocorrelation(phase, periodic=periodic)
    for angle in STEPS:
        distance, path = lineal_path(phase, angle, periodic=periodic)
        reach, along = directional_cut(map_, angle)
        both = min(len(path), len(along))
        np.testing.assert_allclose(distance[:both], reach[:both])
        assert path[0] == pytest.approx(phase.mean())
        assert np.all(path[:both] <= along[:both] + 1e-9)
        assert np.all(np.diff(path) <= 1e-12) or not periodic
        if both > 1:
            assert path[1] == pytest.approx(along[1])  # nothing lies between neighbours


def test_lineal_path_of_independent_pixels(rng):
    """phi^(k + 1)."""
    images = rng.random((300, 20, 30)) < 0.7
    for angle in STEPS:
        within_errors(
            lineal_path(images, angle, periodic=False, cutoff=8)[1],
            0.7 ** np.arange(1, 7 if angle % 90 else 10),
            4.5,
        )


def test_lineal_path_of_boolean_discs(rng):
    """Free space: exp(-intensity times the area of discs along the segment, one at each pixel)."""
    radius, intensity = 5.0, 0.006
    images = np.array([boolean_discs(rng, (60, 70), intensity, radius) for _ in range(60)])
    for angle, step in ((0, 1), (135, math.sqrt(2))):
        distance, path = lineal_path(images, angle, cutoff=20)
        area = math.pi * radius**2
        added = area - lens_area(np.array(step), radius)
        expected = np.exp(-intensity * (area + np.arange(len(distance)) * added))
        within_errors(path, expected, 4.5)
        capsule = np.exp(-intensity * (area + 2 * radius * distance))
        np.testing.assert_allclose(expected, capsule, rtol=0.01)  # the dents hardly matter


def test_chords_by_hand():
    rows = np.array([[1, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    assert sorted(phase_chord_lengths(rows, periodic=False, pixel_size_nm=2.0)) == [2, 6]
    assert sorted(phase_chord_lengths(rows, periodic=False, complete=False)) == [1, 1, 2, 3, 6]
    assert sorted(phase_chord_lengths(rows)) == [1, 3, 3, math.inf]  # 1 + 2 join across the border
    columns = phase_chord_lengths(rows, 90, pixel_size_nm=(3.0, 1.0))
    assert sorted(columns) == [3, 6, 6, 6, math.inf, math.inf]
    mask = np.ones((3, 6), bool)
    mask[1, 0] = mask[2, 3] = False
    assert sorted(phase_chord_lengths(rows, periodic=False, mask=mask)) == [1]
    assert phase_chord_lengths(np.zeros((2, 3, 4))).tolist() == []
    both = phase_chord_lengths(np.stack([rows, rows]))
    assert both.tolist() == [*phase_chord_lengths(rows), *phase_chord_lengths(rows)]
    assert len(phase_chord_lengths(np.ones((4, 6)), 45)) == 2  # lines of a torus: gcd(4, 6)


@given(
    st.integers(1, 10),
    st.integers(1, 10),
    st.sampled_from(sorted(STEPS)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_chords_hold_the_pixels_and_the_lineal_path(ny, nx, angle, periodic, seed):
    """sum over chords of (m - k) is the number of segments of k + 1 pixels (Torquato and Lu 1993)."""
    phase = np.random.default_rng(seed).random((ny, nx)) < 0.6
    phase[0, 0] = False
    unit = math.hypot(*STEPS[angle])
    chords = phase_chord_lengths(phase, angle, periodic=periodic, complete=False) / unit
    if np.isinf(chords).any():
        return
    assert chords.sum() == pytest.approx(phase.sum())
    path = lineal_path(phase, angle, periodic=periodic)[1]
    for k, share in enumerate(path):
        places = ny * nx if periodic else (ny - k * abs(STEPS[angle][0])) * (nx - k * abs(STEPS[angle][1]))
        assert np.maximum(chords - k, 0).sum() == pytest.approx(share * places)


def test_chords_of_independent_pixels_are_geometric(rng):
    """p(m) = (1 - phi) phi^(m - 1); on a torus of 200 pixels no chord is cut."""
    shares = []
    for _ in range(100):
        chords = phase_chord_lengths(rng.random((20, 200)) < 0.6, pixel_size_nm=0.5)
        density = chord_length_density(chords, np.arange(0.25, 4.5, 0.5))
        shares.append(density * 0.5)
    within_errors(np.array(shares), 0.4 * 0.6 ** np.arange(8), 4.5)


def test_density_of_chords():
    np.testing.assert_allclose(chord_length_density([1, 1, 3, np.inf], [0, 2, 4]), [2 / 6, 1 / 6])
    assert np.isnan(chord_length_density([], [0, 1])).all()
    for edges in ([1], [1, 1], [0, np.nan]):
        with pytest.raises(UserError, match="rising"):
            chord_length_density([1.0], edges)


@given(
    st.integers(1, 10),
    st.integers(1, 10),
    st.sampled_from([4, 8]),
    st.booleans(),
    st.floats(0.2, 0.9),
    st.integers(0, 2**32 - 1),
)
def test_clusters_against_flooding(ny, nx, connectivity, periodic, share, seed):
    phase = np.random.default_rng(seed).random((ny, nx)) < share
    labels = label_clusters(phase, connectivity=connectivity, periodic=periodic)
    expected = brute_force.clusters(phase, connectivity, periodic)
    pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})  # one to one
    assert np.array_equal(labels > 0, phase)
    assert labels.max() == expected.max()


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("shape", [(1, 1), (5, 8), (9, 6)])
def test_cluster_function_is_the_sum_over_clusters(shape, connectivity, periodic, rng):
    phase = rng.random(shape) < 0.55
    mask = rng.random(shape) < 0.9
    mask[0, 0] = phase[0, 0] = True
    for inside in (None, mask):
        kept = phase if inside is None else phase & inside
        labels = brute_force.clusters(kept, connectivity, periodic)
        expected = sum(
            autocorrelation(labels == k, periodic=periodic, mask=inside) for k in range(1, labels.max() + 1)
        )
        found = two_point_cluster(phase, connectivity=connectivity, periodic=periodic, mask=inside)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        s2 = autocorrelation(phase, periodic=periodic, mask=inside)
        assert np.nanmax(found - s2) < 1e-12
        middle = found[found.shape[0] // 2, found.shape[1] // 2]
        assert middle == pytest.approx(phase[mask if inside is not None else ...].mean())


def test_large_clusters_by_transform_equal_pairs_one_by_one(rng):
    """A disc and a ring larger than the share of pixels from which on transforms are used."""
    y, x = np.mgrid[:64, :75]
    distance = np.hypot(y - 20, x - 30)
    phase = (distance < 16) | (np.abs(distance - 26) < 3)
    phase[40:, 60:] |= rng.random((24, 15)) < 0.3
    for periodic in (True, False):
        found = two_point_cluster(phase, periodic=periodic, normalise="count", cutoff=20)
        labels = label_clusters(phase, periodic=periodic)
        counts = np.zeros((128, 150) if not periodic else (64, 75), np.int64)
        order = np.argsort(labels, axis=None, kind="stable")
        sizes = np.bincount(labels.ravel())
        rows, columns = np.divmod(order[sizes[0] :], 75)
        _count_pairs(rows, columns, sizes[1:], np.ones(len(sizes) - 1, bool), counts)
        lags = np.arange(-20, 21)
        assert sizes[1:].max() > 600
        np.testing.assert_allclose(found, counts[lags[:, None], lags])


def test_one_cluster_is_its_phase_and_islands_are_alone():
    one = np.zeros((6, 8))
    one[2:4, 1:7] = 1
    np.testing.assert_allclose(two_point_cluster(one), autocorrelation(one), atol=1e-12)
    islands = np.zeros((6, 8))
    islands[::2, ::2] = 1
    found = two_point_cluster(islands, normalise="count")
    assert found[3, 4] == 12
    assert found.sum() == 12
    corners = np.array([[1, 0], [0, 1]])
    assert label_clusters(corners, periodic=False).tolist() == [[1, 0], [0, 2]]
    assert label_clusters(corners, periodic=False, connectivity=8).tolist() == [[1, 0], [0, 1]]
    split = np.array([[1, 0, 1], [0, 0, 0]])
    assert label_clusters(split).tolist() == [[1, 0, 1], [0, 0, 0]]
    batch = two_point_cluster(np.stack([one, islands]), cutoff=2)
    assert batch.shape == (2, 5, 5)


PHASE = np.eye(4, 5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lineal_path(np.zeros((0, 4))), "no pixels"),
        (lambda: lineal_path(PHASE * np.nan), "not finite"),
        (lambda: lineal_path(PHASE * 2), "within 0 and 1"),
        (lambda: lineal_path(PHASE, 30), "0, 45, 90 or 135"),
        (lambda: lineal_path(PHASE, math.nan), "0, 45, 90 or 135"),
        (lambda: lineal_path(PHASE, 45, pixel_size_nm=(1.0, 2.0)), "not square"),
        (lambda: lineal_path(PHASE, cutoff=5), "0 to 4 long"),
        (lambda: lineal_path(PHASE, cutoff=-1), "0 to 4 long"),
        (lambda: lineal_path(PHASE, cutoff=math.nan), "0 to 4 long"),
        (lambda: lineal_path(PHASE, mask=np.ones((5, 4), bool)), "does not fit"),
        (lambda: phase_chord_lengths(PHASE * 0.5), "0.5; one phase of an image"),
        (lambda: phase_chord_lengths(indicators(np.arange(6).reshape(2, 3))[..., :0]), "no pixels"),
        (lambda: two_point_cluster(PHASE * 3), "expected 0 and 1, got 3"),
        (lambda: two_point_cluster(np.zeros((0, 2), bool)), "no pixels"),
        (lambda: two_point_cluster(PHASE, connectivity=6), "4 .sides."),
        (lambda: two_point_cluster(PHASE, normalise="covariance"), "probability, count"),
        (lambda: label_clusters(np.zeros((2, 3, 4), bool)), "one image"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(UserError, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)
