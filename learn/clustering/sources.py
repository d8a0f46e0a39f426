"""Patches for a clustering: windows about columns or on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from learn.micrographs.column_scores import column_scores
from learn.micrographs.columns import COLUMN_WIDTH_NM, SEPARATION_NM, THRESHOLD, find_columns
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.windows import Normalisation, cut_patches, grid_centres

Centres = Literal["columns", "grid"]


@dataclass(frozen=True)
class Cutting:
    """How patches are cut; see `find_columns` and `cut_patches`. `step_px` is that of a grid."""

    window_px: int = 40
    centres: Centres = "columns"
    step_px: float = 10
    normalise: Normalisation = "none"
    interpolate: bool = True
    separation_nm: float = SEPARATION_NM
    column_width_nm: float = COLUMN_WIDTH_NM
    threshold: float = THRESHOLD
    brightest_within_nm: float | None = None
    channel: int = 0


def cut(micrographs: Sequence[Micrograph], cutting: Cutting) -> tuple[PatchSet, dict[str, Any]]:
    """Patches, and for the record how they were cut and, against truth, how well columns were found."""
    about: dict[str, Any] = {
        "micrographs": ", ".join(
            f"{one.name} ({one.shape[1]} x {one.shape[0]} px of {one.pixel_size_nm:.4g} nm)"
            for one in micrographs
        ),
        "patches cut": _words(cutting),
    }
    if cutting.centres == "grid":
        centres = [grid_centres(one.shape, cutting.step_px, cutting.window_px) for one in micrographs]
    else:
        centres = [_columns(one, cutting) for one in micrographs]
        about |= _column_words(micrographs, centres, cutting)
    patches = cut_patches(micrographs, centres, cutting.window_px, cutting.normalise, cutting.interpolate)
    return patches, about


def _columns(micrograph: Micrograph, cutting: Cutting) -> np.ndarray:
    return find_columns(
        micrograph,
        cutting.separation_nm,
        cutting.column_width_nm,
        cutting.threshold,
        cutting.brightest_within_nm,
        channel=cutting.channel,
    )


def _words(cutting: Cutting) -> str:
    if cutting.centres == "grid":
        where = f"on a grid of {cutting.step_px:g} pixels"
    elif cutting.brightest_within_nm is None:
        where = "about all atomic columns"
    else:
        where = f"about columns with no brighter one within {cutting.brightest_within_nm:g} nm"
    between = (
        "between pixels" if cutting.interpolate and cutting.centres != "grid" else "to the nearest pixel"
    )
    return f"{cutting.window_px} pixels a side, {where}, {between}; normalised: {cutting.normalise}"


def _column_words(
    micrographs: Sequence[Micrograph], centres: Sequence[np.ndarray], cutting: Cutting
) -> dict[str, Any]:
    found = {"columns": ", ".join(f"{len(table):,}" for table in centres)}
    known = [(one, table) for one, table in zip(micrographs, centres, strict=True) if one.truth is not None]
    if known and cutting.brightest_within_nm is None:
        scores = [column_scores(table, one) for one, table in known]
        found["columns against truth"] = "; ".join(
            f"precision {one.precision:.4f}, recall {one.recall:.4f}, {one.rms_error_pm:.2f} pm rms"
            for one in scores
        )
    return found
