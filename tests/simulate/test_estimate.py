"""The estimate: what is summed up from a measurement, what is measured, and what the command prints."""

from __future__ import annotations

import math

import numpy as np
import pytest

import heterostem
from simulate import estimate as summing
from simulate import measure_blocks
from simulate.corpus.reader import Corpus
from simulate.estimate import duration, estimate, size, summed_up
from simulate.measure import Measured, measured, within
from simulate.measure_blocks import Timed, prices
from simulate.recipe import Recipe
from stochgeom.errors import UserError


@pytest.fixture
def probed(small) -> Recipe:
    """The small recipe with reference probes of two aggregates."""
    for species, phase in zip(small["aggregate"]["species"], ("anatase", "gamma-WO3"), strict=True):
        species["radii"] = {"law": "constant", "radius_nm": 0.5}
        species["phases"] = {phase: 1.0}
    small["microscope"] = {"detectors": [{"name": "ADF", "inner_mrad": 30, "outer_mrad": 50}]}
    engine = {"name": "multislice", "sampling_angstrom": 0.12, "margin_angstrom": 2, "tail": "none"}
    small["validation"] = {"aggregates": 2, "places": 2, "positions": 2, "min_thickness_nm": 0.5}
    small["validation"]["engine"] = engine
    return Recipe.from_dict(small)


def test_sums_of_whole_samples(recipe):
    found = Measured(
        sample_s=[1.0, 2.0, 3.0], imports_bytes=100, peak_bytes=10**9, stored_bytes_per_sample=50
    )
    one = summed_up(recipe, 10, 1, found)
    assert (one.sample_s, one.sample_sd_s, one.total_s, one.wall_s) == (2.0, 1.0, 20.0, 20.0)
    assert one.total_error_s == pytest.approx(10 * math.sqrt(1 / 3 - 1 / 10)), "three of ten are known"
    assert (one.memory_bytes, one.memory_is, one.stored_bytes) == (10**9, "measured", 500)
    assert one.blocks is None
    assert one.probes_s is None
    many = summed_up(recipe, 10, 64, found)
    assert many.wall_s == 8.0, "the largest of three shards: four samples"
    assert summed_up(recipe, 10, 2, found).wall_s == 12.0, "shards of 4, 4 and 2 samples"


def test_reference_probes_are_counted(probed):
    found = Measured(sample_s=[1.0, 1.0], probed_s=[30.0, 50.0])
    sums = summed_up(probed, 10, 2, found)
    assert (sums.probes_s, sums.total_s) == (80.0, 90.0)
    assert sums.total_error_s == pytest.approx(0.25 * 80.0)
    assert sums.wall_s == 50.0
    assert "reference probes  80 s, from one probe" in sums.text()


def test_sums_of_blocks(tiny_multislice):
    recipe = Recipe.from_dict(tiny_multislice)
    found = Measured(
        sample_s=[90.0, 110.0], timed_blocks=7, side=4, rate_error=0.1, blocks_per_image=9,
        blocks_with_work=6.5, heaviest_block_s=40.0, imports_bytes=10**8, peak_bytes=2 * 10**8,
        engine_bytes=9 * 10**8,
    )  # fmt: skip
    sums = summed_up(recipe, 3, 4, found)
    assert sums.total_s == 300.0
    assert sums.wall_s == 300.0 / 4 + 40.0 * 3 / 4
    assert sums.total_error_s == pytest.approx(
        math.hypot(30.0, 3 * np.std([90, 110], ddof=1) * math.sqrt(1 / 6))
    )
    assert (sums.memory_bytes, sums.memory_is) == (10**9, "the engine's bound")
    text = sums.text()
    assert "9 in an image, 6.5 of them with something to do" in text
    assert "7 blocks of up to 4 x 4 pixels and the geometry of 2 samples" in text
    assert "1 GB for each worker (the engine's bound)" in text
    assert sums.uncompressed_bytes > 2 * 3 * 12 * 12 * 4, "images and their standard errors"


def test_large_shards_need_memory(small, changed):
    big = Recipe.from_dict(changed(changed(small, "field.shape", [512, 512]), "samples_per_shard", 500))
    sums = summed_up(big, 10, 1, Measured(sample_s=[1.0], imports_bytes=100, peak_bytes=10**6))
    assert sums.memory_is == "that of a shard's samples"
    assert sums.memory_bytes > 3 * 500 * 512 * 512 * 4


def test_a_block_costs_something_of_its_own_and_something_for_its_work():
    timed = [
        Timed(first_s=own + 0.2 * w, again_s=0.2 * w, work=w)
        for own, w in ((9, 1.0), (0.5, 5.0), (0.7, 20.0))
    ]
    assert prices(timed) == pytest.approx([0.6, 0.2]), "the first one's imports do not count"
    assert prices(timed[:1]) == pytest.approx([9, 0.2])
    assert prices([Timed(1.0, 1.1, 10.0)]) == pytest.approx([0, 0.11])
    assert prices([]).tolist() == [0, 0]


def test_units():
    assert [duration(s) for s in (0.0123, 5, 90, 600, 7200, 200000)] == [
        "0.012 s", "5 s", "90 s", "10 min", "2 h", "2.31 days",
    ]  # fmt: skip
    assert [size(b) for b in (12, 3456, 7.8e6, 1.2e9, 3e12)] == [
        "12 B",
        "3.46 kB",
        "7.8 MB",
        "1.2 GB",
        "3 TB",
    ]
    assert list(within(-1.0, range(9))) == [0, 1]


@pytest.mark.distributed
def test_a_recipe_with_probes_is_measured_and_nothing_is_made(
    probed, toml_file, tmp_path, capsys, monkeypatch
):
    recipe = probed
    found = measured(recipe, 5)
    assert len(found.sample_s) == 5
    assert len(found.probed_s) == 2
    assert min(*found.sample_s, *found.probed_s) > 0
    assert found.peak_bytes > found.imports_bytes > 10**7
    assert found.stored_bytes_per_sample > 100
    monkeypatch.setattr(summing, "summed_up", lambda *given: given)
    monkeypatch.setattr("simulate.measure.measured", lambda recipe, samples: found)
    assert estimate(recipe, samples=5, workers=0)[1:] == (5, 1, found)


@pytest.mark.distributed
def test_the_command_estimates_a_recipe_of_blocks(tiny_multislice, toml_file, tmp_path, capsys):
    tiny_multislice["field"]["shape"] = [6, 6]
    tiny_multislice["engine"]["block_pixels"] = 2
    path, out = toml_file(tiny_multislice), tmp_path / "no" / "out"
    assert heterostem.run(["generate", str(path), "--out", str(out), "--workers", "3", "--estimate"]) == 0
    text = capsys.readouterr().out
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert {"corpus", "measured", "one sample", "blocks", "all", "wall time", "memory", "disk"} <= set(lines)
    assert "3 workers" in lines["wall time"]
    assert "±: one standard error" in text
    assert "are free at" in text
    assert not (tmp_path / "no").exists()


def test_measured_blocks_are_about_what_the_samples_take(tiny_multislice, monkeypatch):
    """In this process: the sum over all blocks, from some of them."""
    from simulate.engines.base import make_engine

    recipe, found = Recipe.from_dict(tiny_multislice), Measured()
    monkeypatch.setattr(measure_blocks, "MOST_BLOCKS", 5)
    measure_blocks.measure_blocks(recipe, make_engine(recipe.engine_settings), 3, found)
    assert (len(found.sample_s), found.timed_blocks, found.side, found.blocks_per_image) == (3, 5, 4, 9)
    assert 5 <= found.blocks_with_work <= 9
    assert found.heaviest_block_s <= max(found.sample_s)
    assert found.engine_bytes > 10**6
    assert found.stored_bytes_per_sample > 4 * 60


def test_an_estimate_of_nothing_to_compute(tiny_multislice, monkeypatch):
    """No block has work: nothing is timed, and nothing is divided by zero."""
    from simulate.engines.multislice import MultisliceEngine

    monkeypatch.setattr(MultisliceEngine, "block_work", lambda *arguments: 0.0)
    monkeypatch.setattr(measure_blocks, "_TRIES", 3)
    recipe, found = Recipe.from_dict(tiny_multislice), Measured()
    engine = MultisliceEngine(recipe.engine)
    measure_blocks.measure_blocks(recipe, engine, 2, found)
    assert (found.timed_blocks, found.heaviest_block_s) == (0, 0.0)
    assert "samples, in a process of their own" in summed_up(recipe, 2, 2, found).text()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"samples": 0}, "samples = 0: should be at least 1"), ({"workers": -2}, "workers = -2: should be at")],
)
def test_numbers_that_make_no_sense_are_refused(recipe, wrong, message):
    with pytest.raises(UserError, match=message):
        estimate(recipe, **wrong)


def test_bad_input_is_one_line(small, toml_file, tmp_path, capsys, changed):
    path = str(toml_file(changed(small, "engine.coefficients_per_um", {"TiO2": 0.5})))
    command = ["generate", path, "--out", str(tmp_path / "out"), "--estimate"]
    assert heterostem.run(command) == 1
    assert capsys.readouterr().err.endswith("engine.coefficients_per_um lacks WO3 (or its phase WO3)\n")
    for other in (["--part", "1/2"], ["--repair"], ["--overwrite"], ["--scheduler", "tcp://x"]):
        assert heterostem.run([*command, *other]) == 1
        assert "--estimate makes nothing; beside it only --samples and --workers" in capsys.readouterr().err


def test_a_process_that_dies_is_one_line(recipe, monkeypatch):
    from concurrent.futures.process import BrokenProcessPool

    from simulate import measure

    def dies(*arguments):
        raise BrokenProcessPool

    monkeypatch.setattr(measure.ProcessPoolExecutor, "submit", dies)
    with pytest.raises(UserError, match="the process that measures died; is there enough memory"):
        measured(recipe, 2)


def test_the_estimate_of_disk_is_close_to_a_corpus(finished, recipe):
    """Measured on whole samples, the corpus of ten has about ten times as many bytes as one sample."""
    from simulate.engines.base import make_engine
    from simulate.measure import _measure_samples

    found = Measured()
    _measure_samples(recipe, make_engine(recipe.engine_settings), 10, found)
    store, names = finished / "corpus.zarr", [s.name for s in summing.layout.sample_arrays(recipe, 10)]
    real = sum(p.stat().st_size for name in names for p in (store / name / "c").rglob("*") if p.is_file())
    assert summed_up(recipe, 10, 1, found).stored_bytes == pytest.approx(real, rel=0.3)
    assert len(Corpus.open(finished)) == 10
