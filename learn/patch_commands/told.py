"""What a model is told of patches, beside their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.micrographs import PatchSet
    from learn.patch_analysis.cutting import PatchCutting


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
