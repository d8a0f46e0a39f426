"""What is left to do of a corpus: its tasks in order, and what becomes possible once one is done.

Tasks are reference probes and shards. Where the engine makes images of several blocks, a shard is put
together by a task that waits for the tasks of its blocks. Which tasks there are is a function of the recipe
alone. Shards come one after the other, so that finished ones do not wait for the end, and within a shard the
heaviest blocks come first, so that no worker is left with one of them at last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulate.aggregate_recipe import AggregateRecipe
from simulate.corpus import layout
from simulate.corpus.block_files import BlockFiles
from simulate.corpus.layout import Task
from simulate.corpus.reader import Corpus
from simulate.devices import CPU
from simulate.engines.base import Block, BlockEngine, make_engine
from simulate.realise import Realisation, realise
from simulate.recipe import Recipe
from simulate.recipe_settings import BlockSettings

Part = tuple[int, int]
"""(k, n): the k-th of n parts of a job array, counted from 1."""

_STEPS = 256  # to which work is rounded, so that the last bits of a processor do not decide on tasks
_LEAST = 64  # a block with less of them than that shares its task with others


@dataclass(frozen=True)
class Plan:
    """The blocks of one sample, and the work of each (0 where nothing is computed). `groups` holds numbers of
    blocks with work, those of one task together, heavy ones first.
    """

    blocks: tuple[Block, ...]
    work: tuple[float, ...]
    groups: tuple[tuple[int, ...], ...]


def plan_sample(recipe: AggregateRecipe, engine: BlockEngine, made: Realisation) -> Plan:
    """Blocks and tasks of a realised sample."""
    blocks = engine.blocks(made.scene, recipe.microscope)
    work = [engine.block_work(made.scene, recipe.microscope, block) for block in blocks]
    return Plan(tuple(blocks), tuple(work), grouped(work))


def grouped(work: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """Numbers of the blocks with work, heavy ones first; light ones together."""
    scale = _STEPS / (max(work) or 1.0)
    steps = {k: max(1, round(scale * amount)) for k, amount in enumerate(work) if amount > 0}
    groups: list[list[int]] = []
    for k in sorted(steps, key=lambda k: (-steps[k], k)):
        if not groups or sum(steps[other] for other in groups[-1]) >= _LEAST:
            groups.append([])
        groups[-1].append(k)
    return tuple(map(tuple, groups))


class Agenda:
    """Tasks that wait for nothing. `total` counts `unit`s for the eye."""

    unit = "tasks"

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.total = len(tasks)
        self._tasks = tasks

    def tasks(self) -> Iterator[Task]:
        """What can be done at once, planned while it is asked for."""
        yield from self._tasks

    def then(self, done: Task) -> list[Task]:
        """What a finished task makes possible."""
        return []

    def units(self, done: Task) -> int:
        """How many units the end of a task brings nearer to `total`."""
        return 1

    def blocks(self, done: Task) -> int:
        """How many blocks a task makes."""
        return 0

    def late(self) -> list[Task]:
        """What others have made possible meanwhile."""
        return []


class BlockAgenda(Agenda):
    """Blocks, and shards of them. `claimed` shards are a part's own with all their blocks."""

    def __init__(
        self,
        recipe: AggregateRecipe,
        out: Path,
        engine: BlockEngine,
        probes: Sequence[Task],
        part: Part | None,
        claimed: Collection[int],
    ) -> None:
        self._recipe, self._engine, self._probes = recipe, engine, probes
        self._corpus, self._files = Corpus.open(out), BlockFiles(out, recipe)
        self._part, self._claimed = part, claimed
        self._shards = [number for kind, number in self._corpus.tasks(finished=False) if kind == "shard"]
        samples = [index for shard in self._shards for index in self._samples(shard)]
        numbers = len(engine.blocks(realise(recipe, 0).scene, recipe.microscope))
        self._kept = self._files.kept()
        self._files.remove({sample for sample, _ in self._kept} - set(samples), numbers)
        self.total = len(probes) + len(samples) * numbers
        self.unit = "blocks and probes" if probes else "blocks"
        self._needed: dict[int, set[tuple[int, int]]] = {}
        self._left: dict[int, set[Task]] = {}
        self._units: dict[Task, int] = dict.fromkeys(probes, 1)
        self._passed = 0  # units that need no task, since the last task

    def tasks(self) -> Iterator[Task]:
        """Probes, then shard by shard the blocks that are missing; a shard at once if none is."""
        yield from self._probes
        for shard in self._shards:
            tasks = self._plan(shard)
            yield from tasks
            if not tasks and self._is_there(shard):
                yield "shard", shard

    def then(self, done: Task) -> list[Task]:
        """The shard, after the last of its blocks."""
        if done[0] != "block":
            return []
        shard = self._shard_of(done)
        self._left[shard].discard(done)
        return [("shard", shard)] if not self._left[shard] and self._is_there(shard) else []

    def units(self, done: Task) -> int:
        """Blocks of a task, and those passed over since the last one: empty, there already, or another
        part's.
        """
        passed, self._passed = self._passed, 0
        return passed + self._units.get(done, 0)

    def blocks(self, done: Task) -> int:
        """How many blocks a task makes."""
        return self._units[done] if done[0] == "block" else 0

    def late(self) -> list[Task]:
        """Shards whose blocks were finished by several parts, so that none of them saw the last one come."""
        if self._part is None:
            return []
        done = self._corpus.finished
        return [("shard", shard) for shard in self._needed if not done[shard] and self._is_there(shard)]

    def _samples(self, shard: int) -> range:
        return layout.shard_range(shard, len(self._corpus), self._recipe.samples_per_shard)

    def _shard_of(self, task: Task) -> int:
        return layout.block_of(self._recipe, task)[0] // self._recipe.samples_per_shard

    def _plan(self, shard: int) -> list[Task]:
        """Own tasks of the blocks of a shard that are missing, the heaviest first."""
        self._needed[shard], found = set(), []
        for sample in self._samples(shard):
            plan = plan_sample(self._recipe, self._engine, realise(self._recipe, sample))
            self._needed[shard] |= {(sample, number) for group in plan.groups for number in group}
            self._passed += len(plan.blocks)
            for rank, group in enumerate(plan.groups):
                missing = [k for k in group if not self._is_intact(sample, k, plan.blocks[k])]
                if not missing or not (shard in self._claimed or is_own(sample, rank, self._part)):
                    continue
                task = layout.block_task(self._recipe, sample, group[0])
                self._units[task] = len(missing)
                self._passed -= len(missing)
                found.append((-sum(plan.work[k] for k in missing), task))
        self._left[shard] = {task for _, task in found}
        return [task for _, task in sorted(found)]

    def _is_intact(self, sample: int, number: int, block: Block) -> bool:
        return (sample, number) in self._kept and self._files.read(sample, number, block) is not None

    def _is_there(self, shard: int) -> bool:
        """Whether all blocks of a shard are there, others' too."""
        return self._part is None or all(self._files.there(*place) for place in self._needed[shard])


def is_own(sample: int, rank: int, part: Part | None) -> bool:
    """Whether a part makes the group of a sample at this rank by weight: dealt out to and fro."""
    if part is None:
        return True
    turn, place = divmod(rank, part[1])
    return (sample + (place if turn % 2 == 0 else part[1] - 1 - place)) % part[1] == part[0] - 1


def block_engine(recipe: Recipe, device: str = CPU) -> BlockEngine | None:
    """The recipe's engine on a device, if its images have several blocks."""
    if not isinstance(recipe, AggregateRecipe) or not isinstance(recipe.engine, BlockSettings):
        return None
    engine = make_engine(recipe.engine_settings, device)
    assert isinstance(engine, BlockEngine)
    return engine if len(engine.blocks(realise(recipe, 0).scene, recipe.microscope)) > 1 else None
