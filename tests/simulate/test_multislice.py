"""The multislice engine against abTEM written out, and against what physics and geometry demand."""

from __future__ import annotations

from dataclasses import replace

import abtem
import ase
import numpy as np
import pytest
from numpy.random import SeedSequence

from simulate.atoms import SceneAtoms
from simulate.cross_sections import tail_factor
from simulate.engines import multislice
from simulate.engines.base import Engine, make_engine
from simulate.engines.cells import beam_slices, cells, good_size, reaches_nm
from simulate.engines.detection import Detection
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import MultisliceSettings
from simulate.scene import Scene
from stochgeom.aggregate import HeteroAggregate
from stochgeom.errors import UserError
from stochgeom.projection import Field

SETTINGS = MultisliceSettings(sampling_angstrom=0.07, margin_angstrom=4, tail="none")
ANNULUS = Microscope(detectors=(Detector(inner_mrad=30, outer_mrad=90),))
MATERIALS = (Material.named("anatase"), Material.named("gamma-WO3"))


def make_scene(centres, radii, phase, field, seed=1) -> Scene:
    n = len(radii)
    q = np.random.default_rng(5).normal(size=(n, 4))
    aggregate = HeteroAggregate(
        centres=np.asarray(centres, float), radii=np.asarray(radii, float), species=np.asarray(phase),
        cluster=np.arange(n), orientations=q / np.linalg.norm(q, axis=1, keepdims=True),
        phase=np.asarray(phase), species_names=("TiO2", "WO3"), phase_names=("anatase", "gamma-WO3"),
    )  # fmt: skip
    crystals, displacements = (SeedSequence(seed, spawn_key=(0, stage)) for stage in (2, 3))
    return Scene(aggregate, MATERIALS, field, crystals, displacements)


def assert_close(image, expected, rel, share):
    """Within a relative tolerance, or a share of the brightest pixel."""
    np.testing.assert_allclose(image, expected, rtol=rel, atol=share * float(np.max(expected)))


@pytest.fixture(scope="module")
def pair() -> Scene:
    """Two particles in contact, off the middle, in a field that is not square."""
    return make_scene([[0.1, 0, 0], [0.7, 0.5, 0.9]], [0.7, 0.5], [0, 1], Field((4, 6), 0.3, (0.4, 0.1)))


def with_settings(**changes) -> Engine:
    return make_engine(SETTINGS.model_copy(update=changes))


def test_it_is_abtem_written_out(pair):
    """One cell, one configuration: abTEM's own scan over a grid, with constant slices and no joined gaps."""
    engine = with_settings(tile_pixels=6, phonon_configurations=2)
    image = engine.image(pair, ANNULUS)[0]
    margin, thickness, field = reaches_nm(pair, ANNULUS, SETTINGS).max(), 2.0, pair.field
    gpts = good_size(int(np.ceil(10 * (5 * field.pixel_size_nm + 2 * margin) / 0.07)))
    side = 0.07 * gpts
    corner = 10 * np.array(field.centre_nm) - side / 2
    expected = 0
    for configuration in range(2):
        numbers, positions, _ = SceneAtoms(pair).inside(corner / 10, (corner + side) / 10, configuration)
        bottom = pair.centre_z_nm * 10 + thickness * np.floor(
            (positions[:, 2] - 10 * pair.centre_z_nm).min() / thickness
        )
        height = thickness * np.ceil((positions[:, 2].max() - bottom) / thickness)
        atoms = ase.Atoms(numbers, positions - [*corner, bottom], cell=[side, side, height], pbc=True)
        potential = abtem.Potential(atoms, gpts=gpts, slice_thickness=thickness, projection="infinite")
        probe = abtem.Probe(energy=300e3, semiangle_cutoff=20, defocus=10 * pair.centre_z_nm - bottom)
        x0, y0 = 10 * np.array(field.origin_nm) - corner
        scan = abtem.GridScan(start=(x0, y0), end=(x0 + 15, y0 + 9), gpts=(6, 4), endpoint=True)
        detector = abtem.AnnularDetector(inner=30, outer=90)
        measured = probe.scan(potential, scan=scan, detectors=detector, lazy=False)
        expected = expected + measured.array.T / 2
    assert image.shape == expected.shape == (4, 6)
    assert_close(image, expected, rel=2e-4, share=2e-6)


def test_tiles_see_the_same_scene(pair):
    """Another tiling changes the window around a probe only; 12 Å of margin keep that below 2 %."""
    few, many = (with_settings(tile_pixels=t, margin_angstrom=12).image(pair, ANNULUS) for t in (6, 2))
    assert_close(many, few, rel=0.02, share=0.01)
    assert not np.array_equal(few, many)


def test_the_same_bits_again(pair):
    engine = with_settings(tile_pixels=3)
    assert np.array_equal(engine.image(pair, ANNULUS), with_settings(tile_pixels=3).image(pair, ANNULUS))


def test_probes_are_the_pixels(pair):
    engine = with_settings(tile_pixels=1)
    image = engine.image(pair, ANNULUS)
    x, y = pair.field.x_nm[[4, 1]], pair.field.y_nm[[1, 3]]
    values = engine.probes(pair, ANNULUS, np.stack([x, y], axis=1))
    assert values.shape == (2, 1)
    assert values[:, 0] == pytest.approx([image[0, 1, 4], image[0, 3, 1]], rel=1e-4)


def test_empty_space_is_exactly_zero_and_distant_particles_add_up():
    field = Field((3, 24), 0.3)
    centres, radii, phase = [[-2.4, 0, 0], [2.4, 0, 0.2]], [0.5, 0.6], [0, 1]
    both = make_scene(centres, radii, phase, field)
    engine = with_settings(tile_pixels=3)
    image = engine.image(both, ANNULUS)
    assert np.count_nonzero(image[0, :, 11:13]) == 0
    total = 0
    for k in range(2):  # the other particle stays in the aggregate, far outside the field
        away = np.array(centres, float)
        away[1 - k, 1] += 50
        total = total + engine.image(make_scene(away, radii, phase, field), ANNULUS)
    assert_close(image, total, rel=1e-4, share=1e-5)


def test_prism_without_interpolation_is_the_probe():
    scene = make_scene([[0, 0, 0]], [0.5], [1], Field((2, 3), 0.3))
    microscope = ANNULUS.model_copy(update={"focus_nm": 2.0})
    options = {"tile_pixels": 3, "margin_angstrom": 3}
    probe = with_settings(**options).image(scene, microscope)
    prism = with_settings(**options, method="prism").image(scene, microscope)
    assert_close(prism, probe, rel=5e-3, share=2e-3)


def test_prism_builds_its_scattering_matrix_once_for_each_cell(monkeypatch):
    scene = make_scene([[0, 0, 0]], [0.5], [1], Field((2, 4), 0.3))
    engine = with_settings(tile_pixels=2, margin_angstrom=3, method="prism", phonon_configurations=2)
    expected = engine.image(scene, ANNULUS)
    built, build = [], abtem.SMatrix.build

    def counted(self, *args, **kwargs):
        built.append(self)
        return build(self, *args, **kwargs)

    monkeypatch.setattr(abtem.SMatrix, "build", counted)
    monkeypatch.setattr(multislice, "_BATCH_BYTES", 1.0)  # one probe at a time
    image = engine.image(scene, ANNULUS)
    assert len(built) == 4, "two tiles in two configurations"
    assert_close(image, expected, rel=1e-5, share=1e-6)


def test_axes_and_handedness():
    """An image of atoms mirrored at x = y is the transposed image; mirrored in x, its mirror image."""
    scene = make_scene([[0.2, -0.1, 0], [0.5, 0.4, 0.3]], [0.4, 0.3], [1, 1], Field((5, 5), 0.25))
    engine = with_settings(tile_pixels=5)
    image = engine.image(scene, ANNULUS)
    swapped = _image_of_moved_atoms(engine, scene, lambda p: p[:, [1, 0, 2]])
    assert_close(swapped, image.transpose(0, 2, 1), rel=1e-3, share=1e-4)
    flipped = _image_of_moved_atoms(engine, scene, lambda p: p * [-1, 1, 1])
    assert_close(flipped, image[:, :, ::-1], rel=1e-3, share=1e-4)
    assert not np.allclose(image, image[:, :, ::-1], rtol=0.1)
    bright = np.unravel_index(image[0].argmax(), (5, 5))
    positions = SceneAtoms(scene).inside(np.array([-9, -9]), np.array([9, 9]), 0)
    heavy = positions[1][positions[0] == 74]
    pixel = np.array([scene.field.x_nm[bright[1]], scene.field.y_nm[bright[0]]]) * 10
    assert np.linalg.norm(heavy[:, :2] - pixel, axis=1).min() < 1.0


def _image_of_moved_atoms(engine, scene, move):
    class Moved(SceneAtoms):
        def _particle(self, k, configuration):
            numbers, positions = super()._particle(k, configuration)
            return numbers, move(positions)

    aggregate = scene.aggregate
    moved = replace(scene, aggregate=replace(aggregate, centres=move(aggregate.centres)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulate.engines.multislice.SceneAtoms", lambda _: Moved(scene))
        patch.setattr("simulate.atoms.occupied", lambda *_: np.arange(len(aggregate)))
        return engine.image(moved, ANNULUS)


def test_focus_counts_downstream():
    """A heavy cluster below the aggregate's centre is sharpest with a positive focus."""
    centres = [[0, 0, -8.0], [0, 0, 8.0], [0, 0, -8.5]]
    scene = make_scene(centres, [0.25, 0.25, 0.25], [0, 1, 0], Field((5, 5), 0.1))
    depth = scene.aggregate.centres[1, 2] - scene.centre_z_nm
    assert depth > 5
    engine = with_settings(tile_pixels=5)
    contrast = {
        focus: engine.image(scene, ANNULUS.model_copy(update={"focus_nm": focus})).max()
        for focus in (-depth, 0.0, depth)
    }
    assert contrast[depth] > 1.5 * contrast[0.0]
    assert contrast[depth] > 1.5 * contrast[-depth]


def test_channels_tail_and_vacuum():
    """Soft and hard detectors in one run; the tail is a factor; a bright field sees the beam in vacuum."""
    scene = make_scene([[0, 0, 0]], [0.5], [1], Field((1, 5), 1.2))
    soft = Detector(name="soft", sensitivity=((50, 0), (60, 1), (300, 0)))
    bright = Detector(name="BF", inner_mrad=0, outer_mrad=10)
    microscope = Microscope(detectors=(soft, bright))
    bare = with_settings(sampling_angstrom=0.034, tile_pixels=1).image
    with pytest.raises(UserError, match=r"'soft' needs 300 mrad: at most 0\.0212 Å"):
        bare(scene, microscope)
    image = with_settings(sampling_angstrom=0.034, tile_pixels=1, tail="independent-atom").image(
        scene, microscope
    )
    fine = SETTINGS.model_copy(update={"sampling_angstrom": 0.034, "tail": "independent-atom"})
    detection = Detection(fine, microscope, scene)
    composition = scene.materials[1].element_densities_per_nm3
    assert detection.tails.tolist() == pytest.approx([tail_factor(composition, soft, 300e3, 187), 1.0])
    assert image.shape == (2, 1, 5)
    assert image[0, 0, [0, 4]].tolist() == [0, 0]
    assert image[1, 0, [0, 4]] == pytest.approx(0.25)
    assert image[0, 0, 2] > 1e-5
    assert 0 < image[1, 0, 2] != pytest.approx(0.25, abs=1e-4)


def test_a_grid_too_coarse_is_named_with_the_largest_accepted(pair):
    engine = with_settings(sampling_angstrom=0.1)
    with pytest.raises(
        UserError, match=r"sampling_angstrom = 0\.1 .*'HAADF' needs 90 mrad: at most 0\.0707 Å"
    ):
        engine.cost(pair, ANNULUS)
    with_settings(sampling_angstrom=0.0707).cost(pair, ANNULUS)
    with pytest.raises(UserError, match=r"= 0\.0708 carries scattering up to 89\.91 mrad"):
        with_settings(sampling_angstrom=0.0708).cost(pair, ANNULUS)


def test_abtem_passes_undamped_what_a_grid_is_said_to_carry(pair):
    """Its aperture is 1 up to the stated angle on that grid, and falls off right behind it."""
    sampling, gpts = 0.07, 800
    carried = Detection(SETTINGS, ANNULUS, pair).carried_mrad
    aperture = abtem.antialias.antialias_aperture((gpts, gpts), (sampling, sampling), np)
    frequency = np.fft.fftfreq(gpts, sampling)
    angle = 1e3 * ANNULUS.wavelength_angstrom * np.hypot(frequency[:, None], frequency)
    assert aperture[angle <= carried].min() == 1
    assert aperture[angle > 1.004 * carried].max() < 0.99


def test_a_hard_edge_in_the_soft_edge_of_the_grid_is_left_to_the_tail(pair):
    """0.065 Å end at 101 mrad and damp from 98 on: an annulus up to 100 mrad is detected up to 97."""
    annulus = Microscope(detectors=(Detector(inner_mrad=50, outer_mrad=100),))
    settings = SETTINGS.model_copy(update={"sampling_angstrom": 0.065})
    with pytest.raises(UserError, match=r"needs 100 mrad: at most 0\.0636 Å"):
        Detection(settings, annulus, pair)
    detection = Detection(settings.model_copy(update={"tail": "independent-atom"}), annulus, pair)
    assert [detector.outer for detector in detection.detectors()] == [97]
    assert 1.02 < detection.tails[0] < 1.03


def test_the_grid_must_serve_every_material_of_the_recipe():
    """An aggregate of titania alone is refused the grid that one with tungsten would be."""
    titania = make_scene([[0, 0, 0]], [0.5], [0], Field((1, 1), 0.3))
    assert Detection(SETTINGS.model_copy(update={"tail": "independent-atom", "sampling_angstrom": 0.0378}),
                     Microscope(), titania).tails[0] < 1.1  # fmt: skip
    coarser = SETTINGS.model_copy(update={"tail": "independent-atom", "sampling_angstrom": 0.0382})
    Detection(coarser, Microscope(), replace(titania, materials=MATERIALS[:1]))
    with pytest.raises(UserError, match=r"'HAADF' needs 168 mrad: at most 0\.0378 Å"):
        Detection(coarser, Microscope(), titania)


def test_the_probe_itself_needs_its_cone(pair):
    bright = Microscope(convergence_mrad=60, detectors=(Detector(name="BF", inner_mrad=0, outer_mrad=10),))
    with pytest.raises(UserError, match=r"the probe needs 72 mrad: at most 0\.0884 Å"):
        Detection(SETTINGS.model_copy(update={"sampling_angstrom": 0.1}), bright, pair)


def test_wrong_points_are_refused(pair):
    with pytest.raises(UserError, match=r"shape \(p, 2\)"):
        with_settings().probes(pair, ANNULUS, np.zeros((3, 3)))
    assert with_settings().probes(pair, ANNULUS, np.zeros((0, 2))).shape == (0, 1)


@pytest.mark.parametrize(("least", "step"), [(1, 1), (769, 1), (1025, 3), (784, 4)])
def test_good_sizes(least, step):
    n = good_size(least, step)
    assert n >= least
    assert n % step == 0
    assert n % 4 == 0
    assert n % 64 != 0


def test_a_cell_is_as_wide_as_the_cone_where_its_material_is():
    """Only the particle that is felt counts: 20 nm out of focus at 20 mrad add 0.4 nm on each side."""
    scene = make_scene([[-5, 0, 0], [5, 0, 20]], [0.5, 0.5], [0, 0], Field((1, 1), 0.3))
    microscope = ANNULUS.model_copy(update={"focus_nm": -scene.centre_z_nm})
    points = np.array([[-5.0, 0], [5.0, 0], [0.0, 0]])
    near, far = cells(scene, microscope, SETTINGS, points, np.arange(3))
    assert (near.places.tolist(), far.places.tolist()) == ([0], [1])
    assert (far.gpts - near.gpts) * 0.07 == pytest.approx(2 * 20e-3 * 200, abs=1.5)
    assert far.low_nm + 0.05 * far.gpts * 0.07 == pytest.approx([5.0, 0.0])


def test_slices_join_gaps_and_share_planes():
    z = np.array([-3.9, -2.1, 0.1, 14.0, 15.9])
    top, slices = beam_slices(z, 2.0)
    assert top == -4.0
    assert slices == (4.0, 14.0, 2.0)
    assert beam_slices(np.array([0.5]), 2.0) == (0.0, (2.0,))
