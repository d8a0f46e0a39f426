"""verify finds what is missing, damaged, impossible, inconsistent or different when recomputed."""

from __future__ import annotations

import re

import numpy as np
import pytest
import zarr

from simulate.corpus import verify as checking
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.corpus.writer import prepare_store
from simulate.generate import generate
from stochgeom.errors import UserError


def change(folder, name, selection, value):
    """Overwrite values of a stored array, checksums included."""
    zarr.open_array(folder / "corpus.zarr" / name, mode="r+")[selection] = value


def column(folder, name):
    return Corpus.open(folder).descriptor_names.index(name)


def test_a_good_corpus_is_recomputed_bit_by_bit(finished):
    found = verify(Corpus.open(finished), recompute=4, seed=0)
    assert found.ok, found.problems
    assert (found.samples, found.finished, len(found.recomputed)) == (10, 10, 4)
    assert found.largest_difference == 0


def test_a_corpus_that_an_earlier_version_began_keeps_its_descriptors(tmp_path, recipe):
    """Columns come to the end with new versions; a store with fewer is continued, read and verified."""
    older = recipe.model_copy()
    older.__dict__["descriptor_names"] = recipe.descriptor_names[:-5]
    prepare_store(tmp_path, older, 10)
    generate(recipe, tmp_path, progress=False)
    corpus = Corpus.open(tmp_path)
    assert corpus.descriptor_names == recipe.descriptor_names[:-5]
    assert np.isfinite(corpus.column("largest_overlap")).all()
    found = verify(corpus, recompute=3, seed=0)
    assert found.ok, found.problems
    assert found.largest_difference == 0


def test_missing_shards_are_counted(own):
    (own / "corpus.zarr" / "status" / "c" / "1").unlink()
    found = verify(Corpus.open(own), recompute=0)
    assert found.problems == ["4 of 10 samples are not made yet"]


@pytest.mark.parametrize(
    ("name", "selection", "value", "message"),
    [
        ("images", (5, 0, 3, 3), np.nan, "images: not finite"),
        ("images", (5, 0, 3, 3), 1.5, "images: .* to 1.5 outside 0 to 1"),
        ("images", (5, 0, 3, 3), -0.1, "images: -0.1 to .* outside 0 to 1"),
        ("parameters", (6, 0), np.inf, "parameters: not finite"),
        ("pixel_size", 4, 0.0, "pixel_size: not positive"),
        ("n_particles", 4, 1, "particles: filled slots differ from n_particles"),
        ("particles", (7, 0, 3), -2.0, "particles: a radius is not positive"),
        ("split", 5, 9, "split: not the recipe's"),
        ("draws", 5, 0, "draws: below 1"),
    ],
)
def test_impossible_values_are_named_with_their_shard(own, name, selection, value, message):
    change(own, name, selection, value)
    found = verify(Corpus.open(own), recompute=0)
    assert any(problem.startswith("shard 1 (samples 4 to 7): ") for problem in found.problems)
    assert found.problems
    assert any(re.search(message, problem) for problem in found.problems), found.problems


def test_the_identity_of_hetero_contacts_is_checked(own):
    change(own, "descriptors", (1, column(own, "hetero_coordination_TiO2")), 5.25)
    (problem,) = verify(Corpus.open(own), recompute=0).problems
    assert problem.startswith("shard 0 (samples 0 to 3): descriptors: n_S HCN_S do not add up")


def test_a_truncated_shard_is_reported_not_raised(own):
    path = own / "corpus.zarr" / "images" / "c" / "2" / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:100])
    (problem,) = verify(Corpus.open(own)).problems
    assert "array images" in problem
    assert "is damaged" in problem


def test_a_changed_pixel_is_found_by_recomputing(own):
    stored = float(Corpus.open(own).images[2, 0, 10, 12])
    change(own, "images", (2, 0, 10, 12), stored + 1e-6)
    found = verify(Corpus.open(own), recompute=10)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("sample 2: images differs by")


def test_on_another_processor_small_differences_pass(own, monkeypatch):
    monkeypatch.setattr(checking, "processor", lambda: "another processor")
    corpus = Corpus.open(own)
    largest = float(np.max(corpus.clean(2)))
    stored = float(corpus.images[2, 0, 10, 12])
    change(own, "images", (2, 0, 10, 12), stored + 3e-5 * largest)
    found = verify(Corpus.open(own), recompute=10)
    assert found.ok
    assert 1e-5 < found.largest_difference < 1e-4
    change(own, "images", (2, 0, 10, 12), stored + 1e-3 * largest)
    assert not verify(Corpus.open(own), recompute=10).ok


def test_addresses_are_refused_and_leave_nothing(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="addresses are not accepted"):
        generate(recipe, "s3://bucket/corpus", progress=False)
    assert list(tmp_path.iterdir()) == []
