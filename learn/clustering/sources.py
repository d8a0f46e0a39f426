"""Patches for a clustering: micrographs of a corpus or of files, windows about columns or on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from learn.micrographs.column_scores import column_scores
from learn.micrographs.columns import COLUMN_WIDTH_NM, SEPARATION_NM, THRESHOLD, find_columns
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.reading import SUFFIXES, corpus_micrographs, read_micrograph
from learn.micrographs.windows import Normalisation, cut_patches, grid_centres
from stochgeom.errors import UserError

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


def micrographs_at(
    sources: Sequence[Path],
    samples: Sequence[int] | None = None,
    pixel_size_nm: float | None = None,
    clean: bool = False,
) -> list[Micrograph]:
    """Micrographs of a corpus of scenes, of image files, or of the image files in a folder.

    `samples`: of a corpus; None for all finished ones. `pixel_size_nm`: of files. UserError for an option
    that belongs to the other kind of source.
    """
    if len(sources) == 1 and _is_corpus(sources[0]):
        if pixel_size_nm is not None:
            raise UserError(
                f"{sources[0]}: is a corpus, whose pixel size is known; accepted: for image files"
            )
        return corpus_micrographs(sources[0], samples, "clean" if clean else None)
    if samples is not None or clean:
        raise UserError("samples and clean images are those of a corpus of scenes; accepted: one corpus")
    files = [path for source in sources for path in _files(source)]
    return [read_micrograph(path, pixel_size_nm) for path in files]


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


def _is_corpus(path: Path) -> bool:
    return path.suffix == ".zarr" or (path / "corpus.zarr").exists() or not path.exists()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError(f"{path} holds neither a corpus nor an image; accepted: {', '.join(SUFFIXES)}")
    return found


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
