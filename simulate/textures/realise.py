"""Sample i of a recipe of textures: parameters, texture, rows. A pure function of (recipe, seed, i).

Seeds are those of `simulate.realise`: stage 0 draws the parameters, stage 1 the texture; a draw that the
model finds infeasible is drawn again, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    (parameters, texture, _), draws = draw_texture(recipe, index)
    return TextureRealisation(index, parameters, texture, draws)


def draw_texture(
    recipe: TextureRecipe, index: int, more: Sequence[str] = (), subpixels: int = 1
) -> tuple[tuple[TextureParameters, Texture, NDArray[np.float64]], int]:
    """Parameters and texture of sample `index`, uniform numbers for the keys `more`, and how many draws it
    took. The texture has `subpixels` pixels along the side of one of the recipe's. UserError if no draw is
    feasible.
    """
    laws = recipe.laws
    slots, keys = len(laws.keys), [*laws.keys, *more]

    def draw(attempt: int) -> tuple[TextureParameters, Texture, NDArray[np.float64]]:
        uniforms = np.full(len(keys), 0.5)
        if laws.drawn or more:
            own = seed_of(recipe, index, PARAMETERS, attempt)
            uniforms = recipe.sampling.uniforms(recipe.seed, index, keys, own, attempt)
        uniforms, rest = uniforms[:slots], uniforms[slots:]
        try:
            parameters = laws.parameters(uniforms)
            drawn = parameters if subpixels == 1 else finer(parameters, subpixels)
        except ValidationError as error:  # values that fit no model, between ends that do
            text = one_line(error, CLASSES[laws.model], laws.at(uniforms), "texture")
            raise UserError(f"recipe {recipe.name}: sample {index}: {text}") from None
        rng = default_rng(seed_of(recipe, index, STRUCTURE, attempt))
        return parameters, sample_texture(drawn, rng), rest

    return first_feasible(recipe, index, draw)


def finer(parameters: TextureParameters, subpixels: int) -> TextureParameters:
    """The same texture model on a grid of so many times more pixels along each side."""
    grid = {
        "shape": tuple(subpixels * n for n in parameters.shape),
        "pixel_size_nm": parameters.pixel_size_nm / subpixels,
    }
    return type(parameters).model_validate({**parameters.model_dump(), **grid})


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
