"""Two-point functions: identities, golden values, loops over pairs, analytic models, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stochgeom import UserError
from stochgeom.spatial_statistics import (
    annealed_eps,
    autocorrelation,
    cross_correlation,
    directional_cut,
    indicators,
    lags_nm,
    radial_mean,
    soft_indicator,
    soft_indicators,
    statistics_distance,
    two_point,
)

from . import brute_force

GOLDEN = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0]])
SHAPES = [(1, 1), (1, 7), (2, 2), (4, 5), (5, 4), (6, 3), (7, 7)]


def test_golden_values():
    found = autocorrelation(GOLDEN, normalise="count")
    np.testing.assert_allclose(found, [[3, 2, 3], [2, 5, 2], [3, 2, 3]], atol=1e-12)
    first = autocorrelation(GOLDEN, normalise="count", centred=False)
    np.testing.assert_allclose(first, [[5, 2, 2], [2, 3, 3], [2, 3, 3]], atol=1e-12)


def test_identities(rng):
    image = rng.integers(0, 3, (2, 12, 15))
    phases = indicators(image)
    s = two_point(phases)
    assert s.shape == (2, 3, 3, 12, 15)
    assert s.dtype == np.float32
    share = phases.mean(axis=(-2, -1))
    zero = s[..., 6, 7]
    np.testing.assert_allclose(zero, share[..., None] * np.eye(3), atol=1e-6)  # S_ab(0) = phi_a or 0
    np.testing.assert_allclose(s.sum(axis=(1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(s.sum(axis=2), np.tile(share[..., None, None], (12, 15)), atol=1e-6)
    np.testing.assert_allclose(s.mean(axis=(-2, -1)), share[:, :, None] * share[:, None, :], atol=1e-6)
    for a in range(3):
        np.testing.assert_allclose(s[0, a, a], autocorrelation(phases[0, a]), atol=1e-6)
        np.testing.assert_allclose(s[0, a, 1], cross_correlation(phases[0, a], phases[0, 1]), atol=1e-6)


def test_two_phases_mirror_each_other(rng):
    phases = indicators(rng.random((9, 16)) < 0.3).astype(float)
    s = two_point(phases)
    share = phases.mean(axis=(-2, -1))
    np.testing.assert_allclose(s[0, 1], share[0] - s[0, 0], atol=1e-12)
    np.testing.assert_allclose(s[0, 1], share[1] - s[1, 1], atol=1e-12)


def test_the_lag_leads_from_the_first_phase_to_the_second():
    """One pixel of a at (1, 1), one of b at (1, 3): b lies at x = +2 from a."""
    a, b = np.zeros((4, 6)), np.zeros((4, 6))
    a[1, 1], b[1, 3] = 1, 1
    y, x = lags_nm((4, 6), 0.5)
    peak = np.unravel_index(np.argmax(cross_correlation(a, b)), (4, 6))
    assert (y[peak[0]], x[peak[1]]) == (0, 1)
    y, x = lags_nm((4, 6), 0.5, periodic=False)
    peak = np.unravel_index(np.argmax(cross_correlation(a, b, periodic=False, normalise="count")), (7, 11))
    assert (y[peak[0]], x[peak[1]]) == (0, 1)


@pytest.mark.parametrize("normalise", ["probability", "count", "covariance", "correlation"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_loops_over_pairs(shape, periodic, masked, normalise, rng):
    a, b = rng.random(shape), (rng.random(shape) < 0.5).astype(float)
    b[0, 0] = 1 - b[-1, -1]  # never one phase alone
    mask = None
    if masked:
        mask = rng.random(shape) < 0.6
        mask[0, 0] = mask[-1, -1] = True
    y, x = lags_nm(shape, periodic=periodic)
    if shape == (1, 1) and normalise == "correlation":
        assert np.isnan(cross_correlation(a, b, normalise=normalise)).all()
        return
    expected = brute_force.cross_correlation(a, b, y.astype(int), x.astype(int), periodic, mask, normalise)
    found = cross_correlation(a, b, periodic=periodic, mask=mask, normalise=normalise)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    both = two_point(np.stack([a, b]), periodic=periodic, mask=mask, normalise=normalise)
    np.testing.assert_allclose(both[0, 1], expected, atol=1e-10)
    np.testing.assert_allclose(
        cross_correlation(a.astype(np.float32), b, periodic=periodic, mask=mask, normalise=normalise),
        expected,
        atol=1e-5,
    )


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(6, 9), (7, 8)])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("cutoff", [0, 2, 3, (1, 4), (3.0, 0.9)])
def test_a_cut_off_keeps_the_middle(shape, periodic, centred, cutoff, rng):
    a, b = rng.random((2, *shape)), rng.random(shape)
    whole = cross_correlation(a, b, periodic=periodic)
    y0, x0 = whole.shape[-2] // 2, whole.shape[-1] // 2
    cy, cx = (int(c) for c in (cutoff if isinstance(cutoff, tuple) else (cutoff, cutoff)))
    found = cross_correlation(a, b, periodic=periodic, cutoff=cutoff, centred=centred)
    y, x = lags_nm(shape, periodic=periodic, cutoff=cutoff, centred=centred)
    assert found.shape == (2, 2 * cy + 1, 2 * cx + 1)
    rows, columns = np.ix_((y.astype(int) + y0) % whole.shape[-2], (x.astype(int) + x0) % whole.shape[-1])
    np.testing.assert_allclose(found, whole[:, rows, columns], atol=1e-12)
    assert (y[cy] if centred else y[0]) == 0


def test_cut_off_and_lags_in_nm():
    y, x = lags_nm((10, 10), (0.5, 0.25), cutoff=1.1)
    np.testing.assert_allclose(y, [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(x, np.arange(-4, 5) * 0.25)
    assert autocorrelation(np.eye(10), cutoff=1.1, pixel_size_nm=(0.5, 0.25)).shape == (5, 9)
    assert lags_nm((4, 5))[0].tolist() == [-2, -1, 0, 1]
    assert lags_nm((4, 5), centred=False)[1].tolist() == [0, 1, 2, -2, -1]
    assert lags_nm((3, 1), periodic=False)[0].tolist() == [-2, -1, 0, 1, 2]


def test_the_pairs_are_the_autocorrelation_of_ones(rng):
    ones = np.ones((5, 8))
    pairs = autocorrelation(ones, periodic=False, normalise="count")
    y, x = lags_nm((5, 8), periodic=False)
    np.testing.assert_allclose(pairs, np.outer(5 - abs(y), 8 - abs(x)), atol=1e-10)
    np.testing.assert_allclose(autocorrelation(ones, periodic=False), 1, atol=1e-12)
    mask = rng.random((5, 8)) < 0.5
    probability = autocorrelation(ones, periodic=False, mask=mask)
    assert np.nanmax(abs(probability - 1)) < 1e-12
    alone = autocorrelation(mask, periodic=False, normalise="count") < 0.5
    assert np.array_equal(np.isnan(probability), alone)


def test_masks_of_images_and_phases(rng):
    images = rng.integers(0, 2, (3, 6, 7))
    masks = rng.random((3, 6, 7)) < 0.7
    together = two_point(indicators(images), periodic=False, mask=masks)
    for image, mask, found in zip(images, masks, together, strict=True):
        np.testing.assert_allclose(two_point(indicators(image), periodic=False, mask=mask), found, atol=1e-5)


def test_stripes_and_checkerboard_exactly():
    """Stripes 3 of 8 pixels wide: a triangle. Squares of 4: 1/4 + 1/4 tri(y) tri(x), tri between 1 and -1."""
    stripes = np.tile(np.arange(24) % 8 < 3, (5, 1))
    lag = np.abs((lags_nm((5, 24))[1] + 4) % 8 - 4)
    expected = np.maximum(3 - lag, 0) / 8 + np.maximum(lag - 5, 0) / 8
    np.testing.assert_allclose(autocorrelation(stripes), np.tile(expected, (5, 1)), atol=1e-12)
    y, x = np.mgrid[:16, :24] // 4
    board = (y + x) % 2
    tri = [1 - 2 * np.abs((lag + 4) % 8 - 4) / 4 for lag in lags_nm((16, 24))]
    np.testing.assert_allclose(autocorrelation(board), 0.25 + 0.25 * np.outer(*tri), atol=1e-12)


def boolean_discs(rng, shape, intensity, radius):
    """True where no disc covers the middle of a pixel; centres anywhere on the torus (y, x)."""
    number = rng.poisson(intensity * shape[0] * shape[1])
    y, x = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    free = np.ones(shape, bool)
    for cy, cx in rng.random((number, 2)) * shape:
        dy = np.abs(y - cy)
        dx = np.abs(x - cx)
        free &= np.minimum(dy, shape[0] - dy) ** 2 + np.minimum(dx, shape[1] - dx) ** 2 > radius**2
    return free


def lens_area(distance, radius):
    """Area that two discs of one radius share."""
    half = np.minimum(distance / (2 * radius), 1)
    return 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))


def within_errors(samples, expected, errors=4.0):
    """Whether the mean over the first axis agrees with what is expected, in each column."""
    error = samples.std(axis=0, ddof=1) / math.sqrt(len(samples))
    assert np.all(np.abs(samples.mean(axis=0) - expected) <= errors * error + 1e-6)  # float32


def test_boolean_discs(rng):
    """Free space: exp(-intensity times the area of two discs at the lag); covered: 1 - 2 phi + that."""
    radius, intensity = 5.0, 0.006
    images = np.array([boolean_discs(rng, (64, 80), intensity, radius) for _ in range(60)])
    maps = two_point(indicators(images, (1, 0)))
    y, x = lags_nm((64, 80))
    distance = np.hypot(y[:, None], x[None, :])
    free = np.exp(-intensity * (2 * math.pi * radius**2 - lens_area(distance, radius)))
    porosity = math.exp(-intensity * math.pi * radius**2)
    for at in [(32, 40), (32, 43), (35, 40), (36, 44), (29, 47), (40, 40), (32, 52), (12, 20), (2, 70)]:
        within_errors(maps[:, 0, 0, *at], free[at])
        within_errors(maps[:, 1, 1, *at], 1 - 2 * porosity + free[at])
        within_errors(maps[:, 0, 1, *at], porosity - free[at])
    expected = radial_mean(free)[1]
    measured = radial_mean(maps[:, 0, 0])[1]
    within_errors(measured, expected, 4.5)  # 32 distances
    far = measured[:, 12:].mean(axis=1)
    within_errors(far, porosity**2)  # S2 far beyond the discs is phi²


def test_random_cells_with_borders(rng):
    """Cells of 4 pixels at a random place, not periodic: S2 = phi² + phi (1 - phi) tri(y) tri(x)."""
    share, cell = 0.3, 4
    rows = rng.random((400, 10, 11)) < share
    cells = rows.repeat(cell, axis=1).repeat(cell, axis=2)
    places = rng.integers(0, cell, (400, 2))
    images = np.array([c[y : y + 30, x : x + 37] for c, (y, x) in zip(cells, places, strict=True)])
    maps = autocorrelation(images, periodic=False, cutoff=8)
    tri = np.maximum(1 - np.abs(np.arange(-8, 9)) / cell, 0)
    expected = share**2 + share * (1 - share) * np.outer(tri, tri)
    within_errors(maps, expected, 4.7)  # 145 different lags
    mask = np.zeros((30, 37), bool)
    mask[3:25, 5:30] = True
    mask[10:14, 12:20] = False
    masked = autocorrelation(images, periodic=False, cutoff=8, mask=mask)
    within_errors(masked, expected, 4.7)


def test_radial_mean_by_hand():
    values = np.arange(25.0).reshape(5, 5)
    distance, mean = radial_mean(values, pixel_size_nm=2.0)
    # Bins of 2 nm: the middle; four at 2 and four at 2.83; four at 4 (bins end at the largest whole circle).
    np.testing.assert_allclose(distance, [0, (2 + math.sqrt(8)) / 2, 4])
    np.testing.assert_allclose(mean, [12, 12, 12])
    values[2, 3] = np.nan
    assert radial_mean(values)[1][1] == pytest.approx((12 * 8 - 13) / 7)
    weights = np.zeros((5, 5))
    weights[2, 2], weights[1, 1], weights[1, 2] = 1, 1, 3
    np.testing.assert_allclose(radial_mean(values, weights=weights)[1], [12, (6 + 3 * 7) / 4, np.nan])
    thin, holes = radial_mean(values, bin_nm=0.25)
    assert thin[1] == 0.25
    assert np.isnan(holes[1])
    assert radial_mean(values, largest_nm=0)[1].tolist() == [12]


def test_sectors_hold_a_direction_and_its_opposite():
    y, x = np.mgrid[-10:11, -10:11]
    angle = np.degrees(np.arctan2(y, x)) % 180
    mean = radial_mean(np.where(angle == 45, 1.0, 0.0), sector_deg=(225, 1), bin_nm=0.5)[1]
    np.testing.assert_allclose(mean[1:][np.isfinite(mean[1:])], 1)
    assert mean[0] == 0
    everything = radial_mean(np.cos(x) + y, sector_deg=(10, 90))
    np.testing.assert_allclose(everything[1], radial_mean(np.cos(x) + y)[1])


def test_directional_cuts():
    y, x = (axis[:, None] if k == 0 else axis[None, :] for k, axis in enumerate(lags_nm((9, 12), 0.5)))
    values = 10 * y + x + 0 * y
    for angle, step, slope in [
        (0, 0.5, 1),
        (90, 0.5, 10),
        (180, 0.5, -1),
        (270, 0.5, -10),
        (45, math.sqrt(0.5), 11 / math.sqrt(2)),
        (135, math.sqrt(0.5), 9 / math.sqrt(2)),
        (-45, math.sqrt(0.5), -9 / math.sqrt(2)),
    ]:
        distance, cut = directional_cut(values, angle, pixel_size_nm=0.5)
        np.testing.assert_allclose(np.diff(distance), step)
        np.testing.assert_allclose(cut, slope * distance, atol=1e-9)
    distance, cut = directional_cut(values, 20, pixel_size_nm=0.5, largest_nm=1.6)
    assert distance.tolist() == [0, 0.5, 1, 1.5]
    direction = math.cos(math.radians(20)) + 10 * math.sin(math.radians(20))
    np.testing.assert_allclose(cut, direction * distance, atol=1e-9)  # bilinear is exact for a plane
    patchy = np.where(np.eye(9, dtype=bool), 1.0, np.nan)
    assert directional_cut(patchy, 45)[1].tolist() == [1] * 5  # lags beside the points do not matter
    assert len(directional_cut(values, 0, pixel_size_nm=0.5)[0]) == 6
    assert len(directional_cut(values, 180, pixel_size_nm=0.5)[0]) == 7


def test_hard_indicators():
    image = np.array([[0, 2], [5, 2]])
    assert indicators(image).tolist() == [[[1, 0], [0, 0]], [[0, 1], [0, 1]], [[0, 0], [1, 0]]]
    assert indicators(image.astype(float), (2, 7)).tolist() == [[[0, 1], [0, 1]], [[0, 0], [0, 0]]]
    assert indicators(np.zeros((3, 4, 5), bool)).shape == (3, 1, 4, 5)
    assert indicators(np.zeros((4, 5), bool), (False, True)).shape == (2, 4, 5)


def test_soft_indicators():
    x = np.array([[0.0, 0.25, 1.0]])
    assert soft_indicator(x).tolist() == [[1, 0.75, 0]]
    assert soft_indicator(x, level=1.0).tolist() == [[0, 0.25, 1]]
    np.testing.assert_allclose(soft_indicator(x, "gaussian"), np.exp([[0, -0.5, -8]]))
    three = soft_indicators(np.array([[-1, 0, 0.1, 0.2, 0.6, 1.0, 3]]), (0, 0.2, 1))
    expected = [[1, 1, 0.5, 0, 0, 0, 0], [0, 0, 0.5, 1, 0.5, 0, 0], [0, 0, 0, 0, 0.5, 1, 1]]
    np.testing.assert_allclose(three[:, 0], expected, atol=1e-12)
    for kind in ("linear", "gaussian"):
        soft = soft_indicators(np.linspace(-0.5, 1.5, 40).reshape(5, 8), (0, 0.3, 1), kind, 0.2)
        np.testing.assert_allclose(soft.sum(axis=0), 1)
        np.testing.assert_allclose(two_point(soft).sum(axis=(0, 1)), 1)
    assert [annealed_eps(p) for p in (-1, 0, 0.5, 1, 2)] == pytest.approx([1, 1, 0.5, 0.25, 0.25])


def test_one_phase_alone_has_a_defined_result():
    image = np.zeros((5, 6), int)
    full = two_point(indicators(image, (0, 1)))
    np.testing.assert_allclose(full[0, 0], 1, atol=1e-6)
    np.testing.assert_allclose(full[1], 0, atol=1e-6)
    for value in (0.3, 1, 0):  # no variance: the covariance is 0, the correlation undefined
        same = np.full((5, 6), value, np.float32)
        np.testing.assert_allclose(autocorrelation(same, normalise="covariance"), 0, atol=1e-7)
        assert np.isnan(autocorrelation(same, normalise="correlation")).all()


def test_correlation_of_rare_phases():
    """One pixel of 10^4 correlates with itself; float32 does not mistake it for a constant."""
    image = np.zeros((100, 100), np.float32)
    image[3, 4] = 1
    found = autocorrelation(image, normalise="correlation")
    assert found[50, 50] == pytest.approx(1, abs=1e-5)
    assert found[20, 50] == pytest.approx(-1 / 9999, abs=1e-5)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_parseval_equals_f(ny, nx, cross, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 3, 2, ny, nx))
    by_f = statistics_distance(a, b, by="f", cross=cross)
    assert by_f.shape == ((3,) if cross else (3, 2))
    np.testing.assert_allclose(statistics_distance(a, b, cross=cross), by_f, rtol=1e-9, atol=1e-15)
    narrow = statistics_distance(a.astype(np.float32), b.astype(np.float32), cross=cross)
    np.testing.assert_allclose(narrow, by_f, rtol=1e-3, atol=1e-9)
    if not cross:
        f = [autocorrelation(image) for image in (a, b)]
        np.testing.assert_allclose(by_f, ((f[0] - f[1]) ** 2).mean(axis=(-2, -1)))


def test_distance_with_weights_and_masks(rng):
    a, b = rng.random((2, 6, 7))
    mask = np.zeros((6, 7), bool)
    mask[1:4, 2:4] = True
    difference = autocorrelation(a, mask=mask, periodic=False) - autocorrelation(b, mask=mask, periodic=False)
    found = statistics_distance(a, b, by="f", mask=mask, periodic=False)
    assert found == pytest.approx(np.nanmean(difference**2))
    weights = rng.random((5, 5))
    difference = autocorrelation(a, cutoff=2) - autocorrelation(b, cutoff=2)
    found = statistics_distance(a, b, by="f", cutoff=2, weights=weights)
    assert found == pytest.approx(np.average(difference**2, weights=weights))


IMAGE = np.zeros((4, 5))
HOLED = np.where(np.eye(4, 5) > 0, np.nan, 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: autocorrelation(np.zeros((0, 5))), "no pixels"),
        (lambda: autocorrelation(np.zeros((3, 4, 0))), "no pixels"),
        (lambda: indicators(np.zeros((0, 0), int)), "no pixels"),
        (lambda: autocorrelation(np.zeros(5)), "expected"),
        (lambda: two_point(IMAGE), "phase, y, x"),
        (lambda: autocorrelation(HOLED), "4 values are not finite"),
        (lambda: indicators(HOLED), "not finite"),
        (lambda: soft_indicator(HOLED), "not finite"),
        (lambda: indicators(IMAGE + 0.4), "0.4 is no phase index"),
        (lambda: indicators(IMAGE, (0, 0)), "different"),
        (lambda: indicators(IMAGE, ()), "different"),
        (lambda: autocorrelation(IMAGE.astype(complex)), "real numbers"),
        (lambda: autocorrelation(np.array([["a"]])), "real numbers"),
        (lambda: cross_correlation(IMAGE, IMAGE.T), "equal"),
        (lambda: cross_correlation(np.zeros((2, 4, 5)), np.zeros((3, 4, 5))), "fit together"),
        (lambda: autocorrelation(IMAGE, cutoff=3), "up to 2 along y"),
        (lambda: autocorrelation(IMAGE, cutoff=(0, 5), periodic=False), "up to 4 along x"),
        (lambda: autocorrelation(IMAGE, cutoff=-1), "at least 0"),
        (lambda: autocorrelation(IMAGE, cutoff=math.nan), "at least 0"),
        (lambda: autocorrelation(IMAGE, cutoff=1, pixel_size_nm=0), "above 0"),
        (lambda: autocorrelation(IMAGE, normalise="other"), "one of probability"),
        (lambda: autocorrelation(IMAGE, mask=IMAGE), "no pixel"),
        (lambda: autocorrelation(IMAGE, mask=IMAGE + 0.5), "expected 0 and 1"),
        (lambda: autocorrelation(IMAGE, mask=np.ones((5, 4), bool)), "does not fit"),
        (lambda: autocorrelation(IMAGE, mask=np.ones((2, 4, 5), bool)), "does not fit"),
        (lambda: lags_nm((4, 0)), "shape of an image"),
        (lambda: soft_indicator(IMAGE, "quadratic"), "one of linear"),
        (lambda: soft_indicator(IMAGE, eps=0), "above 0"),
        (lambda: soft_indicators(IMAGE, (1, 0)), "rising"),
        (lambda: annealed_eps(0.5, end=0), "above 0"),
        (lambda: radial_mean(IMAGE, bin_nm=0), "above 0"),
        (lambda: radial_mean(IMAGE, largest_nm=-1), "at least 0"),
        (lambda: radial_mean(IMAGE, sector_deg=(0, 100)), "opening"),
        (lambda: radial_mean(IMAGE, weights=IMAGE), "some of them above"),
        (lambda: radial_mean(IMAGE, weights=IMAGE.T), "lags"),
        (lambda: radial_mean(np.zeros((0, 3))), "no pixels"),
        (lambda: directional_cut(IMAGE, math.inf), "finite angle"),
        (lambda: directional_cut(IMAGE, 0, step_nm=-1), "above 0"),
        (lambda: statistics_distance(IMAGE, IMAGE, by="eye"), "one of parseval"),
        (lambda: statistics_distance(IMAGE, IMAGE, cutoff=1), "by = 'f'"),
        (lambda: statistics_distance(IMAGE, IMAGE.T), "equal"),
    ],
)
def test_what_is_refused(call, words):
    with pytest.raises(UserError, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)
