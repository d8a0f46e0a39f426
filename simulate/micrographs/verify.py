"""Checks what only corpora of scenes hold: maps and tables of the truth, and the numbers read off them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.scene_truth import NO_REGION, WALL_KINDS, SceneTruth
from simulate.micrographs.arrays import COLUMN_COUNT, COLUMNS, WALL_COUNT, WALLS, stored_truth
from simulate.micrographs.truth import descriptors_of

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus


def check_scenes(corpus: Corpus, rows: slice) -> list[str]:
    """What is wrong with the scenes of some samples, as lines."""
    indices = range(len(corpus))[rows]
    checks = {
        "parameters: not finite": bool(np.isfinite(np.asarray(corpus.parameters[rows])).all()),
        "pixel_size: not positive": bool((np.asarray(corpus.pixel_size[rows]) > 0).all()),
        "split: not the recipe's": np.array_equal(
            np.asarray(corpus.split[rows]), [corpus.recipe.split.of(i) for i in indices]
        ),
        "draws: below 1": bool((np.asarray(corpus.draws[rows]) >= 1).all()),
    }
    problems = [problem for problem, good in checks.items() if not good]
    for table, count in ((COLUMNS, COLUMN_COUNT), (WALLS, WALL_COUNT)):
        filled = np.isfinite(np.asarray(corpus.array(table)[rows])[..., :2]).all(axis=2)
        expected = np.arange(filled.shape[1]) < np.asarray(corpus.array(count)[rows])[:, None]
        if not np.array_equal(filled, expected):
            problems.append(f"{table}: filled rows differ from {count}")
    if not problems:
        for index in indices:
            problems += _check_truth(corpus, index)
    return problems


def _check_truth(corpus: Corpus, index: int) -> list[str]:
    truth, stored = stored_truth(corpus, index), np.asarray(corpus.descriptors[index])
    again = descriptors_of(truth)
    own = [name for name in corpus.descriptor_names if name in again]
    now = np.array([again[name] for name in own])
    then = stored[[corpus.descriptor_names.index(name) for name in own]]
    checks = {
        "descriptors: not those of the truth": np.allclose(now, then, rtol=1e-12, atol=0, equal_nan=True),
        "truth/phase: an unknown phase": _known(truth.phase, truth.phase_names),
        "truth/domain: an unknown domain": _known(truth.domain, truth.domain_names),
        f"{COLUMNS}: an unknown kind, phase or domain": _columns_known(truth),
        f"{COLUMNS}: outside the field": _within(corpus, index, truth.positions_nm),
        f"{WALLS}: outside the field": _within(corpus, index, truth.walls[:, :4].reshape(-1, 2)),
        f"{WALLS}: an unknown kind": _known(truth.walls[:, 4], WALL_KINDS),
    }
    return [f"sample {index}: {problem}" for problem, good in checks.items() if not good]


def _known(numbers: NDArray[np.generic], names: tuple[str, ...]) -> bool:
    return bool(np.isin(numbers, [*range(len(names)), NO_REGION]).all())


def _columns_known(truth: SceneTruth) -> bool:
    return (
        bool(np.isin(truth.column("kind"), range(len(truth.kind_names))).all())
        and _known(truth.column("phase"), truth.phase_names)
        and _known(truth.column("domain"), truth.domain_names)
    )


def _within(corpus: Corpus, index: int, positions_nm: NDArray[np.float64]) -> bool:
    half = np.array(corpus.recipe.image_shape[::-1]) / 2 * float(corpus.pixel_size[index])
    return bool((np.abs(positions_nm) <= half + 1e-9).all())
