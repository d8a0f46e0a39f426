"""All models alike: shapes, seeds, records, volume fractions and two-point functions against theory."""

from __future__ import annotations

import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from stochgeom import InfeasibleParametersError, UserError, sample_texture
from stochgeom.textures import (
    BooleanDiscParameters,
    BooleanFibreParameters,
    ExponentialCovariance,
    GaussianCovariance,
    GaussianFieldParameters,
    LamellaeParameters,
    LineTextureParameters,
    RingCovariance,
    TextureParameters,
    VoronoiParameters,
    expected_volume_fraction,
    two_point,
)
from stochgeom.textures.measure import measured_two_point
from stochgeom.textures.texture import direction

from .cases import ALL, WITH_FORMULA

LAGS = np.array(
    [(0, 0), (1, 0), (0, 1), (2, 2), (3, -1), (0, 7), (7, 0), (6, -9), (15, 4), (40, 0), (-3, 30)]
)
IMAGES = 160


@pytest.mark.parametrize("name", ALL)
def test_texture_is_a_function_of_parameters_and_seed(name):
    parameters = ALL[name]
    one, same, other = (sample_texture(parameters, np.random.default_rng(k)) for k in (4, 4, 5))
    assert np.array_equal(one.phase, same.phase)
    assert not np.array_equal(one.phase, other.phase)
    assert dict(one.truth).keys() == dict(other.truth).keys()
    assert one.phase.shape == parameters.shape == one.field.shape
    assert one.phase.dtype == np.uint8
    assert set(np.unique(one.phase)) <= {0, 1}
    assert one.model == parameters.model
    assert one.truth["volume_fraction"] == one.phase.mean()
    assert list(one.truth)[:3] == ["volume_fraction", "orientation_degrees", "count"]


@pytest.mark.parametrize("name", ALL)
def test_record_is_frozen_and_can_be_sent(name, rng):
    texture = sample_texture(ALL[name], rng)
    with pytest.raises(dataclasses.FrozenInstanceError):
        texture.phase = None
    with pytest.raises(ValueError, match="read-only"):
        texture.phase[0, 0] = 1
    with pytest.raises(TypeError):
        texture.truth["count"] = 3
    for array in texture.elements.values():
        assert not array.flags.writeable
    back = pickle.loads(pickle.dumps(texture))  # noqa: S301
    assert np.array_equal(back.phase, texture.phase)
    assert back.truth.keys() == texture.truth.keys()
    assert back.elements.keys() == texture.elements.keys()


@pytest.mark.parametrize("name", ALL)
def test_parameters_survive_text(name):
    adapter = TypeAdapter(TextureParameters)
    assert adapter.validate_json(adapter.dump_json(ALL[name])) == ALL[name]
    with pytest.raises(ValidationError, match="frozen"):
        ALL[name].pixel_size_nm = 2.0


@pytest.mark.parametrize("name", WITH_FORMULA)
def test_two_point_function_of_the_images_is_that_of_the_model(name):
    """Within 4.5 standard errors of the mean at all lags, from the scatter between images.

    A lag of (0, 0) tests the volume fraction.
    """
    parameters = WITH_FORMULA[name]
    rng = np.random.default_rng(17)
    found = np.array([measured_two_point(sample_texture(parameters, rng), *LAGS.T) for _ in range(IMAGES)])
    expected = two_point(parameters, *(LAGS * parameters.pixel_size_nm).T)
    error = found.std(axis=0, ddof=1) / math.sqrt(IMAGES)
    assert expected[0] == pytest.approx(expected_volume_fraction(parameters), abs=1e-9)
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4.5 * error + 1e-6)
    assert np.all(error < 0.03)


@pytest.mark.parametrize("name", WITH_FORMULA)
def test_two_point_functions_have_their_general_properties(name):
    """Even, at most the volume fraction, and periodic on a torus."""
    parameters = WITH_FORMULA[name]
    x, y = np.random.default_rng(1).uniform(-50, 50, (2, 60))
    values = two_point(parameters, x, y)
    fraction = expected_volume_fraction(parameters)
    np.testing.assert_allclose(two_point(parameters, -x, -y), values, atol=1e-9)
    assert values.max() <= fraction + 1e-9
    assert values.min() >= max(0.0, 2 * fraction - 1) - 1e-9
    if parameters.periodic:
        width, height = parameters.size_nm
        np.testing.assert_allclose(two_point(parameters, x + 2 * width, y - height), values, atol=1e-7)


@pytest.mark.parametrize("name", ["voronoi-window", "discs-window", "fibres-isotropic-window"])
def test_two_point_function_forgets_far_away(name):
    parameters = WITH_FORMULA[name]
    assert two_point(parameters, 400.0) == pytest.approx(expected_volume_fraction(parameters) ** 2, abs=1e-9)


GRIDS = st.tuples(st.integers(33, 90), st.integers(33, 90))


@settings(max_examples=25)
@given(GRIDS, st.integers(0, 2**32 - 1), st.booleans(), st.floats(0.05, 0.95), st.floats(0.4, 3))
def test_any_shape_and_pixel_size(shape, seed, periodic, fraction, pixel):
    grid = {"shape": shape, "pixel_size_nm": pixel, "periodic": periodic, "volume_fraction": fraction}
    covariance = GaussianCovariance(length_nm=5 * pixel)
    for parameters in (
        GaussianFieldParameters(**grid, covariance=covariance),
        BooleanDiscParameters(**grid, radii={"law": "constant", "radius_nm": 4 * pixel}),
        BooleanFibreParameters(**grid, length_nm=20 * pixel, width_nm=3 * pixel),
        VoronoiParameters(**grid, grain_diameter_nm=6 * pixel),
        LamellaeParameters(**grid | {"periodic": False}, period_nm=7 * pixel, orientation_degrees=None),
    ):
        one, same = (sample_texture(parameters, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == shape
        assert one.phase.max() <= 1
        assert np.array_equal(one.phase, same.phase)
        assert np.isfinite(two_point(parameters, [0.0, pixel]) if parameters.model != "lamellae" else 0).all()


@pytest.mark.parametrize(
    ("parameters", "name", "nearest"),
    [
        (LineTextureParameters(count=(1, 30)), "count", 15),
        (LineTextureParameters(shape=(100, 224), orientations=("vertical",)), "length_nm", 100),
        (GaussianFieldParameters(covariance=GaussianCovariance(length_nm=200)), "length_nm", 112),
        (
            GaussianFieldParameters(covariance=ExponentialCovariance(length_nm=40), stretch=4),
            "length_nm",
            28,
        ),
        (
            BooleanDiscParameters(radii={"law": "constant", "radius_nm": 113}),
            "largest radius of radii",
            112,
        ),
        (BooleanFibreParameters(length_nm=300), "length_nm", 224 * 300 / math.hypot(300, 5)),
        (BooleanDiscParameters(radii={"law": "constant", "radius_nm": 0.01}), "radii", None),
        (VoronoiParameters(grain_diameter_nm=100), "grain_diameter_nm", 224 / math.sqrt(4 * math.pi)),
        (VoronoiParameters(grain_diameter_nm=0.1), "grain_diameter_nm", 0.5),
        (LamellaeParameters(period_nm=15.7), "period_nm", 16),
        (LamellaeParameters(period_nm=400), "period_nm", 224),
        (LamellaeParameters(orientation_degrees=45), "period_nm", 224 / math.sqrt(200)),
    ],
)
def test_infeasible_parameters_are_named_with_the_nearest(parameters, name, nearest):
    with pytest.raises(InfeasibleParametersError) as caught:
        sample_texture(parameters, np.random.default_rng(0))
    assert caught.value.parameter == name
    if nearest is not None:
        assert caught.value.nearest == pytest.approx(nearest)


def test_nearest_period_at_another_angle_closes():
    """The message of an oblique one names the period and the angle that do."""
    with pytest.raises(InfeasibleParametersError, match=r"at (\S+) degrees with (\S+) nm") as caught:
        sample_texture(LamellaeParameters(orientation_degrees=30, period_nm=20), np.random.default_rng(0))
    words = str(caught.value).split("they do at ")[1].split()
    good = LamellaeParameters(orientation_degrees=float(words[0]), period_nm=caught.value.nearest)
    exact = math.degrees(math.atan2(6, 10)) % 180
    assert good.orientation_degrees == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: LineTextureParameters(count=(0, 3)), "count"),
        (lambda: LineTextureParameters(count=(4, 3)), "count"),
        (lambda: LineTextureParameters(orientations=()), "orientations"),
        (lambda: LineTextureParameters(orientations=("upwards",)), "orientations"),
        (lambda: LineTextureParameters(orientations=(180.0,)), "orientations"),
        (lambda: LineTextureParameters(gap_nm=0.5), "gap_nm"),
        (lambda: LineTextureParameters(thickness_nm=(5.2, 5.8)), "whole number of pixels"),
        (lambda: LineTextureParameters(length_nm=(5, 20)), "run the other way"),
        (lambda: LineTextureParameters(shape=(224,)), "shape"),
        (lambda: LineTextureParameters(pixel_size_nm=0), "pixel_size_nm"),
        (lambda: LineTextureParameters(colour="red"), "colour"),
        (lambda: GaussianFieldParameters(volume_fraction=1), "volume_fraction"),
        (lambda: GaussianFieldParameters(stretch=0.5), "stretch"),
        (
            lambda: GaussianFieldParameters(covariance=RingCovariance(wavelength_nm=1.5, length_nm=9)),
            "wavelength_nm",
        ),
        (lambda: BooleanFibreParameters(length_nm=3, width_nm=4), "length_nm"),
        (lambda: VoronoiParameters(volume_fraction=1.1), "volume_fraction"),
        (lambda: LamellaeParameters(width_cv=0.5), "periodic"),
        (lambda: LamellaeParameters(orientation_degrees=None), "periodic"),
        (lambda: LamellaeParameters(period_nm=1.5), "period_nm"),
        (lambda: ExponentialCovariance(length_nm=math.inf), "length_nm"),
    ],
)
def test_impossible_parameters_are_refused(make, where):
    with pytest.raises(ValidationError, match=where):
        make()


def test_two_point_refuses_what_has_none():
    with pytest.raises(UserError, match="lines"):
        two_point(LineTextureParameters(), 1.0)
    with pytest.raises(UserError, match=r"0\.3"):
        two_point(ALL["lamellae-random"].model_copy(update={"orientation_degrees": 0.0}), 1.0)
    with pytest.raises(UserError, match="orientation_degrees"):
        two_point(ALL["lamellae-random"], 1.0)
    with pytest.raises(UserError, match="finite"):
        two_point(VoronoiParameters(), math.nan)
    with pytest.raises(UserError, match="no parameters of a texture"):
        sample_texture({"model": "lines"}, np.random.default_rng(0))
    with pytest.raises(UserError, match="no parameters of a texture"):
        two_point(GaussianCovariance(length_nm=3), 1.0)


def test_directions_are_exact_along_the_axes():
    assert direction(0) == (1, 0)
    assert direction(90) == (0, 1)
    assert direction(135) == pytest.approx((-math.sqrt(0.5), math.sqrt(0.5)))
