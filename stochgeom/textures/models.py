"""Textures by the name of their model: sampling, volume fraction and two-point function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from ..errors import UserError
from .boolean_discs import BooleanDiscParameters, boolean_discs_two_point, sample_boolean_discs
from .boolean_fibres import BooleanFibreParameters, boolean_fibres_two_point, sample_boolean_fibres
from .gaussian_field import GaussianFieldParameters, gaussian_field_two_point, sample_gaussian_field
from .lamellae import LamellaeParameters, lamellae_two_point, sample_lamellae
from .lines import LineTextureParameters, sample_lines
from .texture import Texture
from .voronoi import VoronoiParameters, sample_voronoi, voronoi_two_point

TextureParameters = Annotated[
    LineTextureParameters
    | GaussianFieldParameters
    | BooleanDiscParameters
    | BooleanFibreParameters
    | VoronoiParameters
    | LamellaeParameters,
    Field(discriminator="model"),
]
"""Parameters of any texture; told apart by `model` where they are read from text."""

PARAMETERS: dict[str, type] = {
    "lines": LineTextureParameters,
    "gaussian-field": GaussianFieldParameters,
    "boolean-discs": BooleanDiscParameters,
    "boolean-fibres": BooleanFibreParameters,
    "voronoi": VoronoiParameters,
    "lamellae": LamellaeParameters,
}
_SAMPLERS: dict[str, Callable[[Any, np.random.Generator], Texture]] = {
    "lines": sample_lines,
    "gaussian-field": sample_gaussian_field,
    "boolean-discs": sample_boolean_discs,
    "boolean-fibres": sample_boolean_fibres,
    "voronoi": sample_voronoi,
    "lamellae": sample_lamellae,
}
_MORE_TRUTH: dict[str, tuple[str, ...]] = {
    "lines": ("length_nm", "thickness_nm"),
    "gaussian-field": ("threshold",),
    "boolean-discs": ("intensity_per_nm2",),
    "boolean-fibres": ("orientational_order", "intensity_per_nm2"),
    "voronoi": ("grains_of_phase_1",),
    "lamellae": ("period_nm",),
}
_TWO_POINT: dict[str, Callable[[Any, np.ndarray, np.ndarray], np.ndarray]] = {
    "gaussian-field": gaussian_field_two_point,
    "boolean-discs": boolean_discs_two_point,
    "boolean-fibres": boolean_fibres_two_point,
    "voronoi": voronoi_two_point,
    "lamellae": lamellae_two_point,
}


def sample_texture(parameters: TextureParameters, rng: np.random.Generator) -> Texture:
    """One texture, a function of the parameters and the state of the generator alone.

    Of any model; its sampler (`sample_lines`, ...) says what its law is, its truth and its elements.
    InfeasibleParametersError if there is no such texture; UserError if these are no parameters of one.
    """
    return _SAMPLERS[_model(parameters)](parameters, rng)


def expected_volume_fraction(parameters: TextureParameters) -> float:
    """Mean volume fraction of phase 1 over all textures of these parameters."""
    _model(parameters)
    return parameters.expected_volume_fraction


def truth_names(parameters: TextureParameters) -> tuple[str, ...]:
    """Names in the truth of textures of these parameters whose values are numbers and not always NaN."""
    oriented = {
        "lines": True,
        "lamellae": True,
        "gaussian-field": getattr(parameters, "stretch", 1.0) > 1,
        "boolean-fibres": getattr(parameters, "orientation_spread_degrees", 90.0) < 90,
    }
    model = _model(parameters)
    names = ["volume_fraction"]
    names += ["orientation_degrees"] if oriented.get(model, False) else []
    names += ["count"] if model != "gaussian-field" else []
    return (*names, *_MORE_TRUTH[model])


def two_point(parameters: TextureParameters, x_nm: ArrayLike, y_nm: ArrayLike = 0.0) -> np.ndarray:
    """S2, the probability that two points at lag (x, y) are both of phase 1: float64 of the lags' shape.

    Lags in nm broadcast; of models without an orientation x_nm alone may be the distance. Of a periodic
    texture it is that of the torus. UserError if the model has none in closed form or as an integral.
    """
    model = _model(parameters)
    if model not in _TWO_POINT:
        raise UserError(
            f"no two-point function of model {model!r} is known; accepted: {', '.join(_TWO_POINT)}"
        )
    x, y = np.asarray(x_nm, float), np.asarray(y_nm, float)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UserError("lags of a two-point function must be finite")
    return _TWO_POINT[model](parameters, x, y)


def _model(parameters: object) -> str:
    model = getattr(parameters, "model", None)
    if not isinstance(model, str) or type(parameters) is not PARAMETERS.get(model):
        accepted = ", ".join(one.__name__ for one in PARAMETERS.values())
        raise UserError(f"{type(parameters).__name__} are no parameters of a texture; accepted: {accepted}")
    return model
