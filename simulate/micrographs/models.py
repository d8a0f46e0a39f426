"""Models of scenes by name: their parameters, and how a scene of them is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from simulate.micrographs.composite import CompositeParameters, draw_composite
from simulate.micrographs.ferroelectric_film import FilmParameters, draw_film
from simulate.micrographs.graphene import GrapheneParameters, draw_graphene
from simulate.micrographs.parameters import MARGIN_NM, MicrographParameters
from simulate.micrographs.structure import MicrographStructure
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.material import Material

PARAMETERS: dict[str, type[MicrographParameters]] = {
    "graphene": GrapheneParameters,
    "ferroelectric-film": FilmParameters,
    "composite": CompositeParameters,
}
"""Parameters by the name that `model` has in a recipe."""

_DRAW: dict[str, Callable[..., MicrographStructure]] = {
    "graphene": draw_graphene,
    "ferroelectric-film": draw_film,
    "composite": draw_composite,
}
"""Called with (parameters, field, margin_nm, materials by name, rng)."""


def named_parameters(model: str, **values: Any) -> MicrographParameters:
    """Parameters of a model, defaults where nothing is given. UserError for a name that there is none of, or
    values that the model refuses.
    """
    from pydantic import ValidationError

    from simulate.recipe_errors import one_line, suggestion

    if model not in PARAMETERS:
        raise UserError(f"scene.model = {model!r}: no such model{suggestion(model, tuple(PARAMETERS))}")
    try:
        return PARAMETERS[model].model_validate({"model": model, **values})
    except ValidationError as error:
        raise UserError(one_line(error, PARAMETERS[model], values, "scene")) from None


def draw_structure(
    parameters: MicrographParameters,
    field: Field,
    rng: np.random.Generator,
    materials: Mapping[str, Material] | None = None,
    margin_nm: float = MARGIN_NM,
) -> MicrographStructure:
    """Draw the atoms of one scene, in the field and a margin around it.

    materials: by the names in `parameters.material_names`; None takes the shipped ones.
    InfeasibleParametersError where the parameters do not fit the field.
    """
    from simulate.material import Material

    if materials is None:
        materials = {name: Material.named(name) for name in parameters.material_names}
    model: str = parameters.model  # type: ignore[attr-defined]
    return _DRAW[model](parameters, field, margin_nm, materials, rng)
