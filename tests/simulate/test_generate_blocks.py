"""Images made block by block: the same bytes however they are made, and nothing lost when it is stopped."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

import heterostem
import simulate.executors as executors
from simulate.agenda import BlockAgenda, block_engine, plan_sample
from simulate.corpus import block_files
from simulate.corpus.block_files import BlockFiles, kept_blocks
from simulate.corpus.card import overview
from simulate.corpus.leftovers import ABANDONED_AFTER_S
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.corpus.writer import CorpusWriter, prepare_store
from simulate.engines.base import Block, BlockResult, make_engine
from simulate.engines.multislice import MultisliceEngine
from simulate.generate import generate, missing_tasks, run_task
from simulate.realise import realise, render
from simulate.recipe import Recipe
from stochgeom.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipe(tiny_multislice) -> Recipe:
    return Recipe.from_dict(tiny_multislice)


@pytest.fixture
def computed(monkeypatch) -> list[Block]:
    """Blocks that were computed in this process."""
    found, block_result = [], MultisliceEngine.block_result

    def counted(self, scene, microscope, block):
        found.append(block)
        return block_result(self, scene, microscope, block)

    monkeypatch.setattr(MultisliceEngine, "block_result", counted)
    return found


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file of a store."""
    store = folder / "corpus.zarr"
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(f.relative_to(store)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def tasks_of(recipe, out):
    return list(BlockAgenda(recipe, out, block_engine(recipe), [], None, ()).tasks())


def run(recipe, out, task):
    return run_task(json.dumps(recipe.canonical), str(out), task)


def test_any_order_of_the_blocks_gives_the_same_bytes(finished_multislice, recipe, tmp_path):
    prepare_store(tmp_path, recipe, 3)
    tasks = tasks_of(recipe, tmp_path)
    for task in reversed(tasks):
        run(recipe, tmp_path, task)
    assert len(kept_blocks(tmp_path)) >= len(tasks) > 10
    assert f"{len(kept_blocks(tmp_path))} finished, of unfinished shards" in overview(Corpus.open(tmp_path))
    for shard in (1, 0):
        run(recipe, tmp_path, ("shard", shard))
    assert contents(tmp_path) == contents(finished_multislice)
    assert kept_blocks(tmp_path) == []


def test_a_shard_without_any_of_its_blocks_computes_them(finished_multislice, recipe, tmp_path):
    prepare_store(tmp_path, recipe, 3)
    for task in missing_tasks(tmp_path):
        run(recipe, tmp_path, task)
    assert contents(tmp_path) == contents(finished_multislice)


def test_a_stored_image_is_the_engine_s_own(finished_multislice, recipe):
    sample = render(recipe, 2, make_engine(recipe.engine_settings))
    assert Corpus.open(finished_multislice).clean(2).tobytes() == sample.image.tobytes()


def test_stopping_loses_only_the_block_in_flight(
    finished_multislice, recipe, tmp_path, monkeypatch, computed
):
    write = BlockFiles.write

    def stops(self, *arguments):
        if len(kept_blocks(self.folder.parent)) == 4:
            raise KeyboardInterrupt
        write(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(BlockFiles, "write", stops)
        with pytest.raises(KeyboardInterrupt):
            generate(recipe, tmp_path, progress=False)
    assert not Corpus.open(tmp_path).finished.any()
    assert len(kept_blocks(tmp_path)) == 4
    made = len(computed)
    generate(recipe, tmp_path, progress=False)
    assert contents(tmp_path) == contents(finished_multislice)
    assert len(computed) - made == 27 - 4
    assert not (tmp_path / "blocks").exists()
    runs = json.loads((tmp_path / "provenance.json").read_text())["runs"]
    assert [(run["samples_made"], run["finished"] is None) for run in runs] == [(0, True), (3, False)]
    assert runs[0]["blocks_made"] >= 3


def test_a_full_disk_leaves_nothing_half_written(recipe, tmp_path, monkeypatch):
    prepare_store(tmp_path, recipe, 3)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run(recipe, tmp_path, tasks_of(recipe, tmp_path)[0])
    assert list((tmp_path / "blocks").iterdir()) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "pickle", "another recipe's", "another block's"])
def test_a_damaged_block_is_computed_again(recipe, tmp_path, tiny_multislice, damage):
    files, block = BlockFiles(tmp_path, recipe), Block(0, 4, 4, 8)
    layer = np.random.default_rng(1).random((1, 4, 4), np.float32)
    files.write(1, 1, BlockResult(layer, layer / 2))
    again = files.read(1, 1, block)
    assert again is not None
    assert (again.intensity == layer).all()
    assert files.read(1, 1, Block(0, 4, 0, 3)) is None, "another shape"
    path, content = files.path(1, 1), bytearray(files.path(1, 1).read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    elif damage == "another recipe's":
        files = BlockFiles(tmp_path, Recipe.from_dict(tiny_multislice | {"seed": 6}))
    elif damage == "another block's":
        path = files.path(1, 2)
    path.write_bytes({"cut": content[:-7], "empty": b"", "pickle": b"\x80\x05N."}.get(damage, content))
    assert files.read(1, 2 if damage == "another block's" else 1, block) is None


def test_blocks_that_are_damaged_or_gone_are_made_again(finished_multislice, recipe, tmp_path, computed):
    prepare_store(tmp_path, recipe, 3)
    for task in tasks_of(recipe, tmp_path):
        run(recipe, tmp_path, task)
    first, second, *_ = sorted(path for path in kept_blocks(tmp_path) if path.name.startswith("0-"))
    first.write_bytes(first.read_bytes()[:40])
    second.unlink()
    empty = 27 - len(computed)
    computed.clear()
    generate(recipe, tmp_path, progress=False)
    assert contents(tmp_path) == contents(finished_multislice)
    assert len(computed) == 2 + empty


def test_parts_of_a_job_array_share_the_blocks(finished_multislice, recipe, tmp_path, computed):
    made = []
    for part in ((2, 3), (3, 3), (1, 3)):
        generate(recipe, tmp_path, part=part, progress=False)
        made.append(len(computed) - sum(made))
        assert (missing_tasks(tmp_path) == []) == (part == (1, 3))
    assert contents(tmp_path) == contents(finished_multislice)
    assert min(made) > 4
    assert sum(made) == 27, "no block was computed twice"
    assert (tmp_path / "README.md").exists()
    assert not (tmp_path / "blocks").exists()


def test_two_parts_that_put_a_shard_together_at_once_do_no_harm(
    finished_multislice, recipe, tmp_path, monkeypatch, computed
):
    """The other part finishes the shard while this one reads the blocks, and while it writes."""
    prepare_store(tmp_path, recipe, 3)
    for task in tasks_of(recipe, tmp_path):
        run(recipe, tmp_path, task)
    made = len(computed)
    read, write = BlockFiles.read, CorpusWriter.write_shard

    def overtaken_while_reading(self, sample, number, block):
        if (sample, number) == (1, 4):
            monkeypatch.setattr(BlockFiles, "read", read)
            assert run(recipe, tmp_path, ("shard", 0)) == ("shard", 0)
        return read(self, sample, number, block)

    def overtaken_while_writing(self, shard, samples):
        monkeypatch.setattr(CorpusWriter, "write_shard", write)
        assert run(recipe, tmp_path, ("shard", 1)) == ("shard", 1)
        write(self, shard, samples)

    monkeypatch.setattr(BlockFiles, "read", overtaken_while_reading)
    assert run(recipe, tmp_path, ("shard", 0))[0] == "not needed"
    monkeypatch.setattr(CorpusWriter, "write_shard", overtaken_while_writing)
    run(recipe, tmp_path, ("shard", 1))
    assert contents(tmp_path) == contents(finished_multislice)
    empty = 27 - made
    assert len(computed) - made <= 2 * empty, "nothing with work was computed again"


def test_files_swept_by_a_part_that_was_quicker_are_no_error(recipe, tmp_path, monkeypatch):
    prepare_store(tmp_path, recipe, 3)

    def swept(self, shard, samples):
        self.mark(("shard", shard), finished=quicker)
        raise FileNotFoundError(2, "No such file", "0.partial")

    monkeypatch.setattr(CorpusWriter, "write_shard", swept)
    quicker = True
    assert run(recipe, tmp_path, ("shard", 0))[0] == "not needed"
    quicker = False
    with pytest.raises(FileNotFoundError):
        run(recipe, tmp_path, ("shard", 1))


@pytest.mark.parametrize("parts", [1, 2])
def test_a_damaged_shard_is_repaired_block_by_block(finished_multislice, recipe, tmp_path, parts):
    own = shutil.copytree(finished_multislice, tmp_path / "own")
    path = own / "corpus.zarr" / "images" / "c" / "0" / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:-9])
    assert verify(Corpus.open(own), recompute=0).damaged == [("shard", 0)]
    for part in range(parts, 0, -1):
        generate(recipe, own, part=(part, parts), repair=True, progress=False)
    assert contents(own) == contents(finished_multislice)
    assert not (own / "blocks").exists()


def test_overwriting_takes_no_block_of_the_corpus_that_goes(recipe, tmp_path, computed):
    prepare_store(tmp_path, recipe, 3)
    run(recipe, tmp_path, tasks_of(recipe, tmp_path)[0])
    (tmp_path / "blocks" / "notes.txt").write_text("the user's own")
    prepare_store(tmp_path, recipe, 3, overwrite=True)
    assert [path.name for path in (tmp_path / "blocks").iterdir()] == ["notes.txt"]


def test_what_killed_runs_left_is_swept(finished_multislice, recipe, tmp_path, monkeypatch):
    own = shutil.copytree(finished_multislice, tmp_path / "own")
    (own / "corpus.zarr" / "status" / "c" / "1").unlink()
    files = BlockFiles(own, recipe)
    files.write(0, 4, BlockResult(np.zeros((1, 4, 4), np.float32)))  # its shard is finished
    half = files.folder / f".2-4.npy.{32 * 'a'}.part"
    half.write_bytes(b"half of it")
    moment = time.time() - 1.1 * ABANDONED_AFTER_S
    os.utime(half, (moment, moment))
    seen = []
    monkeypatch.setattr(
        "simulate.generate._make", lambda *a, **k: seen.append(sorted(files.folder.iterdir()))
    )
    generate(recipe, own, progress=False)
    assert seen == [[]]


def test_progress_counts_blocks(recipe, tmp_path, capsys):
    generate(recipe, tmp_path, samples=2)
    assert "tiny-multislice: 18 of 18 blocks in " in capsys.readouterr().err


@pytest.mark.distributed
def test_tasks_are_planned_while_others_run(finished_multislice, recipe, tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(executors, "AHEAD", 1)
    monkeypatch.setattr(executors, "AHEAD_PER_THREAD", 1)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        generate(recipe, tmp_path, scheduler=cluster.scheduler_address, progress=False)
    assert contents(tmp_path) == contents(finished_multislice)


def test_a_place_that_cannot_be_written_is_one_line(recipe, tmp_path):
    (tmp_path / "blocks").write_text("a file where the folder should be")
    with pytest.raises((UserError, OSError)) as caught:
        generate(recipe, tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert block_files.kept_blocks(tmp_path) == []


def test_verify_recomputes_blocks_with_something_to_compute(finished_multislice, recipe, computed, capsys):
    found = verify(Corpus.open(finished_multislice), recompute=5, seed=1)
    assert found.ok, found.problems
    assert (found.recomputed, len(set(found.recomputed_blocks)), len(computed)) == ([], 5, 5)
    assert {sample for sample, _ in found.recomputed_blocks} == {0, 1, 2}
    assert found.largest_difference == 0
    engine = block_engine(recipe)
    for sample, number in found.recomputed_blocks:
        made = realise(recipe, sample)
        assert plan_sample(recipe, engine, made).work[number] > 0
    assert heterostem.run(["verify", str(finished_multislice), "--recompute", "1", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"images, which have several blocks each, block \d of sample \d recomputed bit", said)


def test_a_changed_block_is_found_by_recomputing(finished_multislice, tmp_path):
    own = shutil.copytree(finished_multislice, tmp_path / "own")
    array = zarr.open_array(own / "corpus.zarr" / "images", mode="r+")
    array[1, 0, 4:8, 4:8] = array[1, 0, 4:8, 4:8] * np.float32(1.01)
    problems = verify(Corpus.open(own), recompute=27).problems
    assert len(problems) == 1
    assert re.match(r"sample 1, block 4: images differs by 0\.0\d+ when recomputed", problems[0])
