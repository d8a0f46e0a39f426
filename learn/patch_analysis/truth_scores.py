"""Groups of patches against the regions of their scenes: do labels agree, and the walls between them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.clustering.scores import WallScores, adjusted_rand, wall_scores
from learn.micrographs import PatchSet
from learn.micrographs.neighbours import NeighbourGraph
from learn.micrographs.patch_truth import PatchTruth
from simulate.corpus.scene_truth import NO_REGION

KINDS = {"phase": "phases", "region": "domains", "kind": "kinds of column"}
"""Fields of the truth, and what a reader calls them."""
WALLS: dict[str, tuple[str, ...] | None] = {"phase": ("phase boundary",), "region": None}
"""Which walls lie between regions of a kind; None: all."""


@dataclass(frozen=True)
class RegionScore:
    """Groups against the regions of one kind, `regions` of them.

    adjusted_rand: Hubert and Arabie's index, a mean over the micrographs that have two or more such regions.
    walls: the borders of unlike groups against the true ones, over all micrographs; None for columns.
    """

    kind: str
    groups: int
    regions: int
    adjusted_rand: float
    walls: WallScores | None


def region_numbers(truth: PatchTruth) -> dict[str, NDArray[np.int64]]:
    """Of each kind of region that comes in two or more: its number (n,) at each patch, -1 for none. Domains
    that are the phases are not named twice.
    """
    found: dict[str, NDArray[np.int64]] = {}
    for kind in KINDS:
        numbers = getattr(truth, kind).astype(np.int64)
        numbers = np.where(numbers == NO_REGION, -1, numbers) if kind != "region" else numbers
        count = len(np.unique(numbers[numbers >= 0]))
        same = kind == "region" and "phase" in found and count == len(np.unique(truth.phase))
        if count >= 2 and not same:
            found[kind] = numbers
    return found


def most_regions(regions: NDArray[np.int64], patch_set: PatchSet) -> int:
    """Number of regions in the micrograph that has most."""
    sources = range(len(patch_set.micrographs))
    return max(len(np.unique(regions[(patch_set.source == k) & (regions >= 0)])) for k in sources)


def region_score(
    kind: str,
    labels: NDArray[np.int64],
    regions: NDArray[np.int64],
    patch_set: PatchSet,
    graph: NeighbourGraph | None = None,
) -> RegionScore:
    """The score of labels (n,) against regions (n,).

    Micrographs are scored one by one: the grain 0 of one is another than that of the next.
    """
    sources = [patch_set.source == k for k in range(len(patch_set.micrographs))]
    each = np.array([adjusted_rand(labels[own], regions[own]) for own in sources])
    walls = None
    if kind in WALLS:
        walls = wall_scores(labels, patch_set, kinds=WALLS[kind], graph=graph)
    return RegionScore(
        kind, len(np.unique(labels)), most_regions(regions, patch_set), float(np.nanmean(each)), walls
    )
