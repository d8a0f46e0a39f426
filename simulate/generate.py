"""Fills a corpus: in process, on a LocalCluster, on a scheduler that exists, or one part of a job array.

A task is one shard: it gets the recipe as JSON and the shard's number, realises and renders its samples, and
hands them to the writer. What travels through Dask is text and integers, never arrays. Stopping at any moment
loses at most the shards in flight; running again makes the missing ones and touches nothing that is finished.
"""

from __future__ import annotations

import json
import logging
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from simulate.corpus import layout
from simulate.corpus.card import write_card
from simulate.corpus.reader import Corpus
from simulate.corpus.writer import CorpusWriter, prepare_store, sweep
from simulate.engines.base import Engine, make_engine
from simulate.progress import Progress
from simulate.realise import realise, render
from simulate.recipe import Recipe
from simulate.recipe_files import CORPUS_TABLE
from simulate.validation import probe_aggregate, probed_samples
from stochgeom.errors import UserError, require
from stochgeom.files import write_bytes

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
"""Environment of a worker process: tasks are the only parallelism."""

SCHEDULER_TIMEOUT = "30s"

Task = tuple[str, int]
"""Kind (`shard` or `validation`) and number."""


def generate(
    recipe: Recipe,
    out: str | Path,
    samples: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    scheduler_file: str | Path | None = None,
    part: tuple[int, int] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Make or finish the corpus of `recipe` in the folder `out`. Returns `out`.

    samples: instead of the recipe's number; sample i is the same whatever the number.
    workers: processes of a LocalCluster; None, 0 or 1 works in this process.
    scheduler, scheduler_file: address or file of a Dask scheduler that exists; its workers must see `out`.
    part: (k, n), 1 <= k <= n: make every n-th shard, starting from the k-th, in this process and without
    Dask.
    overwrite: replace a corpus that is already there.

    UserError if the place is not writable, holds another corpus, or the recipe cannot be realised.
    """
    out, samples = Path(out), recipe.samples if samples is None else samples
    _check_request(samples, workers, bool(scheduler or scheduler_file), part, overwrite)
    preflight(recipe, out, samples)
    started = datetime.now(UTC)
    store = prepare_store(out, recipe, samples, overwrite=overwrite)
    _keep_table(recipe, out)
    tasks = missing_tasks(out)
    if part is not None:
        tasks = [task for task in tasks if _place(task, recipe, samples) % part[1] == part[0] - 1]
    bar = Progress(recipe.name, len(tasks), unit="tasks", show=progress)
    with _results(recipe, out, tasks, workers, scheduler, scheduler_file) as results:
        for _ in results:
            bar.advance(1)
    bar.close()
    if not missing_tasks(out):
        sweep(store)
        write_card(Corpus.open(out), started)
    return out


def missing_tasks(out: str | Path) -> list[Task]:
    """What is not finished: reference probes first, the longest tasks, then shards."""
    corpus = Corpus.open(out)
    shards: list[Task] = [("shard", int(k)) for k in (~corpus.finished).nonzero()[0]]
    if corpus.recipe.validation is None:
        return shards
    probes = corpus.array("validation/status")[:]
    return [("validation", int(k)) for k in (probes != 1).nonzero()[0]] + shards


def _place(task: Task, recipe: Recipe, samples: int) -> int:
    """Position of a task among all tasks of the corpus, finished or not."""
    kind, number = task
    return number if kind == "shard" else layout.shard_count(samples, recipe.samples_per_shard) + number


def _check_request(
    samples: int, workers: int | None, dask: bool, part: tuple[int, int] | None, overwrite: bool
) -> None:
    if samples < 1:
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
    source, copy = recipe.table_path(), layout.store_path(out).parent / CORPUS_TABLE
    if source is not None and source != copy:
        write_bytes(copy, source.read_bytes())


def run_task(payload: str, out: str, task: Task) -> Task:
    """Make one shard or the reference probes of one aggregate. Runs in any process that sees `out`."""
    recipe = _recipe(payload, out)
    writer = CorpusWriter(out, recipe)
    kind, number = task
    if kind == "validation":
        writer.write_validation(number, probe_aggregate(recipe, writer.samples, number))
        return task
    engine = _engine(payload, out)
    owned = layout.shard_range(number, writer.samples, recipe.samples_per_shard)
    writer.write_shard(number, [render(recipe, index, engine) for index in owned])
    return task


@lru_cache(maxsize=4)
def _recipe(payload: str, out: str) -> Recipe:
    return Recipe.from_dict(json.loads(payload), folder=out)


@lru_cache(maxsize=2)
def _engine(payload: str, out: str) -> Engine:
    """The engine of a recipe, built once in each process."""
    return make_engine(_recipe(payload, out).engine_settings)


def preflight(recipe: Recipe, out: Path, samples: int) -> None:
    """Find out in seconds what would otherwise fail in the workers: the place, the engine, a first
    aggregate.
    """
    _check_writable(out)
    first = realise(recipe, 0).scene
    make_engine(recipe.engine_settings).cost(first, recipe.microscope)
    _check_table(recipe)
    if recipe.validation is not None:
        probed_samples(recipe, samples)
        try:
            make_engine(recipe.validation.engine).cost(first, recipe.microscope)
        except UserError as error:
            raise UserError(f"validation.{error}") from None


def _check_table(recipe: Recipe) -> None:
    """The response table knows every phase, also those that the first aggregate happens to lack."""
    from simulate.engines.tables import ResponseTable

    path = recipe.table_path()
    if path is not None:
        table = ResponseTable.load(path)
        for name in recipe.phase_names:
            table.phase(name)


def _check_writable(out: Path) -> None:
    try:
        nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
        if not nearest.is_dir():
            raise UserError(f"cannot write to {out}: {nearest} is a file")
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}") from error


@contextmanager
def _results(
    recipe: Recipe,
    out: Path,
    tasks: Sequence[Task],
    workers: int | None,
    scheduler: str | None,
    scheduler_file: str | Path | None,
) -> Iterator[Iterator[Task]]:
    """Finished tasks, as they finish, from whatever executes them."""
    payload, place = json.dumps(recipe.canonical), str(out.absolute())
    if not tasks or (scheduler is None and scheduler_file is None and (workers or 1) <= 1):
        yield (run_task(payload, place, task) for task in tasks)
        return
    with _client(min(workers or 1, len(tasks)), scheduler, scheduler_file) as client:
        yield _through(client, payload, place, tasks)


@contextmanager
def _client(workers: int, scheduler: str | None, scheduler_file: str | Path | None) -> Iterator[Any]:
    """A Dask client of the given scheduler, or of a LocalCluster of single-threaded processes."""
    distributed = require("distributed", extra="simulate")
    if scheduler is not None or scheduler_file is not None:
        where = {"address": scheduler} if scheduler is not None else {"scheduler_file": str(scheduler_file)}
        try:
            client = distributed.Client(**where, timeout=SCHEDULER_TIMEOUT)
        except (OSError, ValueError) as error:
            raise UserError(f"no Dask scheduler at {scheduler or scheduler_file}: {error}") from error
        with client:
            yield client
        return
    import dask

    environment = {"distributed.nanny.pre-spawn-environ": ONE_THREAD}
    # A worker that dies is replaced and its task run again; Dask's tracebacks about it would only frighten.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(environment):
        with _interrupts_ignored():  # workers inherit it: Ctrl-C is the driver's, which then stops them
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
            )
        with cluster, distributed.Client(cluster) as client:
            yield client


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """SIGINT is ignored inside. Signals belong to the main thread; called from another, nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _through(client: Any, payload: str, place: str, tasks: Sequence[Task]) -> Iterator[Task]:
    """Submit every task; a task whose worker dies is run again on another by Dask."""
    from distributed import KilledWorker, as_completed

    futures = [client.submit(run_task, payload, place, task, pure=False) for task in tasks]
    try:
        for future in as_completed(futures):
            yield future.result()
            future.release()
    except KilledWorker as error:
        raise UserError(
            f"a worker process died again and again ({error}); is there enough memory?"
        ) from error
    finally:
        client.cancel(futures)
