"""From a corpus to batches: realism on the fly, the symmetries of the square, shuffling by shard.

Everything is a function of (corpus, seed, epoch), never of the number of threads, so a training that was
interrupted goes on as if it had not been. Batches are made ahead in a background thread while the network
works.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from learn.config import UNKNOWN_GAIN, Gain
from learn.maps import CELL_PIXELS, density_maps
from learn.symmetries import symmetries_of, turned_each
from learn.targets import HasColumns, TargetSet, column_values
from simulate.realise import seed_of
from simulate.realism import REALISM_STAGE, Realism, apply_realism
from stochgeom.errors import UserError

Float = NDArray[np.float32]
T = TypeVar("T")


class TrainingCorpus(HasColumns, Protocol):
    """The part of `simulate.corpus.reader.Corpus` that training reads."""

    @property
    def images(self) -> Any: ...  # (sample, channel, y, x)

    def phase_bits(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]: ...  # of textures alone

    @property
    def pixel_size(self) -> Any: ...  # (sample,) nm

    @property
    def particles(self) -> Any: ...  # (sample, slot, column): x, y, z, radius (nm), species, ...

    @property
    def n_particles(self) -> Any: ...  # (sample,)

    @property
    def channel_names(self) -> tuple[str, ...]: ...

    @property
    def recipe(self) -> Any: ...  # name, hash, seed, realism, species_names


@dataclass(frozen=True)
class Batch:
    """Recorded images (b, c, y, x), ln of nm per pixel (b,), standard targets (b, t), maps (b, m, ...)."""

    images: Float
    log_pixel: Float
    targets: Float
    maps: Float | None


def with_gain(realism: Realism, gain: Gain) -> Realism:
    """`realism` with its gain as it is (recipe), exactly one (known), or log-uniform 0.1-10 (unknown)."""
    if gain == "recipe":
        return realism
    law = 1.0 if gain == "known" else UNKNOWN_GAIN
    return type(realism).model_validate({**realism.model_dump(), "gain": law})


def recorded(corpus: TrainingCorpus, clean: Float, index: int, realism: Realism, draw: int) -> Float:
    """Sample `index` (channel, y, x) as recorded: draw 0 is the corpus' own, later ones are fresh."""
    rng = np.random.default_rng(seed_of(corpus.recipe, index, REALISM_STAGE, draw))
    return apply_realism(clean, float(corpus.pixel_size[index]), realism, rng)


class Samples:
    """Samples of one split, ready to be batched.

    Clean and recorded images are kept in memory in half precision (rounded by 0.05 %, far below counting
    noise) when `memory_gb` allows, phase maps without realism as bits; otherwise every epoch reads the shards
    in a new order, several at a time.
    """

    def __init__(
        self,
        corpus: TrainingCorpus,
        split: str,
        targets: TargetSet,
        realism: Realism,
        maps: bool = False,
        memory_gb: float = 4.0,
        limit: int | None = None,
    ) -> None:
        self.corpus, self.realism = corpus, realism
        self.indices = np.asarray(corpus.indices(split))[:limit]
        if len(self.indices) == 0:
            raise UserError(f"the corpus has no finished samples in the split {split!r}")
        self.targets = targets.encode(column_values(corpus, targets.names)[self.indices])
        pixel = np.asarray(corpus.pixel_size[:], np.float64)[self.indices]
        self.log_pixel = np.log(pixel).astype(np.float32)
        self._names = targets.names
        self._plain = _is_phase(corpus.images) and realism == Realism()
        self._groups = _groups(corpus.images, self.indices, memory_gb, self._plain)
        self._maps = _maps_of(corpus, self.indices) if maps else None
        self._clean: NDArray[np.float16] | None = None
        self._recorded: NDArray[np.float16] | None = None
        self._draw: NDArray[np.int64] | None = None
        self._bits: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def in_memory(self) -> bool:
        """Whether all images fit the allowance."""
        return len(self._groups) == 1

    def epoch(self, epoch: int, batch_size: int, seed: int, refresh_epochs: int = 1) -> Iterator[Batch]:
        """Shuffled batches of one epoch: fresh realism every `refresh_epochs`, a random symmetry each."""
        rng = np.random.default_rng([seed, epoch])
        for group in rng.permutation(len(self._groups)):
            rows = self._groups[group]
            get = self._cached(refresh_epochs, epoch) if self.in_memory else self._streamed(rows, epoch)
            parts = max(1, round(len(rows) / batch_size))
            for part in np.array_split(rng.permutation(rows), parts):
                yield self._batch(
                    part, np.stack([get(row) for row in part]), self._symmetries(len(part), rng)
                )

    def fixed(self, batch_size: int) -> Iterator[Batch]:
        """Batches in the corpus' order, each sample's own recording (draw 0), no symmetries."""
        for start in range(0, len(self), batch_size):
            rows = np.arange(start, min(start + batch_size, len(self)))
            clean = _read(self.corpus.images, self.indices[rows])
            images = [
                recorded(self.corpus, image, int(self.indices[row]), self.realism, 0)
                for row, image in zip(rows, clean, strict=True)
            ]
            yield self._batch(rows, np.stack(images), np.zeros(len(rows), int))

    def _batch(self, rows: NDArray[np.int64], images: NDArray[Any], symmetries: NDArray[np.int64]) -> Batch:
        maps = None
        if self._maps is not None:
            maps = turned_each(self._maps[rows], symmetries)
        images = turned_each(images, symmetries)
        return Batch(images, self.log_pixel[rows], self.targets[rows], maps)

    def _symmetries(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Which symmetry each image gets."""
        shape = self.corpus.images.shape[2:]
        return rng.choice(symmetries_of(self.realism, shape, self._names), size=count)

    def _cached(self, refresh_epochs: int, epoch: int) -> Any:
        if self._plain:
            return self._phase
        if self._clean is None or self._recorded is None or self._draw is None:
            self._clean = _read_half(self.corpus.images, self.indices)
            self._recorded = np.empty_like(self._clean)
            self._draw = np.zeros(len(self), np.int64)
        clean, kept, draws = self._clean, self._recorded, self._draw

        def get(row: int) -> NDArray[np.float16]:
            draw = 1 + (epoch + row % refresh_epochs) // refresh_epochs
            if draws[row] != draw:
                image = clean[row].astype(np.float32)
                kept[row] = recorded(self.corpus, image, int(self.indices[row]), self.realism, draw)
                draws[row] = draw
            return kept[row]

        return get

    def _phase(self, row: int) -> NDArray[np.float16]:
        """A phase map (1, y, x) from the bits that are kept in memory."""
        if self._bits is None:
            self._bits = self.corpus.phase_bits(self.indices)
        width = self.corpus.images.shape[3]
        return np.unpackbits(self._bits[row], axis=-1, count=width)[None].astype(np.float16)

    def _streamed(self, rows: NDArray[np.int64], epoch: int) -> Any:
        clean = _read(self.corpus.images, self.indices[rows])
        first = int(rows[0])

        def get(row: int) -> Float:
            return recorded(self.corpus, clean[row - first], int(self.indices[row]), self.realism, 1 + epoch)

        return get


def ahead(items: Iterable[T], depth: int = 3) -> Iterator[T]:
    """The same items, made up to `depth` ahead in a background thread; its errors are raised here."""
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=partial(_fill, items, ready, stop), daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if not more:
                if item is not None:
                    raise item
                return
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            _drain(ready)
            thread.join(0.05)


def _fill(items: Iterable[T], ready: queue.Queue[tuple[bool, Any]], stop: threading.Event) -> None:
    try:
        for item in items:
            ready.put((True, item))
            if stop.is_set():
                return
    except BaseException as error:
        ready.put((False, error))
    else:
        ready.put((False, None))


def _drain(ready: queue.Queue[tuple[bool, Any]]) -> None:
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        return


def _shard_size(images: Any) -> int:
    shards = getattr(images, "shards", None) or getattr(images, "chunks", None)
    return int(shards[0]) if shards else 256


def _is_phase(images: Any) -> bool:
    """Whether the images are phase maps, stored as bits."""
    return bool(getattr(images, "dtype", None) == np.uint8)


def _groups(
    images: Any, indices: NDArray[np.int64], memory_gb: float, bits: bool = False
) -> list[NDArray[np.int64]]:
    """Rows of `indices` in groups that are read together: one if all fit, else whole shards side by side."""
    pixels = int(np.prod(images.shape[1:]))
    held = 1 / 8 if bits else 4  # bytes of a pixel: a bit, or two copies of two bytes
    if len(indices) * pixels * held <= memory_gb * 2**30:
        return [np.arange(len(indices))]
    size = _shard_size(images)
    together = max(
        1, int(memory_gb * 2**30 / (pixels * 12 * size))
    )  # two groups at a time, and their recordings
    group = indices // size // together
    return np.split(np.arange(len(indices)), np.flatnonzero(np.diff(group)) + 1)


def _read(images: Any, indices: NDArray[np.int64]) -> Float:
    """Images of ascending `indices`, shard by shard, float32."""
    if _is_phase(images):
        return np.asarray(images[indices], np.float32)
    size, found = _shard_size(images), []
    for shard in np.unique(indices // size):
        inside = indices[indices // size == shard]
        first = int(inside[0])
        found.append(np.asarray(images[first : int(inside[-1]) + 1], np.float32)[inside - first])
    return np.concatenate(found)


def _read_half(images: Any, indices: NDArray[np.int64]) -> NDArray[np.float16]:
    size = _shard_size(images)
    whole = np.empty((len(indices), *images.shape[1:]), np.float16)
    for shard in np.unique(indices // size):
        rows = np.flatnonzero(indices // size == shard)
        whole[rows] = _read(images, indices[rows])
    return whole


def _maps_of(corpus: TrainingCorpus, indices: NDArray[np.int64]) -> NDArray[np.float16]:
    shape, species = corpus.images.shape[2:], len(corpus.recipe.species_names)
    grid = [-(-side // CELL_PIXELS) for side in shape]
    maps = np.empty((len(indices), 4 * species + 1, *grid), np.float16)
    counts, pixel = np.asarray(corpus.n_particles[:]), np.asarray(corpus.pixel_size[:], np.float64)
    size = _shard_size(corpus.images)
    for shard in np.unique(indices // size):
        rows = np.flatnonzero(indices // size == shard)
        first = int(indices[rows[0]])
        tables = np.asarray(corpus.particles[first : int(indices[rows[-1]]) + 1])
        for row in rows:
            index = int(indices[row])
            table = tables[index - first, : counts[index]]
            maps[row] = density_maps(table, float(pixel[index]), shape, species)
    return maps
