"""The spot check agrees with a sound table and finds a wrong one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulate.calibration.calibrate import CalibrationSettings, calibrate
from simulate.calibration.directions import rotation_onto_beam
from simulate.calibration.spot_check import spot_check
from simulate.engines.tables import ResponseTable
from stochgeom.errors import UserError


@pytest.fixture(scope="module")
def table(tmp_path_factory, few_slabs):
    """A coarse calibration: one phase, 6 directions, 2 and 4 nm."""
    settings = CalibrationSettings(materials=("anatase",), directions=6, thicknesses_nm=(2.0, 4.0), seed=4)
    out = tmp_path_factory.mktemp("calibration") / "table.npz"
    return ResponseTable.load(calibrate(settings, out, progress=False))


def test_a_sound_table_agrees_with_fresh_multislice(table):
    (spot,) = spot_check(table, directions=6, thickness_nm=4.0, seed=9)
    assert spot.directions == 6
    assert 0 < spot.standard_error < 0.08 * spot.table
    assert abs(spot.z) < 6  # an error from six pairs has heavy tails


def test_a_wrong_table_is_found(table):
    wrong = replace(
        table,
        phase_responses={
            name: replace(phase, intensity=2 * phase.intensity)
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
