"""Lamellae: parallel stripes of two phases, evenly spaced or of random widths."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from ..errors import InfeasibleParametersError, UserError
from .texture import Degrees, Texture, TorusParameters, along_and_across, direction, make_texture


class LamellaeParameters(TorusParameters):
    """Parameters of lamellae.

    volume_fraction
        Of phase 1, on average.
    period_nm
        Mean distance from one lamella of phase 1 to the next.
    orientation_degrees
        Along the lamellae; None draws one for each image, all equally likely (not periodic).
    width_cv
        Coefficient of variation of the widths of the lamellae of either phase, of a gamma law and
        independent; 0 makes them even, 1 the borders a Poisson process (not periodic above 0).
    """

    model: Literal["lamellae"] = "lamellae"
    volume_fraction: float = Field(default=0.5, gt=0, lt=1)
    period_nm: float = Field(default=16.0, gt=0)
    orientation_degrees: Degrees | None = 0.0
    width_cv: float = Field(default=0.0, ge=0, le=2)

    @model_validator(mode="after")
    def _periodic(self) -> LamellaeParameters:
        if self.periodic and self.width_cv > 0:
            raise ValueError(f"width_cv = {self.width_cv:g} needs periodic = false; accepted with true: 0")
        if self.periodic and self.orientation_degrees is None:
            raise ValueError(
                "a random orientation (None) needs periodic = false; accepted with true: degrees"
            )
        if self.period_nm < 2 * self.pixel_size_nm:
            raise ValueError(
                f"period_nm = {self.period_nm:g} must be at least two pixels, {2 * self.pixel_size_nm:g} nm"
            )
        return self

    @property
    def expected_volume_fraction(self) -> float:
        return self.volume_fraction


def sample_lamellae(parameters: LamellaeParameters, rng: np.random.Generator) -> Texture:
    """One image of lamellae, stationary: no place is preferred.

    Elements: edges_nm (n, 2), where each lamella of phase 1 begins and ends along the normal (-sin, cos) of
    the orientation, from the centre of the image; those that lie between its corners, `count` of them.
    Even lamellae have a uniform shift. Random widths begin in equilibrium: the width at the first corner is
    chosen with probability in proportion to its size (Cox, Renewal Theory, 1962).
    InfeasibleParametersError for periodic lamellae whose period and orientation do not close on the torus.
    """
    _check(parameters)
    width, height = parameters.size_nm
    fraction, period = parameters.volume_fraction, parameters.period_nm
    angle = parameters.orientation_degrees
    if angle is None:
        angle = 180 * rng.random()
    c, s = direction(angle)
    reach = (width * abs(s) + height * abs(c)) / 2
    if parameters.width_cv == 0:
        first = -reach - period * rng.random()
        starts = first + period * np.arange(math.ceil((2 * reach + period) / period) + 1)
        ends = starts + fraction * period
    else:
        starts, ends = _random_widths(reach, fraction, period, parameters.width_cv, rng)
    seen = (ends > -reach) & (starts < reach)
    edges = np.stack((starts[seen], ends[seen]), axis=1)
    phase = np.zeros(parameters.shape, np.uint8)
    _fill_stripes(phase, edges / parameters.pixel_size_nm, c, s)
    more = {"period_nm": period}
    return make_texture(parameters, "lamellae", phase, angle, len(edges), more, {"edges_nm": edges})


def lamellae_two_point(parameters: LamellaeParameters, x_nm: np.ndarray, y_nm: np.ndarray) -> np.ndarray:
    """S2 of even lamellae, a trapezoidal wave across them (a triangle at fraction 1/2) and constant along.

    Of random widths only width_cv = 1 has a closed form: a random telegraph signal, f² + f (1 - f)
    exp(-|across| / (f (1 - f) period)). UserError for others, and for a random orientation.
    """
    _check(parameters)
    if parameters.orientation_degrees is None:
        raise UserError("two_point of lamellae needs orientation_degrees, not None")
    fraction, period = parameters.volume_fraction, parameters.period_nm
    _, across = along_and_across(x_nm, y_nm, parameters.orientation_degrees)
    if parameters.width_cv == 0:
        lag = np.mod(across / period, 1.0)
        return np.maximum(fraction - lag, 0) + np.maximum(fraction - (1 - lag), 0)
    if parameters.width_cv == 1:
        both = fraction * (1 - fraction)
        return fraction**2 + both * np.exp(-np.abs(across) / (both * period))
    raise UserError(
        f"no two-point function of lamellae of width_cv = {parameters.width_cv:g} is known; accepted: 0 and 1"
    )


def _random_widths(
    reach: float, fraction: float, period: float, cv: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Where lamellae of phase 1 start and end, from before -reach to beyond reach."""
    shape = 1 / cv**2
    means = {0: (1 - fraction) * period, 1: fraction * period}
    kind = int(rng.random() < fraction)
    # Of a gamma law, widths weighted with themselves have a shape larger by one.
    first = rng.gamma(shape + 1, means[kind] / shape)
    edges = [np.array([-reach - rng.random() * first])]
    edges.append(edges[0] + first)
    pairs = 16 + math.ceil(2.5 * reach / period)
    following = np.array([means[1 - kind], means[kind]] * pairs)
    while edges[-1][-1] < reach:
        edges.append(edges[-1][-1] + np.cumsum(rng.gamma(shape, following / shape)))
    borders = np.concatenate(edges)
    borders = borders[kind == 0 :]
    borders = borders[: 2 * (len(borders) // 2)]
    return borders[::2], borders[1::2]


def _check(parameters: LamellaeParameters) -> None:
    """Refuse periodic lamellae of which a whole number does not cross both sides of the image."""
    if not parameters.periodic:
        return
    assert parameters.orientation_degrees is not None
    c, s = direction(parameters.orientation_degrees)
    (width, height), period = parameters.size_nm, parameters.period_nm
    across_x, across_y = -s * width / period, c * height / period
    whole_x, whole_y = round(across_x), round(across_y)
    if abs(across_x - whole_x) < 1e-6 and abs(across_y - whole_y) < 1e-6:
        return
    if whole_x == whole_y == 0:
        whole_x, whole_y = (1, 0) if abs(s) > abs(c) else (0, 1)
    wave = whole_x / width, whole_y / height
    nearest = 1 / math.hypot(*wave)
    angle = math.degrees(math.atan2(-wave[0], wave[1])) % 180
    reason = (
        f"at {parameters.orientation_degrees:g} degrees they do not close on a periodic image of {width:g} x "
        f"{height:g} nm (they do at {angle:.6g} degrees with {nearest:.6g} nm, or with periodic = false)"
    )
    raise InfeasibleParametersError("period_nm", period, nearest, reason)


@njit(cache=True)
def _fill_stripes(out, edges, c, s):
    """Set to 1 the pixels of `out` (ny, nx) between edges (n, 2), in pixels across (c, s) from the centre."""
    ny, nx = out.shape
    n = len(edges)
    k = 0
    for iy in range(ny):
        for ix in range(nx):
            across = (iy + 0.5 - ny / 2) * c - (ix + 0.5 - nx / 2) * s
            # The last stripe that starts before the pixel: near that of the pixel before.
            while k + 1 < n and edges[k + 1, 0] <= across:
                k += 1
            while k > 0 and edges[k, 0] > across:
                k -= 1
            if n > 0 and edges[k, 0] <= across < edges[k, 1]:
                out[iy, ix] = 1
