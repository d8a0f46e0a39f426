"""The wheel holds code and data and works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

USE = """
import sys, pathlib
import heterostem, stochgeom, simulate, learn
here = pathlib.Path(sys.argv[1]).resolve()
for package in (heterostem, stochgeom, simulate, learn):
    assert here in pathlib.Path(package.__file__).resolve().parents, package.__file__
from simulate.recipe import Recipe
from simulate.imaging import realise
from simulate.material import Material
from simulate.engines.tables import ResponseTable
for name in ("demo", "reference", "multislice-small", "tio2-wo3", "windowed-30", "graphene-small"):
    assert Recipe.load(name).name == name
assert len(realise(Recipe.load("graphene-small"), 0).scene.structure.numbers) > 100
assert 3.7 < Material.named("anatase").density_g_cm3 < 4.0
assert ResponseTable.load("tio2-wo3-300kv").phases
raise SystemExit(heterostem.run(["--help"]))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_wheel_holds_recipes_and_reference_data_and_no_tests(unpacked):
    names = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*")}
    for source in (ROOT / "datasets").rglob("*"):
        if source.is_file():
            assert f"simulate/_datasets/{source.relative_to(ROOT / 'datasets')}" in names
    for package in ("stochgeom", "simulate", "learn"):
        for source in (ROOT / package).rglob("*.py"):
            assert str(source.relative_to(ROOT)) in names
    assert "learn/templates/report.html.j2" in names
    assert not [name for name in names if name.split("/")[0] in {"tests", "docs", "benchmarks", "datasets"}]


def test_wheel_works_outside_the_checkout(unpacked, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    run = subprocess.run(
        [sys.executable, "-c", USE, str(unpacked)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "generate" in run.stdout
