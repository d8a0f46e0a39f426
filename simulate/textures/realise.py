"""Sample i of a recipe of textures: parameters, texture, rows. A pure function of (recipe, seed, i).

Seeds are those of `simulate.realise`: stage 0 draws the parameters, stage 1 the texture; a draw that the
model finds infeasible is drawn again, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray
from pydantic import ValidationError

from simulate.realise import PARAMETERS, STRUCTURE, first_feasible, seed_of
from simulate.recipe_errors import one_line
from simulate.textures.bits import packed
from simulate.textures.columns import parameter_columns, truth_columns
from simulate.textures.recipe import TextureRecipe
from stochgeom.errors import UserError
from stochgeom.textures import Texture, TextureParameters, sample_texture
from stochgeom.textures.models import PARAMETERS as CLASSES


@dataclass(frozen=True)
class TextureRealisation:
    """Sample `index`: its texture, and the parameters that it was drawn with."""

    index: int
    parameters: TextureParameters
    texture: Texture
    draws: int


@dataclass(frozen=True)
class TextureSample:
    """Sample `index` as a corpus stores it: the rows of its arrays. bits: (y, ceil(x / 8)) uint8."""

    index: int
    bits: NDArray[np.uint8]
    parameters: NDArray[np.float64]
    descriptors: NDArray[np.float64]
    pixel_size_nm: float
    draws: int


def realise_texture(recipe: TextureRecipe, index: int) -> TextureRealisation:
    """Parameters and texture of sample `index`. UserError if no draw is feasible."""
    laws = recipe.laws

    def draw(attempt: int) -> tuple[TextureParameters, Texture]:
        uniforms = np.full(len(laws.keys), 0.5)
        if laws.drawn:
            own = seed_of(recipe, index, PARAMETERS, attempt)
            uniforms = recipe.sampling.uniforms(recipe.seed, index, laws.keys, own, attempt)
        try:
            parameters = laws.parameters(uniforms)
        except ValidationError as error:  # values that fit no model, between ends that do
            text = one_line(error, CLASSES[laws.model], laws.at(uniforms), "texture")
            raise UserError(f"recipe {recipe.name}: sample {index}: {text}") from None
        rng = default_rng(seed_of(recipe, index, STRUCTURE, attempt))
        return parameters, sample_texture(parameters, rng)

    (parameters, texture), draws = first_feasible(recipe, index, draw)
    return TextureRealisation(index, parameters, texture, draws)


def render_texture(recipe: TextureRecipe, index: int) -> TextureSample:
    """Sample `index` with all its rows."""
    made = realise_texture(recipe, index)
    columns, truth = parameter_columns(made.parameters), truth_columns(made.texture.truth)
    return TextureSample(
        index=index,
        bits=packed(made.texture.phase),
        parameters=np.array([columns[name] for name in recipe.parameter_names], np.float64),
        descriptors=np.array([truth[name] for name in recipe.descriptor_names], np.float64),
        pixel_size_nm=made.texture.pixel_size_nm,
        draws=made.draws,
    )
