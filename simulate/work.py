"""What a worker does: one task of a corpus, from the recipe's text and two words that name the task.

Runs in any process that sees the corpus. What takes long to prepare is kept from one task to the next.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from simulate.agenda import Plan, plan_sample
from simulate.corpus import layout
from simulate.corpus.block_files import BlockFiles
from simulate.corpus.layout import Task
from simulate.corpus.writer import CorpusWriter
from simulate.devices import CPU
from simulate.engines.base import Block, BlockEngine, BlockResult, Engine, make_engine, put_together
from simulate.fft_plans import with_plans
from simulate.imaged_recipe import ImagedRecipe
from simulate.imaging import Imaged, ImagedSample, realise, render, sample_of
from simulate.recipe import Recipe
from simulate.textures.realise import render_texture
from simulate.textures.recipe import TextureRecipe
from simulate.validation import probe_aggregate

NOT_NEEDED: Task = ("not needed", 0)
"""What a task returns that another process has done meanwhile."""


def run_task(payload: str, out: str, task: Task, device: str = CPU) -> Task:
    """Make one shard, the reference probes of one aggregate, or some blocks of one sample; returns the task.

    payload: the recipe's canonical JSON; out: folder of the corpus; device: where engines compute that can.
    """
    recipe = _recipe(payload, out)
    if not isinstance(recipe, ImagedRecipe):
        assert isinstance(recipe, TextureRecipe)
        return make_textures(recipe, out, task)
    kind, number = task
    if kind == "block":
        make_blocks(payload, out, *layout.block_of(recipe, task), device)
        return task
    writer = CorpusWriter(out, recipe)
    if kind == "validation":
        columns = probe_aggregate(recipe, writer.samples, number, _folder(out), device)
        writer.write_validation(number, columns)
        return task
    engine = _engine(payload, out, device)
    if isinstance(engine, BlockEngine):
        return task if put_shard_together(payload, out, writer, number, device) else NOT_NEEDED
    owned = layout.shard_range(number, writer.samples, recipe.samples_per_shard)
    writer.write_shard(number, [render(recipe, index, engine) for index in owned])
    return task


def make_textures(recipe: TextureRecipe, out: str, task: Task) -> Task:
    """Make one shard of textures; returns the task."""
    writer = CorpusWriter(out, recipe)
    owned = layout.shard_range(task[1], writer.samples, recipe.samples_per_shard)
    writer.write_shard(task[1], [render_texture(recipe, index) for index in owned])
    return task


def make_blocks(payload: str, out: str, sample: int, first: int, device: str) -> None:
    """Compute and keep those blocks of a sample that go with the block `first`, unless they are there."""
    recipe, engine = _imaged(payload, out), _block_engine(payload, out, device)
    files = BlockFiles(out, recipe)
    made, plan = _planned(payload, out, sample)
    group = next((group for group in plan.groups if first in group), (first,))
    for number in group:
        block = plan.blocks[number]
        if files.read(sample, number, block) is None:
            files.write(sample, number, engine.block_result(made.scene, recipe.microscope, block))


def put_shard_together(payload: str, out: str, writer: CorpusWriter, shard: int, device: str) -> bool:
    """Write a shard from its blocks and remove their files; what is missing is computed.

    Two parts of a job array may find all blocks of a shard there. They write the same bytes; False if the
    other one was first, and the files of the blocks, or of the store, went away meanwhile.
    """
    if writer.is_finished(("shard", shard)):
        return False
    owned = layout.shard_range(shard, writer.samples, writer.recipe.samples_per_shard)
    samples: list[ImagedSample] = []
    for index in owned:
        sample = _sample(payload, out, writer, shard, index, device)
        if sample is None:
            return False
        samples.append(sample)
    try:
        writer.write_shard(shard, samples)
    except OSError:
        if not writer.is_finished(("shard", shard)):
            raise
        return False
    blocks = len(_planned(payload, out, owned[-1])[1].blocks)
    BlockFiles(out, writer.recipe).remove(owned, blocks)
    return True


def _sample(
    payload: str, out: str, writer: CorpusWriter, shard: int, index: int, device: str
) -> ImagedSample | None:
    """A sample from its blocks; None if its shard was finished by another process."""
    recipe, files = _imaged(payload, out), BlockFiles(out, writer.recipe)
    engine = _block_engine(payload, out, device)
    made, plan = _planned(payload, out, index)
    parts: list[tuple[Block, BlockResult]] = []
    for number, block in enumerate(plan.blocks):
        result = files.read(index, number, block) if plan.work[number] > 0 else None
        if result is None:
            if plan.work[number] > 0 and writer.is_finished(("shard", shard)):
                return None
            result = engine.block_result(made.scene, recipe.microscope, block)
        parts.append((block, result))
    return sample_of(recipe, made, put_together(made.field.shape, parts))


def _folder(out: str) -> Path:
    return layout.store_path(out).parent


@lru_cache(maxsize=4)
def _recipe(payload: str, out: str) -> Recipe:
    return Recipe.from_dict(json.loads(payload), folder=out)


def _imaged(payload: str, out: str) -> ImagedRecipe:
    recipe = _recipe(payload, out)
    assert isinstance(recipe, ImagedRecipe)
    return recipe


@lru_cache(maxsize=2)
def _engine(payload: str, out: str, device: str) -> Engine:
    """The engine of a recipe, built once in each process."""
    return with_plans(make_engine(_imaged(payload, out).engine_settings, device), _folder(out))


def _block_engine(payload: str, out: str, device: str = CPU) -> BlockEngine:
    engine = _engine(payload, out, device)
    assert isinstance(engine, BlockEngine)
    return engine


@lru_cache(maxsize=1)
def _planned(payload: str, out: str, sample: int) -> tuple[Imaged, Plan]:
    """A sample and its blocks; a worker mostly makes several blocks of one sample in a row."""
    recipe = _imaged(payload, out)
    made = realise(recipe, sample)
    return made, plan_sample(recipe, _block_engine(payload, out), made)
