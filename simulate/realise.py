"""Sample i of a recipe: parameters, aggregate, field, scene and image. A pure function of (recipe, seed, i).

Random numbers come from `SeedSequence(seed, spawn_key=(i, stage))`: stage 0 parameters, 1 structure, 2
crystals, 3 displacements, 4 realism (`simulate.realism.REALISM_STAGE`). A draw that the model finds
infeasible is drawn again, parameters and all, with the attempt's number appended to the key of stages 0 and
1; `draws` counts the attempts, because redrawing shifts the corpus away from the recipe's laws and its user
must know how far.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray
from pydantic import ValidationError

from simulate.aggregate_recipe import AggregateRecipe
from simulate.engines.base import BlockResult, whole_image
from simulate.laws import value_at
from simulate.recipe import Recipe
from simulate.recipe_errors import one_line
from simulate.recipe_settings import ResponseSettings
from stochgeom.aggregate import HeteroAggregate
from stochgeom.aggregation import sample_aggregate
from stochgeom.descriptors import describe
from stochgeom.errors import InfeasibleParametersError, UserError, require
from stochgeom.parameters import AggregateParameters
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.engines.base import Engine
    from simulate.material import Material
    from simulate.scene import Scene

PARAMETERS, STRUCTURE, CRYSTALS, DISPLACEMENTS = range(4)
MOST_DRAWS = 100


@dataclass(frozen=True)
class Realisation:
    """Sample `index` without its image. The aggregate stands in the field's coordinates: x, y from its
    centre.
    """

    index: int
    parameters: AggregateParameters
    aggregate: HeteroAggregate
    scene: Scene
    field: Field
    draws: int


@dataclass(frozen=True)
class Sample:
    """Sample `index` as a corpus stores it: the rows of its arrays."""

    index: int
    image: NDArray[np.float32]
    parameters: NDArray[np.float64]
    descriptors: NDArray[np.float64]
    particles: NDArray[np.float32]
    pixel_size_nm: float
    draws: int
    cropped: bool
    standard_error: NDArray[np.float32] | None = None


def seed_of(recipe: Recipe, index: int, stage: int, attempt: int = 0) -> SeedSequence:
    """Seed of one stage of one sample."""
    key = (index, stage) if attempt == 0 else (index, stage, attempt)
    return SeedSequence(recipe.seed, spawn_key=key)


T = TypeVar("T")


def first_feasible(recipe: Recipe, index: int, draw: Callable[[int], T]) -> tuple[T, int]:
    """`draw(attempt)` of the first attempt, from 0 on, that the model finds feasible, and their number.

    UserError if none of 100 is.
    """
    problem: InfeasibleParametersError | None = None
    for attempt in range(MOST_DRAWS):
        try:
            return draw(attempt), attempt + 1
        except InfeasibleParametersError as error:
            problem = error
    raise UserError(
        f"recipe {recipe.name}: sample {index}: {MOST_DRAWS} draws were all infeasible; the last: {problem}"
    )


def realise(recipe: AggregateRecipe, index: int) -> Realisation:
    """Parameters, aggregate, field and scene of sample `index`. UserError if no draw is feasible."""
    slots, keys = len(recipe.aggregate.slots), [key for key, _ in recipe.slots]

    def draw(attempt: int) -> tuple[AggregateParameters, HeteroAggregate, NDArray[np.float64]]:
        own = seed_of(recipe, index, PARAMETERS, attempt)
        uniforms = recipe.sampling.uniforms(recipe.seed, index, keys, own, attempt)
        try:
            parameters = recipe.aggregate.parameters(uniforms[:slots])
            aggregate = sample_aggregate(
                parameters,
                default_rng(seed_of(recipe, index, STRUCTURE, attempt)),
                crystal_rng=default_rng(seed_of(recipe, index, CRYSTALS)),
            )
        except ValidationError as error:  # the recipe's own checks should have found it
            text = one_line(error, AggregateParameters, recipe.aggregate.at(uniforms[:slots]), "aggregate")
            raise UserError(f"recipe {recipe.name}: sample {index}: {text}") from None
        return parameters, aggregate, uniforms[slots:]

    (parameters, aggregate, rest), draws = first_feasible(recipe, index, draw)
    return _in_field(recipe, index, parameters, aggregate, rest, draws)


def _in_field(
    recipe: AggregateRecipe,
    index: int,
    parameters: AggregateParameters,
    aggregate: HeteroAggregate,
    uniforms: NDArray[np.float64],
    draws: int,
) -> Realisation:
    low, high = (corner[:2] for corner in aggregate.bounds)
    middle = (low + high) / 2
    aggregate = aggregate.translated(np.array([-middle[0], -middle[1], 0.0]))
    field = Field(shape=recipe.field.shape, pixel_size_nm=_pixel_size(recipe, high - low, uniforms))
    return Realisation(index, parameters, aggregate, _scene(recipe, index, aggregate, field), field, draws)


def _pixel_size(recipe: AggregateRecipe, extent: NDArray[np.float64], uniforms: NDArray[np.float64]) -> float:
    """Pixel size in nm: as stated, or such that the field is `fit` times the aggregate's extent (x, y)."""
    if recipe.field.pixel_size_nm is not None:
        return value_at(recipe.field.pixel_size_nm, uniforms[1])
    assert recipe.field.fit is not None
    ny, nx = recipe.field.shape
    return value_at(recipe.field.fit, uniforms[0]) * float(max(extent[0] / nx, extent[1] / ny))


def _scene(recipe: AggregateRecipe, index: int, aggregate: HeteroAggregate, field: Field) -> Scene:
    from simulate.scene import Scene

    return Scene(
        aggregate=aggregate,
        materials=materials_of(recipe),
        field=field,
        crystals=seed_of(recipe, index, CRYSTALS),
        displacements=seed_of(recipe, index, DISPLACEMENTS),
    )


def materials_of(recipe: AggregateRecipe) -> tuple[Material, ...]:
    """Material of each phase: the recipe's own, or the shipped one of that name. None where no atoms are
    made.
    """
    if isinstance(recipe.engine, ResponseSettings) and recipe.validation is None:
        return ()
    return tuple(material_of(recipe, name) for name in recipe.phase_names)


def material_of(recipe: AggregateRecipe, phase: str) -> Material:
    """Material of one phase of a recipe."""
    from simulate.material import Material

    settings = recipe.materials.get(phase)
    if settings is None:
        return _shipped(phase)
    cell = _cell(settings.cif, settings.cif_text or "")
    return Material(phase, cell, settings.rms_displacement_angstrom, settings.expected_density_g_cm3)


@lru_cache(maxsize=32)
def _shipped(phase: str) -> Material:
    from simulate.material import Material

    return Material.named(phase)


@lru_cache(maxsize=32)
def _cell(cif: str, text: str) -> Any:
    """Unit cell (ase.Atoms) of a CIF's text."""
    reader = require("ase.io", extra="simulate")
    try:
        return reader.read(io.StringIO(text), format="cif")
    except Exception as error:  # ASE raises many kinds
        raise UserError(f"{cif} is no readable CIF: {error}") from error


def render(recipe: AggregateRecipe, index: int, engine: Engine) -> Sample:
    """Sample `index` with its image (channel, y, x)."""
    made = realise(recipe, index)
    return sample_of(recipe, made, whole_image(engine, made.scene, recipe.microscope))


def sample_of(recipe: AggregateRecipe, made: Realisation, image: BlockResult) -> Sample:
    """The rows of a corpus for a realised sample and its image (channel, y, x)."""
    columns = made.parameters.columns()
    descriptors = describe(made.aggregate)
    return Sample(
        index=made.index,
        image=image.intensity,
        parameters=np.array([columns[name] for name in recipe.parameter_names], np.float64),
        descriptors=np.array([descriptors[name] for name in recipe.descriptor_names], np.float64),
        particles=particle_table(made.aggregate),
        pixel_size_nm=made.field.pixel_size_nm,
        draws=made.draws,
        cropped=leaves_field(made),
        standard_error=image.standard_error,
    )


def particle_table(aggregate: HeteroAggregate) -> NDArray[np.float32]:
    """Table (particle, column) of `simulate.corpus.layout.PARTICLE_COLUMNS`."""
    columns = [aggregate.centres, aggregate.radii, aggregate.species, aggregate.cluster, aggregate.phase]
    return np.column_stack([*columns, aggregate.orientations]).astype(np.float32)


def leaves_field(made: Realisation) -> bool:
    """Whether material lies outside the image."""
    low, high = (corner[:2] for corner in made.aggregate.bounds)
    half = np.array(made.field.shape[::-1]) * made.field.pixel_size_nm / 2
    return bool((low < -half).any() or (high > half).any())
