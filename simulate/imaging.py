"""Samples of recipes whose scenes are imaged, whatever kind the recipe is of: realised, rendered, as rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulate.aggregate_recipe import AggregateRecipe
from simulate.engines.base import BlockResult, Engine, whole_image
from simulate.imaged_recipe import ImagedRecipe
from simulate.lamella.realise import LamellaRealisation, LamellaSample, lamella_sample, realise_lamella
from simulate.lamella.recipe import LamellaRecipe
from simulate.micrographs.realise import (
    MicrographRealisation,
    MicrographSample,
    micrograph_sample,
    realise_micrograph,
)
from simulate.micrographs.recipe import MicrographRecipe
from simulate.realise import Realisation, Sample
from simulate.realise import realise as realise_aggregate
from simulate.realise import sample_of as aggregate_sample
from stochgeom.projection import chord_lengths

Imaged = Realisation | LamellaRealisation | MicrographRealisation
"""A sample without its image: it has `index`, `scene`, `field` and `draws`."""
ImagedSample = Sample | LamellaSample | MicrographSample
"""A sample as a corpus stores it."""


def realise(recipe: ImagedRecipe, index: int) -> Imaged:
    """Scene of sample `index` and what it was made from. UserError if no draw is feasible."""
    if isinstance(recipe, LamellaRecipe):
        return realise_lamella(recipe, index)
    if isinstance(recipe, MicrographRecipe):
        return realise_micrograph(recipe, index)
    assert isinstance(recipe, AggregateRecipe)
    return realise_aggregate(recipe, index)


def sample_of(recipe: ImagedRecipe, made: Imaged, image: BlockResult) -> ImagedSample:
    """The rows of a corpus for a realised sample and its image (channel, y, x)."""
    if isinstance(made, LamellaRealisation):
        assert isinstance(recipe, LamellaRecipe)
        return lamella_sample(recipe, made, image)
    if isinstance(made, MicrographRealisation):
        assert isinstance(recipe, MicrographRecipe)
        return micrograph_sample(recipe, made, image)
    assert isinstance(recipe, AggregateRecipe)
    return aggregate_sample(recipe, made, image)


def render(recipe: ImagedRecipe, index: int, engine: Engine) -> ImagedSample:
    """Sample `index` with its image."""
    made = realise(recipe, index)
    return sample_of(recipe, made, whole_image(engine, made.scene, recipe.microscope))


def material_nm(made: Imaged) -> NDArray[np.float64]:
    """Thickness (y, x) of material along the beam at the pixels' centres."""
    if isinstance(made, LamellaRealisation):
        return made.material_nm
    if isinstance(made, MicrographRealisation):
        return np.full(made.field.shape, made.structure.thickness_nm)
    return chord_lengths(made.aggregate, made.field).sum(axis=0)
