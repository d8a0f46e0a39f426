"""`train --task patch-vae`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochgeom.errors import UserError

from .options import CUTTING_OPTIONS, PatchOptions
from .told import told_of

if TYPE_CHECKING:
    from learn.micrographs import PatchSet


def train_patches(
    source: Path,
    out: Path,
    common: dict[str, Any],
    options: PatchOptions,
    pixel_size_nm: float | None,
    resume: bool,
) -> None:
    """Train an autoencoder on the patches of a corpus of scenes, or of own micrographs."""
    from learn.cli import validated
    from learn.micrographs.reading import micrographs_at
    from learn.patch_analysis.cutting import PatchCutting
    from learn.patch_vae import PatchVAEConfig, train_patch_vae

    given = options.given()
    cut = {name: given.pop(name) for name in CUTTING_OPTIONS if name in given}
    samples = given.pop("sample", None)
    bias = given.pop("bias", None), given.pop("bias_weight", None)
    cutting = validated(PatchCutting, cut)
    if "invariance" in given:
        given["invariances"] = tuple(given.pop("invariance"))
    patch_set = cutting.cut(micrographs_at([source], samples, pixel_size_nm))
    told = told_of(cutting, patch_set)
    given |= told.pop("settings")
    config = validated(PatchVAEConfig, {**common, **given})
    told["penalty"] = _penalty(patch_set, *bias, config.symmetry_order)
    print(f"{len(patch_set)} patches of {patch_set.window[0]} x {patch_set.window[1]} pixels")
    train_patch_vae(patch_set, out, config, tell=print, resume=resume, **told)
    cutting.save(out)
    print(f"model: {out}")


def _penalty(patch_set: PatchSet, bias: str | None, weight: float | None, symmetry_order: int) -> Any:
    """The physical bias that is asked for, or None."""
    from learn.cli import validated
    from learn.patch_vae.bias import BiasSettings, physical_bias

    if bias is None:
        if weight is not None:
            raise UserError("--bias-weight: needs --bias, which says what is penalised")
        return None
    given = {"bias": bias} if weight is None else {"bias": bias, "weight": weight}
    settings = validated(BiasSettings, given, {"weight": "bias_weight"})
    return physical_bias(patch_set, settings, symmetry_order=symmetry_order)
