"""Provenance is kept run by run, and says how to make the corpus again."""

from __future__ import annotations

import json
import os
import shlex

import numpy as np
import pytest

import heterostem
import simulate.generate as making
from simulate.corpus.card import overview
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.recipe import Recipe


def provenance(folder):
    return json.loads((folder / "provenance.json").read_text())


def test_one_run_says_what_it_made_and_with_what(finished):
    found = provenance(finished)
    (run,) = found["runs"]
    assert found["recipe_hash"] == Corpus.open(finished).recipe.hash
    assert found["started"] == run["started"] <= run["finished"] == found["finished"]
    assert (run["samples_made"], run["workers"], run["part"]) == (10, 1, None)
    assert run["versions"] == Corpus.open(finished).attributes["versions"]
    assert run["processor"] == Corpus.open(finished).attributes["processor"]
    assert str(finished.parent) not in json.dumps(found)


def test_every_run_that_made_something_is_kept(recipe, tmp_path, monkeypatch):
    write = making.CorpusWriter.write_shard

    def stops(self, shard, samples):
        if shard == 1:
            raise KeyboardInterrupt
        write(self, shard, samples)

    with monkeypatch.context() as patch:
        patch.setattr(making.CorpusWriter, "write_shard", stops)
        with pytest.raises(KeyboardInterrupt):
            generate(recipe, tmp_path, progress=False)
    for part in ((2, 2), (1, 2)):
        generate(recipe, tmp_path, part=part, progress=False)
    runs = provenance(tmp_path)["runs"]
    assert sorted((run["part"] or "", run["samples_made"]) for run in runs) == [
        ("", 4),
        ("1/2", 2),
        ("2/2", 4),
    ]
    assert [run["part"] for run in runs if run["finished"] is None] == [None], "it was interrupted"
    assert provenance(tmp_path)["started"] == min(run["started"] for run in runs)
    before = (tmp_path / "provenance.json").read_bytes()
    generate(recipe, tmp_path, progress=False)
    assert (tmp_path / "provenance.json").read_bytes() == before, "nothing was made"
    generate(recipe, tmp_path, overwrite=True, progress=False)
    assert [run["samples_made"] for run in provenance(tmp_path)["runs"]] == [10]


def test_the_command_makes_the_corpus_of_an_own_recipe_again(small, tmp_path, monkeypatch, capsys):
    small |= {"name": "my-own", "samples": 6}
    first = generate(Recipe.from_dict(small), tmp_path / "first", samples=5, progress=False)
    command = provenance(first)["make_again"].removeprefix("in the folder of this file: ")
    assert command == "heterostem generate . --out ANOTHER_FOLDER --samples 5"
    monkeypatch.chdir(first)
    tokens = shlex.split(command.replace("ANOTHER_FOLDER", "../second"))[1:]
    assert heterostem.run([*tokens, "--workers", "1"]) == 0
    ours, theirs = Corpus.open(first), Corpus.open(tmp_path / "second")
    assert theirs.recipe.hash == ours.recipe.hash
    np.testing.assert_array_equal(theirs.images[:], ours.images[:])


def test_what_describes_a_corpus_is_written_whole_or_not_at_all(own, recipe, monkeypatch):
    names = ("README.md", "croissant.json", "provenance.json")
    before = {name: (own / name).read_bytes() for name in names[:2]}
    (own / "provenance.json").unlink()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        generate(recipe, own, progress=False)
    assert {name: (own / name).read_bytes() for name in before} == before
    assert not (own / "provenance.json").exists()
    monkeypatch.undo()
    generate(recipe, own, progress=False)
    assert provenance(own)["runs"]


@pytest.mark.filterwarnings("error")
def test_info_sums_up_what_is_finished(own):
    (own / "corpus.zarr" / "status" / "c" / "0").unlink()
    (own / "corpus.zarr" / "status" / "c" / "2").unlink()
    text = overview(Corpus.open(own))
    corpus = Corpus.open(own)
    low, high = (f(corpus.pixel_size[4:8]) for f in (np.min, np.max))
    assert "small, 1 of 3 shards finished" in text
    assert "4 of 10 finished (1 train, 1 calibration," in text
    assert f"{low:.4g} to {high:.4g}, median" in text


@pytest.mark.filterwarnings("error")
def test_info_says_plainly_that_nothing_is_finished(recipe, tmp_path, capsys):
    making.prepare_store(tmp_path, recipe, 10)
    assert heterostem.run(["info", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "none of 10 finished yet" in text
    assert "nan" not in text
    assert "uniform in 3 to 9" in text
