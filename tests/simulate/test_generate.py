"""Making corpora: the same bytes however they are made, and nothing lost when it is stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import simulate.executors as executors
import simulate.generate as making
from simulate.corpus.reader import Corpus
from simulate.generate import generate, missing_tasks, run_task
from simulate.recipe import Recipe
from stochgeom.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file of a store."""
    store = folder / "corpus.zarr"
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


def test_any_order_of_the_tasks_gives_the_same_bytes(finished, recipe, tmp_path):
    making.prepare_store(tmp_path, recipe, 10)
    tasks = missing_tasks(tmp_path)
    assert tasks == [("shard", 0), ("shard", 1), ("shard", 2)]
    for task in reversed(tasks):
        run_task(json.dumps(recipe.canonical), str(tmp_path), task)
    assert contents(tmp_path) == contents(finished)


def test_parts_of_a_job_array_fill_one_corpus(finished, recipe, tmp_path):
    generate(recipe, tmp_path, part=(2, 2), progress=False)
    assert Corpus.open(tmp_path).finished.tolist() == [False, True, False]
    assert not (tmp_path / "README.md").exists()
    generate(recipe, tmp_path, part=(1, 2), progress=False)
    assert contents(tmp_path) == contents(finished)
    assert (tmp_path / "README.md").exists()


def test_other_shards_hold_the_same_samples(finished, small, changed, tmp_path):
    other = Recipe.from_dict(changed(small, "samples_per_shard", 3))
    generate(other, tmp_path, progress=False)
    ours, theirs = Corpus.open(tmp_path), Corpus.open(finished)
    for name in ("images", "parameters", "descriptors", "particles", "split", "pixel_size"):
        assert ours.array(name)[:].tobytes() == theirs.array(name)[:].tobytes()


def test_fewer_samples_are_the_first_ones(finished, recipe, tmp_path):
    generate(recipe, tmp_path, samples=5, progress=False)
    ours, theirs = Corpus.open(tmp_path), Corpus.open(finished)
    assert len(ours) == 5
    assert ours.images[:].tobytes() == theirs.images[:5].tobytes()
    assert ours.split[:].tolist() == theirs.split[:5].tolist()


def test_stopping_keeps_what_is_finished(finished, recipe, tmp_path, monkeypatch):
    write = making.CorpusWriter.write_shard

    def stops(self, shard, samples):
        if shard == 1:
            raise KeyboardInterrupt
        write(self, shard, samples)

    with monkeypatch.context() as patch:
        patch.setattr(making.CorpusWriter, "write_shard", stops)
        with pytest.raises(KeyboardInterrupt):
            generate(recipe, tmp_path, progress=False)
    assert Corpus.open(tmp_path).finished.tolist() == [True, False, False]
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "corpus.zarr").rglob("0") if path.is_file()
    }
    generate(recipe, tmp_path, progress=False)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert contents(tmp_path) == contents(finished)


def test_a_shard_whose_status_is_missing_is_made_again(own, finished, recipe):
    status = own / "corpus.zarr" / "status" / "c" / "1"
    status.unlink()
    images = own / "corpus.zarr" / "images" / "c" / "1" / "0" / "0" / "0"
    images.write_bytes(b"half written")
    (images.parent / "0.deadbeef.partial").write_bytes(b"left by a killed writer")
    assert missing_tasks(own) == [("shard", 1)]
    generate(recipe, own, progress=False)
    assert contents(own) == contents(finished)


@pytest.mark.distributed
def test_a_scheduler_that_runs_already_is_used(finished, recipe, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        file = tmp_path / "scheduler.json"
        file.write_text(json.dumps(cluster.scheduler.identity()))
        generate(recipe, tmp_path / "by-address", scheduler=cluster.scheduler_address, progress=False)
        generate(recipe, tmp_path / "by-file", scheduler_file=file, progress=False)
    assert contents(tmp_path / "by-address") == contents(tmp_path / "by-file") == contents(finished)


def test_a_scheduler_that_does_not_answer_is_named(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "SCHEDULER_TIMEOUT", "1s")
    with pytest.raises(UserError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:9"):
        generate(recipe, tmp_path, scheduler="tcp://127.0.0.1:9", progress=False)


def test_places_that_cannot_be_written_are_refused_before_any_work(recipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to .*: .*file is a file"):
        generate(recipe, tmp_path / "file" / "out", progress=False)
    with pytest.raises(UserError, match="cannot write to /proc/nowhere"):
        generate(recipe, "/proc/nowhere", progress=False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"samples": 0}, "samples = 0: should be at least 1"),
        ({"workers": -1}, "workers = -1: should be 0 or more"),
        ({"part": (3, 2)}, "part = 3/2: should be K/N with 1 <= K <= N"),
        ({"part": (1, 2), "workers": 2}, "part works in one process"),
        ({"part": (1, 2), "overwrite": True}, "part cannot overwrite"),
        ({"repair": True, "overwrite": True}, "give one of them"),
        ({"repair": True}, "out/corpus.zarr is not a corpus"),
    ],
)
def test_requests_that_make_no_sense_are_refused(recipe, tmp_path, wrong, message):
    with pytest.raises(UserError, match=message):
        generate(recipe, tmp_path / "out", progress=False, **wrong)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "engine",
            {"name": "multislice", "sampling_angstrom": 0.2},
            r"engine.sampling_angstrom = 0.2 carries scattering up to .* mrad, detector 'HAADF' needs",
        ),
        ("aggregate", None, r"draws were all infeasible; the last: fractal_dimension = 3 is infeasible"),
        ("engine.coefficients_per_um", {"TiO2": 0.5}, "coefficients_per_um lacks WO3"),
    ],
)
def test_what_cannot_be_made_is_found_before_anything_is_written(
    small, changed, tmp_path, path, value, message
):
    if path == "aggregate":
        value = small["aggregate"] | {"fractal_dimension": 3.0, "fractal_prefactor": 3.0, "n_particles": 40}
    data = changed(small, path, value)
    for species, phase in zip(data["aggregate"]["species"], ("anatase", "gamma-WO3"), strict=True):
        species["phases"] = {phase: 1.0}
    with pytest.raises(UserError, match=message):
        generate(Recipe.from_dict(data), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_recipe_writes_nothing_outside_its_output(small, tmp_path):
    small["materials"] = {"TiO2": {"cif": "../../own.cif"}}
    folder = tmp_path / "a" / "b" / "recipe"
    folder.mkdir(parents=True)
    (tmp_path / "a" / "own.cif").write_text("data_own\n")
    recipe = Recipe.from_dict(small, folder=folder)
    everything = set(tmp_path.rglob("*"))
    generate(recipe, tmp_path / "out", samples=2, progress=False)
    new = set(tmp_path.rglob("*")) - everything
    assert new
    assert all(path.is_relative_to(tmp_path / "out") for path in new)
