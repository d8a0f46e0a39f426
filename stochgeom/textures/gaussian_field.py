"""Thresholded Gaussian random fields: phase 1 is where a field of given covariance is high."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.fft
from pydantic import Field, model_validator
from scipy.special import ndtri

from ..errors import InfeasibleParametersError
from .covariances import Covariance, GaussianCovariance
from .texture import Degrees, Texture, TorusParameters, along_and_across, make_texture, over_images

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
TABLE = 8_001  # distances at which a correlation is tabulated


class GaussianFieldParameters(TorusParameters):
    """Parameters of a thresholded Gaussian field.

    volume_fraction
        Of phase 1, on average; single images scatter about it.
    covariance
        Of the field: exponential, gaussian, matern or ring, with its lengths.
    stretch, orientation_degrees
        Lengths along the orientation are `stretch` times those across it (1: the same in all directions).
    """

    model: Literal["gaussian-field"] = "gaussian-field"
    volume_fraction: float = Field(default=0.5, gt=0, lt=1)
    covariance: Covariance = Field(default_factory=lambda: GaussianCovariance(length_nm=12.0))
    stretch: float = Field(default=1.0, ge=1, le=100)
    orientation_degrees: Degrees = 0.0

    @model_validator(mode="after")
    def _resolved(self) -> GaussianFieldParameters:
        if self.covariance.model == "ring" and self.covariance.wavelength_nm < 2 * self.pixel_size_nm:
            raise ValueError(
                f"wavelength_nm = {self.covariance.wavelength_nm:g} must be at least two pixels, "
                f"{2 * self.pixel_size_nm:g} nm"
            )
        return self

    @property
    def expected_volume_fraction(self) -> float:
        return self.volume_fraction

    @property
    def threshold(self) -> float:
        """In standard deviations of the field."""
        return float(ndtri(1 - self.volume_fraction))

    @property
    def torus(self) -> tuple[int, int]:
        """Rows and columns of the periodic grid on which the field is drawn; the image is cut from it."""
        if self.periodic:
            return self.shape
        reach = math.ceil(self.covariance.reach_nm * self.stretch / self.pixel_size_nm)
        ny, nx = (scipy.fft.next_fast_len(n + min(n, reach), real=True) for n in self.shape)
        return ny, nx


def sample_gaussian_field(parameters: GaussianFieldParameters, rng: np.random.Generator) -> Texture:
    """One thresholded Gaussian field, by FFT of white noise in float32.

    The field has, at whole pixels, exactly the covariance asked for, summed over the images of the torus
    (circulant embedding, whose eigenvalues are then never negative) and divided by its value at 0; that is
    the covariance in `correlation` and `two_point`. No elements.
    InfeasibleParametersError if the correlation length exceeds half of the image.
    """
    _check(parameters)
    torus = parameters.torus
    amplitudes = _amplitudes(
        parameters.covariance,
        torus,
        parameters.pixel_size_nm,
        parameters.stretch,
        parameters.orientation_degrees,
    )
    spectrum = scipy.fft.rfft2(rng.standard_normal(torus, dtype=np.float32))
    spectrum *= amplitudes
    ny, nx = parameters.shape
    field = scipy.fft.irfft2(spectrum, s=torus, overwrite_x=True)[:ny, :nx]
    phase = (field > np.float32(parameters.threshold)).view(np.uint8)
    orientation = parameters.orientation_degrees if parameters.stretch > 1 else math.nan
    more = {"threshold": parameters.threshold}
    return make_texture(parameters, "gaussian-field", phase, orientation, math.nan, more, {})


def correlation(parameters: GaussianFieldParameters, x_nm: np.ndarray, y_nm: np.ndarray) -> np.ndarray:
    """Correlation of the field at lags x_nm, y_nm (broadcast), as it is drawn: that of the torus."""
    _check(parameters)
    ny, nx = parameters.torus
    size = nx * parameters.pixel_size_nm, ny * parameters.pixel_size_nm
    reach = parameters.covariance.reach_nm * parameters.stretch

    def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        distance = _scaled(x, y, parameters.stretch, parameters.orientation_degrees)
        return parameters.covariance.correlation(distance)

    zero = np.zeros(1)
    return over_images(plane, np.asarray(x_nm, float), np.asarray(y_nm, float), size, reach) / over_images(
        plane, zero, zero, size, reach
    )


def gaussian_field_two_point(
    parameters: GaussianFieldParameters, x_nm: np.ndarray, y_nm: np.ndarray
) -> np.ndarray:
    """S2 = P(both points above the threshold), from the field's correlation; see `both_above`."""
    rho = correlation(parameters, x_nm, y_nm)
    return both_above(parameters.threshold, np.clip(rho, -1, 1))


def both_above(threshold: float, rho: np.ndarray) -> np.ndarray:
    """P(Z1 > t, Z2 > t) of standard normal variables of correlations rho (...).

    phi² + 1 / (2 pi) times the integral of exp(-t² / (1 + sin a)) over a from 0 to arcsin rho (Torquato 2002,
    after Berk 1991 and Teubner 1991; Lantuéjoul 2002), by Gauss-Legendre quadrature.
    """
    end = np.arcsin(rho)[..., None] / 2
    angles = end * (_NODES + 1)
    with np.errstate(divide="ignore"):
        inner = np.exp(-(threshold**2) / (1 + np.sin(angles))) if threshold else np.ones(angles.shape)
    phi = 0.5 * math.erfc(threshold / math.sqrt(2))
    return phi**2 + (inner * _WEIGHTS * end).sum(axis=-1) / (2 * math.pi)


def _scaled(x: np.ndarray, y: np.ndarray, stretch: float, degrees: float) -> np.ndarray:
    """Distances with those along the orientation shortened by the stretch."""
    along, across = along_and_across(x, y, degrees)
    return np.hypot(along / stretch, across)


def _check(parameters: GaussianFieldParameters) -> None:
    side = min(parameters.size_nm)
    length = parameters.covariance.length_nm
    if length * parameters.stretch > side / 2:
        reason = f"a correlation length, stretch included, may be half of the image, {side / 2:g} nm"
        raise InfeasibleParametersError("length_nm", length, side / 2 / parameters.stretch, reason)


@lru_cache(maxsize=8)
def _amplitudes(
    covariance: Covariance, torus: tuple[int, int], pixel: float, stretch: float, degrees: float
) -> np.ndarray:
    """(ny, nx // 2 + 1) float32: by what the transform of unit white noise is multiplied."""
    ny, nx = torus
    # Most covariances cost more than to look them up.
    grid = np.linspace(0, covariance.reach_nm, TABLE)
    table = covariance.correlation(grid)

    def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.interp(_scaled(x, y, stretch, degrees), grid, table, right=0.0)

    x, y = pixel * np.arange(nx), pixel * np.arange(ny)[:, None]
    wrapped = over_images(plane, x, y, (nx * pixel, ny * pixel), covariance.reach_nm * stretch)
    eigenvalues = scipy.fft.rfft2(wrapped / wrapped[0, 0]).real
    return np.sqrt(np.maximum(eigenvalues, 0)).astype(np.float32)
