"""Damage that is marked finished: found by `verify`, made again by `generate` with `repair`."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil

import numpy as np
import pytest
import zarr

import heterostem
from simulate.corpus.card import overview
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.generate import generate, missing_tasks
from simulate.recipe import Recipe
from stochgeom.errors import UserError


def contents(folder):
    """Hash of every file of a store."""
    store = folder / "corpus.zarr"
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(f.relative_to(store)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def file_of(folder, name, shard):
    """The file of a shard of an array."""
    place = folder / "corpus.zarr" / name / "c" / str(shard)
    (found,) = [place] if place.is_file() else (path for path in place.rglob("*") if path.is_file())
    return found


def status_of(folder, shard):
    """The file of one entry of `status`."""
    return folder / "corpus.zarr" / "status" / "c" / str(shard)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def unlink(path):
    path.unlink()


@pytest.mark.parametrize("name", ["images", "truth/cropped"])
@pytest.mark.parametrize("damage", [truncate, flip, empty, unlink])
def test_a_damaged_shard_is_made_again_and_the_others_are_left_alone(own, finished, recipe, name, damage):
    damage(file_of(own, name, 1))
    found = verify(Corpus.open(own), recompute=0)
    assert found.damaged == [("shard", 1)]
    kept = {k: file_of(own, "images", k).stat().st_mtime_ns for k in (0, 2)}
    assert missing_tasks(generate(recipe, own, progress=False)) == []
    assert verify(Corpus.open(own), recompute=0).damaged == [("shard", 1)], "only repair looks"
    generate(recipe, own, repair=True, progress=False)
    assert contents(own) == contents(finished)
    assert {k: file_of(own, "images", k).stat().st_mtime_ns for k in kept} == kept


def test_values_that_are_not_finite_are_made_again(own, finished, recipe, capsys):
    zarr.open_array(own / "corpus.zarr" / "images", mode="r+")[9, 0, 2, 2] = np.nan
    generate(recipe, own, repair=True)
    assert "small: made again: shard 2 (samples 8 to 9): images: not finite" in capsys.readouterr().err
    assert contents(own) == contents(finished)


def test_a_part_of_a_job_array_repairs_its_own_shards(own, finished, recipe):
    for shard in (0, 1):
        truncate(file_of(own, "images", shard))
    generate(recipe, own, part=(2, 2), repair=True, progress=False)
    assert verify(Corpus.open(own), recompute=0).damaged == [("shard", 0)]
    generate(recipe, own, part=(1, 2), repair=True, progress=False)
    assert contents(own) == contents(finished)


def test_an_array_that_cannot_be_opened_is_one_problem_and_not_repaired(own, recipe):
    (own / "corpus.zarr" / "images" / "zarr.json").write_text("{")
    found = verify(Corpus.open(own))
    assert len(found.problems) == 1
    assert "array images is missing or damaged" in found.problems[0]
    assert found.damaged == []
    with pytest.raises(UserError, match=r"array images .*cannot be repaired, only made anew"):
        generate(recipe, own, repair=True, progress=False)


@pytest.mark.parametrize("content", [b"", b"(\xb5", bytes(17), b"no status at all"])
def test_a_status_entry_that_cannot_be_read_is_an_unfinished_shard(own, finished, recipe, content):
    status_of(own, 1).write_bytes(content)
    corpus = Corpus.open(own)
    assert corpus.finished.tolist() == [True, False, True]
    assert corpus.indices().tolist() == [0, 1, 2, 3, 8, 9]
    assert corpus.clean(9).max() > 0
    assert "2 of 3 shards finished" in overview(corpus)
    with pytest.raises(UserError, match=r"sample 5 is not made yet \(shard 1 is not finished\)"):
        corpus.clean(5)
    assert missing_tasks(own) == [("shard", 1)]
    generate(recipe, own, progress=False)
    assert contents(own) == contents(finished)


def test_a_damaged_file_of_an_unfinished_shard_is_not_read(own):
    status_of(own, 1).write_bytes(b"")
    for name in ("parameters", "split", "pixel_size"):
        truncate(file_of(own, name, 1))
    corpus = Corpus.open(own)
    column = corpus.column("fractal_dimension")
    assert np.flatnonzero(np.isnan(column)).tolist() == [4, 5, 6, 7]
    assert sum(len(corpus.indices(name)) for name in ("train", "calibration", "validation", "test")) == 6
    assert corpus.noisy(0).shape == (1, 20, 24)


def test_verify_names_the_command_that_repairs(own, finished, monkeypatch, capsys):
    truncate(file_of(own, "descriptors", 0))
    monkeypatch.chdir(own.parent)
    assert heterostem.run(["verify", own.name]) == 1
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "--repair" in text]
    command = line.removeprefix("to make again what is damaged: ")
    assert command == f"heterostem generate ./{own.name} --out ./{own.name} --repair"
    assert heterostem.run([*shlex.split(command)[1:], "--workers", "1"]) == 0
    assert "complete" in capsys.readouterr().out
    assert contents(own) == contents(finished)


def test_what_is_only_unfinished_needs_no_repair(own, capsys):
    status_of(own, 2).unlink()
    assert heterostem.run(["verify", str(own)]) == 1
    text = capsys.readouterr().out
    assert "2 of 10 samples are not made yet" in text
    assert "--repair" not in text


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """A corpus of three small aggregates with reference probes of two of them. Copy it before use."""
    radii = {"law": "constant", "radius_nm": 0.8}
    species = [
        {"name": name, "fraction": 0.5, "radii": radii, "phases": {phase: 1}}
        for name, phase in (("TiO2", "anatase"), ("WO3", "gamma-WO3"))
    ]
    recipe = {
        "schema": 1, "name": "probed", "samples": 3, "samples_per_shard": 2, "seed": 3,
        "aggregate": {"n_particles": 2, "species": species},
        "microscope": {"detectors": [{"name": "ADF", "inner_mrad": 40, "outer_mrad": 60}]},
        "field": {"shape": [12, 12], "fit": 1.1},
        "engine": {"name": "response", "coefficients_per_um": {"TiO2": 0.5, "WO3": 1.69}},
        "validation": {
            "aggregates": 2, "places": 2, "positions": 2, "min_thickness_nm": 0.5, "spread_nm": 0.1,
            "engine": {"name": "multislice", "sampling_angstrom": 0.1, "margin_angstrom": 3, "tail": "none"},
        },
    }  # fmt: skip
    out = tmp_path_factory.mktemp("probed") / "corpus"
    return generate(Recipe.from_dict(recipe), out, progress=False)


@pytest.mark.parametrize(
    ("name", "damage", "problem"),
    [
        ("intensity", truncate, r"array validation/intensity, probes 4 on \(aggregate 1 on\) is damaged"),
        ("response", unlink, r"reference probes of aggregate 1 .*: response: values that are not fractions"),
        ("sample", unlink, r"reference probes of aggregate 1 .*: sample: not the one that is probed"),
        ("place", unlink, r"place: not in order"),
        ("x", unlink, r"x, y: not finite"),
    ],
)
def test_damaged_reference_probes_are_made_again(probed, tmp_path, name, damage, problem):
    own = shutil.copytree(probed, tmp_path / "own")
    damage(file_of(own, f"validation/{name}", 1))
    found = verify(Corpus.open(own), recompute=0)
    assert found.damaged == [("validation", 1)]
    assert [line for line in found.problems if re.search(problem, line)]
    generate(Recipe.load(own), own, repair=True, progress=False)
    assert contents(own) == contents(probed)


def test_an_unreadable_status_of_probes_leaves_the_other_probes(probed, tmp_path):
    own = shutil.copytree(probed, tmp_path / "own")
    (own / "corpus.zarr" / "validation" / "status" / "c" / "0").write_bytes(b"")
    corpus = Corpus.open(own)
    assert corpus.validation["sample"].shape == (4,)
    assert missing_tasks(own) == [("validation", 0)]
    assert json.loads((own / "provenance.json").read_text())["runs"][0]["aggregates_probed"] == 2
