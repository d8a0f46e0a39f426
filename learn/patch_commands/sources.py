"""Micrographs that a command names, and what a model is told of their patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.micrographs import Micrograph, PatchSet
    from learn.patch_analysis.cutting import PatchCutting


def micrographs_at(
    source: Path, pixel_size_nm: float | None = None, samples: Sequence[int] | None = None
) -> list[Micrograph]:
    """The micrographs of a corpus of scenes, of a folder of image files, or of one file.

    UserError if there is none, or an option does not apply.
    """
    from learn.micrographs.reading import SUFFIXES, corpus_micrographs, read_micrograph
    from simulate.corpus.layout import store_path

    if not source.exists():
        raise UserError(f"{source}: no such file or folder; accepted: a corpus of scenes, or micrographs")
    if store_path(source).exists():
        if pixel_size_nm is not None:
            raise UserError(f"--pixel-size-nm: for own micrographs only; {source} is a corpus")
        return corpus_micrographs(source, samples)
    if samples is not None:
        raise UserError(f"--sample: for corpora only; {source} is none")
    files = [source]
    if source.is_dir():
        files = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
        if not files:
            raise UserError(f"{source}: holds no micrograph; accepted: {', '.join(SUFFIXES)}")
    return [read_micrograph(path, pixel_size_nm) for path in files]


def told_of(cutting: PatchCutting, patch_set: PatchSet) -> dict[str, Any]:
    """`condition` and `labels` of a training, and the `settings` that go with them."""
    from learn.patch_analysis.told import class_names, classes_of, condition_of

    found: dict[str, Any] = {"settings": {}}
    if cutting.condition is not None:
        kind, found["condition"] = condition_of(patch_set, cutting.condition)
        found["settings"]["condition"] = kind
    if cutting.labels is not None:
        found["labels"] = classes_of(patch_set, cutting.labels)
        if (found["labels"] < 0).all():
            raise UserError(
                f"--labels {cutting.labels}: known of no patch; accepted: scenes with their truth"
            )
        found["settings"]["classes"] = len(class_names(patch_set, cutting.labels))
    return found
