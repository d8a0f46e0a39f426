"""How a crystal gives way when its regions want other shapes: misfit strains relaxed elastically."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.ndimage import map_coordinates

Array = NDArray[np.float64]

_FIXED_POINT_STEPS = 5


@dataclass(frozen=True, eq=False)
class Distortion:
    """A field of displacements on a square grid of points.

    moved (2, ny, nx) nm: x and y; gradient (2, 2, ny, nx): component, derived along x or y; low_nm (2,): the
    first point, x and y; spacing_nm: of the points.
    """

    moved: Array
    gradient: Array
    low_nm: Array
    spacing_nm: float

    def _at(self, grid: Array, points_nm: Array, order: int) -> Array:
        places = ((points_nm - self.low_nm) / self.spacing_nm).T[::-1]
        return np.asarray(map_coordinates(grid, places, order=order, mode="nearest"))

    def displacement(self, points_nm: Array) -> Array:
        """(n, 2) nm at points (n, 2) of the undistorted crystal."""
        return np.column_stack([self._at(grid, points_nm, 3) for grid in self.moved])

    def place(self, points_nm: Array) -> Array:
        """Where points (n, 2) of the undistorted crystal come to lie."""
        return points_nm + self.displacement(points_nm)

    def origin(self, points_nm: Array) -> Array:
        """Points (n, 2) of the undistorted crystal that come to lie at given ones: the inverse of `place`."""
        found = points_nm.copy()
        for _ in range(_FIXED_POINT_STEPS):  # displacements change by a few per cent per length
            found = points_nm - self.displacement(found)
        return found

    def rotation_degrees(self, points_nm: Array) -> Array:
        """Rotation (n,) of the lattice from x towards y at points (n, 2) of the undistorted crystal."""
        curl = (self.gradient[1, 0] - self.gradient[0, 1]) / 2
        return np.degrees(self._at(curl, points_nm, 1))


def relaxed_distortion(
    strain: Callable[[Array], Array],
    fixed: Callable[[Array], NDArray[np.bool_]],
    low_nm: Array,
    high_nm: Array,
    poisson_ratio: float,
    spacing_nm: float = 0.1,
    around_nm: float = 5.0,
) -> Distortion:
    """Displacements in a rectangle between low and high (2,) that balance the misfit strains.

    `strain(points (n, 2)) -> (n, 4)`: the strain xx, yy, zz, xy that a region would have if it were free,
    against the lattice that fills the plane. The crystal is isotropic, continuous and as long along z as that
    lattice (plane strain); on a periodic square that reaches `around_nm` beyond, the equations are solved by
    Fourier transform (A. G. Khachaturyan, Theory of Structural Transformations in Solids, 1983, chapter 7).
    Where `fixed(points) -> (n,)` says so, the mean strain and rotation are zero, and so is the displacement.
    """
    side = float(np.max(high_nm - low_nm)) + 2 * around_nm
    count = next_fast_len(math.ceil(side / spacing_nm), real=True)
    start = (low_nm + high_nm) / 2 - spacing_nm * (count - 1) / 2
    axis = spacing_nm * np.arange(count)
    x, y = np.meshgrid(start[0] + axis, start[1] + axis)
    points = np.column_stack([x.ravel(), y.ravel()])
    wanted = strain(points).T.reshape(4, count, count)
    moved, gradient = _solved(wanted, poisson_ratio, spacing_nm)
    held = fixed(points).reshape(count, count) & _within(x, y, low_nm, high_nm)
    if not held.any():
        held = _within(x, y, low_nm, high_nm)
    mean = gradient[:, :, held].mean(axis=2)
    gradient = gradient - mean[:, :, None, None]
    moved = moved - np.einsum("ij,jyx->iyx", mean, np.array([x, y]))
    moved = moved - moved[:, held].mean(axis=1)[:, None, None]
    return Distortion(moved, gradient, start, spacing_nm)


def _within(x: Array, y: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    return (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])


def _solved(wanted: Array, poisson_ratio: float, spacing: float) -> tuple[Array, Array]:
    """Displacements (2, n, n) and their gradients (2, 2, n, n), periodic, without a mean."""
    xx, yy, zz, xy = wanted
    # Lame's constants over the shear modulus, which drops out.
    first = 2 * poisson_ratio / (1 - 2 * poisson_ratio)
    pressure = first * (xx + yy + zz)
    stress = np.fft.rfft2([pressure + 2 * xx, pressure + 2 * yy, 2 * xy])
    n = xx.shape[0]
    ky = 2 * np.pi * np.fft.fftfreq(n, spacing)[:, None]
    kx = 2 * np.pi * np.fft.rfftfreq(n, spacing)[None, :]
    square = kx**2 + ky**2
    square[0, 0] = 1.0
    force = np.array([kx * stress[0] + ky * stress[2], kx * stress[2] + ky * stress[1]])
    along = (kx * force[0] + ky * force[1]) / square * (first + 1) / (first + 2)
    moved = np.array([-1j * (force[0] - kx * along), -1j * (force[1] - ky * along)]) / square
    moved[:, 0, 0] = 0
    derived = np.array([[1j * k * u for k in (kx, ky)] for u in moved])
    return np.fft.irfft2(moved, s=(n, n)), np.fft.irfft2(derived, s=(n, n))
