"""Who works through the tasks of a corpus: this process, a LocalCluster, or a Dask scheduler that exists."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from simulate.corpus.layout import Task
from stochgeom.errors import UserError, require

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
"""Environment of a worker process: tasks are the only parallelism."""

SCHEDULER_TIMEOUT = "30s"


@contextmanager
def worked_through(
    work: Callable[[Task], Task],
    tasks: Sequence[Task],
    workers: int | None,
    scheduler: str | None,
    scheduler_file: str | Path | None,
) -> Iterator[Iterator[Task]]:
    """Tasks as they are finished. `work` takes one and returns it; Dask sends it, so it must pickle small."""
    if not tasks or (scheduler is None and scheduler_file is None and (workers or 1) <= 1):
        yield (work(task) for task in tasks)
        return
    # The tasks are closed before the client is, also when the one who asked for them was interrupted.
    with (
        _client(min(workers or 1, len(tasks)), scheduler, scheduler_file) as client,
        closing(_through(client, work, tasks)) as finished,
    ):
        yield finished


@contextmanager
def _client(workers: int, scheduler: str | None, scheduler_file: str | Path | None) -> Iterator[Any]:
    """A Dask client of the given scheduler, or of a LocalCluster of single-threaded processes."""
    distributed = require("distributed", extra="simulate")
    if scheduler is not None or scheduler_file is not None:
        if scheduler_file is not None:
            _wait_for(Path(scheduler_file))
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


def _wait_for(file: Path, seconds: float = 30.0) -> None:
    """Until a scheduler has written its file; Dask itself would wait for ever."""
    deadline = time.monotonic() + seconds
    while not file.exists():
        if time.monotonic() > deadline:
            raise UserError(f"no Dask scheduler file at {file} after {seconds:g} s")
        time.sleep(0.2)


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


def _through(client: Any, work: Callable[[Task], Task], tasks: Sequence[Task]) -> Generator[Task, None, None]:
    """Submit every task; a task whose worker dies is run again on another by Dask."""
    from distributed import KilledWorker, as_completed

    futures = [client.submit(work, task, pure=False) for task in tasks]
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
