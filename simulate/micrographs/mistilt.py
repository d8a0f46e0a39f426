"""How far a crystal leans away from the beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class LeaningParameters(Protocol):
    """Parameters of a scene whose crystals may lean."""

    mistilt_x_mrad: float
    mistilt_y_mrad: float
    mistilt_gradient_mrad_per_nm: float
    mistilt_gradient_degrees: float


@dataclass(frozen=True)
class Mistilt:
    """Columns run along (x, y, 1), x and y the tilt in rad; of a bent foil it changes linearly along one
    direction, and points along it.

    x_mrad, y_mrad: at the field's centre; gradient_mrad_per_nm along gradient_degrees, from x towards y.
    """

    x_mrad: float
    y_mrad: float
    gradient_mrad_per_nm: float
    gradient_degrees: float

    @classmethod
    def of(cls, parameters: LeaningParameters) -> Self:
        """As a scene's parameters state it."""
        return cls(
            parameters.mistilt_x_mrad,
            parameters.mistilt_y_mrad,
            parameters.mistilt_gradient_mrad_per_nm,
            parameters.mistilt_gradient_degrees,
        )

    def at(self, points_nm: Array) -> Array:
        """Tilt (n, 2) in mrad at points (n, 2)."""
        angle = np.radians(self.gradient_degrees)
        along = np.array([np.cos(angle), np.sin(angle)])
        bent = self.gradient_mrad_per_nm * (points_nm @ along)
        return np.array([self.x_mrad, self.y_mrad]) + bent[:, None] * along
