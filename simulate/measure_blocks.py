"""Seconds of random blocks of a recipe's images, and what all blocks take, scaled by their work.

Where a block of the corpus takes too long to be measured, smaller ones are, down to a pixel. Each block costs
something of its own (its atoms, for example) and something for its work, so both are fitted.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray
from scipy.optimize import nnls

from simulate.agenda import Plan, plan_sample
from simulate.corpus import layout
from simulate.engines.base import Block, BlockEngine, BlockResult, make_engine
from simulate.measure import SAMPLES_S, Measured, seconds, stored_bytes, within
from simulate.realise import Realisation, realise
from simulate.recipe import Recipe

BLOCKS_S = 16.0
"""Processor time that the blocks may take together."""
MOST_BLOCKS = 16
_FIRST_SHARE = 16  # the first block has a side so many times smaller than the corpus' blocks
_TRIES = 500


def measure_blocks(recipe: Recipe, engine: BlockEngine, most: int, found: Measured) -> None:
    """Time random blocks of several samples, and scale by the work of all their blocks."""
    real: list[Realisation] = []
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
    found.timed_blocks, found.side = len(timer.seconds), timer.side
    counts = [np.count_nonzero(plan.work) for plan in plans]
    totals = np.array([counts, [sum(plan.work) for plan in plans]], float).T  # blocks with work, and work
    found.blocks_with_work = float(np.mean(counts))
    each, per_work = prices = fitted(timer.seconds, timer.work)
    found.sample_s = (np.array(realise_s) + totals @ prices).tolist()
    found.rate_error = _relative_error(timer.seconds, timer.work, totals.mean(axis=0))
    found.heaviest_block_s = float(each + per_work * max(max(plan.work) for plan in plans))
    found.stored_bytes_per_sample = _stored_bytes(recipe, real, plans, timer.results)


def fitted(seconds: list[float], work: list[float]) -> NDArray[np.float64]:
    """Seconds of a block and of a unit of its work (2,), neither below 0, with the least relative errors."""
    if not seconds:
        return np.zeros(2)
    scale = 1 / np.maximum(seconds, 1e-6)
    return np.asarray(nnls(np.stack([scale, scale * np.array(work)], axis=1), scale * np.array(seconds))[0])


def _relative_error(seconds: list[float], work: list[float], mean: NDArray[np.float64]) -> float:
    """Of the time of a sample with `mean` blocks and work, by leaving out one timed block after the other."""
    count = len(seconds)
    if count < 3:
        return 0.0
    without = [
        float(mean @ fitted(seconds[:k] + seconds[k + 1 :], work[:k] + work[k + 1 :])) for k in range(count)
    ]
    return float((count - 1) / np.sqrt(count) * np.std(without) / np.mean(without))


class _Timer:
    """Computes random blocks with work, doubling their side while time allows."""

    def __init__(self, recipe: Recipe, real: list[Realisation], largest: int) -> None:
        self._recipe, self._real, self._largest = recipe, real, largest
        self._rng = default_rng(0)
        self._divided: dict[int, tuple[BlockEngine, list[Block]]] = {}
        self.seconds: list[float] = []
        self.work: list[float] = []
        self.results: list[BlockResult] = []
        self.side = max(1, largest // _FIRST_SHARE)

    def run(self) -> None:
        """Measure until the time is over."""
        begin, warm = time.process_time(), False
        drawn = self._draw(self.side)
        while drawn is not None and len(self.seconds) < MOST_BLOCKS:
            taken = self._time(*drawn)
            left = BLOCKS_S - (time.process_time() - begin)
            if not warm and left > 3 * taken:  # the first block also pays for imports and caches
                for values in (self.seconds, self.work, self.results):
                    values.clear()
                drawn = self._draw(self.side)
            else:
                drawn = self._next(left)
            warm = True

    def _time(self, engine: BlockEngine, made: Realisation, block: Block, work: float) -> float:
        begin = time.process_time()
        self.results.append(engine.block_result(made.scene, self._recipe.microscope, block))
        self.seconds.append(time.process_time() - begin)
        self.work.append(work)
        return self.seconds[-1]

    def _draw(self, side: int) -> tuple[BlockEngine, Realisation, Block, float] | None:
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
        """The engine that divides images so, and the blocks, which are those of every sample."""
        if side not in self._divided:
            settings = self._recipe.engine_settings.model_copy(update={"block_pixels": side})
            engine = make_engine(settings)
            assert isinstance(engine, BlockEngine)
            self._divided[side] = engine, engine.blocks(self._real[0].scene, self._recipe.microscope)
        return self._divided[side]

    def _next(self, left: float) -> tuple[BlockEngine, Realisation, Block, float] | None:
        """The next block: of twice the side if three of them fit into the seconds that are left."""
        each, per_work = fitted(self.seconds, self.work)
        larger = min(2 * self.side, self._largest)
        drawn = self._draw(larger)
        if larger > self.side and drawn is not None and 3 * (each + per_work * drawn[3]) < left:
            self.side = larger
            return drawn
        drawn = drawn if larger == self.side else self._draw(self.side)
        return drawn if drawn is not None and each + per_work * drawn[3] < left else None


def _stored_bytes(
    recipe: Recipe, real: list[Realisation], plans: list[Plan], results: list[BlockResult]
) -> float:
    """Bytes on disk of a sample: its blocks with work compressed as the measured ones, and the rest as it is
    with a black image.
    """
    channels, layers = len(recipe.channel_names), 1 + layout.reports_errors(recipe)
    black = BlockResult(*(np.zeros((channels, *recipe.field.shape), np.float32) for _ in range(layers)))
    rest = stored_bytes(recipe, [(made, black) for made in real]) / len(real)
    pixels = np.mean([_pixels_with_work(plan) for plan in plans])
    return rest + float(pixels) * channels * 4 * sum(_compressed(results, k) for k in range(layers))


def _pixels_with_work(plan: Plan) -> int:
    sizes = (b.shape[0] * b.shape[1] for b, work in zip(plan.blocks, plan.work, strict=True) if work > 0)
    return sum(sizes)


def _compressed(results: list[BlockResult], layer: int) -> float:
    """Share of their size that the blocks of a layer have on disk."""
    from numcodecs.zstd import Zstd

    if not results:
        return 0.0
    values = np.concatenate([result.layers[layer].ravel() for result in results])
    return min(1.0, len(Zstd(level=3).encode(values)) / values.nbytes)
