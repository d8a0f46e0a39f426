"""Voronoi grains about the points of a Poisson process, each of phase 1 with a given probability."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from numba import njit
from pydantic import Field

from ..errors import InfeasibleParametersError
from .texture import Texture, TorusParameters, make_texture, over_images

FEWEST = 16  # grains, on average, on the square of a torus's shorter side: fewer would often meet themselves
MARGIN = 3.0  # grain diameters around a window: none beyond owns a point in it, but with probability e^-36
FARTHEST = 5.0  # of a table, in sqrt(mean grain area): two points so far apart are in one grain never (1e-9)


class VoronoiParameters(TorusParameters):
    """Parameters of two-phase Voronoi grains.

    volume_fraction
        The probability with which a grain is of phase 1, and so the volume fraction on average.
    grain_diameter_nm
        Of the circle that has the mean area of the grains.
    """

    model: Literal["voronoi"] = "voronoi"
    volume_fraction: float = Field(default=0.5, ge=0, le=1)
    grain_diameter_nm: float = Field(default=20.0, gt=0)

    @property
    def expected_volume_fraction(self) -> float:
        return self.volume_fraction

    @property
    def intensity_per_nm2(self) -> float:
        """Grains per nm²."""
        return 4 / (math.pi * self.grain_diameter_nm**2)


def sample_voronoi(parameters: VoronoiParameters, rng: np.random.Generator) -> Texture:
    """One image of Voronoi grains, exact: every pixel centre belongs to its nearest seed.

    Elements: seeds_nm (n, 2), grain_phases (n,) uint8, and grain (ny, nx) int32, the seed of each pixel. Kept
    are the seeds that own a pixel; `count` is their number. Not periodic: some lie outside of the image.
    InfeasibleParametersError for grains below half a pixel, or so large that a periodic image would hold
    fewer than 16 in the square of its shorter side.
    """
    _check(parameters)
    pixel, (ny, nx) = parameters.pixel_size_nm, parameters.shape
    margin = 0.0 if parameters.periodic else MARGIN * parameters.grain_diameter_nm
    size = np.array(parameters.size_nm) + 2 * margin
    n = 0
    while n == 0:  # of 16 or more expected; none once in 9 million times
        n = rng.poisson(parameters.intensity_per_nm2 * size.prod())
    seeds = (rng.random((n, 2)) - 0.5) * size
    kinds = (rng.random(n) < parameters.volume_fraction).astype(np.uint8)
    x, y = seeds[:, 0] / pixel + nx / 2, seeds[:, 1] / pixel + ny / 2
    grain = np.empty((ny, nx), np.int32)
    phase = np.empty((ny, nx), np.uint8)
    kept = _label(x, y, kinds, parameters.periodic, grain, phase)
    elements = {"seeds_nm": seeds[kept], "grain_phases": kinds[kept], "grain": grain}
    more = {"grains_of_phase_1": float(kinds[kept].sum())}
    return make_texture(parameters, "voronoi", phase, math.nan, len(kept), more, elements)


def voronoi_two_point(parameters: VoronoiParameters, x_nm: np.ndarray, y_nm: np.ndarray) -> np.ndarray:
    """S2 = f² + f (1 - f) P(both points in one grain); see `same_grain`.

    On a torus the probabilities of the plane at all images of the lag are summed. That neglects how few
    grains on a torus differ from those of the plane: below 0.001 for 16 grains, exponentially less for more.
    """
    _check(parameters)
    scale = math.sqrt(parameters.intensity_per_nm2)

    def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return same_grain(np.hypot(x, y) * scale)

    share = (
        over_images(plane, x_nm, y_nm, parameters.size_nm, FARTHEST / scale)
        if parameters.periodic
        else plane(x_nm, y_nm)
    )
    f = parameters.volume_fraction
    return f**2 + f * (1 - f) * share


def same_grain(distance: np.ndarray) -> np.ndarray:
    """P(two points lie in one grain) of a Poisson-Voronoi tessellation of the plane of unit intensity.

    The integral over x of exp(-area of the union of two discs about the points, both through the seed x)
    (Gilbert 1962; Chiu et al. 2013, chapter 9), from a table made by quadrature, good to about 1e-5.
    """
    distance = np.asarray(distance, float)
    return np.where(
        distance < FARTHEST, np.maximum(_same_grain_table()(np.minimum(distance, FARTHEST)), 0), 0
    )


@lru_cache(maxsize=1)
def _same_grain_table() -> Callable[[np.ndarray], np.ndarray]:
    from scipy.interpolate import CubicSpline  # slow to import, and of use here only

    distances = np.linspace(0, FARTHEST, 101)
    values = [1.0] + [_same_grain_integral(one) for one in distances[1:]]
    return CubicSpline(distances, values)


def _same_grain_integral(h: float, nodes: int = 60) -> float:
    """The integral over a quarter of the plane, four times; the points are (-h / 2, 0) and (h / 2, 0).

    Cut at the points, where the integrand is not smooth, and five beyond, where it is below e^-70.
    """
    roots, weights = np.polynomial.legendre.leggauss(nodes)
    y, wy = 2.5 * (roots + 1), 2.5 * weights
    total = 0.0
    for low, high in ((0.0, h / 2), (h / 2, h / 2 + 5)):
        x = ((high - low) * roots + high + low) / 2
        wx = (high - low) / 2 * weights
        grid_x, grid_y = np.meshgrid(x, y)
        one, two = np.hypot(grid_x + h / 2, grid_y), np.hypot(grid_x - h / 2, grid_y)
        # Half angles that the common chord, through the seed and its mirror image, cuts from the discs.
        first, second = np.arctan2(grid_y, grid_x + h / 2), np.arctan2(grid_y, h / 2 - grid_x)
        lens = one**2 * (first - np.sin(2 * first) / 2) + two**2 * (second - np.sin(2 * second) / 2)
        total += float(wy @ np.exp(-(math.pi * (one**2 + two**2) - lens)) @ wx)
    return 4 * total


def _check(parameters: VoronoiParameters) -> None:
    side, asked = min(parameters.size_nm), parameters.grain_diameter_nm
    largest = side * math.sqrt(4 / (math.pi * FEWEST))
    if parameters.periodic and asked > largest:
        reason = f"fewer than {FEWEST} grains on a periodic image of {side:g} x {side:g} nm, its shorter side"
        raise InfeasibleParametersError("grain_diameter_nm", asked, largest, reason)
    if asked < parameters.pixel_size_nm / 2:
        reason = "grains below half a pixel"
        raise InfeasibleParametersError("grain_diameter_nm", asked, parameters.pixel_size_nm / 2, reason)


@njit(cache=True)
def _near(seeds, count, block, torus, out):
    """Copy of seeds (x, y, which) those that may be nearest to a point of a block; how many.

    `block` is (top, left, bottom, right) in pixels, `torus` its (width, height), or zeros for the plane. With
    the nearest seed at distance d from the middle, none beyond d + 2 half (half of the block's diagonal) is
    nearest to any point of it. On a torus all images within that distance are copied; beside the nearest
    image of a seed there are some only where the distance reaches half of the torus.
    """
    top, left, bottom, right = block
    mid_x, mid_y, half = (left + right) / 2, (top + bottom) / 2, np.hypot(right - left, bottom - top) / 2
    width, height = torus
    nearest = np.inf
    for k in range(count):
        dx, dy = seeds[k, 0] - mid_x, seeds[k, 1] - mid_y
        if width > 0.0:
            dx -= width * np.round(dx / width)
            dy -= height * np.round(dy / height)
        nearest = min(nearest, dx * dx + dy * dy)
    limit = np.sqrt(nearest) + 2 * half
    images = 1 if width > 0.0 and 2 * limit >= min(width, height) else 0
    found = 0
    for k in range(count):
        dx, dy = seeds[k, 0] - mid_x, seeds[k, 1] - mid_y
        if width > 0.0:
            dx -= width * np.round(dx / width)
            dy -= height * np.round(dy / height)
        for i in range(-images, images + 1):
            for j in range(-images, images + 1):
                x, y = dx + i * width, dy + j * height
                if x * x + y * y <= limit * limit:
                    out[found, 0], out[found, 1], out[found, 2] = mid_x + x, mid_y + y, seeds[k, 2]
                    found += 1
    return found


@njit(cache=True)
def _blocks(outer, side):
    """(n, 4) blocks of a side, cut off at the end, that make up an outer one."""
    top, left, bottom, right = outer
    rows, columns = -(-(bottom - top) // side), -(-(right - left) // side)
    out = np.empty((rows * columns, 4), np.int64)
    for k in range(len(out)):
        t, e = top + k // columns * side, left + k % columns * side
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = t, e, min(t + side, bottom), min(e + side, right)
    return out


@njit(cache=True)
def _label(x, y, kinds, periodic, grain, phase):
    """Fill the seed and phase of every pixel; returns the seeds that own one, in order of first sight.

    `grain` (ny, nx) counts in these. Candidates are narrowed down in blocks of 64, then 8 pixels.
    """
    ny, nx = grain.shape
    n = x.size
    seeds, far, near = np.empty((n, 3)), np.empty((9 * n, 3)), np.empty((9 * n, 3))
    for k in range(n):
        seeds[k, 0], seeds[k, 1], seeds[k, 2] = x[k], y[k], k
    torus = (float(nx), float(ny)) if periodic else (0.0, 0.0)
    plane = (0.0, 0.0)
    new = np.full(n, -1, np.int32)
    kept = np.empty(n, np.int64)
    count = 0
    for large in _blocks(np.array([0, 0, ny, nx]), 64):
        n_far = _near(seeds, n, large, torus, far)
        for small in _blocks(large, 8):
            n_near = _near(far, n_far, small, plane, near)
            for iy in range(small[0], small[2]):
                for ix in range(small[1], small[3]):
                    best, owner = np.inf, 0
                    for k in range(n_near):
                        d = (near[k, 0] - ix - 0.5) ** 2 + (near[k, 1] - iy - 0.5) ** 2
                        if d < best:
                            best, owner = d, int(near[k, 2])
                    if new[owner] < 0:
                        new[owner] = count
                        kept[count] = owner
                        count += 1
                    grain[iy, ix] = new[owner]
                    phase[iy, ix] = kinds[owner]
    return kept[:count]
