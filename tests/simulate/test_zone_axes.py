"""Zone axes in response tables: measured, fitted, and asked for where a lamella lies along one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import SeedSequence
from scipy.spatial.transform import Rotation

import heterostem
from simulate.calibration.axes import (
    angle_mrad,
    axis_direction,
    lamella_axes,
    parsed_axis,
    with_zone_axes,
)
from simulate.calibration.calibrate import CalibrationSettings, calibrate
from simulate.calibration.slabs import measure_direction
from simulate.engines.tables import ResponseTable
from simulate.lamella.recipe import LamellaRecipe
from simulate.material import Material
from simulate.preflight import check_recipe
from simulate.recipe import Recipe
from stochgeom.errors import UserError

ANATASE = Material.named("anatase")
SMALL = CalibrationSettings(materials=("anatase",), directions=16, thicknesses_nm=(2.0, 4.0), seed=7)


def lamella(zone_axis, table: str, mistilt_mrad: float = 0.0) -> LamellaRecipe:
    lie = {"zone_axis": zone_axis, "mistilt_mrad": mistilt_mrad}
    recipe = Recipe.from_dict(
        {
            "schema": 1, "name": "axes", "kind": "texture", "samples": 1,
            "texture": {"model": "lamellae", "shape": [8, 8], "period_nm": 4},
            "lamella": {"phases": ["vacuum", "anatase"], "thickness_nm": 5, "orientations": [{}, lie]},
            "engine": {"name": "response", "table": table},
        }
    )  # fmt: skip
    assert isinstance(recipe, LamellaRecipe)
    return recipe


@pytest.fixture(scope="module")
def small(tmp_path_factory, few_slabs) -> ResponseTable:
    path = tmp_path_factory.mktemp("axes") / "small.npz"
    return ResponseTable.load(calibrate(SMALL, path, progress=False))


def test_a_measured_axis_is_what_the_table_says_there(small, tmp_path):
    axis = axis_direction(ANATASE, (0, 0, 1))
    more = with_zone_axes(small, {"anatase": [(0, 0, 1)]}, {"anatase": ANATASE}, probes=4)
    fresh = measure_direction(
        SMALL.fine.model_copy(update={"probes": 6}), ANATASE, axis, SeedSequence(11)
    )[:, 0]  # fmt: skip
    before, after = (table.curve("anatase", axis)[1:, 0] for table in (small, more))
    assert after == pytest.approx(fresh, rel=0.2), "noise of 4 and 6 probes in thin slabs, and of the fit"
    assert abs(after / fresh - 1).max() < abs(before / fresh - 1).max()
    again = ResponseTable.load(more.save(tmp_path / "more.npz"))
    assert again.metadata["zone_axes"] == [{"axes": {"anatase": [[0, 0, 1]]}, "probes": 4, "seed": 1}]
    assert np.array_equal(again.phase("anatase").intensity[:-1], small.phase("anatase").intensity)
    assert angle_mrad(again.phase("anatase"), axis) < 0.5


def test_angles_know_the_symmetry():
    response = ResponseTable.load("tio2-wo3-300kv").phase("anatase")
    directions = [axis_direction(ANATASE, axis) for axis in ((1, 0, 1), (0, -1, 1), (1, 0, -1))]
    assert np.ptp([angle_mrad(response, d) for d in directions]) < 1e-2
    measured = response.laue[3] @ response.directions[5]
    tilted = Rotation.from_rotvec(
        0.007 * np.cross(measured, [0.6, 0.8, 0]) / np.linalg.norm(np.cross(measured, [0.6, 0.8, 0]))
    )
    assert angle_mrad(response, tilted.apply(measured)) == pytest.approx(7.0, abs=0.1)


def test_crystals_along_an_axis_need_a_table_that_has_it():
    message = (
        r"zone_axis = \[0, 0, 1\] of anatase lies 64 mrad from the nearest direction.*calibrate --extend"
    )
    with pytest.raises(UserError, match=message):
        check_recipe(lamella([0, 0, 1], "tio2-wo3-300kv"), 1)
    check_recipe(lamella([0, 0, 1], "tio2-wo3-300kv-axes"), 1)
    check_recipe(lamella([0, 0, 1], "tio2-wo3-300kv", mistilt_mrad=100), 1)  # hardly ever along it


@pytest.mark.parametrize("phase", ["anatase", "rutile", "gamma-WO3"])
def test_the_shipped_table_has_the_axes_of_low_indices(phase):
    response, material = ResponseTable.load("tio2-wo3-300kv-axes").phase(phase), Material.named(phase)
    plain = ResponseTable.load("tio2-wo3-300kv").phase(phase)
    for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)):
        assert angle_mrad(response, axis_direction(material, axis)) < 0.5
    assert np.array_equal(response.intensity[: len(plain.directions)], plain.intensity)
    away = plain.directions[:40]
    assert response.curves(away)[:, -1, 0] == pytest.approx(plain.curves(away)[:, -1, 0], rel=0.06)


def test_axes_of_a_recipe():
    axes, materials = lamella_axes(lamella([1, 0, 1], "tio2-wo3-300kv"))
    assert axes == {"anatase": ((1, 0, 1),)}
    assert list(materials) == ["anatase"]
    with pytest.raises(UserError, match="none has a zone_axis"):
        lamella_axes(lamella(None, "tio2-wo3-300kv"))


@pytest.mark.parametrize("text", ["0,0", "a,b,c", "0,0,0", "1;0;0"])
def test_what_is_no_axis_is_said(text):
    with pytest.raises(UserError, match=f"--axis {text}: "):
        parsed_axis(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--axis", "0,0,1"], "--axis goes with --extend TABLE"),
        (["--extend", "tio2-wo3-300kv"], "either of --axis"),
        (["--extend", "tio2-wo3-300kv", "--axis", "0,0,1", "--material", "nacl"], "nacl"),
    ],
)
def test_commands_that_lack_something(options, message, tmp_path, capsys):
    assert heterostem.run(["calibrate", "--out", str(tmp_path / "t.npz"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
