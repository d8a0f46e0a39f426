"""Boolean model of fibres: overlapping rectangles at random, of one orientation, about one, or of all."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from .boolean import BooleanParameters, boolean_two_point, poisson_points
from .raster import fill_rectangles
from .texture import Degrees, Texture, along_and_across, direction, fits_torus, make_texture, over_images

ANGLES = 720  # over which the shared area of fibres of several orientations is averaged


class BooleanFibreParameters(BooleanParameters):
    """Parameters of a Boolean model of fibres.

    volume_fraction
        Of their union, on average.
    length_nm, width_nm
        Of every fibre, a rectangle.
    orientation_degrees, orientation_spread_degrees
        Orientations are uniform within the spread on both sides of the mean: 0 all parallel, 90 isotropic.
    """

    model: Literal["boolean-fibres"] = "boolean-fibres"
    length_nm: float = Field(default=60.0, gt=0)
    width_nm: float = Field(default=5.0, gt=0)
    orientation_degrees: Degrees = 0.0
    orientation_spread_degrees: float = Field(default=90.0, ge=0, le=90)

    @model_validator(mode="after")
    def _longer_than_wide(self) -> BooleanFibreParameters:
        if self.length_nm < self.width_nm:
            raise ValueError(f"length_nm = {self.length_nm:g} must be at least width_nm = {self.width_nm:g}")
        return self

    @property
    def intensity_per_nm2(self) -> float:
        """Fibres per nm²."""
        return self.intensity(self.length_nm * self.width_nm)

    @property
    def diagonal_nm(self) -> float:
        return math.hypot(self.length_nm, self.width_nm)


def sample_boolean_fibres(parameters: BooleanFibreParameters, rng: np.random.Generator) -> Texture:
    """One Boolean model of fibres. Elements: centres_nm (n, 2), orientations_degrees (n,) from 0 to 180.

    Not periodic: those centres are kept whose fibres' circumscribed circles meet the image. Truth adds the
    `orientational_order` |mean of exp(2 i angle)| of the fibres drawn, 0 isotropic and 1 parallel; the
    orientation is that of the parameters, NaN if isotropic.
    InfeasibleParametersError for fibres longer than a periodic image.
    """
    fits_torus(parameters, "length_nm", parameters.diagonal_nm, parameters.diagonal_nm / parameters.length_nm)
    half, pixel, (ny, nx) = parameters.diagonal_nm / 2, parameters.pixel_size_nm, parameters.shape
    centres = poisson_points(parameters, parameters.intensity_per_nm2, half, "length_nm", rng)
    if not parameters.periodic:
        beyond = np.maximum(np.abs(centres) - np.array(parameters.size_nm) / 2, 0)
        centres = centres[np.hypot(beyond[:, 0], beyond[:, 1]) < half]
    n, spread = len(centres), parameters.orientation_spread_degrees
    if spread == 0:
        angles = np.full(n, parameters.orientation_degrees)
        c, s = (np.full(n, one) for one in direction(parameters.orientation_degrees))
    else:
        angles = (parameters.orientation_degrees + spread * rng.uniform(-1, 1, n)) % 180
        c, s = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    phase = np.zeros((ny, nx), np.uint8)
    x, y = centres[:, 0] / pixel + nx / 2, centres[:, 1] / pixel + ny / 2
    lengths, widths = np.full(n, parameters.length_nm / pixel), np.full(n, parameters.width_nm / pixel)
    fill_rectangles(phase, x, y, lengths, widths, c, s, parameters.periodic)
    orientation = parameters.orientation_degrees if spread < 90 else math.nan
    order = abs(np.exp(2j * np.radians(angles)).mean()) if n else math.nan
    more = {"orientational_order": float(order), "intensity_per_nm2": parameters.intensity_per_nm2}
    elements = {"centres_nm": centres, "orientations_degrees": angles}
    return make_texture(parameters, "boolean-fibres", phase, orientation, n, more, elements)


def boolean_fibres_two_point(
    parameters: BooleanFibreParameters, x_nm: np.ndarray, y_nm: np.ndarray
) -> np.ndarray:
    """S2 of the union, the plane's or the torus's.

    A rectangle shares (length - |along|)+ (width - |across|)+ with itself shifted (its covariogram); averaged
    over the orientations by the mid-point rule.
    """
    fits_torus(parameters, "length_nm", parameters.diagonal_nm, parameters.diagonal_nm / parameters.length_nm)
    length, width = parameters.length_nm, parameters.width_nm
    spread = parameters.orientation_spread_degrees
    offsets = ((np.arange(ANGLES) + 0.5) / ANGLES * 2 - 1) * spread if spread else np.zeros(1)

    def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        total = np.zeros(np.broadcast(x, y).shape)
        for offset in offsets:
            along, across = along_and_across(x, y, parameters.orientation_degrees + offset)
            total += np.maximum(length - np.abs(along), 0) * np.maximum(width - np.abs(across), 0)
        return total / len(offsets)

    shared = (
        over_images(plane, x_nm, y_nm, parameters.size_nm, parameters.diagonal_nm)
        if parameters.periodic
        else plane(x_nm, y_nm)
    )
    return boolean_two_point(parameters.volume_fraction, length * width, shared)
