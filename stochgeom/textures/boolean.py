"""What Boolean models share: random shapes at the points of a Poisson process, phase 1 their union.

Sources: Chiu, Stoyan, Kendall and Mecke, Stochastic Geometry and its Applications (2013), chapter 3;
Torquato, Random Heterogeneous Materials (2002), chapters 5 and 6.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from ..errors import InfeasibleParametersError
from .texture import TorusParameters

MOST = 2_000_000  # shapes in an image


class BooleanParameters(TorusParameters):
    """Of any Boolean model: `volume_fraction`, that of the union on average."""

    volume_fraction: float = Field(default=0.4, gt=0, le=0.999)

    @property
    def expected_volume_fraction(self) -> float:
        return self.volume_fraction

    def intensity(self, mean_area_nm2: float) -> float:
        """Shapes per nm²: volume fraction = 1 - exp(-intensity mean area)."""
        return -math.log1p(-self.volume_fraction) / mean_area_nm2


def poisson_points(
    parameters: TorusParameters, intensity: float, margin_nm: float, parameter: str, rng: np.random.Generator
) -> np.ndarray:
    """(n, 2) points x, y in nm from the centre of the image: in it, or in it and a margin if not periodic."""
    margin = 0.0 if parameters.periodic else margin_nm
    size = np.array(parameters.size_nm) + 2 * margin
    mean = intensity * size.prod()
    if mean > MOST:
        reason = f"{mean:.3g} shapes in one image; at most {MOST:,} are drawn"
        raise InfeasibleParametersError(parameter, margin_nm, margin_nm * math.sqrt(mean / MOST), reason)
    return (rng.random((rng.poisson(mean), 2)) - 0.5) * size


def boolean_two_point(volume_fraction: float, mean_area: float, shared_area: np.ndarray) -> np.ndarray:
    """S2 of the union: 1 - 2 q + q² exp(intensity K(h)), q = 1 - volume fraction.

    K(h) is the mean area that a shape shares with itself shifted by h (its covariogram): both points are free
    of shapes with probability exp(-intensity (2 A - K(h))).
    """
    free = 1 - volume_fraction
    intensity = -math.log1p(-volume_fraction) / mean_area
    return 1 - 2 * free + free**2 * np.exp(intensity * shared_area)
