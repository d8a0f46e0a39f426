"""A short run in a process of its own: what samples, blocks and reference probes of a recipe take.

The process is as a worker's would be: fresh, with one thread. It writes to a temporary folder only.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulate.corpus import layout
from simulate.corpus.writer import CorpusWriter, prepare_store
from simulate.engines.base import BlockEngine, Engine, make_engine
from simulate.executors import ONE_THREAD
from simulate.imaged_recipe import ImagedRecipe
from simulate.imaging import ImagedSample, realise, render
from simulate.recipe import Recipe
from simulate.scene import Scene
from simulate.textures.realise import TextureSample, render_texture
from simulate.textures.recipe import TextureRecipe
from simulate.validation import in_nm, probe_points, probed_samples
from stochgeom.errors import UserError, require

MOST_SAMPLES = 24
MOST_TEXTURES = 500
SAMPLES_S, PROBE_S = 4.0, 6.0
"""Processor time after which no further sample is realised or rendered, and that a probe may take."""


@dataclass
class Measured:
    """What was measured. Times are processor seconds.

    `sample_s` has an entry for each sample, whole or scaled from `timed_blocks` blocks of up to `side` pixels
    by their work, with the relative standard error `rate_error`; `probed_s` has an entry for each of some
    aggregates with reference probes.
    """

    sample_s: list[float] = field(default_factory=list)
    timed_blocks: int = 0
    side: int = 0
    rate_error: float = 0.0
    blocks_per_image: int = 1
    blocks_with_work: float = 1.0
    heaviest_block_s: float = 0.0
    probed_s: list[float] = field(default_factory=list)
    imports_bytes: int = 0
    peak_bytes: int = 0
    engine_bytes: int = 0
    stored_bytes_per_sample: float = 0.0


def measured(recipe: Recipe, samples: int) -> Measured:
    """Measure a recipe in a fresh process. UserError as that process raises it, or if it dies."""
    folder = None if recipe.folder is None else str(recipe.folder.absolute())
    with _one_thread(), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measure, json.dumps(recipe.canonical), folder, samples).result()
        except BrokenProcessPool as error:
            raise UserError("the process that measures died; is there enough memory?") from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """The environment of a worker, for processes that are started inside."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def measure(payload: str, folder: str | None, samples: int) -> Measured:
    """Measure in this process. `payload` is the recipe's canonical JSON."""
    from simulate.measure_blocks import measure_blocks

    recipe, found = Recipe.from_dict(json.loads(payload), folder=folder), Measured()
    if not isinstance(recipe, ImagedRecipe):
        assert isinstance(recipe, TextureRecipe)
        _measure_textures(recipe, samples, found)
        return found
    engine = make_engine(recipe.engine_settings)
    realise(recipe, 0)  # compiles what is compiled
    if isinstance(engine, BlockEngine):
        require("abtem", extra="simulate")  # which blocks would import
    found.imports_bytes = peak_bytes()
    most = min(samples, MOST_SAMPLES)
    if isinstance(engine, BlockEngine):
        measure_blocks(recipe, engine, most, found)
    else:
        render(recipe, 0, engine)
        _measure_samples(recipe, engine, most, found)
    if recipe.validation is not None:
        _measure_probes(recipe, samples, found)
    found.peak_bytes = peak_bytes()
    return found


def _measure_textures(recipe: TextureRecipe, samples: int, found: Measured) -> None:
    """Time textures, of which hundreds take no longer than one other image."""
    render_texture(recipe, 0)  # compiles what is compiled
    found.imports_bytes = peak_bytes()
    most = min(samples, MOST_TEXTURES, recipe.samples_per_shard)
    _measure_each(recipe, partial(render_texture, recipe), most, found)
    found.peak_bytes = peak_bytes()


def _measure_samples(recipe: ImagedRecipe, engine: Engine, most: int, found: Measured) -> None:
    _measure_each(recipe, partial(render, recipe, engine=engine), most, found)


def _measure_each(
    recipe: Recipe, make: Callable[[int], ImagedSample | TextureSample], most: int, found: Measured
) -> None:
    """Time whole samples, from their parameters to their shard on disk."""
    made: list[Any] = []
    each = [seconds(lambda i: made.append(make(i)), k) for k in within(SAMPLES_S, range(most))]
    stored_bytes(recipe, made[:1])  # the first time takes imports
    one, (stored, all_of_them) = stored_bytes(recipe, made[:1])[1], stored_bytes(recipe, made)
    another = max(0.0, all_of_them - one) / max(1, len(made) - 1)
    writing = another + max(0.0, one - another) / recipe.samples_per_shard
    found.sample_s = [rendering + writing for rendering in each]
    found.stored_bytes_per_sample = stored / len(made)


def _measure_probes(recipe: ImagedRecipe, samples: int, found: Measured) -> None:
    """Time the lightest probe and one of a few seconds, and scale that by the work of all places of several
    aggregates. A second probe in the same place finds its atoms made.
    """
    settings, scope = recipe.validation, recipe.microscope
    assert settings is not None
    engine = make_engine(settings.engine)
    places: list[list[tuple[Scene, NDArray[np.float64]]]] = []
    for index in within(SAMPLES_S, probed_samples(recipe, samples).tolist()):
        made = realise(recipe, index)
        points = in_nm(made, probe_points(made, recipe)[0])
        places.append([(made.scene, place) for place in np.split(points, settings.places)])
    work = np.array([[_probes_work(engine, recipe, *place) for place in those] for those in places])
    first = [(scene, points[:1]) for those in places for scene, points in those]
    one = np.array([_probes_work(engine, recipe, *probe) for probe in first])

    def timed(probe: int) -> tuple[float, float]:
        """Seconds of a probe's atoms, and of the rest for each unit of its work."""
        scene, point = first[probe]
        both, rest = (seconds(engine.probes, scene, scope, point) for _ in range(2))
        return max(0.0, both - rest), rest / one[probe]

    atoms, rate = timed(int(one.argmin()))
    affordable = np.where(atoms + rate * one < PROBE_S, one, 0.0)
    if affordable.any():
        atoms, rate = timed(int(affordable.argmax()))
    found.probed_s = (settings.places * atoms + rate * work.sum(axis=1)).tolist()


def _probes_work(engine: Engine, recipe: ImagedRecipe, scene: Scene, points: NDArray[np.float64]) -> float:
    """Relative cost of probes; their number where the engine says nothing about it."""
    work = getattr(engine, "probes_work", None)
    return float(len(points)) if work is None else work(scene, recipe.microscope, points)


def seconds(call: Callable[..., object], *arguments: object) -> float:
    """Processor time of a call."""
    begin = time.process_time()
    call(*arguments)
    return time.process_time() - begin


def within(budget_s: float, indices: Sequence[int]) -> Iterator[int]:
    """Indices as long as the processor time lasts; the first two in any case."""
    begin = time.process_time()
    for place, index in enumerate(indices):
        if place >= 2 and time.process_time() - begin > budget_s:
            return
        yield index


def stored_bytes(recipe: Recipe, made: Sequence[ImagedSample] | Sequence[TextureSample]) -> tuple[int, float]:
    """Bytes on disk of the first samples of a corpus, all arrays together, and seconds to write them."""
    recipe = recipe.model_copy(update={"samples_per_shard": len(made)})
    with tempfile.TemporaryDirectory() as folder:
        store = prepare_store(folder, recipe, len(made))
        writing = seconds(CorpusWriter(folder, recipe).write_shard, 0, made)
        names = [spec.name for spec in layout.sample_arrays(recipe, len(made))]
        files = [path for name in names for path in (store / name / "c").rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files), writing


def peak_bytes() -> int:
    """Largest resident memory that this process has had."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):  # getrusage would count the process that started this one
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
