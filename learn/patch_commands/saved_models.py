"""A saved model on the patches of a source: what `report` and `predict` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.micrographs import PatchSet
    from learn.patch_analysis.analysis import PatchAnalysis
    from learn.patch_analysis.cutting import PatchCutting


def analysed(
    model: Path,
    source: Path,
    pixel_size_nm: float | None = None,
    samples: Sequence[int] | None = None,
    fit_on: Path | None = None,
    calibrations: Sequence[Path] = (),
    **settings: Any,
) -> PatchAnalysis:
    """A saved model on the patches of a source, cut as those of its training."""
    from learn.micrographs.reading import micrographs_at
    from learn.patch_analysis.analysis import analyse_patches
    from learn.patch_analysis.angle_calibration import AngleCalibration
    from learn.patch_analysis.cutting import PatchCutting
    from learn.patch_vae import PatchVAE

    vae = PatchVAE.load(model)
    cutting = PatchCutting.load(model)

    def cut(where: Path, pixel: float | None, which: Sequence[int] | None) -> PatchSet:
        found = micrographs_at([where], which, pixel)
        if len(found[0].image) != vae.channels:
            raise UserError(f"{where}: {len(found[0].image)} channels; the model {model} has {vae.channels}")
        return cutting.cut_like(found, vae.window, vae.pixel_size_nm)

    fitted = [AngleCalibration.load(path) for path in calibrations]
    if fit_on is not None:
        fitted += calibrations_on(vae, cutting, cut(fit_on, None, None))
    patch_set = cut(source, pixel_size_nm, samples)
    return analyse_patches(
        vae,
        patch_set,
        model.resolve().name,
        fitted,
        condition=_condition(cutting, patch_set),
        folder=model,
        **settings,
    )


def calibrations_on(vae: Any, cutting: PatchCutting, patch_set: PatchSet) -> list[Any]:
    """The zero and the sense of a model's angle, fitted on patches whose truth is known."""
    from learn.patch_analysis.angles import fitted_calibrations

    condition = _condition(cutting, patch_set)
    more = {} if condition is None else {"condition": condition}
    return fitted_calibrations(vae.encode(patch_set.patches, **more), patch_set)


def _condition(cutting: PatchCutting, patch_set: PatchSet) -> Any:
    """What the model is told of each patch, or None; labels it was trained with are not asked for."""
    from learn.patch_analysis.told import condition_of

    return None if cutting.condition is None else condition_of(patch_set, cutting.condition)[1]
