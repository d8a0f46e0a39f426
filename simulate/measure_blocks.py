"""Seconds of random blocks of a recipe's images, and what all blocks take, scaled by their work.

Where a block of the corpus takes too long to be measured, smaller ones are, down to a pixel. Each block is
computed twice: what the first time takes longer is the price of a block of its own (its atoms, for example),
the second time that of its work.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from simulate.agenda import Plan, plan_sample
from simulate.corpus import layout
from simulate.engines.base import Block, BlockEngine, BlockResult, make_engine
from simulate.imaged_recipe import ImagedRecipe
from simulate.imaging import Imaged, realise, sample_of
from simulate.measure import SAMPLES_S, Measured, seconds, stored_bytes, within

BLOCKS_S = 16.0
"""Processor time that the blocks may take together."""
MOST_BLOCKS = 16
_FIRST_SHARE = 32  # the first block has a side so many times smaller than the corpus' blocks
_FIRST_CHOICE = 32  # and is the lightest of so many
_TRIES = 500
_FEW = 0.5  # relative error that one or two blocks are credited with


@dataclass(frozen=True)
class Timed:
    """A block that was computed: seconds of the first and the second time, and its work."""

    first_s: float
    again_s: float
    work: float


def measure_blocks(recipe: ImagedRecipe, engine: BlockEngine, most: int, found: Measured) -> None:
    """Time random blocks of several samples, and scale by the work of all their blocks."""
    real: list[Imaged] = []
    plans: list[Plan] = []
    realise_s = []
    for index in within(SAMPLES_S, range(most)):
        realise_s.append(seconds(lambda index=index: real.append(realise(recipe, index))))
        plans.append(plan_sample(recipe, engine, real[-1]))
        need = engine.memory_bytes(real[-1].scene, recipe.microscope)
        found.engine_bytes = max(found.engine_bytes, need)
    found.blocks_per_image = len(plans[0].blocks)
    timer = _Timer(recipe, real, max(plans[0].blocks[0].shape))
    timer.run()
    found.timed_blocks, found.side = len(timer.timed), timer.side
    counts = [np.count_nonzero(plan.work) for plan in plans]
    totals = np.array([counts, [sum(plan.work) for plan in plans]], float).T  # blocks with work, and work
    found.blocks_with_work = float(np.mean(counts))
    each, per_work = price = prices(timer.timed)
    found.sample_s = (np.array(realise_s) + totals @ price).tolist()
    found.rate_error = _relative_error(timer.timed, totals.mean(axis=0))
    found.heaviest_block_s = float(each + per_work * max(max(plan.work) for plan in plans))
    found.stored_bytes_per_sample = _stored_bytes(recipe, real, plans, timer.results)


def prices(timed: list[Timed]) -> NDArray[np.float64]:
    """Seconds of a block of its own, and of a unit of its work (2,)."""
    if not timed:
        return np.zeros(2)
    own = [max(0.0, block.first_s - block.again_s) for block in timed]
    rate = sum(block.again_s for block in timed) / sum(block.work for block in timed)
    # The very first also pays for imports, and some others for what a process does once.
    return np.array([np.median(own[1:] or own), rate])


def _relative_error(timed: list[Timed], mean: NDArray[np.float64]) -> float:
    """Of the time of a sample with `mean` blocks and work, by leaving out one timed block after the other."""
    count = len(timed)
    if count < 3:
        return _FEW if timed else 0.0
    without = [float(mean @ prices(timed[:k] + timed[k + 1 :])) for k in range(count)]
    return float((count - 1) / np.sqrt(count) * np.std(without) / np.mean(without))


Drawn = tuple[BlockEngine, Imaged, Block, float]


class _Timer:
    """Computes random blocks with work, doubling their side while time allows."""

    def __init__(self, recipe: ImagedRecipe, real: list[Imaged], largest: int) -> None:
        self._recipe, self._real, self._largest = recipe, real, largest
        self._rng = default_rng(0)
        self._divided: dict[int, tuple[BlockEngine, list[Block]]] = {}
        self.timed: list[Timed] = []
        self.results: list[BlockResult] = []
        self.side = max(1, largest // _FIRST_SHARE)

    def run(self) -> None:
        """Measure until the time is over."""
        choice = [drawn for drawn in (self._draw(self.side) for _ in range(_FIRST_CHOICE)) if drawn]
        drawn = min(choice, key=lambda one: one[3], default=None)
        if drawn is not None:  # imports, and what is compiled: minutes of work would be read into it
            engine, made, block, _ = drawn
            engine.block_result(made.scene, self._recipe.microscope, block)
        begin = time.process_time()
        while drawn is not None and len(self.timed) < MOST_BLOCKS:
            self._time(*drawn)
            drawn = self._next(BLOCKS_S - (time.process_time() - begin))

    def _time(self, engine: BlockEngine, made: Imaged, block: Block, work: float) -> None:
        scene, scope = made.scene, self._recipe.microscope
        first = seconds(lambda: self.results.append(engine.block_result(scene, scope, block)))
        long = first > BLOCKS_S / 2  # so that its own price hardly matters
        again = first if long else seconds(engine.block_result, scene, scope, block)
        self.timed.append(Timed(first, again, work))

    def _draw(self, side: int) -> Drawn | None:
        """A random block of this side with its work; None where there seems to be none with work."""
        engine, blocks = self._division(side)
        for _ in range(_TRIES):
            made = self._real[self._rng.integers(len(self._real))]
            block = blocks[self._rng.integers(len(blocks))]
            work = engine.block_work(made.scene, self._recipe.microscope, block)
            if work > 0:
                return engine, made, block, work
        return None

    def _division(self, side: int) -> tuple[BlockEngine, list[Block]]:
        """The engine that divides images so, and the blocks, which are those of every sample. It takes one
        configuration of atoms; more of them are more work of the same kind.
        """
        if side not in self._divided:
            changes = {"block_pixels": side, "phonon_configurations": 1}
            engine = make_engine(self._recipe.engine_settings.model_copy(update=changes))
            assert isinstance(engine, BlockEngine)
            self._divided[side] = engine, engine.blocks(self._real[0].scene, self._recipe.microscope)
        return self._divided[side]

    def _next(self, left: float) -> Drawn | None:
        """The next block: of twice the side if two of them fit into the seconds that are left."""
        each, per_work = prices(self.timed)
        larger = min(2 * self.side, self._largest)
        drawn = self._draw(larger)
        if larger > self.side and drawn is not None and 4 * (each + per_work * drawn[3]) < left:
            self.side = larger
            return drawn
        drawn = drawn if larger == self.side else self._draw(self.side)
        return drawn if drawn is not None and 2 * (each + per_work * drawn[3]) < left else None


def _stored_bytes(
    recipe: ImagedRecipe, real: list[Imaged], plans: list[Plan], results: list[BlockResult]
) -> float:
    """Bytes on disk of a sample: its blocks with work compressed as the measured ones, and the rest as it is
    with a black image. Standard errors are taken to be as large as images.
    """
    channels, layers = len(recipe.channel_names), 1 + layout.reports_errors(recipe)
    black = BlockResult(*(np.zeros((channels, *recipe.image_shape), np.float32) for _ in range(layers)))
    rest = stored_bytes(recipe, [sample_of(recipe, made, black) for made in real])[0] / len(real)
    pixels = np.mean([_pixels_with_work(plan) for plan in plans])
    return rest + float(pixels) * channels * 4 * layers * _compressed(results)


def _pixels_with_work(plan: Plan) -> int:
    sizes = (b.shape[0] * b.shape[1] for b, work in zip(plan.blocks, plan.work, strict=True) if work > 0)
    return sum(sizes)


def _compressed(results: list[BlockResult]) -> float:
    """Share of their size that the blocks have on disk."""
    from numcodecs.zstd import Zstd

    if not results:
        return 0.0
    values = np.concatenate([result.intensity.ravel() for result in results])
    return min(1.0, len(Zstd(level=3).encode(values)) / values.nbytes)
