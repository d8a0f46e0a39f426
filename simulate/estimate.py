"""What a corpus would take, from a short measured run: processor time, wall time, memory and disk.

estimate = estimate(Recipe.load("reference"), workers=8)
print(estimate.text())
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulate.corpus import layout
from simulate.preflight import check_recipe
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.measure import Measured
    from simulate.recipe import Recipe

_SHARD_COPIES = 3  # of a shard's arrays in the process that writes it: samples, stacked, encoded
_PROBE_RATE_ERROR = 0.25  # scatter of seconds for a unit of work between places of shipped recipes
_MOST_TASKS = 100_000  # above it the last tasks do not matter

CAVEAT = """\
Wall time: if every worker is as fast as this processor and has a core, and the memory, of its own.
±: one standard error, from the scatter between samples, and between the blocks or probes that are timed;
other processors, busy cores and slow file systems are not in it."""


@dataclass(frozen=True)
class Estimate:
    """What making a corpus takes. Times are in seconds of one processor unless they are called wall time.

    `sample_s` is the mean over samples and `sample_sd_s` the spread between them; `total_error_s` is the
    standard error of `total_s`, which includes the reference probes (`probes_s`, None where there are none).
    `memory_bytes` of a worker is `memory_is` "measured", "the engine's bound" or "that of a shard's samples".
    `measured` says in words what was measured.
    """

    recipe: str
    samples: int
    workers: int
    measured: str
    blocks: tuple[int, float] | None
    sample_s: float
    sample_sd_s: float
    probes_s: float | None
    total_s: float
    total_error_s: float
    wall_s: float
    memory_bytes: int
    memory_is: str
    stored_bytes: int
    uncompressed_bytes: int

    def text(self) -> str:
        """Lines for the eye, every number with its unit."""
        rows = [
            ("corpus", f"{self.recipe}, {self.samples} samples"),
            ("measured", self.measured),
            ("one sample", f"{duration(self.sample_s)} of processor time (sd {duration(self.sample_sd_s)})"),
            *self._block_rows(),
            *self._probe_rows(),
            ("all", f"{duration(self.total_s)} ± {duration(self.total_error_s)} of processor time"),
            ("wall time", f"{duration(self.wall_s)} with {self.workers} workers"),
            (
                "memory",
                f"{size(self.memory_bytes)} for each worker ({self.memory_is}{self._probes_need_more})",
            ),
            ("disk", f"{size(self.stored_bytes)} ({size(self.uncompressed_bytes)} before compression)"),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join([*(f"{name:<{width}}  {value}" for name, value in rows), CAVEAT])

    @property
    def _probes_need_more(self) -> str:
        return "" if self.probes_s is None else "; reference probes in large particles may need more"

    def _probe_rows(self) -> list[tuple[str, str]]:
        if self.probes_s is None:
            return []
        return [
            ("reference probes", f"{duration(self.probes_s)}, from one probe and the geometry of the others")
        ]

    def _block_rows(self) -> list[tuple[str, str]]:
        if self.blocks is None:
            return []
        return [
            ("blocks", f"{self.blocks[0]} in an image, {self.blocks[1]:.3g} of them with something to do")
        ]


def estimate(recipe: Recipe, samples: int | None = None, workers: int | None = None) -> Estimate:
    """Measure for seconds (about half a minute with multislice), and say what all of the corpus takes.

    samples: instead of the recipe's number. workers: processes that share the work; None, 0 or 1 is one.
    Makes no corpus. UserError if the recipe cannot be realised, as `generate` raises it.
    """
    from simulate.measure import measured

    samples, workers = recipe.samples if samples is None else samples, workers or 1
    for name, value in (("samples", samples), ("workers", workers)):
        if value < 1:
            raise UserError(f"{name} = {value}: should be at least 1")
    check_recipe(recipe, samples)
    return summed_up(recipe, samples, workers, measured(recipe, samples))


def summed_up(recipe: Recipe, samples: int, workers: int, found: Measured) -> Estimate:
    """What was measured, for all samples."""
    mean, aggregates = float(np.mean(found.sample_s)), _probed_aggregates(recipe)
    probes = aggregates * float(np.mean(found.probed_s)) if aggregates else None
    total = samples * mean + (probes or 0.0)
    errors = (
        samples * mean * found.rate_error,
        _error_of_sum(found.sample_s, samples),
        _error_of_sum(found.probed_s, aggregates),
        _PROBE_RATE_ERROR * (probes or 0.0),
    )
    memory, memory_is = _memory(recipe, found)
    uncompressed = {spec.name: _bytes(spec) for spec in layout.arrays(recipe, samples)}
    beside = sum(count for name, count in uncompressed.items() if name.startswith("validation/"))
    return Estimate(
        recipe=recipe.name,
        samples=samples,
        workers=workers,
        measured=_in_words(found),
        blocks=(found.blocks_per_image, found.blocks_with_work) if found.blocks_per_image > 1 else None,
        sample_s=mean,
        sample_sd_s=_sd(found.sample_s),
        probes_s=probes,
        total_s=total,
        total_error_s=math.hypot(*errors),
        wall_s=_wall_s(recipe, found, samples, workers, total),
        memory_bytes=memory,
        memory_is=memory_is,
        stored_bytes=round(samples * found.stored_bytes_per_sample) + beside,
        uncompressed_bytes=sum(uncompressed.values()),
    )


def _probed_aggregates(recipe: Recipe) -> int:
    return 0 if recipe.probes is None else recipe.probes.aggregates


def _sd(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _error_of_sum(seconds: list[float], count: int) -> float:
    """Standard error of the sum over `count` samples or aggregates, of which `seconds` are known."""
    return count * _sd(seconds) * math.sqrt(max(0.0, 1 / len(seconds) - 1 / count)) if seconds else 0.0


def _wall_s(recipe: Recipe, found: Measured, samples: int, workers: int, total: float) -> float:
    """Wall time when every worker takes the next task as soon as it is free: probes come first."""
    mean, probes = float(np.mean(found.sample_s)), found.probed_s
    if found.blocks_per_image > 1:
        longest = max([found.heaviest_block_s, *probes])
        return total / workers + longest * (1 - 1 / workers)  # Graham's bound
    count = layout.shard_count(samples, recipe.samples_per_shard)
    if count > _MOST_TASKS:
        return total / workers
    unknown = max(0, _probed_aggregates(recipe) - len(probes))
    tasks = [*probes, *([float(np.mean(probes))] * unknown if probes else [])]
    tasks += [mean * len(layout.shard_range(k, samples, recipe.samples_per_shard)) for k in range(count)]
    free = [0.0] * workers
    for task in tasks:
        heapq.heapreplace(free, free[0] + task)
    return max(free)


def _memory(recipe: Recipe, found: Measured) -> tuple[int, str]:
    """The largest of what was measured and of the bounds that are known, and which one it is."""
    shard = sum(_bytes(spec) for spec in layout.sample_arrays(recipe, recipe.samples_per_shard))
    known = {
        "measured": found.peak_bytes,
        "the engine's bound": found.imports_bytes + found.engine_bytes,
        "that of a shard's samples": found.imports_bytes + _SHARD_COPIES * shard,
    }
    largest = max(known, key=lambda name: known[name])
    return known[largest], largest


def _bytes(spec: layout.ArraySpec) -> int:
    return math.prod(spec.shape) * np.dtype(spec.dtype).itemsize


def _in_words(found: Measured) -> str:
    if not found.timed_blocks:
        return f"{len(found.sample_s)} samples, in a process of their own"
    what = "block" if found.timed_blocks == 1 else "blocks"
    return (
        f"{found.timed_blocks} {what} of up to {found.side} x {found.side} pixels and the geometry of "
        f"{len(found.sample_s)} samples, in a process of their own"
    )


def duration(seconds: float) -> str:
    """A time span with two to three digits and the unit that suits it."""
    for unit, size_s in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def size(count: float) -> str:
    """Bytes with two to three digits and the unit that suits them."""
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= bytes_:
            return f"{count / bytes_:.3g} {unit}"
    return f"{count:.0f} B"
