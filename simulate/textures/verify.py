"""Checks the samples of a shard of textures: bits, truth and parameters fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.textures.arrays import BITS
from simulate.textures.bits import unpacked
from simulate.textures.columns import DOUBLED

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus


def check_textures(corpus: Corpus, rows: slice) -> list[str]:
    """What is wrong with the textures of some samples, as lines."""
    bits = np.asarray(corpus.array(BITS)[rows])
    ny, nx = corpus.recipe.image_shape
    phase = unpacked(bits, nx)
    parameters, truth = np.asarray(corpus.parameters[rows]), np.asarray(corpus.descriptors[rows])
    columns = dict(zip(corpus.descriptor_names, truth.T, strict=True))
    indices = range(len(corpus))[rows]
    beyond = unpacked(bits, 8 * bits.shape[2])[..., nx:]
    checks = {
        f"{BITS}: not zero beyond the last pixel of a row": not beyond.any(),
        "descriptors: volume_fraction is not that of the image": np.array_equal(
            columns["volume_fraction"], phase.sum(axis=(1, 2), dtype=np.int64) / (ny * nx)
        ),
        "descriptors: the orientation and its double differ": _directions_agree(columns),
        "descriptors: count is not a whole number": _whole(columns.get("count")),
        "parameters: not finite": bool(np.isfinite(parameters).all()),
        "pixel_size: not positive": bool((np.asarray(corpus.pixel_size[rows]) > 0).all()),
        "split: not the recipe's": np.array_equal(
            np.asarray(corpus.split[rows]), [corpus.recipe.split.of(i) for i in indices]
        ),
        "draws: below 1": bool((np.asarray(corpus.draws[rows]) >= 1).all()),
    }
    return [problem for problem, good in checks.items() if not good]


def _directions_agree(columns: dict[str, NDArray[np.float64]]) -> bool:
    """Undefined together, else the cosine and sine of the double."""
    if DOUBLED[0] not in columns:
        return True
    double = 2 * np.radians(columns["orientation_degrees"])
    pairs = ((np.cos(double), columns[DOUBLED[0]]), (np.sin(double), columns[DOUBLED[1]]))
    return all(np.allclose(one, other, rtol=0, atol=1e-12, equal_nan=True) for one, other in pairs)


def _whole(counts: NDArray[np.float64] | None) -> bool:
    return counts is None or bool((np.isfinite(counts) & (counts >= 0) & (counts == np.round(counts))).all())
