"""A corpus of windowed images: the same bytes from worker processes and from this one, and made again."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.fft_plans import FILE
from simulate.generate import generate
from simulate.recipe import Recipe


@pytest.mark.distributed
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
