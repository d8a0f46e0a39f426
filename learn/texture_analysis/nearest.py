"""The nearest textures in statistics space, searched block by block."""

from __future__ import annotations

import numpy as np

from stochgeom.spatial_statistics import statistics_distance

from .statistics_vectors import VectorBlocks, statistics_vectors
from .texture_set import TextureSet

QUERIES = 2000  # images sought at a time: their vectors are 200 MB at 224 x 224
SPARE = 3  # candidates kept beyond those asked for, since single precision may swap near ones


def nearest_textures(train: VectorBlocks, test: TextureSet, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """For each test image the k training images with the nearest f: indices (n, k) and distances (n, k),
    the f-space MSE, nearest first.

    Candidates come from |a|² + |b|² - 2 a·b in float32, with one vector taken off both (about the mean, so
    that little is lost to rounding); distances are then computed from the images.
    """
    mean = next(iter(train))[1].mean(axis=0)  # of the first block: any vector will do, and a pass is saved
    kept = min(k + SPARE, len(train.textures))
    index = np.empty((len(test), k), np.int64)
    distance = np.empty((len(test), k))
    for rows in test.blocks(QUERIES):
        candidates = _candidates(train, test, rows, mean, kept)
        for i, choices in zip(range(rows.start, rows.stop), candidates, strict=True):
            image = test.pictures(slice(i, i + 1))
            exact = statistics_distance(train.textures.pictures(choices), image)
            order = np.argsort(exact, kind="stable")[:k]
            index[i], distance[i] = choices[order], exact[order]
    return index, distance


def _candidates(
    train: VectorBlocks, test: TextureSet, rows: slice, mean: np.ndarray, kept: int
) -> np.ndarray:
    """Indices (q, kept) of the nearest in single precision."""
    sought = np.concatenate(
        [
            statistics_vectors(test.pictures(slice(start, min(start + 128, rows.stop)))) - mean
            for start in range(rows.start, rows.stop, 128)
        ]
    )
    best = np.full((len(sought), kept), np.inf, np.float32)
    which = np.zeros((len(sought), kept), np.int64)
    for block, vectors in train:
        centred = vectors - mean
        squares = np.einsum("ij,ij->i", centred, centred)
        apart = squares - 2 * (sought @ centred.T)  # the square of the sought one is the same for all
        both = np.concatenate([best, apart], axis=1)
        ids = np.concatenate(
            [which, np.broadcast_to(np.arange(block.start, block.stop), apart.shape)], axis=1
        )
        chosen = np.argpartition(both, kept - 1, axis=1)[:, :kept]
        best = np.take_along_axis(both, chosen, axis=1)
        which = np.take_along_axis(ids, chosen, axis=1)
    return which
