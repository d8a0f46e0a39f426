"""Image descriptors of a corpus' recorded images, kept in a file: they take about ten milliseconds an
image.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from learn.image_descriptors import describe_images

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus
    from simulate.realism import Realism

VERSION = 1  # raise it when a descriptor changes its meaning
CHUNK = 100


def corpus_descriptors(
    corpus: Corpus,
    indices: np.ndarray,
    realism: Realism | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Descriptors (n, k) of samples `indices` (n,) as recorded under `realism` (the recipe's by default), and
    their names.

    `progress` is called with the number of samples done. `cache` is a folder; what it holds for the same
    recipe and realism is not computed again. A file there that cannot be read is made anew.
    """
    indices = np.asarray(indices, dtype=np.int64)
    path = None if cache is None else Path(cache) / f"image-descriptors-{_key(corpus, realism)}.npz"
    known, table, names = _load(path)
    missing = np.setdiff1d(indices, known)
    if len(missing):
        done = len(indices) - len(missing)
        told = progress or (lambda count: None)
        fresh, names = _compute(corpus, missing, realism, workers, lambda count: told(done + count))
        table = fresh if len(known) == 0 else np.concatenate([table, fresh])
        known = np.concatenate([known, missing])
        _save(path, known, table, names)
    order = np.argsort(known)
    return table[order[np.searchsorted(known, indices, sorter=order)]], names


def _compute(
    corpus: Corpus,
    indices: np.ndarray,
    realism: Realism | None,
    workers: int,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, tuple[str, ...]]:
    chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
    with ExitStack() as stack:
        found: Iterator[tuple[np.ndarray, tuple[str, ...]]]
        if workers > 1 and len(chunks) > 1:
            pool = stack.enter_context(
                ProcessPoolExecutor(min(workers, len(chunks)), mp_context=get_context("spawn"))
            )
            found = pool.map(_describe_job, [(corpus.path, chunk, realism) for chunk in chunks])
        else:
            found = map(_describe, [corpus] * len(chunks), chunks, [realism] * len(chunks))
        parts = []
        for part in found:
            parts.append(part)
            progress(sum(len(table) for table, _ in parts))
    return np.concatenate([table for table, _ in parts]), parts[0][1]


def _describe(
    corpus: Corpus, indices: np.ndarray, realism: Realism | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    images = (corpus.noisy(int(i), realism=realism) for i in indices)
    return describe_images(images, np.asarray(corpus.pixel_size[:])[indices])


def _describe_job(job: tuple[Path, np.ndarray, Realism | None]) -> tuple[np.ndarray, tuple[str, ...]]:
    from simulate.corpus.reader import Corpus

    path, indices, realism = job
    return _describe(Corpus.open(path), indices, realism)


def _key(corpus: Corpus, realism: Realism | None) -> str:
    """What the descriptors depend on: recipe, realism, and (for the code that made the corpus) its first
    image.
    """
    conditions = (corpus.recipe.realism if realism is None else realism).model_dump(mode="json")
    image = np.ascontiguousarray(corpus.clean(int(corpus.indices()[0])))
    first = hashlib.sha256(image.tobytes()).hexdigest()
    text = json.dumps([VERSION, corpus.recipe.hash, first, conditions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _load(path: Path | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    if path is not None and path.exists():
        with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(path) as stored:
            return stored["indices"], stored["table"], tuple(stored["names"].tolist())
    return np.empty(0, dtype=np.int64), np.empty((0, 0)), ()


def _save(path: Path | None, indices: np.ndarray, table: np.ndarray, names: tuple[str, ...]) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    np.savez(partial, indices=indices, table=table, names=np.array(names))
    partial.replace(path)
