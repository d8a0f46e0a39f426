"""What all textures share: the record, the parameters of its grid, directions, lags on a torus."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

import numpy as np
from pydantic import Field as Bounds

from ..errors import InfeasibleParametersError, UserError
from ..projection import Field
from ..radius_laws import Frozen

Pixels = Annotated[int, Bounds(ge=2, le=16384)]
Degrees = Annotated[float, Bounds(ge=0, lt=180)]
Span = tuple[float, float]


class GridParameters(Frozen):
    """The grid of a texture: `shape` (ny, nx) in pixels, `pixel_size_nm`; all lengths of a model are in nm.

    A pixel belongs to the phase that its centre lies in, so pixels show a model without bias.
    """

    shape: tuple[Pixels, Pixels] = (224, 224)
    pixel_size_nm: float = Bounds(default=1.0, gt=0)

    @property
    def size_nm(self) -> tuple[float, float]:
        """Width (along x) and height (along y)."""
        return self.shape[1] * self.pixel_size_nm, self.shape[0] * self.pixel_size_nm


class TorusParameters(GridParameters):
    """A grid whose opposite edges may join: with `periodic`, what leaves on one side returns on the other.

    Without, the texture is a window onto the infinite plane, with no effect of its edges.
    """

    periodic: bool = True


@dataclass(frozen=True, eq=False)
class Texture:
    """A two-phase image and what is true of it. Arrays and mappings are read-only.

    phase (ny, nx) uint8: 0 the matrix (white), 1 the second phase (black). model: the name of its generator.
    periodic: whether opposite edges join. truth: `volume_fraction` of phase 1 in this image,
    `orientation_degrees` (see `direction`; NaN where there is none), `count` of what the model places (NaN
    where nothing is), then numbers of the model. elements: arrays of what was placed, by name; positions
    (n, 2) are (x, y) in nm from the centre of the image, as in `Field`.
    """

    phase: np.ndarray
    pixel_size_nm: float
    model: str
    periodic: bool
    truth: Mapping[str, float]
    elements: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.phase.ndim != 2 or self.phase.dtype != np.uint8:
            raise UserError(
                f"phase of a texture is (ny, nx) uint8, not {self.phase.shape} {self.phase.dtype}"
            )
        for array in (self.phase, *self.elements.values()):
            array.setflags(write=False)
        object.__setattr__(self, "truth", MappingProxyType(dict(self.truth)))
        object.__setattr__(self, "elements", MappingProxyType(dict(self.elements)))

    def __reduce__(self):  # read-only mappings cannot be pickled
        plain = (dict(self.truth), dict(self.elements))
        return Texture, (self.phase, self.pixel_size_nm, self.model, self.periodic, *plain)

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.phase.shape  # type: ignore[return-value]

    @property
    def field(self) -> Field:
        """Where the pixels lie: a field centred on the origin."""
        return Field(self.shape, self.pixel_size_nm)


def make_texture(
    parameters: GridParameters,
    model: str,
    phase: np.ndarray,
    orientation_degrees: float,
    count: float,
    more: Mapping[str, float],
    elements: Mapping[str, np.ndarray],
) -> Texture:
    """A texture whose volume fraction is counted; phase (ny, nx) uint8 of zeros and ones."""
    truth = {
        "volume_fraction": int(np.count_nonzero(phase.view(bool))) / phase.size,
        "orientation_degrees": float(orientation_degrees),
        "count": float(count),
        **more,
    }
    periodic = getattr(parameters, "periodic", False)
    return Texture(phase, parameters.pixel_size_nm, model, periodic, truth, elements)


def direction(degrees: float) -> tuple[float, float]:
    """(x, y) unit vector of an orientation, counted from +x (columns) towards +y (rows).

    0 is horizontal, 90 vertical; as images have y downwards, 45 falls to the right and 135 rises to the
    right. Exact along the axes.
    """
    x, y = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if abs(x) < 1e-12 or abs(y) < 1e-12:
        return float(round(x)), float(round(y))
    return x, y


def along_and_across(x: np.ndarray, y: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Components of vectors (x, y) along an orientation and across it."""
    c, s = direction(degrees)
    return x * c + y * s, y * c - x * s


def wrapped(lag: np.ndarray, period: float) -> np.ndarray:
    """The shortest lag on a circle of that length."""
    return lag - period * np.round(lag / period)


def over_images(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    size: tuple[float, float],
    reach: float,
) -> np.ndarray:
    """Sum of function(x + i width, y + j height) over all i, j; the function is 0 beyond `reach`."""
    width, height = size
    x, y = np.broadcast_arrays(wrapped(x, width), wrapped(y, height))
    total = np.zeros(x.shape)
    ni, nj = (math.ceil(reach / side + 0.5) for side in size)
    for i in range(-ni, ni + 1):
        for j in range(-nj, nj + 1):
            # The nearest that any of the shortest lags comes in this image.
            near = math.hypot(max(0.0, abs(i) - 0.5) * width, max(0.0, abs(j) - 0.5) * height)
            if near < reach:
                total += function(x + i * width, y + j * height)
    return total


def fits_torus(parameters: TorusParameters, parameter: str, extent_nm: float, scale: float) -> None:
    """Refuse shapes of `extent_nm` that would meet themselves; `parameter` is extent_nm / scale."""
    side = min(parameters.size_nm)
    if parameters.periodic and extent_nm > side:
        reason = f"on a periodic image of {side:g} nm it meets itself"
        raise InfeasibleParametersError(parameter, extent_nm / scale, side / scale, reason)
