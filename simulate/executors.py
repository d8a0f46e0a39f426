"""Who works through the tasks of a corpus: this process, a LocalCluster, or a Dask scheduler that exists."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from simulate.corpus.layout import Task
from stochgeom.errors import UserError, require

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}
"""Environment of a worker process: tasks are the only parallelism."""

SCHEDULER_TIMEOUT = "30s"


AHEAD, AHEAD_PER_THREAD = 1000, 2
"""Tasks at the scheduler: so many if planning them is quick, and as many for each of the workers' threads
before a finished one is looked at. Not fewer, because workers may join while the first tasks run for hours.
"""

Work = Callable[[Task], Task]
Then = Callable[[Task], list[Task]]


@contextmanager
def worked_through(
    work: Work,
    tasks: Iterable[Task],
    then: Then,
    most: int,
    workers: int | None,
    scheduler: str | None,
    scheduler_file: str | Path | None,
) -> Iterator[Iterator[Task]]:
    """Tasks as they are finished. `work` takes one and returns it; Dask sends it, so it must pickle small.

    `tasks` are taken as they are needed, `then` says which ones a finished task makes possible, and `most`
    bounds how many can be worked on at once.
    """
    if most == 0 or (scheduler is None and scheduler_file is None and (workers or 1) <= 1):
        yield _here(work, tasks, then)
        return
    # The tasks are closed before the client is, also when the one who asked for them was interrupted.
    with (
        _client(min(workers or 1, most), scheduler, scheduler_file) as client,
        closing(_through(client, work, tasks, then)) as finished,
    ):
        yield finished


def _here(work: Work, tasks: Iterable[Task], then: Then) -> Iterator[Task]:
    """One after the other in this process."""
    for task in tasks:
        waiting = deque([task])
        while waiting:
            done = work(waiting.popleft())
            waiting.extend(then(done))
            yield done


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
    # So would those of its event loop, where Ctrl-C may cancel a call before it has begun.
    for name in ("distributed", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
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


def _through(client: Any, work: Work, tasks: Iterable[Task], then: Then) -> Generator[Task, None, None]:
    """Submit the tasks, always enough of them; one whose worker dies is run again on another by Dask."""
    from distributed import KilledWorker, as_completed

    running: set[Any] = set()
    ahead, finished = iter(tasks), as_completed()

    def submit(task: Task, priority: int) -> None:
        future = client.submit(work, task, pure=False, priority=priority)
        running.add(future)
        finished.add(future)

    def top_up() -> None:
        busy = AHEAD_PER_THREAD * sum(client.nthreads().values())
        while len(running) < max(AHEAD, busy) and not (len(running) >= busy and finished.has_ready()):
            task = next(ahead, None)
            if task is None:
                return
            submit(task, priority=0)

    try:
        top_up()
        for future in finished:
            done = future.result()
            running.discard(future)
            for task in then(done):
                submit(task, priority=1)
            top_up()
            yield done
    except KilledWorker as error:
        raise UserError(
            f"a worker process died again and again ({error}); is there enough memory?"
        ) from error
    finally:
        client.cancel(list(running))
