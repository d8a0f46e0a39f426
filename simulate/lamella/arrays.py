"""The per-sample arrays of a corpus of lamellae: images beside the phase maps that they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.array_spec import NAN, ArraySpec
from simulate.textures.arrays import BITS, texture_arrays
from simulate.textures.bits import packed

if TYPE_CHECKING:
    from simulate.lamella.realise import LamellaSample
    from simulate.lamella.recipe import LamellaRecipe

ERRORS = "truth/standard_error"
ORIENTATIONS = "truth/orientations"
QUATERNION = ("qx", "qy", "qz", "qw")


def lamella_arrays(recipe: LamellaRecipe, samples: int, errors: bool) -> list[ArraySpec]:
    """Every array that has one entry for each sample; `errors`: whether images have standard errors."""
    per_shard, (ny, nx) = recipe.samples_per_shard, recipe.image_shape
    image = (samples, len(recipe.channel_names), ny, nx)
    axes = ("sample", "channel", "y", "x")

    def spec(name: str, meaning: str) -> ArraySpec:
        return ArraySpec(name, image, "float32", axes, 1, per_shard, NAN, "1", meaning)

    turned = ArraySpec(
        ORIENTATIONS, (samples, 2, len(QUATERNION)), "float64", ("sample", "phase", "component"), per_shard,
        per_shard, NAN, "1", "of each phase's crystal: unit quaternion x, y, z, w; NaN for vacuum and grains",
    )  # fmt: skip
    found = [spec("images", "fraction of the incident beam"), *texture_arrays(recipe, samples), turned]
    found = [
        replace(s, meaning=f"of the pixels' centres: {s.meaning}") if s.name == BITS else s for s in found
    ]
    more = "of `images`: of the mean over the configurations of atoms"
    return [*found, spec(ERRORS, more)] if errors else found


def lamella_columns(
    recipe: LamellaRecipe, samples: Sequence[LamellaSample], descriptors: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Rows of the arrays of `lamella_arrays` for some samples; of the truth, the columns `descriptors`."""
    kept = [recipe.descriptor_names.index(name) for name in descriptors]
    columns: dict[str, NDArray[Any]] = {
        "images": np.stack([sample.image for sample in samples]),
        BITS: packed(np.stack([sample.phase for sample in samples])),
        "parameters": np.stack([sample.parameters for sample in samples]),
        "descriptors": np.stack([sample.descriptors[kept] for sample in samples]),
        ORIENTATIONS: np.stack([sample.orientations for sample in samples]),
        "pixel_size": np.array([sample.pixel_size_nm for sample in samples]),
        "split": np.array([recipe.split.of(sample.index) for sample in samples], np.uint8),
        "draws": np.array([sample.draws for sample in samples], np.uint16),
    }
    errors = [sample.standard_error for sample in samples if sample.standard_error is not None]
    return columns | ({ERRORS: np.stack(errors)} if errors else {})
