"""Slices of a super-tile made on a torch device, with the tables that `TileSlices` has.

The grid is divided into squares of CELL x CELL points. Each square gathers what the atoms in reach add to its
points, so no two atoms ever write to one point: sums are taken in a fixed order, and a slice has the same
bits every time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulate.windowed.atomic import STEP_ANGSTROM
from simulate.windowed.slices import SliceMemory, TileSlices
from stochgeom.errors import require

Tensor = Any
"""A torch.Tensor: torch is imported only where a device is asked for."""

CELL = 16
"""Side of a square in grid points."""
_POINT_BYTES = (
    32  # while one atom adds to one point of a square: its place in the tables, what is found there
)
_FAR = 1e6  # grid points; there no table has an entry


class DeviceSlices:
    """Makes the slices of `tile` on `device`, in about `work_bytes` beside the slice itself."""

    def __init__(self, tile: TileSlices, device: str, work_bytes: float) -> None:
        self._torch = require("torch", extra="learn")
        self.tile, self.device = tile, device
        self._most = max(CELL**2 * _POINT_BYTES, work_bytes)
        self._scale = tile.sampling / STEP_ANGSTROM
        self._cells = tuple(-(-n // CELL) for n in tile.shape)
        if tile.tables:
            self._upload()

    def _upload(self) -> None:
        """Atoms, with one more far away, and the tables as an image (1, plane, element, entry) to sample."""
        tile, torch = self.tile, self._torch
        numbers = np.array(sorted(tile.tables))
        tables = [self._tables(int(z)) for z in numbers]
        self._entries = max(len(table) for element in tables for table in element)
        image = np.zeros((1, 2 + len(tile.beyond), len(numbers), self._entries), np.float32)
        for e, element in enumerate(tables):
            for plane, table in enumerate(element):
                image[0, plane, e, : len(table)] = table
        self._image = self._to(image)
        self._reach = (self._entries - 1) / self._scale
        self._grid = self._to(np.vstack([tile.grid, [[_FAR, _FAR]]]))
        rows = (2 * np.searchsorted(numbers, tile.numbers) + 1) / len(numbers) - 1
        self._row = self._to(np.append(rows, 0.0).astype(np.float32))
        self._steps = torch.arange(CELL, device=self.device, dtype=torch.float32)

    def _tables(self, number: int) -> list[NDArray[np.float32]]:
        """Phase, absorption and signal kernels of an element; all end with 0."""
        table = self.tile.tables[number]
        return [table.phase, table.absorption, *(table.signal[c] for c in self.tile.beyond)]

    def _to(self, array: NDArray[Any]) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def make(self, k: int) -> tuple[Tensor, Tensor]:
        """Transmission (y, x) complex64 and signal kernels (channel, y, x) float32 of the k-th filled slice.

        Tiles without tables (their potential is abTEM's) make it on the processor.
        """
        if not self.tile.tables:
            made = self.tile.make(k, SliceMemory(0).slices(self.tile.shape, 0, 1)[0])
            return self._to(made.factor), self._to(made.signal)
        planes = self._planes(k)
        return self._torch.polar(self._torch.exp(-planes[1]), planes[0]), planes[2:]

    def _planes(self, k: int) -> Tensor:
        """Phase, absorption and signal kernels (plane, y, x) float32."""
        begin, end = (int(n) for n in self.tile.ends[k : k + 2])
        cell, atom = self._pairs(begin, end)
        rows, columns = self._cells
        squares = self._image.new_zeros((self._image.shape[1], rows * columns, CELL, CELL))
        for places, members in self._batches(cell, atom):
            self._add(squares, places, members)
        laid = squares.unflatten(1, (rows, columns)).transpose(2, 3)
        ny, nx = self.tile.shape
        return laid.reshape(len(squares), rows * CELL, columns * CELL)[:, :ny, :nx].contiguous()

    def _pairs(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Squares, and the atoms (begin to end) that reach them: two lists of one length, by square."""
        torch, (rows, columns) = self._torch, self._cells
        span = torch.arange(int(2 * self._reach / CELL) + 2, device=self.device)
        grid = self._grid[begin:end]
        cells = torch.floor((grid - self._reach) / CELL).long()[:, :, None] + span
        points = grid[:, :, None]
        gap = points - torch.minimum(torch.maximum(points, 1.0 * CELL * cells), 1.0 * CELL * cells + CELL - 1)
        limit = torch.tensor([columns, rows], device=self.device)[:, None]
        gap = torch.where((cells >= 0) & (cells < limit), gap**2, _FAR**2)
        near = gap[:, 1, :, None] + gap[:, 0, None, :] < self._reach**2
        atom, y, x = torch.nonzero(near, as_tuple=True)
        cell, order = torch.sort(cells[atom, 1, y] * columns + cells[atom, 0, x], stable=True)
        return cell, atom[order] + begin

    def _batches(self, cell: Tensor, atom: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Squares (c,) with their atoms (c, a), as many at once as memory allows; full ones come first, so
        that few places are left empty (taken by the atom far away).
        """
        torch = self._torch
        places, counts = torch.unique_consecutive(cell, return_counts=True)
        first = counts.cumsum(0) - counts
        number, by_count = torch.sort(counts, descending=True, stable=True)
        full = number.cpu().numpy()
        begin = 0
        while begin < len(full):
            size = max(1, int(self._most // (int(full[begin]) * CELL**2 * _POINT_BYTES)))
            part = by_count[begin : begin + size]
            slot = torch.arange(int(full[begin]), device=self.device)
            taken = (first[part][:, None] + slot).clamp_(max=len(atom) - 1)
            yield places[part], torch.where(slot < counts[part][:, None], atom[taken], len(self._row) - 1)
            begin += size

    def _add(self, squares: Tensor, places: Tensor, members: Tensor) -> None:
        """Fill squares (plane, place, y, x) with the sums over their atoms."""
        torch = self._torch
        corner = CELL * torch.stack([places % self._cells[1], places // self._cells[1]], dim=1)
        away = (self._grid[members] - corner[:, None]).float()
        # Coordinates of an image from -1 to 1, between the outer edges of its first and last entry.
        unit = 2 * self._scale / self._entries
        dx, dy = (unit * (self._steps - away[..., axis, None]) for axis in (0, 1))
        where = away.new_empty((*members.shape, CELL, CELL, 2))
        torch.hypot(dy[..., None], dx[..., None, :], out=where[..., 0]).add_(1 / self._entries - 1)
        where[..., 1] = self._row[members][..., None, None]
        found = torch.nn.functional.grid_sample(
            self._image, where.view(1, -1, CELL**2, 2), padding_mode="zeros", align_corners=False
        )
        squares[:, places] = found.view(-1, *members.shape, CELL, CELL).sum(dim=2)
