"""Runs with worker processes, stopped in the middle: nothing is lost or left, and the bytes are the same."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from simulate.agenda import block_engine
from simulate.corpus.block_files import BlockFiles, kept_blocks
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.realise import realise
from simulate.recipe import Recipe

from .held import ENOUGH, finished_shards, waiting

pytestmark = [pytest.mark.distributed, pytest.mark.slow]

SHARDS = 12
SOME_MORE = 2
"""What two workers may finish that looked at the same time."""


@pytest.fixture
def shards(small, toml_file, finished) -> Path:
    """A recipe of a dozen shards, as a file; `finished`, so that not every process compiles the same."""
    return toml_file(small | {"samples": 2 * SHARDS, "samples_per_shard": 2})


@pytest.fixture
def blocks(tiny_multislice, toml_file) -> Path:
    """A recipe of images of nine blocks, as a file."""
    return toml_file(tiny_multislice)


@pytest.fixture
def hold(tmp_path) -> Path:
    """A file; while it is there, a driver gets as far as ENOUGH shards or blocks."""
    path = tmp_path / "hold"
    path.touch()
    return path


@pytest.fixture
def drive(hold, tmp_path) -> Iterator[Callable[[Path], subprocess.Popen]]:
    """A function (recipe file): `heterostem generate` with two workers, in a process of its own."""
    started = []

    def start(recipe: Path) -> subprocess.Popen:
        command = [sys.executable, str(Path(__file__).with_name("held.py")), "generate", str(recipe)]
        command += ["--out", str(tmp_path / "out"), "--workers", "2"]
        process = subprocess.Popen(
            command,
            env=os.environ | {"HELD": str(hold)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A test run in the background of a shell ignores interrupts, and its children would inherit that.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    hold.unlink(missing_ok=True)
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen | None = None) -> None:
    """Until it is true; fails where the process ended before, and when even a busy machine would be done."""
    deadline = time.monotonic() + 1200
    while not condition():
        assert process is None or process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file of a store."""
    store = folder / "corpus.zarr"
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def workers_of(process: subprocess.Popen) -> list[int]:
    """Process numbers of the Dask workers that a driver has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == process.pid and b"spawn_main" in command:
            found.append(int(entry.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill_a_worker(process: subprocess.Popen, hold: Path) -> None:
    """One that has made a shard or a block, and waits before it writes it."""
    at_work: list[int] = []

    def found() -> bool:
        at_work[:] = [pid for pid in workers_of(process) if waiting(hold, pid).exists()]
        return bool(at_work)

    wait_until(found, process)
    os.kill(at_work[0], signal.SIGKILL)


def ended_well(process: subprocess.Popen) -> bool:
    output, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return "complete" in output


def test_a_killed_driver_and_then_a_killed_worker_lose_nothing(drive, shards, hold, tmp_path):
    out = tmp_path / "out"
    driver = drive(shards)
    wait_until(lambda: finished_shards(out) >= ENOUGH, driver)
    workers = workers_of(driver)
    assert workers
    driver.kill()
    driver.communicate()
    wait_until(lambda: not any(is_running(pid) for pid in workers))
    finished = Corpus.open(out).finished
    assert ENOUGH <= finished_shards(out) <= ENOUGH + SOME_MORE
    images = [out / "corpus.zarr" / "images" / "c" / str(k) / "0" / "0" / "0" for k in range(SHARDS)]
    kept = {path: path.stat().st_mtime_ns for path, done in zip(images, finished, strict=True) if done}

    driver = drive(shards)
    kill_a_worker(driver, hold)
    hold.unlink()
    assert ended_well(driver)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    generate(Recipe.load(shards), tmp_path / "serial", progress=False)
    assert contents(out) == contents(tmp_path / "serial")


def test_an_interrupt_from_the_keyboard_ends_at_once_and_quietly(drive, shards, tmp_path):
    """Though the workers are in the middle of a shard that would never be finished."""
    driver = drive(shards)
    wait_until(lambda: finished_shards(tmp_path / "out") >= ENOUGH, driver)
    workers = workers_of(driver)
    os.killpg(driver.pid, signal.SIGINT)
    _, errors = driver.communicate(timeout=1200)
    assert driver.returncode not in (0, 2)
    assert "Traceback" not in errors
    wait_until(lambda: not any(is_running(pid) for pid in workers))
    assert ENOUGH <= finished_shards(tmp_path / "out") <= ENOUGH + SOME_MORE


def test_an_interrupt_keeps_blocks_and_a_killed_worker_loses_none(
    drive, blocks, hold, finished_multislice, tmp_path
):
    out, recipe = tmp_path / "out", Recipe.load(blocks)
    driver = drive(blocks)
    wait_until(lambda: len(kept_blocks(out)) >= ENOUGH, driver)
    os.killpg(driver.pid, signal.SIGINT)
    _, errors = driver.communicate(timeout=1200)
    assert driver.returncode not in (0, 2)
    assert "Traceback" not in errors
    kept = kept_blocks(out)
    assert ENOUGH <= len(kept) <= ENOUGH + SOME_MORE
    for path in kept:
        sample, number = map(int, path.stem.split("-"))
        block = block_engine(recipe).blocks(realise(recipe, sample).scene, recipe.microscope)[number]
        assert BlockFiles(out, recipe).read(sample, number, block) is not None
    assert [path for path in (out / "blocks").iterdir() if path not in kept] == []
    assert not Corpus.open(out).finished.any()

    driver = drive(blocks)
    kill_a_worker(driver, hold)
    hold.unlink()
    assert ended_well(driver)
    assert not (out / "blocks").exists()
    assert contents(out) == contents(finished_multislice)
