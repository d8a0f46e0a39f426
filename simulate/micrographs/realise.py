"""Sample i of a recipe of scenes: parameters, structure, scene, image. A pure function of (recipe, seed, i).

Stages are those of `simulate.realise`: 0 draws the parameters and the pixel size, 1 the structure, 3 the
displacements by heat.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray
from pydantic import ValidationError

from simulate.corpus.scene_truth import SceneTruth
from simulate.engines.base import BlockResult
from simulate.laws import value_at
from simulate.micrographs.models import draw_structure
from simulate.micrographs.parameters import MicrographParameters
from simulate.micrographs.recipe import PIXEL_SIZE, MicrographRecipe
from simulate.micrographs.scene import MicrographScene
from simulate.micrographs.structure import MicrographStructure
from simulate.micrographs.truth import descriptors_of, scene_truth
from simulate.realise import (
    CRYSTALS,
    DISPLACEMENTS,
    PARAMETERS,
    STRUCTURE,
    first_feasible,
    material_of,
    seed_of,
)
from simulate.recipe_errors import one_line
from simulate.textures.columns import parameter_columns
from stochgeom.errors import UserError
from stochgeom.projection import Field


@dataclass(frozen=True)
class MicrographRealisation:
    """Sample `index` without its image."""

    index: int
    parameters: MicrographParameters
    scene: MicrographScene
    field: Field
    draws: int

    @property
    def structure(self) -> MicrographStructure:
        """Atoms at rest."""
        return self.scene.structure

    @cached_property
    def truth(self) -> SceneTruth:
        """What is true within the field."""
        return scene_truth(self.structure, self.field)


@dataclass(frozen=True)
class MicrographSample:
    """Sample `index` as a corpus stores it: the rows of its arrays."""

    index: int
    image: NDArray[np.float32]
    truth: SceneTruth
    parameters: NDArray[np.float64]
    descriptors: NDArray[np.float64]
    pixel_size_nm: float
    draws: int
    standard_error: NDArray[np.float32] | None = None


def realise_micrograph(recipe: MicrographRecipe, index: int) -> MicrographRealisation:
    """Structure and scene of sample `index`. UserError if no draw is feasible."""
    laws = recipe.laws
    slots, keys = len(laws.keys), [*laws.keys, PIXEL_SIZE]
    materials = {name: material_of(recipe, name) for name in recipe.phase_names}

    def draw(attempt: int) -> tuple[MicrographParameters, MicrographStructure, Field]:
        own = seed_of(recipe, index, PARAMETERS, attempt)
        uniforms = recipe.sampling.uniforms(recipe.seed, index, keys, own, attempt)
        try:
            parameters = laws.parameters(uniforms[:slots])
        except ValidationError as error:  # values that fit no model, between ends that do
            text = one_line(error, recipe.model, laws.at(uniforms[:slots]), "scene")
            raise UserError(f"recipe {recipe.name}: sample {index}: {text}") from None
        field = Field(recipe.field.shape, value_at(recipe.field.pixel_size_nm, uniforms[slots]))
        rng = default_rng(seed_of(recipe, index, STRUCTURE, attempt))
        return parameters, draw_structure(parameters, field, rng, materials), field

    (parameters, structure, field), draws = first_feasible(recipe, index, draw)
    scene = MicrographScene(
        structure=structure,
        field=field,
        crystals=seed_of(recipe, index, CRYSTALS),
        displacements=seed_of(recipe, index, DISPLACEMENTS),
    )
    return MicrographRealisation(index, parameters, scene, field, draws)


def micrograph_sample(
    recipe: MicrographRecipe, made: MicrographRealisation, image: BlockResult
) -> MicrographSample:
    """The rows of a corpus for a realised sample and its image (channel, y, x)."""
    columns = parameter_columns(made.parameters)
    found = all_descriptors(made)
    return MicrographSample(
        index=made.index,
        image=image.intensity,
        truth=made.truth,
        parameters=np.array([columns[name] for name in recipe.parameter_names], np.float64),
        descriptors=np.array([found[name] for name in recipe.descriptor_names], np.float64),
        pixel_size_nm=made.field.pixel_size_nm,
        draws=made.draws,
        standard_error=image.standard_error,
    )


def all_descriptors(made: MicrographRealisation) -> dict[str, float]:
    """What is read off the truth, the thickness, and the model's own numbers."""
    structure = made.structure
    return {**descriptors_of(made.truth), "thickness_nm": structure.thickness_nm, **structure.more}
