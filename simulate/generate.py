"""Fills a corpus: in process, on a LocalCluster, on a scheduler that exists, or one part of a job array.

A task is one shard (`simulate.work`): it gets the recipe as JSON and the shard's number, realises and renders
its samples, and hands them to the writer. Images of several blocks are made block by block, so that one image
can use a whole cluster (`simulate.agenda`). What travels through Dask is text and integers, never arrays.
Stopping at any moment loses at most the shards, or blocks, in flight; running again makes the missing ones
and touches nothing that is finished. With `repair`, what is finished is read first, and what is damaged is
made again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from simulate.agenda import Agenda, BlockAgenda, Part, block_engine
from simulate.corpus import layout
from simulate.corpus.block_files import remove_blocks
from simulate.corpus.card import write_card
from simulate.corpus.layout import Task
from simulate.corpus.leftovers import sweep_abandoned, sweep_partials
from simulate.corpus.provenance import Run
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import check_arrays, check_task
from simulate.corpus.writer import CorpusWriter, prepare_store, read_attributes
from simulate.devices import CPU, device_for
from simulate.executors import worked_through
from simulate.fft_plans import keep_plans
from simulate.imaged_recipe import ImagedRecipe
from simulate.preflight import preflight
from simulate.progress import Progress
from simulate.recipe import Recipe
from simulate.recipe_files import CORPUS_TABLE
from simulate.work import run_task
from stochgeom.errors import UserError
from stochgeom.files import write_bytes

Executor = tuple[int | None, str | None, str | Path | None]
"""Workers, address of a scheduler, its file."""


def generate(
    recipe: Recipe,
    out: str | Path,
    samples: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    scheduler_file: str | Path | None = None,
    part: Part | None = None,
    overwrite: bool = False,
    repair: bool = False,
    progress: bool = True,
    device: str = CPU,
) -> Path:
    """Make or finish the corpus of `recipe` in the folder `out`. Returns `out`.

    samples: instead of the recipe's number; sample i is the same whatever the number.
    workers: processes of a LocalCluster; None, 0 or 1 works in this process.
    scheduler, scheduler_file: address or file of a Dask scheduler that exists; its workers must see `out`.
    part: (k, n), 1 <= k <= n: make every n-th shard, starting from the k-th, in this process and without
    Dask; of images of several blocks, about every n-th block, and the shards whose last block came from here.
    overwrite: replace a corpus that is already there.
    repair: first read all that is finished, and make again what is damaged; takes the corpus' own number of
    samples.
    device: cpu, cuda, cuda:N or auto, where the engine windowed computes; of the workers, if a scheduler has
    them.

    UserError if the place is not writable, holds another corpus, or the recipe cannot be realised.
    """
    out, elsewhere = Path(out), bool(scheduler or scheduler_file)
    _check_request(samples, workers, elsewhere, part, overwrite, repair)
    device = device_for(recipe, device, here=not elsewhere)
    samples = _samples(recipe, out, samples, repair)
    preflight(recipe, out, samples)
    store = prepare_store(out, recipe, samples, overwrite=overwrite)
    sweep_abandoned(store.parent)
    _keep_table(recipe, out)
    if not device.startswith("cuda"):
        keep_plans(recipe, store.parent, samples)
    taken_back = _take_back_damaged(recipe, out, part, progress) if repair else []
    agenda = _agenda(recipe, out, samples, part, taken_back)
    run = Run(store.parent, None if elsewhere else max(workers or 1, 1), part, device)
    _make(recipe, out, agenda, run, (workers, scheduler, scheduler_file), progress)
    if not missing_tasks(out):
        sweep_partials(store)
        remove_blocks(store.parent)
        if agenda.total or not all(path.exists() for path in layout.descriptions(store.parent)):
            write_card(Corpus.open(out))
    return out


def _samples(recipe: Recipe, out: Path, asked: int | None, repair: bool) -> int:
    """Number of samples: as asked, that of the corpus to be repaired, or the recipe's."""
    if asked is not None:
        return asked
    return int(read_attributes(layout.store_path(out))["samples"]) if repair else recipe.samples


def _agenda(recipe: Recipe, out: Path, samples: int, part: Part | None, taken_back: Sequence[Task]) -> Agenda:
    """What this run has to do."""
    missing = missing_tasks(out)
    own = _own(missing, recipe, samples, part)
    engine = block_engine(recipe) if missing else None
    if engine is None or not isinstance(recipe, ImagedRecipe):
        return Agenda(own)
    probes = [task for task in own if task[0] == "validation"]
    claimed = [number for kind, number in taken_back if kind == "shard"]
    return BlockAgenda(recipe, out, engine, probes, part, claimed)


def _make(recipe: Recipe, out: Path, agenda: Agenda, run: Run, executor: Executor, progress: bool) -> None:
    """Work through the tasks, and keep the record of the run."""
    if not agenda.total:
        return
    samples = len(Corpus.open(out))
    bar = Progress(recipe.name, agenda.total, unit=agenda.unit, show=progress)
    work = partial(run_task, json.dumps(recipe.canonical), str(out.absolute()), device=run.device)
    if run.device != CPU:  # what it makes is not bit by bit what the processor makes, also if it is killed
        run.save(finished=False)
    with worked_through(work, agenda.tasks(), agenda.then, agenda.total, *executor) as results:
        for task in results:
            run.count(task, samples, recipe.samples_per_shard, agenda.blocks(task))
            bar.advance(agenda.units(task))
    for task in agenda.late():
        run.count(work(task), samples, recipe.samples_per_shard)
    bar.close()
    if run.saved:
        run.save(finished=True)


def missing_tasks(out: str | Path) -> list[Task]:
    """What is not finished: reference probes first, the longest tasks, then shards."""
    return Corpus.open(out).tasks(finished=False)


def _take_back_damaged(recipe: Recipe, out: Path, part: Part | None, progress: bool) -> list[Task]:
    """Mark as not finished what is damaged, so that it is made again, and say what it is. Returns it."""
    corpus = Corpus.open(out)
    for problem in check_arrays(corpus):
        raise UserError(f"{problem}; this cannot be repaired, only made anew (overwrite)")
    writer = CorpusWriter(out, recipe)
    tasks = _own(corpus.tasks(finished=True), recipe, len(corpus), part)
    bar = Progress(f"{recipe.name}: checking", len(tasks), unit="tasks", show=progress)
    damaged = []
    for task in tasks:
        problems = check_task(corpus, task)
        if problems:
            writer.mark(task, finished=False)
            damaged.append(task)
            if progress:
                print(f"{recipe.name}: made again: {problems[0]}", file=sys.stderr)
        bar.advance(1)
    bar.close()
    return damaged


def _own(tasks: Sequence[Task], recipe: Recipe, samples: int, part: Part | None) -> list[Task]:
    """Those of the tasks that fall to a part of a job array; all of them without parts."""
    if part is None:
        return list(tasks)
    return [task for task in tasks if _place(task, recipe, samples) % part[1] == part[0] - 1]


def _place(task: Task, recipe: Recipe, samples: int) -> int:
    """Position of a task among all tasks of the corpus, finished or not."""
    kind, number = task
    return number if kind == "shard" else layout.shard_count(samples, recipe.samples_per_shard) + number


def _check_request(
    samples: int | None,
    workers: int | None,
    dask: bool,
    part: Part | None,
    overwrite: bool,
    repair: bool,
) -> None:
    if overwrite and repair:
        raise UserError("overwrite makes everything anew, repair only what is damaged; give one of them")
    if samples is not None and samples < 1:
        raise UserError(f"samples = {samples}: should be at least 1")
    if workers is not None and workers < 0:
        raise UserError(f"workers = {workers}: should be 0 or more")
    if part is None:
        return
    if not 1 <= part[0] <= part[1]:
        raise UserError(f"part = {part[0]}/{part[1]}: should be K/N with 1 <= K <= N")
    if dask or (workers or 1) > 1:
        raise UserError("part works in one process without Dask; leave out workers and scheduler")
    if overwrite:
        raise UserError("part cannot overwrite: each part would remove the others' shards")


def _keep_table(recipe: Recipe, out: Path) -> None:
    """Copy the response table beside the store, so that the corpus depends on no other place or version."""
    if not isinstance(recipe, ImagedRecipe):
        return
    source, copy = recipe.table_path(), layout.store_path(out).parent / CORPUS_TABLE
    if source is not None and source != copy:
        write_bytes(copy, source.read_bytes())
