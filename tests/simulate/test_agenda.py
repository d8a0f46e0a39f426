"""Which tasks a corpus of several blocks per image has, in which order, and whose they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from simulate.agenda import BlockAgenda, block_engine, grouped, is_own, plan_sample
from simulate.corpus import layout
from simulate.corpus.block_files import BlockFiles
from simulate.corpus.writer import prepare_store
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.work import run_task


@pytest.fixture
def recipe(tiny_multislice) -> Recipe:
    return Recipe.from_dict(tiny_multislice)


@pytest.fixture
def begun(recipe, tmp_path):
    """Folder of a corpus of which nothing is made."""
    prepare_store(tmp_path, recipe, recipe.samples)
    return tmp_path


def agenda_of(recipe, out, part=None, claimed=()) -> BlockAgenda:
    engine = block_engine(recipe)
    assert engine is not None
    return BlockAgenda(recipe, out, engine, [], part, claimed)


def test_light_blocks_share_a_task_and_empty_ones_have_none():
    assert grouped([0, 4, 100, 30, 0, 10, 20, 100, 3]) == ((2,), (7,), (3,), (6, 5), (1, 8))
    assert grouped([0.0, 0.0]) == ()
    assert grouped([1e-300]) == ((0,),)


def test_the_last_bits_of_the_work_do_not_decide_on_tasks():
    work = np.array([0.61, 0.4, 0.61, 0.08, 0.08, 0.61, 0.4, 0.61])
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert grouped(work * (1 + 1e-14 * rng.standard_normal(8))) == grouped(work)


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_every_group_falls_to_one_part_and_all_parts_get_as_many(parts):
    owners = [
        [k for k in range(1, parts + 1) if is_own(sample, rank, (k, parts))]
        for sample in range(4)
        for rank in range(10)
    ]
    assert all(len(owner) == 1 for owner in owners)
    shares = np.bincount([owner[0] for owner in owners])[1:]
    assert shares.max() - shares.min() <= 4
    assert is_own(3, 5, None)


def test_tasks_are_the_blocks_with_work_heaviest_first_and_then_the_shard(recipe, begun):
    agenda = agenda_of(recipe, begun)
    tasks = list(agenda.tasks())
    assert {kind for kind, _ in tasks} == {"block"}
    samples = [layout.block_of(recipe, task)[0] for task in tasks]
    assert set(samples[: samples.index(2)]) == {0, 1}, "the first shard comes first"
    engine = block_engine(recipe)
    plans = [plan_sample(recipe, engine, realise(recipe, sample)) for sample in range(3)]
    heaviest = [int(np.argmax(plan.work)) for plan in plans]
    assert tasks[0] in [layout.block_task(recipe, sample, heaviest[sample]) for sample in (0, 1)]
    assert agenda.total == 27
    assert (agenda.unit, sum(agenda.units(task) for task in tasks)) == ("blocks", 27)
    assert sum(agenda.blocks(task) for task in tasks) == sum(np.count_nonzero(plan.work) for plan in plans)
    first = [task for task in tasks if layout.block_of(recipe, task)[0] < 2]
    assert [agenda.then(task) for task in first] == [[]] * (len(first) - 1) + [[("shard", 0)]]


def test_parts_have_all_blocks_between_them_and_wait_for_each_other(recipe, begun):
    own = {part: list(agenda_of(recipe, begun, part=(part, 2)).tasks()) for part in (1, 2)}
    assert not set(own[1]) & set(own[2])
    assert set(own[1]) | set(own[2]) == set(agenda_of(recipe, begun).tasks())
    first = agenda_of(recipe, begun, part=(1, 2))
    assert [first.then(task) for task in first.tasks()] == [[]] * len(own[1])
    for task in own[1] + own[2]:
        run_task(json.dumps(recipe.canonical), str(begun), task)
    assert first.late() == [("shard", 0), ("shard", 1)]
    again = agenda_of(recipe, begun, part=(1, 2))
    assert list(again.tasks()) == [("shard", 0), ("shard", 1)]


def test_a_shard_that_a_part_took_back_is_its_own_with_all_blocks(recipe, begun):
    tasks = list(agenda_of(recipe, begun, part=(2, 2), claimed=[1]).tasks())
    third = {task for task in agenda_of(recipe, begun).tasks() if layout.block_of(recipe, task)[0] == 2}
    assert third <= set(tasks)


def test_blocks_that_are_there_are_not_made_again_unless_they_are_damaged(recipe, begun):
    tasks = list(agenda_of(recipe, begun).tasks())
    for task in tasks[:3]:
        run_task(json.dumps(recipe.canonical), str(begun), task)
    assert set(agenda_of(recipe, begun).tasks()) == set(tasks[3:])
    path = BlockFiles(begun, recipe).path(*layout.block_of(recipe, tasks[1]))
    path.write_bytes(path.read_bytes()[:-1])
    assert set(agenda_of(recipe, begun).tasks()) == {tasks[1], *tasks[3:]}


def test_images_of_one_block_are_made_shard_by_shard(tiny_multislice, small):
    assert block_engine(Recipe.from_dict(small)) is None
    tiny_multislice["engine"]["block_pixels"] = 12
    assert block_engine(Recipe.from_dict(tiny_multislice)) is None
    tiny_multislice["engine"]["block_pixels"] = 11
    assert block_engine(Recipe.from_dict(tiny_multislice)) is not None
