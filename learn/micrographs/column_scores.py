"""Found atomic columns against true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from learn.micrographs.micrograph import Micrograph
from stochgeom.errors import UserError


@dataclass(frozen=True)
class ColumnScores:
    """Numbers of columns found, true, and matched one to one; distances of the matched ones, in pm."""

    found: int
    true: int
    matched: int
    rms_error_pm: float
    median_error_pm: float

    @property
    def precision(self) -> float:
        """Share of the found columns that are true; NaN where none is found."""
        return self.matched / self.found if self.found else float("nan")

    @property
    def recall(self) -> float:
        """Share of the true columns that are found; NaN where there is none."""
        return self.matched / self.true if self.true else float("nan")


def column_scores(
    found_px: NDArray[np.float64],
    micrograph: Micrograph,
    within_nm: float = 0.07,
    margin_nm: float = 0.1,
    kinds: Sequence[str] | None = None,
) -> ColumnScores:
    """Columns found (n, 2) y, x in pixels against those of the micrograph's truth: all, or some kinds.

    A pair matches where each is the other's nearest, and no further than `within_nm` away (half a bond of
    graphene). Columns nearer than `margin_nm` to the image's edge count for nothing, found or true. UserError
    without truth.
    """
    if micrograph.truth is None:
        raise UserError(f"{micrograph.name}: has no truth to compare columns with")
    truth = micrograph.truth
    true = micrograph.pixels_of(truth.positions_nm)
    if kinds is not None:
        unknown = sorted(set(kinds) - set(truth.kind_names))
        if unknown:
            raise UserError(
                f"{micrograph.name}: no columns of the kind {unknown[0]!r}; accepted: {truth.kind_names}"
            )
        true = true[np.isin(truth.column("kind"), [truth.kind_names.index(kind) for kind in kinds])]
    found = np.asarray(found_px, np.float64).reshape(-1, 2)
    one, other, distance = _matched(found, true, within_nm / micrograph.pixel_size_nm)
    inside, truly = (_inside(table, micrograph, margin_nm) for table in (found, true))
    counts = inside[one] | truly[other]
    errors = distance[counts] * micrograph.pixel_size_nm * 1000
    # A pair across the margin's border is a hit for both.
    alone = int(inside.sum() - inside[one].sum()), int(truly.sum() - truly[other].sum())
    hits = int(counts.sum())
    return ColumnScores(
        hits + alone[0],
        hits + alone[1],
        hits,
        float(np.sqrt((errors**2).mean())) if hits else float("nan"),
        float(np.median(errors)) if hits else float("nan"),
    )


def _matched(
    found: NDArray[np.float64], true: NDArray[np.float64], within: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows of both tables that are each other's nearest, and their distance."""
    if len(found) == 0 or len(true) == 0:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, np.empty(0)
    distance, there = cKDTree(true).query(found)
    _, back = cKDTree(found).query(true)
    rows = np.flatnonzero((back[there] == np.arange(len(found))) & (distance <= within))
    return rows, there[rows], distance[rows]


def _inside(points: NDArray[np.float64], micrograph: Micrograph, margin_nm: float) -> NDArray[np.bool_]:
    margin = margin_nm / micrograph.pixel_size_nm - 0.5
    last = np.array(micrograph.shape) - 1 - margin
    return np.asarray(((points >= margin) & (points <= last)).all(axis=1))
