"""Response tables: the shipped one against experiment and theory, a fresh small one against the shipped
one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from simulate.calibration import CalibrationSettings, calibrate, random_rotations
from simulate.cross_sections import cone_r_per_um, r_per_um
from simulate.engines.tables import PhaseResponse, ResponseTable
from simulate.material import Material, with_inversion
from simulate.microscope import Detector, Microscope
from simulate.resources import resource
from stochgeom.errors import UserError

SMALL = CalibrationSettings(
    materials=("anatase",), directions=16, probes=4, thicknesses_nm=(2.0, 4.0), window_angstrom=12.8,
    gpts=400, probe_area_angstrom=4.0, seed=7,
)  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> ResponseTable:
    return ResponseTable.load("tio2-wo3-300kv")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration") / "small.npz"
    calibrate(SMALL, path, progress=False)
    return path


@pytest.mark.parametrize("phase", ["anatase", "rutile"])
def test_the_difference_from_independent_atoms_is_understood(shipped, phase):
    """Cone, grid and tail put together: R of TiO2 at 10 nm within three standard errors and 3 %.

    The 3 % are for electrons that scatter twice. Titanium needs no other approximation than Born's.
    """
    made, detector = shipped.metadata, shipped_detector(shipped)
    density = Material.named(phase).element_densities_per_nm3
    r, error = shipped.r_per_um(phase, 10)
    predicted = made["tail_factor"][phase][0] * cone_r_per_um(
        density,
        detector,
        300e3,
        20.0,
        up_to_mrad=made["grid_mrad"],
        sampling_angstrom=made["sampling_angstrom"],
    )
    assert abs(r - predicted) < 3 * error + 0.03 * r


@pytest.mark.parametrize(
    ("phase", "species", "within"),
    [("anatase", "TiO2", 0.10), ("rutile", "TiO2", 0.10), ("gamma-WO3", "WO3", 0.25)],
)
def test_the_shipped_table_lies_between_experiment_and_theory(shipped, phase, species, within):
    """R at 10 nm over 64 orientations or more: in the experiment's 5-95 % band and near independent atoms.

    The differences: the cone (+10 %), abTEM's grid (-14 %) and, in WO3, the first Born approximation, which
    overestimates a tungsten atom by a fifth. Each is shown by a test, here or in test_cross_sections.py.
    """
    r, error = shipped.r_per_um(phase, thickness_nm=10)
    assert len(shipped.phase(phase).directions) >= 64
    assert error / r <= 0.03
    experiment = json.loads(resource("reference", "tio2-wo3-experiment.json").read_text())
    low, high = experiment["species"][species]["r_per_um"]["percentiles_5_95"]
    assert low < r < high
    theory = experiment["independent_atoms_r_per_um"]["300 kV"][phase]
    assert r == pytest.approx(theory, rel=within)
    material = Material.named(phase)
    assert r == pytest.approx(
        r_per_um(material.element_densities_per_nm3, shipped_detector(shipped), 300e3), rel=within
    )


def shipped_detector(table: ResponseTable) -> Detector:
    return Detector(**table.metadata["detectors"][0])


def test_the_shipped_table_says_how_it_was_made(shipped):
    made = shipped.metadata
    assert made["made_by"].startswith("heterostem calibrate")
    assert f"--seed {made['seed']}" in made["made_by"]
    assert made["sampling_angstrom"] <= Microscope().wavelength_angstrom / 0.6
    assert made["tail_factor"].keys() == set(shipped.phases) == {"anatase", "rutile", "gamma-WO3"}
    assert {"abtem_version", "probes_per_direction", "slice_thickness_angstrom", "focus"} <= made.keys()
    shipped.check(Microscope())
    assert shipped.thickness_nm[-1] >= 20


def test_intensity_rises_with_thickness_and_stays_a_fraction(shipped):
    for phase in shipped.phases:
        curve = shipped.phase(phase).intensity.mean(axis=0)[:, 0]
        assert curve[0] == 0
        assert (np.diff(curve) > 0).all()
        assert curve[-1] < 0.2


def test_directions_cover_the_sphere(shipped):
    """Modulo symmetry no direction is far from a calibrated one: 64 of them leave gaps of about 20
    degrees."""
    beams = Rotation.random(500, rng=np.random.default_rng(0)).apply([0, 0, 1])
    for phase in shipped.phases:
        p = shipped.phase(phase)
        best = [(p.directions @ (p.laue @ b).T).max() for b in beams]
        assert np.degrees(np.arccos(min(best))) < 35
        assert np.degrees(np.arccos(np.mean(best))) < 15


def test_a_fresh_small_calibration_agrees_with_the_shipped_table(fresh, shipped):
    """Other seed, fewer directions, a smaller window: equal within four standard errors of the two."""
    table = ResponseTable.load(fresh)
    r, error = table.r_per_um("anatase", 4.0)
    expected, its_error = shipped.r_per_um("anatase", 4.0)
    assert error / r < 0.12
    assert abs(r - expected) < 4 * np.hypot(error, its_error)


def test_a_table_keeps_the_crystals_it_was_made_with(fresh):
    assert ResponseTable.load(fresh).metadata["materials"] == {"anatase": Material.named("anatase").record}


def test_a_stopped_calibration_goes_on(fresh, tmp_path):
    """A lost part is made again; the table is the same as in one go, up to the last bits of another FFT
    plan."""
    first = ResponseTable.load(fresh)
    parts = fresh.with_name("small.npz.parts")
    (parts / "0-0003.npz").unlink()
    kept = {f.name: f.stat().st_mtime_ns for f in parts.glob("0-*.npz")}
    calibrate(SMALL, fresh, progress=False)
    assert all(kept[f] == (parts / f).stat().st_mtime_ns for f in kept)
    again = ResponseTable.load(fresh)
    mean, before = (table.phase("anatase").intensity.mean(axis=0) for table in (again, first))
    np.testing.assert_allclose(mean, before, rtol=1e-5)
    with pytest.raises(UserError, match="parts of a calibration with other settings"):
        calibrate(SMALL.model_copy(update={"seed": 8}), fresh, progress=False)


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        calibrate(SMALL, tmp_path / "file" / "table.npz", progress=False)


def test_a_detector_far_beyond_the_grid_is_refused_with_the_grid_that_would_do(tmp_path):
    wide = Microscope(detectors=(Detector(inner_mrad=80, outer_mrad=400),))
    settings = SMALL.model_copy(update={"microscope": wide})
    with pytest.raises(
        UserError, match=r"gpts = 400 carries .* 'HAADF' needs 233 mrad for anatase.* gpts = 480 would do"
    ):
        calibrate(settings, tmp_path / "table.npz", progress=False)
    assert list(tmp_path.iterdir()) == []
    enough = settings.model_copy(update={"gpts": 480})
    assert enough.grid_mrad >= 233


def test_rotations_are_evenly_spread():
    rotations = random_rotations(64, np.random.SeedSequence(3))
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(
        np.broadcast_to(np.eye(3), (64, 3, 3)), abs=1e-9
    )
    assert np.linalg.det(rotations) == pytest.approx(1)
    assert np.array_equal(rotations[:10], random_rotations(10, np.random.SeedSequence(3)))
    assert abs(rotations.mean(axis=0)).max() < 0.1  # 4 standard errors of random ones would be 0.29


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"thicknesses_nm": (1.0, 1.1)}, "whole slices"),
        ({"thicknesses_nm": (2.0, 1.0)}, "whole slices"),
        ({"microscope": Microscope(focus_nm=1.0)}, "entrance surface"),
        ({"gpts": 64}, "a detector begins at 50"),
        ({"probe_area_angstrom": 20.0}, "half of window"),
    ],
)
def test_senseless_settings_are_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        CalibrationSettings(**wrong)


ANNULUS = (Detector(inner_mrad=50, outer_mrad=100),)


def make_table(directions, intensity, laue) -> ResponseTable:
    phase = PhaseResponse(
        np.asarray(directions, float), np.asarray(intensity, float), np.zeros_like(intensity), laue
    )
    detectors = [d.model_dump(mode="json") for d in ANNULUS]
    made = {"energy_ev": 2e5, "convergence_mrad": 20.0, "detectors": detectors}
    return ResponseTable({"x": phase}, np.array([0.0, 5.0, 10.0]), made)


def exponential_table(per_nm=(0.01, 0.03)) -> ResponseTable:
    t = np.array([0.0, 5.0, 10.0])
    intensity = np.stack([1 - np.exp(-r * t) for r in per_nm])[:, :, None]
    return make_table(np.eye(3)[: len(per_nm)], intensity, with_inversion(np.eye(3)[None]))


def test_a_table_comes_back_from_its_file(tmp_path):
    table = exponential_table()
    again = ResponseTable.load(table.save(tmp_path / "t.npz"))
    assert again.phases == ("x",)
    assert again.curve("x", np.array([0.0, -1.0, 0.1])) == pytest.approx(
        table.phase("x").intensity[1], abs=1e-7
    )
    assert again.metadata["energy_ev"] == 2e5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.npz"]


def test_interpolation_and_extrapolation_are_exact_for_exponentials():
    table = exponential_table()
    thickness = np.array([0.0, 2.0, 7.5, 10.0, 40.0])
    curve = table.curve("x", np.array([1.0, 0, 0]))
    assert table.intensity(curve, thickness)[:, 0] == pytest.approx(1 - np.exp(-0.01 * thickness))
    assert table.r_per_um("x", 7.0)[0] == pytest.approx(20.0)


def test_the_nearest_direction_does_not_depend_on_the_symmetric_copy():
    material = Material.named("anatase")
    rng = np.random.default_rng(2)
    directions = random_rotations(32, np.random.SeedSequence(1))[:, 2]
    table = make_table(directions, rng.random((32, 3, 1)) * [[[0], [1], [1]]], material.laue_rotations())
    for beam in Rotation.random(20, rng=rng).apply([0, 0, 1]):
        found = {table.phase("x").nearest(r @ beam) for r in material.laue_rotations()}
        assert len(found) == 1
        reached = (directions[found.pop()] @ (material.laue_rotations() @ beam).T).max()
        assert reached >= (directions @ beam).max() - 1e-12  # symmetry can only bring one nearer


@pytest.mark.parametrize(
    ("microscope", "said"),
    [
        (Microscope(energy_ev=3e5, detectors=ANNULUS), "energy_ev = 300000, .*200000"),
        (Microscope(energy_ev=2e5, convergence_mrad=25), "convergence_mrad = 25"),
        (Microscope(energy_ev=2e5), "detectors"),
        (Microscope(energy_ev=2e5, detectors=ANNULUS, aberrations={"C30": 1.0}), "aberrations"),
    ],
)  # fmt: skip
def test_another_microscope_is_refused(microscope, said):
    with pytest.raises(UserError, match=said):
        exponential_table().check(microscope)


def test_bad_tables_are_refused_and_nothing_is_unpickled(tmp_path):
    with pytest.raises(UserError, match=r"none of that name is shipped .*tio2-wo3-300kv"):
        ResponseTable.load(tmp_path / "none.npz")
    with pytest.raises(UserError, match="no phase 'y'; it has: x"):
        exponential_table().curve("y", np.ones(3))
    good = exponential_table().save(tmp_path / "good.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(good.read_bytes()[:200])
    with pytest.raises(UserError, match=r"cut\.npz is damaged"):
        ResponseTable.load(cut)
    evil = tmp_path / "evil.npz"
    np.savez(evil, metadata=np.array([print], dtype=object))
    with pytest.raises(UserError, match=r"evil\.npz is damaged"):
        ResponseTable.load(evil)
    with np.load(good) as data:
        arrays = dict(data)
    header = json.loads(str(arrays["metadata"]))
    np.savez(
        tmp_path / "old.npz", **{**arrays, "metadata": np.array(json.dumps({**header, "schema_version": 0}))}
    )
    with pytest.raises(UserError, match="schema version 0"):
        ResponseTable.load(tmp_path / "old.npz")
    np.savez(tmp_path / "nan.npz", **{**arrays, "x/intensity": np.full((2, 3, 1), np.nan)})
    with pytest.raises(UserError, match="do not fit together"):
        ResponseTable.load(tmp_path / "nan.npz")
