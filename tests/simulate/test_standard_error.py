"""With several configurations of atoms a corpus holds the standard error of its images."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr

from simulate.corpus.card import card, croissant
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.corpus.writer import prepare_store
from simulate.engines.base import make_engine
from simulate.generate import generate
from simulate.realise import render
from simulate.recipe import Recipe


def test_it_is_stored_beside_the_images(finished_multislice):
    corpus = Corpus.open(finished_multislice)
    assert corpus.standard_error is not None
    assert corpus.standard_error.shape == corpus.images.shape
    assert corpus.standard_error.metadata.dimension_names == ("sample", "channel", "y", "x")
    images, errors = corpus.images[:], corpus.standard_error[:]
    assert (errors[images > 0] > 0).all()
    assert (errors[images == 0] == 0).all()
    assert np.median(errors[images > 0] / images[images > 0]) < 1
    again = render(corpus.recipe, 1, make_engine(corpus.recipe.engine_settings))
    assert again.standard_error is not None
    assert again.standard_error.tobytes() == errors[1].tobytes()
    assert "| `truth/standard_error` | (3, 1, 12, 12) | float32 | 1 |" in card(corpus)
    names = [field["name"] for field in croissant(corpus)["recordSet"][0]["field"]]
    assert "samples/truth/standard_error" in names


def test_one_configuration_has_none(finished):
    corpus = Corpus.open(finished)
    assert corpus.standard_error is None
    assert "truth/standard_error" not in card(corpus)


@pytest.mark.parametrize("value", [np.nan, -1e-3])
def test_impossible_ones_are_found(finished_multislice, tmp_path, value):
    own = shutil.copytree(finished_multislice, tmp_path / "own")
    zarr.open_array(own / "corpus.zarr" / "truth/standard_error", mode="r+")[2, 0, 5, 5] = value
    found = verify(Corpus.open(own), recompute=0)
    assert found.problems == ["shard 1 (samples 2 to 2): truth/standard_error: not finite or below 0"]
    assert found.damaged == [("shard", 1)]


def test_a_changed_one_is_found_by_recomputing(finished_multislice, tmp_path):
    own = shutil.copytree(finished_multislice, tmp_path / "own")
    array = zarr.open_array(own / "corpus.zarr" / "truth/standard_error", mode="r+")
    array[2] = array[2] * np.float32(1.5)
    found = verify(Corpus.open(own), recompute=30)
    assert found.problems
    assert all("truth/standard_error differs by" in problem for problem in found.problems)


def test_a_store_that_an_earlier_version_began_is_continued_without(tiny_multislice, tmp_path):
    """It has neither the array nor the attribute that says so."""
    recipe = Recipe.from_dict(tiny_multislice | {"samples": 1})
    store = prepare_store(tmp_path, recipe, 1)
    shutil.rmtree(store / "truth" / "standard_error")
    group = zarr.open_group(store, mode="r+")
    group.attrs.put({key: value for key, value in group.attrs.items() if key != "standard_error"})
    generate(recipe, tmp_path, progress=False)
    corpus = Corpus.open(tmp_path)
    assert corpus.standard_error is None
    found = verify(corpus, recompute=1)
    assert found.ok, found.problems
