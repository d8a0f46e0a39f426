"""A corpus of windowed images: the same bytes from worker processes and from this one, and made again."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from simulate.corpus.reader import Corpus
from simulate.corpus.verify import made_alike, verify
from simulate.fft_plans import FILE, keep_plans
from simulate.generate import generate
from simulate.recipe import Recipe
from simulate.windowed.plans import Planner


@pytest.mark.distributed
@pytest.mark.slow
def test_two_workers_make_the_same_bytes_as_one_process(tiny_multislice, tmp_path):
    tiny_multislice |= {
        "samples": 2,
        "samples_per_shard": 1,
        "engine": {"name": "windowed", "block_pixels": 6},
    }
    recipe = Recipe.from_dict(tiny_multislice)
    generate(recipe, tmp_path / "two", workers=2, progress=False)
    (tmp_path / "one").mkdir()
    shutil.copy(tmp_path / "two" / FILE, tmp_path / "one" / FILE)
    generate(recipe, tmp_path / "one", progress=False)
    images = [np.asarray(Corpus.open(tmp_path / name).images[:]) for name in ("one", "two")]
    assert images[0].max() > 0
    np.testing.assert_array_equal(*images)
    assert verify(Corpus.open(tmp_path / "two"), recompute=2, seed=1).problems == []


def test_plans_of_an_earlier_version_are_estimated_and_compared_with_tolerance(tiny_multislice, tmp_path):
    tiny_multislice |= {"samples": 1, "samples_per_shard": 1, "engine": {"name": "windowed"}}
    generate(Recipe.from_dict(tiny_multislice), tmp_path, progress=False)
    corpus = Corpus.open(tmp_path)
    assert made_alike(corpus)
    earlier = {"format": "heterostem FFT plans", "wisdom": ["", "", ""]}
    (tmp_path / FILE).write_text(json.dumps(earlier))
    assert not made_alike(corpus)
    found = verify(corpus, recompute=1)
    assert found.problems == []
    assert found.largest_difference < 1e-5


def test_fftw_is_patient_where_it_pays(tiny_multislice, tmp_path, monkeypatch):
    recipe = Recipe.from_dict(tiny_multislice | {"engine": {"name": "windowed"}})
    asked = []
    monkeypatch.setattr(Planner, "save", lambda self, path, windows, patient: asked.append(patient))
    for samples in (1, 10**7):
        keep_plans(recipe, tmp_path, samples)
    assert asked == [False, True]
