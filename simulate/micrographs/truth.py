"""The truth of one micrograph, from its structure; and the numbers that sum it up."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.scene_truth import NO_REGION, WALL_KINDS, SceneTruth
from simulate.micrographs.parameters import MicrographParameters
from simulate.micrographs.structure import MicrographStructure, Region, within
from stochgeom.projection import Field

Array = NDArray[np.float64]


def scene_truth(structure: MicrographStructure, field: Field) -> SceneTruth:
    """What is true within a field: maps at the pixels' centres, columns in the field in order of y and x,
    walls cut off at its edges.
    """
    parameters = structure.parameters
    return SceneTruth(
        phase=_map(structure.phase_at, field),
        domain=_map(structure.domain_at, field),
        columns=_inside(structure.columns, field),
        walls=clipped_walls(structure.walls, field),
        kind_names=parameters.kind_names,
        phase_names=parameters.phase_names,
        domain_names=parameters.domain_names,
    )


def _map(region: Region, field: Field) -> NDArray[np.uint8]:
    x, y = np.meshgrid(field.x_nm, field.y_nm)
    return np.asarray(region(x.ravel(), y.ravel()), np.uint8).reshape(field.shape)


def _edges(field: Field) -> tuple[Array, Array]:
    """Corners (2,) of the field, x and y, outer edges of its pixels."""
    left, right, bottom, top = field.extent_nm
    return np.array([left, top]), np.array([right, bottom])


def _inside(columns: Array, field: Field) -> Array:
    low, high = _edges(field)
    kept = columns[within(columns, low, high)]
    return kept[np.lexsort((kept[:, 0], kept[:, 1]))]


def clipped_walls(walls: Array, field: Field) -> Array:
    """The parts of straight pieces (k, 5) that lie in a field; pieces outside go (Liang and Barsky 1984)."""
    low, high = _edges(field)
    start, step = walls[:, :2], walls[:, 2:4] - walls[:, :2]
    with np.errstate(divide="ignore", invalid="ignore"):
        first, last = (low - start) / step, (high - start) / step
    level = (start >= low) & (start <= high)  # a piece along an edge is in or out as a whole
    enter = np.where(step == 0, np.where(level, -np.inf, np.inf), np.minimum(first, last)).max(axis=1)
    leave = np.where(step == 0, np.where(level, np.inf, -np.inf), np.maximum(first, last)).min(axis=1)
    enter, leave = np.clip(enter, 0, None), np.clip(leave, None, 1)
    kept = leave > enter
    ends = [start[kept] + t[kept, None] * step[kept] for t in (enter, leave)]
    return np.column_stack([*ends, walls[kept, 4]])


def slug(name: str) -> str:
    """A name as part of a column's: lower case, underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def descriptor_names(parameters: type[MicrographParameters]) -> tuple[str, ...]:
    """Columns of a corpus' `descriptors` for scenes of one model."""
    return (
        "thickness_nm",
        "column_count",
        *(f"count_{slug(name)}" for name in parameters.kind_names),
        "domain_count",
        *(f"phase_fraction_{slug(name)}" for name in parameters.phase_names),
        "wall_length_nm",
        *(f"{slug(name)}_length_nm" for name in WALL_KINDS),
        "mean_tilt_mrad",
        "mean_polarization_pm",
        *parameters.more_descriptors,
    )


NOT_READ_OFF = ("thickness_nm",)
"""Descriptors that the truth's arrays do not tell, beside a model's own."""


def descriptors_of(truth: SceneTruth) -> dict[str, float]:
    """Numbers that are read off the truth: counts of columns by kind, shares of the pixels by phase, number
    of domains in the map, lengths of walls by kind (nm), mean size of tilt (mrad) and polar displacement (pm)
    over the columns that have one, NaN where none has.
    """
    walls = np.hypot(*(truth.walls[:, 2:4] - truth.walls[:, :2]).T)
    found = {
        "column_count": float(len(truth.columns)),
        "domain_count": float(len(set(np.unique(truth.domain).tolist()) - {NO_REGION})),
        "wall_length_nm": truth.wall_length_nm,
        "mean_tilt_mrad": _mean_size(truth, ("tilt_x_mrad", "tilt_y_mrad")),
        "mean_polarization_pm": _mean_size(truth, ("polarization_x_pm", "polarization_y_pm")),
    }
    for k, name in enumerate(truth.kind_names):
        found[f"count_{slug(name)}"] = float(np.count_nonzero(truth.column("kind") == k))
    for k, name in enumerate(truth.phase_names):
        found[f"phase_fraction_{slug(name)}"] = float(np.count_nonzero(truth.phase == k)) / truth.phase.size
    for k, name in enumerate(WALL_KINDS):
        found[f"{slug(name)}_length_nm"] = float(walls[truth.walls[:, 4] == k].sum())
    return found


def _mean_size(truth: SceneTruth, fields: Sequence[str]) -> float:
    sizes = np.hypot(*(truth.column(field) for field in fields))
    known = sizes[np.isfinite(sizes)]
    return float(known.mean()) if len(known) else float("nan")
