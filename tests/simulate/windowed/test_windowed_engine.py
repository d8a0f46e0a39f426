"""The engine `windowed`: electrons are kept, abTEM agrees, blocks are one image, plans fix the bytes."""

from __future__ import annotations

import numpy as np
import pytest

from simulate.atoms import AggregateAtoms
from simulate.engines.base import BlockEngine, make_engine
from simulate.engines.multislice import deterministic
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import WindowedSettings
from simulate.windowed.flights import tile_around
from simulate.windowed.geometry import Geometry
from simulate.windowed.plans import Planner
from stochgeom.errors import UserError

from .conftest import engine, one, scene, stack

POINTS = np.array([[0.0, 0.1], [0.5, -0.3], [-0.6, 0.2], [0.2, 0.6]])
ALL = Detector(name="all", inner_mrad=0, outer_mrad=500)
BF = Detector(name="BF", inner_mrad=0, outer_mrad=25)
RING = Detector(name="ring", inner_mrad=50, outer_mrad=75)


@pytest.mark.parametrize("focus_nm", [0.0, -7.0, 7.0])
def test_every_electron_is_counted_once(focus_nm):
    microscope = Microscope(detectors=(ALL,), focus_nm=focus_nm)
    found = engine().probes(stack(), microscope, POINTS)
    np.testing.assert_allclose(found, 1.0, atol=2e-3)


def test_band_and_slices_hardly_change_the_signal():
    microscope = Microscope()
    fine = engine(band_mrad=120, slice_thickness_angstrom=2, window_angstrom=30).probes
    coarse = engine(window_angstrom=30).probes
    reference, found = (f(stack(), microscope, POINTS).ravel() for f in (fine, coarse))
    assert found.sum() == pytest.approx(reference.sum(), rel=0.04)
    np.testing.assert_allclose(found, reference, rtol=0.12)


def test_windows_hold_what_whole_fields_hold():
    wide = engine(window_angstrom=60, spread_mrad=40, reach_angstrom=16).probes
    for microscope in (Microscope(), Microscope(focus_nm=-7.0)):
        reference, found = (f(stack(), microscope, POINTS).ravel() for f in (wide, engine().probes))
        assert abs(found - reference).mean() < 0.01 * reference.mean()


@pytest.mark.parametrize(
    ("whole", "focus_nm"),
    [
        (scene(["anatase"], [[0, 0, 0]], [0.7]), 0.0),
        (scene(["anatase", "gamma-WO3"], [[0, 0, -7], [0.15, 0.1, 7]], [0.7, 0.7]), -7.0),
    ],
    ids=["one sphere in focus", "12.6 nm of nothing and the second sphere out of focus"],
)
def test_abtem_on_the_whole_field_agrees(whole, focus_nm):
    abtem = pytest.importorskip("abtem")
    settings = {"potential": "abtem", "band_mrad": 80, "slice_thickness_angstrom": 3.5}
    microscope = Microscope(detectors=(RING,), focus_nm=focus_nm)
    made = engine(**settings, window_angstrom=48, reach_angstrom=16)
    found = made.probes(whole, microscope, POINTS).ravel()
    geometry = Geometry(made.settings, microscope, whole)
    reference = abtem_signal(abtem, geometry, tile_around(geometry, AggregateAtoms(whole), POINTS, 0))
    assert abs(found / reference - 1).mean() < 0.005
    assert abs(found / reference - 1).max() < 0.02


def abtem_signal(abtem, geometry, tile):
    """abTEM's probes through all atoms of the tile at once, on the tile's grid.

    Each slice reaches to the next that has atoms: abTEM's slices act at their top.
    """
    import ase

    tops = (tile.filled - tile.filled[0]) * tile.thickness
    heights = np.repeat(tops + tile.thickness / 2, np.diff(tile.ends))
    positions = np.column_stack([tile.grid * tile.sampling, heights])
    slices = np.append(np.diff(tops), tile.thickness)
    ny, nx = tile.shape
    cell = [nx * tile.sampling, ny * tile.sampling, slices.sum()]
    atoms = ase.Atoms(tile.numbers, positions, cell=cell, pbc=(True, True, False))
    scope = geometry.microscope
    with deterministic():
        potential = abtem.Potential(
            atoms, gpts=(nx, ny), slice_thickness=tuple(slices), parametrization="lobato",
            projection="infinite",
        )  # fmt: skip
        probe = abtem.Probe(
            energy=scope.energy_ev,
            semiangle_cutoff=scope.convergence_mrad,
            defocus=geometry.optics.focus - tile.height(0),
        )
        probe.grid.match(potential)
        scan = abtem.CustomScan(10 * POINTS - np.array(tile.corner))
        measured = probe.multislice(
            potential, scan=scan, detectors=geometry.detection.detectors(), lazy=False
        )
    return geometry.detection.values([measured]).ravel()


def test_an_image_is_its_blocks_and_its_probes():
    made, microscope, whole = engine(block_pixels=4), Microscope(), one()
    image = made.image(whole, microscope)
    assert isinstance(made, BlockEngine)
    assert image.shape == (1, 6, 6)
    assert image.dtype == np.float32
    for block in made.blocks(whole, microscope):
        np.testing.assert_array_equal(
            made.block_result(whole, microscope, block).intensity, image[block.window]
        )
    x, y = whole.field.x_nm, whole.field.y_nm
    points = np.array([[x[1], y[4]], [x[3], y[2]]])
    np.testing.assert_allclose(
        made.probes(whole, microscope, points)[:, 0], image[0, [4, 2], [1, 3]], rtol=1e-4
    )


def test_nothing_is_vacuum():
    microscope = Microscope(detectors=(Microscope().detectors[0], BF))
    far = np.array([[9.0, 9.0]])
    np.testing.assert_allclose(engine().probes(one(), microscope, far), [[0.0, 1.0]], atol=1e-6)
    assert engine().probes(one(), microscope, np.zeros((0, 2))).shape == (0, 2)


def test_several_configurations_have_a_standard_error():
    made, microscope, whole = engine(phonon_configurations=3, block_pixels=6), Microscope(), one()
    block = made.blocks(whole, microscope)[0]
    found = made.block_result(whole, microscope, block)
    assert found.standard_error is not None
    assert found.standard_error.shape == found.intensity.shape
    material = found.intensity > 0.3 * found.intensity.max()
    relative = found.standard_error[material] / found.intensity[material]
    assert 0.005 < np.median(relative) < 0.3


def test_work_is_where_particles_are():
    made, microscope = engine(block_pixels=4), Microscope()
    whole = scene(["anatase"], [[-1.5, -1.5, 0]], [0.8], shape=(16, 16))
    work = [made.block_work(whole, microscope, block) for block in made.blocks(whole, microscope)]
    assert work[0] > 0
    assert work[-1] == 0
    assert made.memory_bytes(whole, microscope) > 1e8
    assert "probes" in made.cost(whole, microscope)


@pytest.mark.parametrize("patient", [False, True])
def test_stored_plans_give_the_same_bytes(patient, tmp_path):
    microscope, whole = Microscope(), one()
    first, second = (engine(band_mrad=28, window_angstrom=14) for _ in range(2))
    Planner().save(tmp_path / "plans.json", first.windows(whole, microscope), patient)
    for made in (first, second):
        made.use_plans(tmp_path / "plans.json")
    np.testing.assert_array_equal(
        first.probes(whole, microscope, POINTS), second.probes(whole, microscope, POINTS)
    )


def test_plans_are_measured_once_and_damaged_ones_are_named(tmp_path):
    path = tmp_path / "plans.json"
    Planner().save(path, [(64, 22)])
    before = path.read_bytes()
    Planner().save(path, [(80, 27)])
    assert path.read_bytes() == before
    path.write_text("[]")
    with pytest.raises(UserError, match=r"plans\.json holds no FFT plans"):
        Planner.load(path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"band_mrad": 20}, "engine.band_mrad = 20"),
        ({"potential": "abtem", "band_mrad": 60}, "engine.band_mrad"),
    ],
)
def test_what_cannot_be_is_said(settings, said):
    with pytest.raises(UserError, match=said):
        make_engine(WindowedSettings(**settings)).cost(one(), Microscope())


def test_points_must_be_points():
    with pytest.raises(UserError, match="points_nm"):
        engine().probes(one(), Microscope(), np.array([[np.nan, 0.0]]))
