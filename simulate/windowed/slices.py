"""Slices of a super-tile: how each transmits a wave, and the signal it sends to the detectors.

A slice is made once and serves every probe of the tile. Atoms are added in real space, each with the table of
its element at its exact position, so that no interpolation between grid points damps high angles. What is
left of a slice without atoms is free space, and is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from simulate.windowed.atomic import STEP_ANGSTROM, AtomTable

OCCUPANCY_ANGSTROM = 2.0
"""Side of the squares in which the atoms of a slice are counted."""


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice, float32: transmission (2, y, x), real and imaginary part; signal kernels (channel, y, x).

    `planes` (2, y, x): phase and absorption while it is made, shared by all slices, and 0 in between.
    """

    transmission: NDArray[np.float32]
    signal: NDArray[np.float32]
    planes: NDArray[np.float32]

    @property
    def factor(self) -> NDArray[np.complex64]:
        """The transmission as complex numbers (y, x)."""
        return self.transmission[0] + np.complex64(1j) * self.transmission[1]


class SliceMemory:
    """Memory for slices that is used again by the next tile: fresh memory is slow."""

    def __init__(self, limit_bytes: float) -> None:
        # Taken at once, so that it never moves; what is not used is not touched, and takes no memory.
        self._room = np.empty(int(limit_bytes) // 4, np.float32)

    def slices(self, shape: tuple[int, int], channels: int, most: int) -> list[Slice]:
        """As many slices (1 to `most`) as fit into the limit."""
        points = shape[0] * shape[1]
        each = points * (2 + channels)
        count = max(1, min(most, (self._room.size - 2 * points) // each))
        if self._room.size < 2 * points + count * each:
            self._room = np.empty(2 * points + count * each, np.float32)
        planes = self._room[: 2 * points].reshape(2, *shape)
        planes.fill(0.0)
        rest = self._room[2 * points : 2 * points + count * each].reshape(count, each)
        return [
            Slice(
                row[: 2 * points].reshape(2, *shape),
                row[2 * points :].reshape(channels, *shape),
                planes,
            )
            for row in rest
        ]


class TileSlices:
    """The atoms of a super-tile, sorted into slices along the beam.

    numbers (n,), positions (n, 3) in Å; corner (x, y) in Å of grid point (0, 0); shape (y, x) of the grid.
    The planes between slices lie on multiples of `thickness` Å, shared by all tiles of a scene; slice k is
    between k and k + 1 thicknesses and acts in its middle; its atoms
    are ends[k] to ends[k + 1]. `beyond`: channels that see more than the grid holds and have a signal kernel.
    """

    def __init__(
        self,
        numbers: NDArray[np.int64],
        positions: NDArray[np.float64],
        corner: tuple[float, float],
        shape: tuple[int, int],
        sampling: float,
        thickness: float,
        tables: dict[int, AtomTable],
    ) -> None:
        self.shape, self.sampling, self.thickness, self.tables = shape, sampling, thickness, tables
        self.corner = corner
        index = np.floor(positions[:, 2] / thickness).astype(np.int64)
        order = np.lexsort((positions[:, 0], positions[:, 1], numbers, index))
        self.numbers, index = numbers[order], index[order]
        self.grid = (positions[order, :2] - np.array(corner)) / sampling
        self.filled, first = np.unique(index, return_index=True)
        self.ends = np.append(first, len(index))
        kernels = [table.signal.any(axis=1) for table in tables.values()]
        self.beyond = np.flatnonzero(np.any(kernels, axis=0)) if kernels else np.zeros(0, np.int64)
        self.occupancy = self._count()

    def __len__(self) -> int:
        """Number of slices that hold atoms."""
        return len(self.filled)

    def height(self, k: int) -> float:
        """Height in Å of the plane in which the k-th filled slice acts."""
        return float((self.filled[k] + 0.5) * self.thickness)

    def _count(self) -> NDArray[np.int32]:
        """Summed-area tables (slice, y, x) of the atoms in squares of OCCUPANCY_ANGSTROM."""
        step = OCCUPANCY_ANGSTROM / self.sampling
        ny, nx = (int(np.ceil(n / step)) + 1 for n in self.shape)
        table = np.zeros((len(self), ny + 1, nx + 1), np.int32)
        square = np.floor(self.grid / step).astype(np.int64)
        which = np.repeat(np.arange(len(self)), np.diff(self.ends))
        inside = ((square >= 0) & (square < [nx, ny])).all(axis=1)
        np.add.at(table, (which[inside], square[inside, 1] + 1, square[inside, 0] + 1), 1)
        return table.cumsum(axis=1, dtype=np.int32).cumsum(axis=2, dtype=np.int32)

    def touched(self, k: int, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether slice k has atoms in rectangles low (p, 2) to high (p, 2), in grid points x, y."""
        step = OCCUPANCY_ANGSTROM / self.sampling
        table = self.occupancy[k]
        limit = np.array(table.shape[::-1]) - 1
        (x0, y0), (x1, y1) = (
            np.clip(np.floor(corner / step) + more, 0, limit).astype(np.int64).T
            for corner, more in ((low, 0), (high, 1))
        )
        return (table[y1, x1] - table[y0, x1] - table[y1, x0] + table[y0, x0]) > 0

    def trimmed(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> TileSlices:
        """The slices on grid points low (x, y) to high (x, y) of this tile; atoms outside still count."""
        part = copy(self)
        part.corner = (
            self.corner[0] + float(low[0]) * self.sampling,
            self.corner[1] + float(low[1]) * self.sampling,
        )
        part.grid = self.grid - low
        part.shape = (int(high[1] - low[1]), int(high[0] - low[0]))
        return part

    def make(self, k: int, made: Slice) -> Slice:
        """The k-th filled slice, written over another one."""
        phase, absorption = made.planes
        made.signal.fill(0.0)
        scale = np.float32(self.sampling / STEP_ANGSTROM)
        for number, grid in self._elements(k):
            table = self.tables[number]
            add_radial(phase, grid, table.phase, scale)
            add_radial(absorption, grid, table.absorption, scale)
            for plane, channel in zip(made.signal, self.beyond, strict=True):
                add_radial(plane, grid, table.signal[channel], scale)
        exponential(made.planes, made.transmission)
        return made

    def _elements(self, k: int) -> Sequence[tuple[int, NDArray[np.float64]]]:
        """Number and grid positions (n, 2) of each element in the k-th filled slice."""
        begin, end = self.ends[k], self.ends[k + 1]
        numbers = self.numbers[begin:end]
        return [(int(z), self.grid[begin:end][numbers == z]) for z in np.unique(numbers)]


# Not all of fastmath: another order of the subtractions would undo the reduction of the phase.
@numba.njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz", "contract"})
def exponential(planes, out):  # type: ignore[no-untyped-def]
    """out = real and imaginary part of exp(i phase - absorption), and planes = 0; all (2, y, x) float32.

    One pass without calls, which the compiler makes vectors of: the phase reduced to a quarter turn (Cody and
    Waite) and the polynomials of Cephes, within 2e-7; exp(-a) as the 16th power of its Taylor series for
    a / 16, within 2e-6 for absorptions up to 4.
    """
    inverse, high, low = np.float32(0.63661977), np.float32(1.5703125), np.float32(4.83826795e-4)
    one, half = np.float32(1.0), np.float32(0.5)
    s1, s2, s3 = np.float32(-1.6666654611e-1), np.float32(8.3321608736e-3), np.float32(-1.9515295891e-4)
    c1, c2, c3 = np.float32(4.166664568e-2), np.float32(-1.388731625e-3), np.float32(2.443315712e-5)
    e1, e2, e3 = np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 120)
    for y in range(planes.shape[1]):
        phase, absorption, real, imaginary = planes[0, y], planes[1, y], out[0, y], out[1, y]
        for x in range(planes.shape[2]):
            turns = np.floor(phase[x] * inverse + half)
            r = (phase[x] - turns * high) - turns * low
            z = r * r
            sine = r + r * z * (s1 + z * (s2 + z * s3))
            cosine = one - half * z + z * z * (c1 + z * (c2 + z * c3))
            quarter = np.int32(turns)
            odd = (quarter & 1) != 0
            a, b = (sine, cosine) if odd else (cosine, sine)
            a = -a if ((quarter + 1) & 2) != 0 else a
            b = -b if (quarter & 2) != 0 else b
            t = absorption[x] * np.float32(1 / 16)
            fall = one - t + t * t * (half - t * (e1 - t * (e2 - t * e3)))
            fall *= fall
            fall *= fall
            fall *= fall
            fall *= fall
            real[x] = a * fall
            imaginary[x] = b * fall
        phase[:] = np.float32(0.0)
        absorption[:] = np.float32(0.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def add_radial(plane, grid, table, scale):  # type: ignore[no-untyped-def]
    """Add table(distance) around every position of `grid` (n, 2; x, y in grid points) to `plane` (y, x).

    `scale`: steps of the table per grid point. Linear between entries; nothing beyond the last.
    """
    ny, nx = plane.shape
    last = np.float32(table.size - 1.001)
    reach = (table.size - 1) / scale
    for a in range(grid.shape[0]):
        x, y = grid[a]
        for iy in range(max(0, int(np.ceil(y - reach))), min(ny, int(np.floor(y + reach)) + 1)):
            across = reach * reach - (iy - y) ** 2
            if across <= 0:
                continue
            half = np.sqrt(across)
            dy2 = np.float32((iy - y) ** 2)
            low, high = max(0, int(np.ceil(x - half))), min(nx, int(np.floor(x + half)) + 1)
            begin = np.float32(low - x)
            for k in range(high - low):
                dx = begin + np.float32(k)
                at = min(np.sqrt(dx * dx + dy2) * scale, last)
                n = np.int32(at)
                part = at - np.float32(n)
                plane[iy, low + k] += table[n] + part * (table[n + 1] - table[n])
