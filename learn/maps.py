"""Density maps: where an aggregate's particles and contacts lie in the image, on a coarse grid of cells.

Numbers, radii and contacts of an aggregate are sums over its particles and contacts. A network that also
learns where they are is taught many thousand numbers per image instead of a dozen; the maps are used in
training only and are computed from the particles that a corpus stores.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

CONTACT_TOLERANCE = 1e-3  # wider than that of exact geometry: stored particles are rounded to float32
CELL_PIXELS = 8
TYPICAL_RADIUS_NM = 6.0


def map_names(species_names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the maps: per species count, sums of radii and squared radii, like contacts; then unlike."""
    kinds = ("count", "radii", "squared_radii", "like_contacts")
    return (*(f"{kind}_{name}" for name in species_names for kind in kinds), "unlike_contacts")


def density_maps(
    particles: NDArray[np.floating],
    pixel_size_nm: float,
    shape: tuple[int, int],
    n_species: int,
    cell: int = CELL_PIXELS,
) -> NDArray[np.float32]:
    """Maps (4 n_species + 1, ceil(y / cell), ceil(x / cell)) of one aggregate; see `map_names` for their
    order.

    particles: (n, 5+) rows x, y, z, radius (nm), species; x and y from the centre of the field. Each
    particle, and each contact at the point where the spheres touch, is shared among the four nearest cell
    centres; what lies outside the image counts to the border cells. The grid of cells is centred on the
    image, also where the image's sides are no multiples of a cell. Radii are in units of 6 nm.
    """
    rows, columns = -(-shape[0] // cell), -(-shape[1] // cell)
    maps = np.zeros((4 * n_species + 1, rows, columns), np.float32)
    table = np.ascontiguousarray(particles[:, :5], np.float64)
    _add(maps, table, columns * cell / 2, rows * cell / 2, 1 / pixel_size_nm, 1 / cell)
    return maps


@njit(cache=True, nogil=True)
def _add(maps, table, middle_x, middle_y, per_nm, per_pixel):
    unlike = maps.shape[0] - 1
    for i in range(len(table)):
        x, y = middle_x + table[i, 0] * per_nm, middle_y + table[i, 1] * per_nm
        radius, kind = table[i, 3] / TYPICAL_RADIUS_NM, 4 * int(table[i, 4])
        _share(maps[kind], y * per_pixel, x * per_pixel, 1.0)
        _share(maps[kind + 1], y * per_pixel, x * per_pixel, radius)
        _share(maps[kind + 2], y * per_pixel, x * per_pixel, radius * radius)
        for j in range(i):
            reach = (table[i, 3] + table[j, 3]) * (1 + CONTACT_TOLERANCE)
            dx, dy, dz = table[j, 0] - table[i, 0], table[j, 1] - table[i, 1], table[j, 2] - table[i, 2]
            if dx * dx + dy * dy + dz * dz > reach * reach:
                continue
            part = table[i, 3] / (table[i, 3] + table[j, 3])
            target = maps[kind + 3] if table[i, 4] == table[j, 4] else maps[unlike]
            _share(target, (y + part * dy * per_nm) * per_pixel, (x + part * dx * per_nm) * per_pixel, 1.0)


@njit(cache=True, nogil=True)
def _share(grid, y, x, weight):
    """Share `weight` at (y, x), in cells from the grid's corner, among the four nearest cell centres."""
    y = min(max(y - 0.5, 0.0), grid.shape[0] - 1.0)
    x = min(max(x - 0.5, 0.0), grid.shape[1] - 1.0)
    y0, x0 = min(int(y), max(grid.shape[0] - 2, 0)), min(int(x), max(grid.shape[1] - 2, 0))
    y1, x1 = min(y0 + 1, grid.shape[0] - 1), min(x0 + 1, grid.shape[1] - 1)
    fy, fx = y - y0, x - x0
    grid[y0, x0] += weight * (1 - fy) * (1 - fx)
    grid[y0, x1] += weight * (1 - fy) * fx
    grid[y1, x0] += weight * fy * (1 - fx)
    grid[y1, x1] += weight * fy * fx
