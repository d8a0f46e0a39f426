"""The spot check agrees with a sound table and finds a wrong one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulate.calibration import CalibrationSettings, calibrate
from simulate.engines.tables import ResponseTable
from simulate.microscope import Detector, Microscope
from simulate.spot_check import rotation_onto_beam, spot_check
from stochgeom.errors import UserError


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A coarse calibration: one phase, 3 directions, 2 and 4 nm, up to 80 mrad."""
    settings = CalibrationSettings(
        materials=("anatase",),
        microscope=Microscope(detectors=(Detector(inner_mrad=30, outer_mrad=80),)),
        directions=3,
        probes=8,
        thicknesses_nm=(2.0, 4.0),
        window_angstrom=12.8,
        gpts=160,
        probe_area_angstrom=5.0,
        seed=4,
    )
    out = tmp_path_factory.mktemp("calibration") / "table.npz"
    return ResponseTable.load(calibrate(settings, out, progress=False))


def test_a_sound_table_agrees_with_fresh_multislice(table):
    (spot,) = spot_check(table, directions=3, thickness_nm=4.0, seed=9)
    assert spot.directions == 3
    assert 0 < spot.standard_error < 0.3 * spot.table
    assert abs(spot.z) < 4.5  # a standard error from 8 probes a direction has heavy tails


def test_a_wrong_table_is_found(table):
    wrong = replace(
        table,
        phase_responses={
            name: replace(phase, intensity=3 * phase.intensity)
            for name, phase in table.phase_responses.items()
        },
    )
    (spot,) = spot_check(wrong, directions=3, thickness_nm=4.0, seed=9)
    assert spot.z < -5


def test_a_thickness_that_is_not_in_the_table_is_refused(table):
    with pytest.raises(UserError, match=r"7 nm: the table has 2, 4 nm"):
        spot_check(table, thickness_nm=7.0)


def test_the_direction_is_turned_onto_the_beam():
    rng = np.random.default_rng(1)
    for direction in [*rng.normal(size=(5, 3)), np.array([0.0, 0.0, -1.0])]:
        unit = direction / np.linalg.norm(direction)
        rotation = rotation_onto_beam(unit, rng)
        np.testing.assert_allclose(rotation @ unit, [0, 0, 1], atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)
