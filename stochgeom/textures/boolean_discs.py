"""Boolean model of discs: overlapping discs at random, phase 1 their union."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from ..radius_laws import ConstantRadii, RadiusLaw
from .boolean import BooleanParameters, boolean_two_point, poisson_points
from .raster import fill_discs
from .texture import Texture, fits_torus, make_texture, over_images

SHARES = (np.arange(2048) + 0.5) / 2048  # of equally likely radii over which means are taken
LAGS = 2049  # distances at which the shared area is tabulated


class BooleanDiscParameters(BooleanParameters):
    """Parameters of a Boolean model of discs: `volume_fraction`, and the law of the `radii` by number."""

    model: Literal["boolean-discs"] = "boolean-discs"
    radii: RadiusLaw = Field(default_factory=lambda: ConstantRadii(radius_nm=8.0))

    @cached_property
    def _quantiles(self) -> np.ndarray:
        if self.radii.law == "constant":
            return np.array([self.radii.median_nm])
        return self.radii.quantile(SHARES)

    @cached_property
    def largest_radius_nm(self) -> float:
        return float(self.radii.quantile(np.ones(1))[0])

    @property
    def mean_area_nm2(self) -> float:
        """Of a disc."""
        return math.pi * float((self._quantiles**2).mean())

    @property
    def intensity_per_nm2(self) -> float:
        """Discs per nm²."""
        return self.intensity(self.mean_area_nm2)

    @cached_property
    def _shared(self) -> tuple[np.ndarray, np.ndarray]:
        """Distances, and the mean area that a disc shares with itself shifted by them."""
        distance = np.linspace(0, 2 * self.largest_radius_nm, LAGS)
        radii = self._quantiles
        return distance, np.array([disc_covariogram(one, radii).mean() for one in distance])


def disc_covariogram(distance: float, radii: np.ndarray) -> np.ndarray:
    """Area (n,) that discs of radii (n,) share with themselves shifted by a distance."""
    x = np.minimum(distance / (2 * radii), 1.0)
    return 2 * radii**2 * (np.arccos(x) - x * np.sqrt(1 - x**2))


def sample_boolean_discs(parameters: BooleanDiscParameters, rng: np.random.Generator) -> Texture:
    """One Boolean model of discs. Elements: centres_nm (n, 2), radii_nm (n,), of all discs that may be seen.

    Not periodic: centres lie up to the largest radius outside of the image, and those whose discs miss it are
    left out. InfeasibleParametersError for discs wider than a periodic image.
    """
    largest, pixel, (ny, nx) = parameters.largest_radius_nm, parameters.pixel_size_nm, parameters.shape
    fits_torus(parameters, "largest radius of radii", 2 * largest, 2.0)
    centres = poisson_points(parameters, parameters.intensity_per_nm2, largest, "radii", rng)
    radii = parameters.radii.sample(len(centres), rng)
    if not parameters.periodic:
        beyond = np.maximum(np.abs(centres) - np.array(parameters.size_nm) / 2, 0)
        seen = np.hypot(beyond[:, 0], beyond[:, 1]) < radii
        centres, radii = centres[seen], radii[seen]
    phase = np.zeros((ny, nx), np.uint8)
    x, y = centres[:, 0] / pixel + nx / 2, centres[:, 1] / pixel + ny / 2
    fill_discs(phase, x, y, radii / pixel, parameters.periodic)
    elements = {"centres_nm": centres, "radii_nm": radii}
    more = {"intensity_per_nm2": parameters.intensity_per_nm2}
    return make_texture(parameters, "boolean-discs", phase, math.nan, len(radii), more, elements)


def boolean_discs_two_point(
    parameters: BooleanDiscParameters, x_nm: np.ndarray, y_nm: np.ndarray
) -> np.ndarray:
    """S2 of the union, exact up to the mean over the law of radii; the plane's or the torus's."""
    fits_torus(parameters, "largest radius of radii", 2 * parameters.largest_radius_nm, 2.0)
    distance, area = parameters._shared

    def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.interp(np.hypot(x, y), distance, area, right=0.0)

    shared = (
        over_images(plane, x_nm, y_nm, parameters.size_nm, distance[-1])
        if parameters.periodic
        else plane(x_nm, y_nm)
    )
    return boolean_two_point(parameters.volume_fraction, parameters.mean_area_nm2, shared)
