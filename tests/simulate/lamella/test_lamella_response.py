"""The response engine on lamellae: the table itself, plain NumPy, and what a cone does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate.beam_paths import CrystalliteDepths
from simulate.crystallites import beam_directions
from simulate.engines.base import make_engine
from simulate.engines.tables import ResponseTable
from simulate.lamella.crystal_map import MATRIX, MIRROR, VACUUM, WRAP, CrystalMap
from simulate.lamella.paths import LamellaPaths
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import ResponseSettings
from stochgeom.errors import UserError
from stochgeom.projection import Field
from stochgeom.textures import VoronoiParameters, sample_texture

from .cases import HALVES, lamella_of, texture_of

TABLE = ResponseTable.load("tio2-wo3-300kv")
SCOPE = Microscope(detectors=tuple(Detector(**d) for d in TABLE.metadata["detectors"]))


def by_table(**changes):
    return make_engine(ResponseSettings(table="tio2-wo3-300kv", **changes))


@pytest.mark.parametrize("thickness", [3.0, 11.3, 40.0])
@pytest.mark.parametrize("axis", [None, [0, 0, 1]])
def test_a_uniform_lamella_is_the_table_at_its_thickness_and_direction(thickness, axis):
    uniform = texture_of(np.ones((6, 5)), 0.5)
    scene = lamella_of(uniform, thickness, zone_axis=axis)
    direction = beam_directions(scene.crystallites.orientations)[1]
    expected = TABLE.intensity(TABLE.curve("gamma-WO3", direction), np.array(thickness))[0]
    image = by_table().image(scene, SCOPE)
    assert image.shape == (1, 6, 5)
    np.testing.assert_allclose(image, expected, rtol=1e-6)
    points = np.random.default_rng(1).uniform(-4, 4, (5, 2))
    np.testing.assert_allclose(by_table().probes(scene, SCOPE, points), expected, rtol=1e-9)


def test_away_from_boundaries_each_phase_has_its_own_table():
    scene = lamella_of(HALVES, 10.0)
    image = by_table().image(scene, SCOPE)[0]
    directions = beam_directions(scene.crystallites.orientations)
    for column, name, direction in ((1, "anatase", directions[0]), (2, "gamma-WO3", directions[1])):
        expected = TABLE.intensity(TABLE.curve(name, direction), np.array(10.0))[0]
        far = by_table().probes(scene, SCOPE, np.array([[3.0 * column - 4.5, 0.0]]))
        assert far[0, 0] == pytest.approx(expected)
    assert image[:, 0].mean() < 0.5 * image[:, 3].mean()


def test_alike_on_both_sides_there_is_no_boundary():
    """Also not for rays that cross it, although a curve is no straight line."""
    scene = lamella_of(HALVES, 30.0, names=("anatase", "anatase"), zone_axis=[0, 0, 1], in_plane_degrees=0)
    image = by_table(cone_rays=16).image(scene, SCOPE.model_copy(update={"focus_nm": 40.0}))
    np.testing.assert_allclose(image, image[0, 0, 0], rtol=1e-6)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    continuation=st.sampled_from([WRAP, MIRROR, MATRIX]),
    slope=st.tuples(*[st.floats(-0.3, 0.3)] * 2),
    focus=st.floats(-30, 30),
)
def test_rays_against_many_thin_layers(seed, continuation, slope, focus):
    """The exact lengths against a sum over layers, each in the crystal of its middle."""
    generator = np.random.default_rng(seed)
    crystal = generator.integers(VACUUM, 3, (6, 5)).astype(np.int32)
    lamella = CrystalMap(crystal, 0.8, continuation, int(generator.integers(VACUUM, 3)))
    knots, thickness = np.array([0.0, 2.0, 7.0, 20.0]), 12.0
    depths = np.cumsum(generator.random((3, 4, 2)), axis=1) * [[[1.0, 0.3]]]
    depths -= depths[:, :1]
    known = CrystalliteDepths(knots, depths, np.zeros((3, 3, 2)), np.zeros(3, np.int64))
    points = generator.uniform(-3, 3, (20, 2))
    found = LamellaPaths(lamella, thickness, focus).depths_at(known, points, np.array(slope))
    layers = 4000
    step = thickness / layers
    heights = -thickness / 2 + (np.arange(layers) + 0.5) * step
    at = points[:, None] + (heights - focus)[None, :, None] * np.array(slope)
    which = lamella.at(at)
    behind = np.cumsum(which != VACUUM, axis=1) * step
    expected = np.zeros((20, 2))
    for k in range(3):
        for c in range(2):
            rise = np.interp(behind, knots, depths[k, :, c]) - np.interp(
                behind - step, knots, depths[k, :, c]
            )
            expected[:, c] += np.where(which == k, rise, 0).sum(axis=1)
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("rays", [1, 5])
def test_an_image_is_its_probes(rays):
    texture = sample_texture(
        VoronoiParameters(shape=(20, 24), grain_diameter_nm=3, pixel_size_nm=0.7), np.random.default_rng(3)
    )
    field = Field((9, 11), 1.3, (0.4, -0.2))
    scene = lamella_of(texture, 15.0, names=("vacuum", "gamma-WO3"), field=field, grains=True)
    engine = by_table(oversampling=1, cone_rays=rays)
    x, y = np.meshgrid(field.x_nm, field.y_nm)
    probes = engine.probes(scene, SCOPE, np.stack([x.ravel(), y.ravel()], axis=1))
    image = engine.image(scene, SCOPE)
    np.testing.assert_allclose(image[0].ravel(), probes[:, 0], rtol=2e-6, atol=1e-9)
    assert image.min() == 0 < image.max()


def test_oversampling_is_the_share_of_a_pixel():
    """A pixel that a boundary halves, with a beam without a cone, has the mean of both sides."""
    scene = lamella_of(HALVES, 10.0, field=Field((1, 3), 1.0))
    left, middle, right = by_table(oversampling=4, cone_rays=1).image(scene, SCOPE)[0, 0]
    assert middle == pytest.approx((left + right) / 2)


def test_the_cone_smears_boundaries_out_of_focus_only():
    scene = lamella_of(HALVES, 4.0, field=Field((1, 40), 0.1))

    def width(focus: float) -> int:
        values = by_table(oversampling=1, cone_rays=64).image(
            scene, SCOPE.model_copy(update={"focus_nm": focus})
        )[0, 0]
        return int(((values > values.min() * 1.02) & (values < values.max() * 0.98)).sum())

    # 20 mrad over 2 nm above and below: a disc of 0.04 nm radius; over 50 nm: of 1 nm.
    assert width(0.0) <= 2
    assert 14 <= width(50.0) <= 22


def test_coefficients_by_phase_and_jitter_by_crystal():
    scene = lamella_of(HALVES, 100.0, atoms=False)
    per_um = {"anatase": 0.5, "gamma-WO3": 1.7}
    engine = make_engine(ResponseSettings(coefficients_per_um=per_um))
    far = engine.probes(scene, Microscope(), np.array([[-1.5, 0.0], [1.5, 0.0]]))[:, 0]
    assert far == pytest.approx(-np.expm1([-0.05, -0.17]), rel=1e-6)
    with pytest.raises(UserError, match="coefficients_per_um lacks gamma-WO3"):
        make_engine(ResponseSettings(coefficients_per_um={"anatase": 1})).cost(scene, Microscope())
    shaken = make_engine(ResponseSettings(coefficients_per_um=per_um, jitter=0.3))
    factors = -np.log1p(-shaken.probes(scene, Microscope(), np.array([[-1.5, 0.0], [1.5, 0.0]]))[:, 0])
    first, second = factors / [0.05, 0.17]
    assert abs(first - 1) > 1e-3
    assert abs(first - second) > 1e-3
