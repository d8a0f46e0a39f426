"""A recipe's crystals must be those of its response table."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace

import pytest

from simulate.engines.tables import ResponseTable
from simulate.generate import generate, preflight
from simulate.material import Material
from simulate.recipe import Recipe
from simulate.recipe_files import shipped_files
from simulate.resources import resource
from simulate.table_materials import difference, made_with
from stochgeom.errors import UserError

SHIPPED = {"cif": "own.cif", "rms_displacement_angstrom": {"Ti": 0.080, "O": 0.089}}


@pytest.fixture
def demo(tmp_path):
    """The recipe `demo` as data, without reference probes, and the shipped anatase as `own.cif` beside it."""
    (tmp_path / "own.cif").write_text(resource("materials", "anatase.cif").read_text())
    data = tomllib.loads(shipped_files("recipes", ".toml")["demo"].read_text())
    del data["validation"]
    return data


def load(data, folder):
    return Recipe.from_dict(data, folder=folder)


def stretch(path):
    """Make the crystal 1 % longer along its axis."""
    path.write_text(re.sub(r"(_cell_length_c +)[0-9.]+", r"\g<1>9.61", path.read_text()))


def test_another_crystal_than_the_tables_is_refused_before_anything_is_written(demo, tmp_path):
    demo["materials"] = {"anatase": SHIPPED}
    stretch(tmp_path / "own.cif")
    message = (
        r"materials.anatase is not the crystal that engine.table = 'tio2-wo3-300kv' was made with "
        r"\(cell edges differ by up to 0.0954 Å\): .*heterostem calibrate .*leave the material out"
    )
    with pytest.raises(UserError, match=message) as caught:
        generate(load(demo, tmp_path), tmp_path / "out", samples=2, progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("displacements", "said"),
    [
        ({"Ti": 0.1, "O": 0.089}, r"rms_displacement_angstrom.Ti is 0.1 Å against 0.08 Å"),
        ({"Ti": 0.08}, r"rms_displacement_angstrom.O is none against 0.089 Å"),
    ],
)
def test_other_displacements_are_refused(demo, tmp_path, displacements, said):
    demo["materials"] = {"anatase": SHIPPED | {"rms_displacement_angstrom": displacements}}
    with pytest.raises(UserError, match=said):
        preflight(load(demo, tmp_path), tmp_path / "out", 2)


def test_the_same_crystal_by_an_own_cif_passes(demo, tmp_path):
    text = (tmp_path / "own.cif").read_text()
    (tmp_path / "own.cif").write_text(f"# my own copy\n{text}")
    demo["materials"] = {"anatase": SHIPPED}
    recipe = load(demo, tmp_path)
    assert recipe.materials["anatase"].cif_text.startswith("# my own copy")
    preflight(recipe, tmp_path / "out", 2)  # raises if it is refused


def test_a_copy_of_the_shipped_table_counts_as_the_shipped_one(demo, tmp_path):
    table = shipped_files("responses", ".npz")["tio2-wo3-300kv"]
    (tmp_path / "mine.npz").write_bytes(table.read_bytes())
    demo["engine"]["table"] = "mine.npz"
    demo["materials"] = {"anatase": SHIPPED}
    stretch(tmp_path / "own.cif")
    with pytest.raises(UserError, match=r"engine.table = 'mine.npz'"):
        preflight(load(demo, tmp_path), tmp_path / "out", 2)


def test_a_table_remembers_the_crystals_it_was_made_with(demo, tmp_path):
    """An own table of an own crystal goes with that crystal, and not with probes of the shipped one."""
    stretch(tmp_path / "own.cif")
    own = Material.from_cif(tmp_path / "own.cif", SHIPPED["rms_displacement_angstrom"], name="anatase")
    shipped = ResponseTable.load("tio2-wo3-300kv")
    replace(shipped, metadata=shipped.metadata | {"materials": {"anatase": own.record}}).save(
        tmp_path / "own.npz"
    )
    demo["engine"]["table"] = "own.npz"
    preflight(load(demo | {"materials": {"anatase": SHIPPED}}, tmp_path), tmp_path / "out", 2)
    preflight(load(demo, tmp_path), tmp_path / "out", 2)
    probes = {"aggregates": 1, "engine": {"name": "multislice", "sampling_angstrom": 0.0328}}
    with pytest.raises(
        UserError, match=r"made with another anatase than the shipped one .*materials.anatase"
    ):
        preflight(load(demo | {"validation": probes}, tmp_path), tmp_path / "out", 2)


def test_a_table_that_does_not_say_what_it_was_made_with_is_taken_as_it_is(demo, tmp_path):
    shipped = ResponseTable.load("tio2-wo3-300kv")
    silent = {key: value for key, value in shipped.metadata.items() if key != "materials"}
    path = replace(shipped, metadata=silent).save(tmp_path / "own.npz")
    assert made_with(ResponseTable.load(path), "anatase") is None
    demo["engine"]["table"] = "own.npz"
    demo["materials"] = {"anatase": SHIPPED}
    stretch(tmp_path / "own.cif")
    preflight(load(demo, tmp_path), tmp_path / "out", 2)


def test_differences_are_said_in_words():
    anatase, rutile = (Material.named(name).record for name in ("anatase", "rutile"))
    assert difference(anatase, anatase) is None
    assert "6 atoms in the cell against 12" in difference(anatase, rutile)
    moved = [[x + 0.01 for x in row] for row in anatase["positions_angstrom"]]
    assert (
        difference(anatase, anatase | {"positions_angstrom": moved})
        == "positions of atoms differ by up to 0.01 Å"
    )
