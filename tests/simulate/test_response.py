"""The response engine against formulas, and against plain NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import SeedSequence

from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.engines.base import Engine, make_engine
from simulate.engines.response import beam_directions, interpolate, jitter_factors
from simulate.engines.tables import PhaseResponse, ResponseTable
from simulate.generate import generate
from simulate.microscope import Detector, Microscope
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.recipe_settings import ResponseSettings
from simulate.scene import Scene
from stochgeom.aggregate import HeteroAggregate
from stochgeom.errors import UserError
from stochgeom.projection import Field, chord_lengths_at
from stochgeom.rotations import random_quaternions, rotation_matrices

SCOPE = Microscope()
COEFFICIENTS = {"TiO2": 0.50, "WO3": 1.69}


def scene_of(centres, radii, species, field, seed=1):
    n = len(radii)
    aggregate = HeteroAggregate(
        centres=np.array(centres, float),
        radii=np.array(radii, float),
        species=np.array(species),
        cluster=np.zeros(n, int),
        orientations=random_quaternions(n, np.random.default_rng(seed)),
        phase=np.array(species),
        species_names=("TiO2", "WO3"),
        phase_names=("TiO2", "WO3"),
    )
    return Scene(aggregate, (), field, SeedSequence(1), SeedSequence(2))


def by_coefficients(**changes):
    """Without a cone unless it is stated."""
    return make_engine(ResponseSettings(coefficients_per_um=COEFFICIENTS, **{"cone_rays": 1, **changes}))


@pytest.fixture
def table(tmp_path):
    """A table of two phases, two channels and a few directions, with made-up but rising intensities."""
    generator = np.random.default_rng(4)
    thickness = np.array([0.0, 1.0, 3.0, 8.0, 20.0])
    scope = Microscope(
        detectors=(
            Detector(name="A", inner_mrad=50, outer_mrad=90),
            Detector(name="B", inner_mrad=90, outer_mrad=190),
        )
    )

    def phase(scale):
        directions = generator.standard_normal((6, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        rate = scale * (1 + generator.random((6, 1, 2)))
        intensity = -np.expm1(-rate * thickness[None, :, None] * (1 + 0.02 * thickness[None, :, None]))
        return PhaseResponse.fitted(
            directions, intensity, 0 * intensity[0], np.stack([np.eye(3), -np.eye(3)]), np.zeros((2, 2))
        )

    metadata = {
        "energy_ev": scope.energy_ev,
        "convergence_mrad": scope.convergence_mrad,
        "detectors": [d.model_dump(mode="json", exclude_none=True) for d in scope.detectors],
    }
    made = ResponseTable({"TiO2": phase(5e-4), "WO3": phase(2e-3)}, thickness, metadata)
    path = made.save(tmp_path / "made-up.npz")
    return path, ResponseTable.load(path), scope


def test_one_sphere_shows_the_exponential_of_its_chord():
    field = Field(shape=(21, 21), pixel_size_nm=0.8)
    scene = scene_of([[0.4, -1.1, 3.0]], [6.0], [1], field)
    image = by_coefficients(oversampling=1).image(scene, SCOPE)
    x, y = np.meshgrid(field.x_nm - 0.4, field.y_nm + 1.1)
    chord = 2 * np.sqrt(np.clip(36 - x**2 - y**2, 0, None))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[0], -np.expm1(-1.69e-3 * chord), rtol=1e-5, atol=1e-9)


def test_empty_space_is_zero_and_distant_particles_add():
    field = Field(shape=(16, 60), pixel_size_nm=1.0)
    one = scene_of([[-18.0, 0, 0]], [5.0], [0], field)
    two = scene_of([[17.0, 1, 40]], [6.0], [1], field)
    both = scene_of([[-18.0, 0, 0], [17.0, 1, 40]], [5.0, 6.0], [0, 1], field)
    engine = by_coefficients()
    images = [engine.image(scene, SCOPE) for scene in (one, two, both)]
    np.testing.assert_allclose(images[0] + images[1], images[2], atol=1e-8)
    assert images[2][0, :, 25:38].max() == 0


def test_particles_behind_each_other_scatter_what_the_first_lets_through():
    field = Field(shape=(1, 1), pixel_size_nm=0.01)
    scene = scene_of([[0, 0, 0], [0, 0, 200.0]], [60.0, 30.0], [0, 1], field)
    value = by_coefficients(oversampling=1).image(scene, SCOPE)[0, 0, 0]
    assert value == pytest.approx(1 - np.exp(-0.5 * 0.12) * np.exp(-1.69 * 0.06), rel=1e-5)


def test_probes_agree_with_a_fine_image_and_with_the_product(recipe):
    made = realise(recipe, 3)
    engine = by_coefficients(jitter=0.3, oversampling=1)
    x, y = np.meshgrid(made.field.x_nm, made.field.y_nm)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    probes = engine.probes(made.scene, SCOPE, points)
    np.testing.assert_allclose(probes.T.reshape(1, 20, 24), engine.image(made.scene, SCOPE), atol=1e-7)
    factors = jitter_factors(len(made.aggregate), 0.3, made.scene.crystals)
    per_nm = np.array([5.0e-4, 1.69e-3])[made.aggregate.species] * factors
    each = -np.expm1(-per_nm * chord_lengths_at(made.aggregate, points))
    np.testing.assert_allclose(probes[:, 0], 1 - np.prod(1 - each, axis=1), rtol=1e-9, atol=1e-15)


def test_oversampling_averages_the_points_of_a_pixel(recipe):
    made = realise(recipe, 1)
    fine = replace(made.scene, field=Field(shape=(60, 72), pixel_size_nm=made.field.pixel_size_nm / 3))
    whole = by_coefficients(oversampling=1).image(fine, SCOPE)
    means = whole.reshape(1, 20, 3, 24, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(by_coefficients(oversampling=3).image(made.scene, SCOPE), means, atol=1e-7)


def test_the_cone_smears_what_is_out_of_focus():
    """Against rays of a dense grid of slopes, in plain NumPy."""
    field = Field(shape=(24, 24), pixel_size_nm=0.5)
    centres, radii = np.array([[0, 0, -60.0], [1.0, 0.5, 60.0]]), np.array([3.0, 2.0])
    scene = scene_of(centres, radii, [0, 1], field)
    focus = 30.0
    engine = by_coefficients(oversampling=1, cone_rays=64)
    points = np.random.default_rng(0).uniform(-5, 5, (30, 2))
    slope = np.linspace(-1, 1, 121)
    slopes = np.stack(np.meshgrid(slope, slope), -1).reshape(-1, 2)
    slopes = 1e-3 * SCOPE.convergence_mrad * slopes[(slopes**2).sum(axis=1) <= 1]
    through = np.ones((len(points), len(slopes)))
    for centre, radius, per_nm in zip(centres, radii, (5.0e-4, 1.69e-3), strict=True):
        height = centre[2] - scene.centre_z_nm - focus
        at = points[:, None] + slopes[None] * height - centre[:2]
        chord = 2 * np.sqrt(np.clip(radius**2 - (at**2).sum(axis=2), 0, None))
        through *= np.exp(-per_nm * chord)
    expected = 1 - through.mean(axis=1)
    found = engine.probes(scene, Microscope(focus_nm=focus), points)[:, 0]
    sharp = by_coefficients().probes(scene, SCOPE, points)[:, 0]
    assert np.abs(found - expected).max() < 0.02 * expected.max() < 0.2 * np.abs(sharp - expected).max()


def test_the_cone_keeps_what_a_particle_scatters():
    field = Field(shape=(60, 60), pixel_size_nm=0.5)
    scene = scene_of([[0, 0, 50.0], [1, 1, -50.0]], [4.0, 3.0], [0, 0], field)
    sharp, smeared = (by_coefficients(cone_rays=rays).image(scene, SCOPE) for rays in (1, 16))
    assert smeared.sum() == pytest.approx(sharp.sum(), rel=0.005)
    assert np.abs(smeared - sharp).max() > 0.1 * sharp.max()


def test_only_the_particle_at_the_crossover_is_sharp():
    field = Field(shape=(40, 80), pixel_size_nm=0.5)
    scene = scene_of([[-10, 0, -80.0], [10, 0, 80.0]], [4.0, 4.0], [1, 1], field)
    sharp = by_coefficients().image(scene, SCOPE)[0]
    image = by_coefficients(cone_rays=16).image(scene, Microscope(focus_nm=-80.0))[0]
    np.testing.assert_allclose(image[:, :35], sharp[:, :35], atol=1e-9)
    assert np.abs(image[:, 45:] - sharp[:, 45:]).max() > 0.1 * sharp.max()


def test_jitter_has_median_one_and_the_stated_scatter():
    factors = jitter_factors(20_000, 0.3, SeedSequence(5))
    sigma = np.log(factors).std()
    assert sigma == pytest.approx(np.sqrt(np.log(1.09)), rel=4 / np.sqrt(2 * 20_000))
    assert np.median(factors) == pytest.approx(1, abs=4 * 1.2533 * sigma / np.sqrt(20_000))
    assert factors.std() / factors.mean() == pytest.approx(0.3, rel=0.05)
    np.testing.assert_array_equal(jitter_factors(4, 0.0, SeedSequence(5)), 1)
    np.testing.assert_array_equal(jitter_factors(7, 0.3, SeedSequence(5)), factors[:7])


def test_the_beam_in_the_crystals_frame_is_the_inverse_rotation_of_z():
    q = random_quaternions(50, np.random.default_rng(0))
    expected = np.array([rotation_matrices(one).T @ [0, 0, 1] for one in q])
    np.testing.assert_allclose(beam_directions(q), expected, atol=1e-12)


def test_a_table_is_looked_up_by_each_particles_own_direction(table):
    path, loaded, scope = table
    field = Field(shape=(12, 12), pixel_size_nm=1.0)
    centres = [[-3, 0, 0], [3, 0.5, 4], [0, 2, -9]]
    scene = scene_of(centres, [4.0, 3.0, 2.5], [0, 1, 1], field)
    engine = make_engine(ResponseSettings(table=str(path), cone_rays=1))
    points = np.random.default_rng(2).uniform(-5, 5, (40, 2))
    chords = chord_lengths_at(scene.aggregate, points)
    through = np.ones((40, 2))
    for k, direction in enumerate(beam_directions(scene.aggregate.orientations)):
        phase = scene.aggregate.phase_names[scene.aggregate.phase[k]]
        through *= 1 - loaded.intensity(loaded.curve(phase, direction), chords[:, k])
    assert isinstance(engine, Engine)
    np.testing.assert_allclose(engine.probes(scene, scope, points), 1 - through, rtol=1e-6, atol=1e-12)
    fine = make_engine(ResponseSettings(table=str(path), cone_rays=1, oversampling=1)).image(scene, scope)
    x, y = np.meshgrid(field.x_nm, field.y_nm)
    exact = engine.probes(scene, scope, np.stack([x.ravel(), y.ravel()], axis=1))
    np.testing.assert_allclose(fine, exact.T.reshape(2, 12, 12), atol=1e-7)


def test_turning_a_crystal_about_the_beam_changes_nothing(table):
    path, _, scope = table
    field = Field(shape=(8, 8), pixel_size_nm=1.0)
    scene = scene_of([[0, 0, 0]], [4.0], [1], field)
    turned = replace(scene, aggregate=scene.aggregate.rotated(np.array([0, 0, np.sin(0.4), np.cos(0.4)])))
    engine = make_engine(ResponseSettings(table=str(path)))
    np.testing.assert_allclose(engine.image(scene, scope), engine.image(turned, scope), rtol=1e-6)


def test_interpolation_is_exact_at_the_knots_and_goes_on_straight():
    knots, values = np.array([0.0, 1.0, 4.0]), np.array([0.0, 2.0, 5.0])
    np.testing.assert_allclose(interpolate(knots, values, np.array([0, 0.5, 1, 2, 4, 7])), [0, 1, 2, 3, 5, 8])


def test_another_microscope_than_the_tables_is_refused(table):
    path, _, scope = table
    engine = make_engine(ResponseSettings(table=str(path)))
    scene = scene_of([[0, 0, 0]], [4.0], [0], Field(shape=(4, 4), pixel_size_nm=1.0))
    with pytest.raises(
        UserError, match=r"microscope.energy_ev = 200000, but the response table is for 300000"
    ):
        engine.image(scene, scope.model_copy(update={"energy_ev": 200e3}))
    with pytest.raises(UserError, match=r"microscope.detectors"):
        engine.cost(scene, Microscope())


def test_a_species_without_coefficient_and_several_detectors_are_refused(table):
    scene = scene_of([[0, 0, 0]], [4.0], [1], Field(shape=(4, 4), pixel_size_nm=1.0))
    engine = make_engine(ResponseSettings(coefficients_per_um={"TiO2": 1.0}))
    with pytest.raises(UserError, match=r"coefficients_per_um lacks WO3"):
        engine.image(scene, SCOPE)
    with pytest.raises(UserError, match="serves one detector"):
        engine.image(scene, table[2])


def test_a_users_table_is_found_beside_the_recipe_and_held_to_its_hash(table, small, tmp_path):
    path, _, scope = table
    small |= {"engine": {"name": "response", "table": path.name}, "microscope": scope.model_dump(mode="json")}
    recipe = Recipe.from_dict(small, folder=tmp_path)
    assert recipe.engine_settings.table == str(path)
    assert str(tmp_path) not in str(recipe.canonical)
    image = make_engine(recipe.engine_settings).image(realise(recipe, 0).scene, recipe.microscope)
    assert image.shape == (2, 20, 24)
    loaded = ResponseTable.load(path)
    replace(loaded, metadata=loaded.metadata | {"note": "another"}).save(path)
    with pytest.raises(UserError, match="another table than the one that the recipe was made with"):
        Recipe.from_dict(recipe.canonical, folder=tmp_path)


def test_a_corpus_keeps_its_table_and_needs_no_other(table, small, tmp_path):
    path, _, scope = table
    small |= {"engine": {"name": "response", "table": path.name}, "microscope": scope.model_dump(mode="json")}
    out = generate(Recipe.from_dict(small, folder=tmp_path), tmp_path / "out", samples=4, progress=False)
    path.unlink()
    corpus = Corpus.open(out.rename(tmp_path / "elsewhere"))
    assert verify(corpus, recompute=2).ok
    (tmp_path / "elsewhere" / "response.npz").unlink()
    assert corpus.noisy(1).shape == (2, 20, 24)
    with pytest.raises(UserError, match="no such response table"):
        verify(Corpus.open(tmp_path / "elsewhere"), recompute=2)


def test_what_lies_in_front_raises_what_lies_behind(table, tmp_path):
    """Each pair of phases has its own number; what comes first along the beam is raised by nothing."""
    _, loaded, scope = table
    rises = np.array([[[0.01, 0.02], [0.03, 0.04]], [[0.05, 0.06], [0.07, 0.08]]])  # front, behind, channel
    names = loaded.phases
    phases = {
        name: replace(known, broadening=rises[k])
        for k, (name, known) in enumerate(loaded.phase_responses.items())
    }
    path = replace(loaded, phase_responses=phases).save(tmp_path / "broad.npz")
    field = Field(shape=(1, 1), pixel_size_nm=0.01)
    for species in ([0, 1], [1, 0]):
        for heights in ([-9.0, 9.0], [9.0, -9.0]):
            scene = scene_of([[0, 0, z] for z in heights], [4.0, 3.0], species, field)
            own = []
            for k, direction in enumerate(beam_directions(scene.aggregate.orientations)):
                curve = loaded.curve(scene.aggregate.phase_names[species[k]], direction)
                own.append(-np.log1p(-loaded.intensity(curve, np.array([8.0, 6.0][k]))))
            first, second = np.argsort(heights)
            front, behind = (names.index(scene.aggregate.phase_names[species[k]]) for k in (first, second))
            depth = own[first] + own[second] * (1 + rises[front, behind] * [8.0, 6.0][first])
            engine = make_engine(ResponseSettings(table=str(path), cone_rays=1))
            without = make_engine(ResponseSettings(table=str(path), cone_rays=1, broadening=False))
            at = np.zeros((1, 2))
            np.testing.assert_allclose(engine.probes(scene, scope, at)[0], -np.expm1(-depth), rtol=1e-6)
            np.testing.assert_allclose(
                without.probes(scene, scope, at)[0], -np.expm1(-own[0] - own[1]), rtol=1e-6
            )
            np.testing.assert_allclose(engine.image(scene, scope)[:, 0, 0], -np.expm1(-depth), rtol=1e-4)


def test_the_cone_does_not_shift_the_image():
    slopes = by_coefficients(cone_rays=4)._rays(SCOPE)[1]
    np.testing.assert_allclose(slopes.mean(axis=0), 0, atol=1e-12)
    assert np.hypot(*slopes.T).max() <= 1.1e-3 * SCOPE.convergence_mrad
