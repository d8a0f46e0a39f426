"""Clusters against the truth: agreement of labels, and the walls between unlike ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from learn.micrographs.cells import REACH, extent
from learn.micrographs.neighbours import NeighbourGraph, neighbour_graph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.patch_truth import PatchTruth, patch_truth
from simulate.corpus.scene_truth import NO_REGION, WALL_KINDS, SceneTruth
from stochgeom.errors import UserError, require

LATTICE_NM = 0.4  # one lattice spacing of a perovskite
FINENESS = 8  # pieces of walls are a tolerance divided by this long
AGREEMENTS = ("phase", "domain", "region", "kind")


@dataclass(frozen=True)
class WallScores:
    """Walls found, the borders between patches of unlike labels, against true ones, weighted by length.

    precision: the share of the found length that has a true wall within the tolerance; recall: the share of
    the true length that has a found one; f1: their harmonic mean, 0 where nothing is found or nothing true.
    NaN where the truth has no walls. Found walls zigzag along the patches' cells: even true labels' are up to
    1.41 times too long.
    """

    precision: float
    recall: float
    f1: float
    found_length_nm: float
    true_length_nm: float


def adjusted_rand(labels: ArrayLike, true: ArrayLike) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985) of labels (n,) and true ones (n,).

    Patches whose truth is 255 or negative, none, do not count. NaN where fewer than two true labels are left:
    there is nothing to agree on.
    """
    metrics = require("sklearn.metrics", extra="learn")
    labels, true = np.asarray(labels), np.asarray(true).astype(np.int64)
    if labels.shape != true.shape or labels.ndim != 1:
        raise UserError(f"labels {labels.shape} and true ones {true.shape}; accepted: as many of either")
    known = (true != NO_REGION) & (true >= 0)
    if len(np.unique(true[known])) < 2:
        return float("nan")
    return float(metrics.adjusted_rand_score(true[known], labels[known]))


def wall_scores(
    labels: ArrayLike,
    patch_set: PatchSet,
    truth: SceneTruth | Sequence[SceneTruth] | None = None,
    tolerance_nm: float = LATTICE_NM,
    kinds: Sequence[str] | None = None,
    graph: NeighbourGraph | None = None,
) -> WallScores:
    """Scores of the walls between patches of unlike labels (n,), over all micrographs that have truth.

    `truth`: None for that of each micrograph. True walls count where patches lie; of some `kinds` only, by
    the names of `WALL_KINDS`, if given. UserError if there is no truth, or the tolerance is not above zero.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(patch_set),):
        raise UserError(f"labels {labels.shape} for {len(patch_set)} patches; one for each is needed")
    if not tolerance_nm > 0:
        raise UserError(f"tolerance of {tolerance_nm:g} nm; accepted: above zero")
    graph = neighbour_graph(patch_set) if graph is None else graph
    sums = np.zeros(4)
    for number, own in enumerate(_truths(patch_set, truth)):
        if own is not None:
            unlike = graph.unlike(labels) & (graph.source == number)
            sums += _lengths(patch_set, number, own, graph.borders_px[unlike], tolerance_nm, kinds)
    right, found, seen, true = (float(value) for value in sums)
    if true == 0:
        nan = float("nan")
        return WallScores(nan, nan, nan, found, 0.0)
    precision = right / found if found else float("nan")
    both = right > 0 and seen > 0
    f1 = 2 * precision * (seen / true) / (precision + seen / true) if both else 0.0
    return WallScores(precision, seen / true, f1, found, true)


def score_labels(
    labels: ArrayLike,
    patch_set: PatchSet,
    tolerance_nm: float = LATTICE_NM,
    truth: PatchTruth | None = None,
    graph: NeighbourGraph | None = None,
) -> dict[str, float]:
    """Adjusted Rand indices by what they are about (`AGREEMENTS`), and the wall scores, by name.

    `region` is the pair of phase and domain. NaN where the truth has one class only, or no walls.
    """
    truth = patch_truth(patch_set) if truth is None else truth
    found: dict[str, Any] = {
        f"ari_{name}": adjusted_rand(labels, getattr(truth, name)) for name in AGREEMENTS
    }
    walls = wall_scores(labels, patch_set, tolerance_nm=tolerance_nm, graph=graph)
    return {**found, **{f"wall_{name}": value for name, value in vars(walls).items()}}


def _truths(
    patch_set: PatchSet, truth: SceneTruth | Sequence[SceneTruth] | None
) -> Sequence[SceneTruth | None]:
    images = patch_set.micrographs
    if truth is None:
        found: Sequence[SceneTruth | None] = [image.truth for image in images]
    else:
        found = [truth] if isinstance(truth, SceneTruth) else list(truth)
    if len(found) != len(images):
        raise UserError(f"{len(found)} truths of {len(images)} micrographs; accepted: one for each")
    if all(one is None for one in found):
        raise UserError("no micrograph has a truth to score walls with; accepted: corpora of scenes")
    return found


def _lengths(
    patch_set: PatchSet,
    number: int,
    truth: SceneTruth,
    borders_px: NDArray[np.float64],
    tolerance_nm: float,
    kinds: Sequence[str] | None,
) -> NDArray[np.float64]:
    """Lengths in nm: of found walls that are true, of all found, of true ones that are found, of all true."""
    rows = np.flatnonzero(patch_set.source == number)
    if len(rows) == 0:
        return np.zeros(4)
    spacing, box_px = extent(patch_set.centres_px[rows], float(min(patch_set.window)))
    pixel = patch_set.pixel_size_nm
    middle = (np.array(patch_set.micrographs[number].shape) - 1) / 2
    found = ((borders_px - middle) * pixel)[..., ::-1].reshape(-1, 4)
    true = _of_kinds(truth.walls, kinds)[:, :4]
    found_at, found_nm, _ = _pieces(found, tolerance_nm / FINENESS)
    true_at, true_nm, _ = _pieces(true, tolerance_nm / FINENESS)
    box = ((box_px - middle) * pixel)[:, ::-1]
    centres = ((patch_set.centres_px[rows] - middle) * pixel)[:, ::-1]
    covered = ((true_at >= box[0]) & (true_at <= box[1])).all(axis=1)
    covered &= cKDTree(centres).query(true_at)[0] <= REACH * spacing * pixel if len(true_at) else False
    true_at, true_nm = true_at[covered], true_nm[covered]
    right = _near(found_at, true, tolerance_nm)
    seen = _near(true_at, found, tolerance_nm)
    return np.array([found_nm[right].sum(), found_nm.sum(), true_nm[seen].sum(), true_nm.sum()])


def _of_kinds(walls: NDArray[np.float64], kinds: Sequence[str] | None) -> NDArray[np.float64]:
    if kinds is None:
        return walls
    unknown = sorted(set(kinds) - set(WALL_KINDS))
    if unknown:
        raise UserError(f"no walls of the kind {unknown[0]!r}; accepted: {', '.join(WALL_KINDS)}")
    return walls[np.isin(walls[:, 4], [WALL_KINDS.index(kind) for kind in kinds])]


def _pieces(
    lines: NDArray[np.float64], step: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Middles (m, 2) of pieces no longer than `step` of lines (n, 4); their lengths (m,); which line (m,)."""
    length = np.linalg.norm(lines[:, 2:] - lines[:, :2], axis=1)
    count = np.maximum(1, np.ceil(length / step)).astype(np.int64)
    which = np.repeat(np.arange(len(lines)), count)
    place = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    share = ((place + 0.5) / count[which])[:, None]
    return lines[which, :2] * (1 - share) + lines[which, 2:] * share, (length / count)[which], which


def _near(points: NDArray[np.float64], lines: NDArray[np.float64], reach: float) -> NDArray[np.bool_]:
    """Whether each point (n, 2) lies within `reach` of a line (m, 4).

    A point so near to a line is within half a step more of the middle of one of its pieces, so that a tree
    leaves few lines to measure.
    """
    near = np.zeros(len(points), bool)
    if len(points) == 0 or len(lines) == 0:
        return near
    middles, _, which = _pieces(lines, reach)
    found = cKDTree(points).sparse_distance_matrix(cKDTree(middles), 1.51 * reach, output_type="ndarray")
    at, start, end = points[found["i"]], *np.split(lines[which[found["j"]]], 2, axis=1)
    along = end - start
    share = ((at - start) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-12)
    away = at - start - np.clip(share, 0, 1)[:, None] * along
    near[found["i"][(away**2).sum(axis=1) <= reach**2]] = True
    return near
