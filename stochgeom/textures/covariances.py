"""Covariance models of Gaussian fields in the plane, of unit variance; distances in nm.

Sources: Lantuéjoul, Geostatistical Simulation (2002); Torquato, Random Heterogeneous Materials (2002).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.special import gamma, j0, kv

from ..radius_laws import Frozen

SMALL = 1e-5  # correlations below it are taken as none


class CovarianceBase(Frozen, ABC):
    """What every covariance model offers."""

    @abstractmethod
    def correlation(self, distance_nm: np.ndarray) -> np.ndarray:
        """Correlation of two points at distances (...), 1 at 0."""

    @property
    @abstractmethod
    def scale_nm(self) -> float:
        """Its correlation length, the same for all directions."""

    @cached_property
    def reach_nm(self) -> float:
        """Beyond it correlations are below 1e-5."""
        grid = self.scale_nm * np.linspace(0, 40, 4001)
        large = np.abs(self.correlation(grid)) >= SMALL
        return float(grid[min(len(grid) - 1, int(np.flatnonzero(large)[-1]) + 1)])


class ExponentialCovariance(CovarianceBase):
    """exp(-r / length): rough borders of infinite length."""

    model: Literal["exponential"] = "exponential"
    length_nm: float = Field(gt=0)

    def correlation(self, distance_nm: np.ndarray) -> np.ndarray:
        return np.exp(-np.asarray(distance_nm) / self.length_nm)

    @property
    def scale_nm(self) -> float:
        return self.length_nm


class GaussianCovariance(CovarianceBase):
    """exp(-(r / length)²): smooth borders."""

    model: Literal["gaussian"] = "gaussian"
    length_nm: float = Field(gt=0)

    def correlation(self, distance_nm: np.ndarray) -> np.ndarray:
        return np.exp(-((np.asarray(distance_nm) / self.length_nm) ** 2))

    @property
    def scale_nm(self) -> float:
        return self.length_nm


class MaternCovariance(CovarianceBase):
    """2^(1-v) / Gamma(v) x^v K_v(x), x = sqrt(2 v) r / length, v the smoothness (1/2: exponential)."""

    model: Literal["matern"] = "matern"
    length_nm: float = Field(gt=0)
    smoothness: float = Field(default=1.5, ge=0.2, le=20)

    def correlation(self, distance_nm: np.ndarray) -> np.ndarray:
        v = self.smoothness
        x = np.maximum(math.sqrt(2 * v) * np.asarray(distance_nm, float) / self.length_nm, 1e-10)
        return np.where(x < 1e-9, 1.0, 2 ** (1 - v) / gamma(v) * x**v * kv(v, x))

    @property
    def scale_nm(self) -> float:
        return self.length_nm


class RingCovariance(CovarianceBase):
    """J0(2 pi r / wavelength) exp(-(r / length)²): a spectrum peaked on a ring, as after spinodal demixing.

    Wave vectors of length 2 pi / wavelength and random direction, each with a Gaussian deviation of standard
    deviation sqrt(2) / length in x and y; a long `length_nm` makes even spacings (Cahn 1965: random waves).
    """

    model: Literal["ring"] = "ring"
    wavelength_nm: float = Field(gt=0)
    length_nm: float = Field(gt=0)

    def correlation(self, distance_nm: np.ndarray) -> np.ndarray:
        r = np.asarray(distance_nm)
        return j0(2 * math.pi * r / self.wavelength_nm) * np.exp(-((r / self.length_nm) ** 2))

    @property
    def scale_nm(self) -> float:
        return self.length_nm


Covariance = Annotated[
    ExponentialCovariance | GaussianCovariance | MaternCovariance | RingCovariance,
    Field(discriminator="model"),
]
