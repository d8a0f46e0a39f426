"""Which crystal fills each pixel of a lamella, in the texture's image and beyond its edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

WRAP, MIRROR, MATRIX = range(3)
"""How a lamella goes on beyond its texture's image: repeated, mirrored at the edges, or phase 0 alone."""
VACUUM = -1


@dataclass(frozen=True, eq=False)
class CrystalMap:
    """crystal (ny, nx) int32: the number of the crystal, or VACUUM; square pixels about the origin.

    continuation: WRAP, MIRROR or MATRIX; matrix: what MATRIX puts outside, a crystal or VACUUM.
    """

    crystal: NDArray[np.int32]
    pixel_size_nm: float
    continuation: int
    matrix: int

    @property
    def left_nm(self) -> tuple[float, float]:
        """(x, y) of the outer corner of pixel (0, 0)."""
        ny, nx = self.crystal.shape
        return -0.5 * nx * self.pixel_size_nm, -0.5 * ny * self.pixel_size_nm

    def pixels(self, points_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places (..., 2), x and y, in pixels from the corner of pixel (0, 0)."""
        return (np.asarray(points_nm, float) - self.left_nm) / self.pixel_size_nm

    def at(self, points_nm: NDArray[np.float64]) -> NDArray[np.int64]:
        """Crystal, or VACUUM, at points (..., 2), x and y; anywhere in the plane."""
        column, row = np.moveaxis(np.floor(self.pixels(points_nm)).astype(np.int64), -1, 0)
        return self._looked_up(self.crystal, row, column, self.matrix).astype(np.int64)

    def within(self, low_nm: NDArray[np.float64], high_nm: NDArray[np.float64]) -> NDArray[np.int64]:
        """Crystals (k,), without vacuum and in rising order, in a rectangle between low and high (2,)."""
        found = np.unique(self._looked_up(self.crystal, *self._window(low_nm, high_nm), self.matrix))
        return found[found != VACUUM].astype(np.int64)

    def gap_nm(self, low_nm: NDArray[np.float64], high_nm: NDArray[np.float64]) -> float:
        """Lower bound of the distance from a rectangle to the next material, at most two pixels too low."""
        if self._full:
            return 0.0
        if self.continuation != MATRIX or self.matrix != VACUUM:
            return float(self._looked_up(self._distance, *self._window(low_nm, high_nm), 0.0).min())
        # Outside there is nothing: no point is nearer than the image, and by how far it lies outside the
        # distance may differ from that of the nearest point inside.
        half = -np.array(self.left_nm)
        away = np.maximum(np.maximum(low_nm - half, -half - high_nm), 0.0)
        beyond = np.maximum(np.maximum(high_nm - half, -half - low_nm), 0.0)
        rows, columns = self._window(low_nm, high_nm)
        ny, nx = self._distance.shape
        inside = self._distance[np.clip(rows, 0, ny - 1), np.clip(columns, 0, nx - 1)].min()
        return float(max(np.hypot(*away), inside - np.hypot(*beyond)))

    @cached_property
    def _full(self) -> bool:
        outside = self.continuation == MATRIX and self.matrix == VACUUM
        return bool((self.crystal != VACUUM).all()) and not outside

    @cached_property
    def _distance(self) -> NDArray[np.float64]:
        """Lower bound (ny, nx) in nm of the distance from a pixel's points to material; inf without any."""
        from scipy.ndimage import distance_transform_edt

        material = self.crystal != VACUUM
        ny, nx = material.shape
        if self.continuation == MATRIX:
            material = np.pad(material, ((ny, ny), (nx, nx)), constant_values=self.matrix != VACUUM)
        else:
            mode = "wrap" if self.continuation == WRAP else "symmetric"
            material = np.pad(material, ((ny, ny), (nx, nx)), mode=mode)  # type: ignore[call-overload]
        if not material.any():
            return np.full((ny, nx), np.inf)
        between = distance_transform_edt(~material)[ny : 2 * ny, nx : 2 * nx]
        return np.maximum(between - 2**0.5, 0.0) * self.pixel_size_nm

    def _window(
        self, low_nm: NDArray[np.float64], high_nm: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows (h, 1) and columns (1, w) of the pixels that a rectangle touches."""
        first = np.floor(self.pixels(np.asarray(low_nm))).astype(np.int64)
        last = np.floor(self.pixels(np.asarray(high_nm))).astype(np.int64)
        rows, columns = np.arange(first[1], last[1] + 1), np.arange(first[0], last[0] + 1)
        return rows[:, None], columns[None, :]

    def _looked_up(
        self, values: NDArray, row: NDArray[np.int64], column: NDArray[np.int64], outside: float
    ) -> NDArray:
        """Values (ny, nx) at rows and columns, which may lie beyond the edges."""
        ny, nx = values.shape
        if self.continuation == MATRIX:
            inside = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
            found = values[np.clip(row, 0, ny - 1), np.clip(column, 0, nx - 1)]
            return np.where(inside, found, outside)
        if self.continuation == WRAP:
            return values[row % ny, column % nx]
        row, column = row % (2 * ny), column % (2 * nx)
        return values[np.minimum(row, 2 * ny - 1 - row), np.minimum(column, 2 * nx - 1 - column)]
