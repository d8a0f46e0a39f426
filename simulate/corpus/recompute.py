"""Samples of a corpus made again, or of images of several blocks some of these, beside what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from simulate.agenda import block_engine, plan_sample
from simulate.corpus import layout
from simulate.corpus.reader import Corpus
from simulate.engines.base import Block, BlockEngine, BlockResult, make_engine, whole_image
from simulate.fft_plans import with_plans
from simulate.imaging import Imaged, realise, sample_of
from simulate.lamella.arrays import lamella_columns
from simulate.lamella.realise import LamellaSample
from simulate.lamella.recipe import LamellaRecipe
from simulate.micrographs.arrays import scene_columns
from simulate.micrographs.realise import MicrographSample
from simulate.micrographs.recipe import MicrographRecipe
from simulate.realise import Sample
from simulate.textures.arrays import texture_columns
from simulate.textures.realise import render_texture
from simulate.textures.recipe import TextureRecipe

Pair = tuple[str, Any, Any, float]
"""An array's name, what is stored, what was computed, and the largest value that is stored of the sample."""


@dataclass(frozen=True)
class Again:
    """What was computed again: a sample, or one of its blocks."""

    sample: int
    block: int | None
    pairs: list[Pair]

    @property
    def where(self) -> str:
        """In words."""
        return f"sample {self.sample}" + ("" if self.block is None else f", block {self.block}")


def recomputed(corpus: Corpus, count: int, seed: int | None, device: str) -> Iterator[Again]:
    """`count` random samples, or random blocks with something to compute, in order, made on a device."""
    rng, samples = default_rng(seed), corpus.indices()
    if not corpus.imaged:
        assert isinstance(corpus.recipe, TextureRecipe)
        yield from _textures(corpus, corpus.recipe, _some(samples, count, rng))
        return
    recipe = corpus.imaged_recipe
    engine = block_engine(corpus.recipe, device)
    if engine is not None:
        with_plans(engine, corpus.path.parent)
        yield from _blocks(corpus, engine, count, rng)
        return
    whole = with_plans(make_engine(recipe.engine_settings, device), corpus.path.parent)
    for index in _some(samples, count, rng):
        made = realise(recipe, index)
        image = whole_image(whole, made.scene, recipe.microscope)
        yield Again(index, None, _pairs(corpus, index, made, image, None))


def _some(samples: NDArray[np.int64], count: int, rng: np.random.Generator) -> list[int]:
    """`count` of the samples, or all if there are fewer, in order."""
    return sorted(int(i) for i in rng.choice(samples, size=min(count, len(samples)), replace=False))


def _textures(corpus: Corpus, recipe: TextureRecipe, indices: list[int]) -> Iterator[Again]:
    for index in indices:
        new = texture_columns(recipe, [render_texture(recipe, index)], corpus.descriptor_names)
        stored = {name: np.asarray(corpus.array(name)[index]) for name in new}
        yield Again(index, None, [(name, row, new[name][0], _largest(row)) for name, row in stored.items()])


def _blocks(corpus: Corpus, engine: BlockEngine, count: int, rng: np.random.Generator) -> Iterator[Again]:
    """One block of each of `count` samples; more of each where there are fewer samples."""
    recipe, order = corpus.imaged_recipe, rng.permutation(corpus.indices())
    share, more = divmod(count, len(order))
    for place, index in sorted(enumerate(int(i) for i in order), key=lambda item: item[1]):
        size = share + (place < more)
        if not size:
            continue
        made = realise(recipe, index)
        plan = plan_sample(recipe, engine, made)
        candidates = np.flatnonzero(plan.work) if any(plan.work) else np.arange(len(plan.blocks))
        chosen = rng.choice(candidates, size=min(size, len(candidates)), replace=False)
        for number in sorted(int(k) for k in chosen):
            block = plan.blocks[number]
            result = engine.block_result(made.scene, recipe.microscope, block)
            yield Again(index, number, _pairs(corpus, index, made, result, block))


def _pairs(corpus: Corpus, index: int, made: Imaged, image: BlockResult, block: Block | None) -> list[Pair]:
    """What is stored of a sample and what was computed; of its image, the block."""
    again = sample_of(corpus.imaged_recipe, made, image)
    window = ... if block is None else block.window
    if isinstance(again, LamellaSample | MicrographSample):
        return _array_pairs(corpus, again, window)
    count = int(corpus.n_particles[index])
    errors = corpus.standard_error
    images: list[tuple[str, Any, Any]] = [("images", corpus.images[index], again.image)]
    images += [] if errors is None else [(layout.ERRORS, errors[index], again.standard_error)]
    rest = [
        ("parameters", corpus.parameters[index], again.parameters),
        ("descriptors", corpus.descriptors[index], _stored_descriptors(corpus, again)),
        ("particles", corpus.particles[index][:count], again.particles),
        ("pixel_size", corpus.pixel_size[index], again.pixel_size_nm),
    ]
    return [(name, stored[window], new, _largest(stored)) for name, stored, new in images] + [
        (name, stored, new, _largest(stored)) for name, stored, new in rest
    ]


def _array_pairs(corpus: Corpus, again: LamellaSample | MicrographSample, window: Any) -> list[Pair]:
    """All arrays of a lamella or a scene."""
    recipe, names = corpus.recipe, corpus.descriptor_names
    if isinstance(again, MicrographSample):
        assert isinstance(recipe, MicrographRecipe)
        new = scene_columns(recipe, [again], names)
    else:
        assert isinstance(recipe, LamellaRecipe)
        new = lamella_columns(recipe, [again], names)
    stored = {name: np.asarray(corpus.array(name)[again.index]) for name in new}
    # Of images the block that was computed, beside what is stored of it.
    part = {name: window if name in ("images", layout.ERRORS) else ... for name in new}
    return [(name, row[part[name]], new[name][0], _largest(row)) for name, row in stored.items()]


def _stored_descriptors(corpus: Corpus, again: Sample) -> NDArray[np.float64]:
    """Those of the descriptors that the corpus holds; one made by an earlier version has fewer."""
    found = dict(zip(corpus.recipe.descriptor_names, again.descriptors, strict=True))
    return np.array([found[name] for name in corpus.descriptor_names])


def _largest(stored: Any) -> float:
    return float(np.nanmax(np.abs(np.asarray(stored, np.float64)), initial=0.0)) or 1.0


def relative_difference(stored: Any, again: Any, scale: float) -> float:
    """Largest difference relative to `scale`; infinite if shapes or missing values differ."""
    a, b = np.asarray(stored, np.float64), np.asarray(again, np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    return float(np.nanmax(np.abs(a - b), initial=0.0) / scale)
