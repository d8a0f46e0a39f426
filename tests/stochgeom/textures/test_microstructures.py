"""Gaussian fields, Boolean models, grains and lamellae, each against what is known of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.spatial import cKDTree
from scipy.stats import multivariate_normal, norm

from stochgeom import ConstantRadii, sample_texture
from stochgeom.textures import (
    BooleanDiscParameters,
    BooleanFibreParameters,
    ExponentialCovariance,
    GaussianCovariance,
    GaussianFieldParameters,
    LamellaeParameters,
    MaternCovariance,
    RingCovariance,
    VoronoiParameters,
    two_point,
)
from stochgeom.textures.gaussian_field import both_above, correlation
from stochgeom.textures.measure import axial_difference, orientation_degrees
from stochgeom.textures.voronoi import same_grain

from .cases import ALL, SMALL


@pytest.mark.parametrize("threshold", [-1.3, 0.0, 0.4, 2.0])
def test_orthant_probability_equals_the_bivariate_normal(threshold):
    for rho in (-0.95, -0.4, 0.0, 0.3, 0.9, 0.999):
        exact = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([-threshold, -threshold])
        assert both_above(threshold, np.array(rho)) == pytest.approx(exact, abs=2e-5)


def test_orthant_probability_in_closed_form():
    """1/4 + arcsin(rho) / (2 pi) at the median; the fraction itself at rho = 1, and none or 2 f - 1 at -1."""
    rho = np.linspace(-1, 1, 41)
    np.testing.assert_allclose(both_above(0.0, rho), 0.25 + np.arcsin(rho) / (2 * math.pi), atol=1e-12)
    for threshold in (-1.0, 0.5, 2.5):
        f = norm.sf(threshold)
        # The integrand is flat, not analytic, where rho = -1.
        np.testing.assert_allclose(
            both_above(threshold, np.array([1.0, 0.0, -1.0])), [f, f * f, max(0.0, 2 * f - 1)], atol=1e-6
        )


def test_covariance_models():
    r = np.linspace(0, 30, 61)
    matern = MaternCovariance(length_nm=4, smoothness=0.5).correlation(r)
    np.testing.assert_allclose(matern, ExponentialCovariance(length_nm=4).correlation(r), atol=1e-12)
    x = math.sqrt(3) * r / 4
    np.testing.assert_allclose(
        MaternCovariance(length_nm=4, smoothness=1.5).correlation(r), (1 + x) * np.exp(-x), atol=1e-12
    )
    # The ring is the mean of cos(k r) over wave vectors of one length and a Gaussian deviation.
    rng = np.random.default_rng(0)
    angle, deviation = rng.uniform(0, 2 * math.pi, 400_000), rng.normal(0, math.sqrt(2) / 25, 400_000)
    k = 2 * math.pi / 12 * np.cos(angle) + deviation
    ring = RingCovariance(wavelength_nm=12, length_nm=25)
    for lag in (2.0, 6.0, 12.0, 20.0):
        assert np.cos(k * lag).mean() == pytest.approx(float(ring.correlation(lag)), abs=5 / math.sqrt(4e5))
    for model in (ring, ExponentialCovariance(length_nm=3), MaternCovariance(length_nm=3, smoothness=5)):
        assert model.correlation(np.zeros(1)) == pytest.approx(1)
        assert abs(model.correlation(np.array(model.reach_nm))) < 1e-5


def test_correlation_on_a_torus_is_that_of_the_plane_where_lengths_are_short():
    short = GaussianFieldParameters(covariance=GaussianCovariance(length_nm=8))
    lags = np.array([0.0, 3, 8, 20])
    np.testing.assert_allclose(correlation(short, lags, np.zeros(1)), np.exp(-((lags / 8) ** 2)), atol=1e-9)
    long = GaussianFieldParameters(covariance=ExponentialCovariance(length_nm=80))
    assert correlation(long, np.array(112.0), np.array(0.0)) > 1.5 * math.exp(-112 / 80)


def test_stretched_fields_show_their_orientation(rng):
    for angle in (0.0, 40.0, 110.0):
        parameters = GaussianFieldParameters(
            covariance=GaussianCovariance(length_nm=5), stretch=3, orientation_degrees=angle
        )
        texture = sample_texture(parameters, rng)
        assert texture.truth["orientation_degrees"] == angle
        assert axial_difference(orientation_degrees(texture.phase), angle) < 10
    assert math.isnan(sample_texture(GaussianFieldParameters(), rng).truth["orientation_degrees"])


def nearest_image(points, shape):
    """(n, ny, nx, 2) shortest vectors x, y on the torus from points (n, 2) in pixels to all pixel centres."""
    ny, nx = shape
    centres = np.stack(np.meshgrid(np.arange(nx) + 0.5, np.arange(ny) + 0.5), axis=-1)
    apart = centres - points[:, None, None]
    return apart - np.array([nx, ny]) * np.round(apart / np.array([nx, ny]))


def pixels(texture):
    """Positions (n, 2) of the first element in pixels from the corner."""
    ny, nx = texture.shape
    name = next(iter(texture.elements))
    return texture.elements[name] / texture.pixel_size_nm + np.array([nx, ny]) / 2


@pytest.mark.parametrize("periodic", [True, False])
def test_discs_cover_exactly_the_pixels_within_them(periodic, rng):
    parameters = BooleanDiscParameters(shape=(41, 58), periodic=periodic, radii=ConstantRadii(radius_nm=7.3))
    texture = sample_texture(parameters, rng)
    points = pixels(texture)
    if periodic:
        apart = nearest_image(points, texture.shape)
    else:
        y, x = np.mgrid[:41, :58] + 0.5
        apart = np.stack([x - points[:, :1, None], y - points[:, 1:, None]], axis=-1)
    inside = (np.hypot(apart[..., 0], apart[..., 1]) <= texture.elements["radii_nm"][:, None, None]).any(0)
    assert np.array_equal(texture.phase, inside)
    assert texture.truth["count"] == len(points)


@pytest.mark.parametrize("angle", [0.0, 90.0, 33.0, 170.0])
def test_fibres_cover_exactly_the_pixels_within_them(angle, rng):
    parameters = BooleanFibreParameters(
        shape=(61, 58), length_nm=30, width_nm=5, orientation_degrees=angle, orientation_spread_degrees=8
    )
    texture = sample_texture(parameters, rng)
    apart = nearest_image(pixels(texture), texture.shape)
    angles = np.radians(texture.elements["orientations_degrees"])[:, None, None]
    along = apart[..., 0] * np.cos(angles) + apart[..., 1] * np.sin(angles)
    across = apart[..., 1] * np.cos(angles) - apart[..., 0] * np.sin(angles)
    inside = ((np.abs(along) <= 15) & (np.abs(across) <= 2.5)).any(0)
    assert np.array_equal(texture.phase, inside)
    spread = axial_difference(texture.elements["orientations_degrees"], angle)
    assert spread.max() <= 8
    assert texture.truth["orientational_order"] > 0.95


def test_number_of_discs_is_a_poisson_variable():
    rng = np.random.default_rng(5)
    parameters = BooleanDiscParameters(**SMALL)
    counts = np.array([sample_texture(parameters, rng).truth["count"] for _ in range(600)])
    mean = parameters.intensity_per_nm2 * 96 * 112
    assert abs(counts.mean() - mean) < 4 * math.sqrt(mean / 600)
    # The variance over the mean is 1 with standard error sqrt(2 / n).
    assert abs(counts.var(ddof=1) / mean - 1) < 4 * math.sqrt(2 / 600)


def test_free_area_of_two_points_by_hand():
    """Discs of radius 5 at distance 10 and beyond are independent; at 0 the fraction itself."""
    parameters = BooleanDiscParameters(radii=ConstantRadii(radius_nm=5), volume_fraction=0.3)
    np.testing.assert_allclose(two_point(parameters, [0.0, 10.0, 60.0]), [0.3, 0.09, 0.09], atol=1e-12)
    lens = 2 * 25 * (math.acos(0.5) - 0.5 * math.sqrt(0.75))
    intensity = -math.log(0.7) / (25 * math.pi)
    assert two_point(parameters, 5.0) == pytest.approx(
        1 - 1.4 + math.exp(-intensity * (2 * 25 * math.pi - lens)), abs=1e-7
    )
    fibres = BooleanFibreParameters(length_nm=20, width_nm=4, orientation_spread_degrees=0)
    shared = (20 - 3) * (4 - 1)
    expected = 1 - 1.2 + 0.36 * math.exp(-math.log(0.6) / 80 * shared)
    assert two_point(fibres, 3.0, -1.0) == pytest.approx(expected)


@settings(max_examples=40)
@given(
    st.integers(3, 150),
    st.integers(3, 150),
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.floats(0.05, 1),
)
@example(150, 5, 1, True, 1.0)
@example(64, 64, 2, True, 1.0)
def test_every_pixel_belongs_to_its_nearest_seed(ny, nx, seed, periodic, share):
    largest = min(nx, ny) * math.sqrt(4 / (math.pi * 16))
    diameter = max(0.5, share * largest * 0.999)
    parameters = VoronoiParameters(shape=(ny, nx), grain_diameter_nm=diameter, periodic=periodic)
    texture = sample_texture(parameters, np.random.default_rng(seed))
    points, grain = pixels(texture), texture.elements["grain"]
    tree = cKDTree(points % [nx, ny], boxsize=[nx, ny]) if periodic else cKDTree(points)
    centres = np.stack(np.meshgrid(np.arange(nx) + 0.5, np.arange(ny) + 0.5), axis=-1)
    distance, owner = tree.query(centres)
    own = centres - points[grain]
    if periodic:
        own -= np.array([nx, ny]) * np.round(own / np.array([nx, ny]))
    np.testing.assert_allclose(np.hypot(own[..., 0], own[..., 1]), distance, atol=1e-9)
    assert np.mean(grain == owner) > 0.999
    assert sorted(set(grain.ravel())) == list(range(int(texture.truth["count"])))
    assert np.array_equal(texture.elements["grain_phases"][grain], texture.phase)


def test_same_grain_has_the_known_moments():
    """The integral of p is the mean square grain area 1.280176 (Gilbert 1962); -p'(0) is 2 / pi times 2.

    That is the length of borders per area, 2 sqrt(intensity) (Chiu et al. 2013, chapter 9).
    """
    area, _ = quad(lambda h: 2 * math.pi * h * float(same_grain(np.array(h))), 0, 5, limit=200)
    assert area == pytest.approx(1.280176, abs=2e-5)
    h = 1e-3
    assert (1 - float(same_grain(np.array(h)))) / h == pytest.approx(4 / math.pi, rel=1e-3)
    values = same_grain(np.linspace(0, 6, 500))
    assert values[0] == 1
    assert np.all(np.diff(values) <= 1e-9)
    assert values[-1] == 0


def test_mean_number_of_grains(rng):
    parameters = VoronoiParameters(**SMALL, grain_diameter_nm=12)
    counts = [sample_texture(parameters, rng).truth["count"] for _ in range(300)]
    mean = parameters.intensity_per_nm2 * 96 * 112
    assert abs(np.mean(counts) - mean) < 4 * math.sqrt(mean / 300)


def test_lamellae_lie_where_their_record_says(rng):
    for name in ("lamellae", "lamellae-poisson-borders", "lamellae-random", "lamellae-oblique-on-torus"):
        texture = sample_texture(ALL[name], rng)
        angle = math.radians(texture.truth["orientation_degrees"])
        y, x = np.meshgrid(texture.field.y_nm, texture.field.x_nm, indexing="ij")
        across = y * math.cos(angle) - x * math.sin(angle)
        edges = texture.elements["edges_nm"]
        inside = ((across[..., None] >= edges[:, 0]) & (across[..., None] < edges[:, 1])).any(-1)
        assert np.mean(inside != texture.phase) < 1e-3  # rounding where a border meets a pixel's centre
        assert texture.truth["count"] == len(edges)
        assert np.all(edges[1:, 0] > edges[:-1, 1])
        assert axial_difference(orientation_degrees(texture.phase), math.degrees(angle)) < 1.5


def test_widths_follow_their_law():
    """Inner lamellae of a wide image: mean and coefficient of variation of those of phase 1."""
    parameters = LamellaeParameters(
        shape=(2000, 4), periodic=False, width_cv=0.4, period_nm=10, volume_fraction=0.3
    )
    rng = np.random.default_rng(9)
    widths = np.concatenate(
        [np.diff(sample_texture(parameters, rng).elements["edges_nm"][1:-1], axis=1)[:, 0] for _ in range(40)]
    )
    n = len(widths)
    assert n > 7500
    assert abs(widths.mean() - 3) < 4 * 1.2 / math.sqrt(n)
    assert abs(widths.std() / widths.mean() - 0.4) < 4 * 0.4 / math.sqrt(n)


def test_random_lamellae_are_stationary():
    """Phase 1 has its volume fraction in every row, the first included (4.5 standard errors)."""
    parameters = LamellaeParameters(
        shape=(40, 4), periodic=False, width_cv=0.3, period_nm=15, volume_fraction=0.35
    )
    rng = np.random.default_rng(2)
    rows = np.array([sample_texture(parameters, rng).phase[:, 0] for _ in range(3000)])
    error = math.sqrt(0.35 * 0.65 / 3000)
    assert np.all(np.abs(rows.mean(axis=0) - 0.35) < 4.5 * error)


def test_gallery_draws(rng):
    from stochgeom.textures.pictures import draw_gallery

    entries = [("lines", ALL["lines"]), ("discs", ALL["discs"])]
    figure = draw_gallery(entries, rng, textures=3)
    titles = [ax.get_title() for ax in figure.axes]
    assert "lines" in titles
    figure.canvas.draw()
