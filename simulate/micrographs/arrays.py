"""The per-sample arrays of a corpus of scenes: images, maps and tables of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.array_spec import NAN, ArraySpec
from simulate.corpus.scene_truth import COLUMN_FIELDS, NO_REGION, WALL_FIELDS, WALL_KINDS, SceneTruth
from simulate.lamella.arrays import ERRORS
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus
    from simulate.micrographs.realise import MicrographSample
    from simulate.micrographs.recipe import MicrographRecipe

PHASE, DOMAIN = "truth/phase", "truth/domain"
COLUMNS, COLUMN_COUNT = "truth/columns", "truth/n_columns"
WALLS, WALL_COUNT = "truth/walls", "truth/n_walls"


def scene_arrays(recipe: MicrographRecipe, samples: int, errors: bool) -> list[ArraySpec]:
    """Every array that has one entry for each sample; `errors`: whether images have standard errors."""
    per_shard, (ny, nx) = recipe.samples_per_shard, recipe.image_shape
    slots, pieces = recipe.most_rows

    def spec(name: str, tail: dict[str, int], dtype: str, fill: float, unit: str, meaning: str) -> ArraySpec:
        chunk = per_shard if len(tail) < 2 else 1
        return ArraySpec(
            name, (samples, *tail.values()), dtype, ("sample", *tail), chunk, per_shard, fill, unit, meaning
        )

    image, plane = {"channel": len(recipe.channel_names), "y": ny, "x": nx}, {"y": ny, "x": nx}
    table = {"slot": slots, "field": len(COLUMN_FIELDS)}
    walls = {"piece": pieces, "field": len(WALL_FIELDS)}
    count, truth = len(recipe.parameter_names), len(recipe.descriptor_names)
    found = [
        spec("images", image, "float32", NAN, "1", "fraction of the incident beam"),
        spec("parameters", {"parameter": count}, "float64", NAN, "", "asked of the model"),
        spec("descriptors", {"descriptor": truth}, "float64", NAN, "", "true of the micrograph"),
        spec("pixel_size", {}, "float64", NAN, "nm", "side of a pixel"),
        spec("split", {}, "uint8", 255, "1", "position in the attribute `splits`"),
        spec("draws", {}, "uint16", 0, "1", "parameter draws until one was feasible"),
        spec(PHASE, plane, "uint8", NO_REGION, "1", "phase at each pixel's centre; 255 where none is"),
        spec(DOMAIN, plane, "uint8", NO_REGION, "1", "domain or grain at each pixel's centre; 255: none"),
        spec(COLUMNS, table, "float64", NAN, "", "atomic columns in the field; NaN-padded"),
        spec(COLUMN_COUNT, {}, "int32", 0, "1", "filled slots of `columns`"),
        spec(WALLS, walls, "float64", NAN, "", "straight pieces of walls; NaN-padded"),
        spec(WALL_COUNT, {}, "int32", 0, "1", "filled pieces of `walls`"),
    ]
    meaning = "of `images`: of the mean over the configurations of atoms"
    return [*found, spec(ERRORS, image, "float32", NAN, "1", meaning)] if errors else found


def scene_attributes(recipe: MicrographRecipe) -> dict[str, Any]:
    """What the numbers and columns of the truth are."""
    model = recipe.model
    return {
        "model": recipe.laws.model,
        "kind_names": list(model.kind_names),
        "phase_names": list(model.phase_names),
        "domain_names": list(model.domain_names),
        "rotation_orders": list(model.rotation_orders),
        "column_fields": list(COLUMN_FIELDS),
        "wall_fields": list(WALL_FIELDS),
        "wall_kinds": list(WALL_KINDS),
    }


def scene_columns(
    recipe: MicrographRecipe, samples: Sequence[MicrographSample], descriptors: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Rows of the arrays of `scene_arrays` for some samples; of the truth, the columns `descriptors`."""
    kept = [recipe.descriptor_names.index(name) for name in descriptors]
    slots, pieces = recipe.most_rows
    truths = [sample.truth for sample in samples]
    columns: dict[str, NDArray[Any]] = {
        "images": np.stack([sample.image for sample in samples]),
        "parameters": np.stack([sample.parameters for sample in samples]),
        "descriptors": np.stack([sample.descriptors[kept] for sample in samples]),
        "pixel_size": np.array([sample.pixel_size_nm for sample in samples]),
        "split": np.array([recipe.split.of(sample.index) for sample in samples], np.uint8),
        "draws": np.array([sample.draws for sample in samples], np.uint16),
        PHASE: np.stack([truth.phase for truth in truths]),
        DOMAIN: np.stack([truth.domain for truth in truths]),
        COLUMNS: np.stack([_padded(truth.columns, slots, "columns", recipe) for truth in truths]),
        COLUMN_COUNT: np.array([len(truth.columns) for truth in truths], np.int32),
        WALLS: np.stack([_padded(truth.walls, pieces, "walls", recipe) for truth in truths]),
        WALL_COUNT: np.array([len(truth.walls) for truth in truths], np.int32),
    }
    errors = [sample.standard_error for sample in samples if sample.standard_error is not None]
    return columns | ({ERRORS: np.stack(errors)} if errors else {})


def _padded(
    table: NDArray[np.float64], slots: int, what: str, recipe: MicrographRecipe
) -> NDArray[np.float64]:
    if len(table) > slots:
        raise UserError(
            f"recipe {recipe.name}: {len(table)} {what} in a scene; its model expects at most {slots}"
        )
    found = np.full((slots, table.shape[1]), np.nan)
    found[: len(table)] = table
    return found


def stored_truth(corpus: Corpus, index: int) -> SceneTruth:
    """Truth of a finished sample of a corpus of scenes."""
    names = corpus.attributes
    columns = np.asarray(corpus.array(COLUMNS)[index])[: int(corpus.array(COLUMN_COUNT)[index])]
    walls = np.asarray(corpus.array(WALLS)[index])[: int(corpus.array(WALL_COUNT)[index])]
    return SceneTruth(
        phase=np.asarray(corpus.array(PHASE)[index]),
        domain=np.asarray(corpus.array(DOMAIN)[index]),
        columns=columns,
        walls=walls,
        kind_names=tuple(names["kind_names"]),
        phase_names=tuple(names["phase_names"]),
        domain_names=tuple(names["domain_names"]),
    )
