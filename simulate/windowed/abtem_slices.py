"""Slices whose potential is abTEM's own, for comparison with abTEM on the same grid.

abTEM shares an atom between the four grid points around it, which damps high angles, and exponentiates a
potential that ends at the grid's Nyquist frequency, which for heavy atoms scatters too much there
(docs/windowed.md has both). So these slices repeat abTEM; `TileSlices` are nearer to converged physics.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulate.engines.multislice import deterministic
from simulate.windowed.slices import Slice, TileSlices


class AbtemSlices(TileSlices):
    """As `TileSlices`, without signal kernels: what leaves the band is not counted. A slice acts at its top.

    Atoms outside the tile are left out, and abTEM continues the tile periodically.
    """

    def __init__(self, energy_ev: float, *tile: Any) -> None:
        """`tile`: the arguments of `TileSlices`; the tables may be empty."""
        super().__init__(*tile)
        self.energy_ev = energy_ev

    def height(self, k: int) -> float:
        return float(self.filled[k] * self.thickness)

    def make(self, k: int, made: Slice) -> Slice:
        """The k-th filled slice by abTEM, limited to two thirds of the Nyquist frequency as abTEM does."""
        import abtem
        import ase
        from abtem.antialias import AntialiasAperture

        ny, nx = self.shape
        begin, end = self.ends[k], self.ends[k + 1]
        inside = ((self.grid[begin:end] >= 0) & (self.grid[begin:end] < [nx, ny])).all(axis=1)
        plane = self.grid[begin:end][inside] * self.sampling
        positions = np.column_stack([plane, np.full(len(plane), self.thickness / 2)])
        cell = [nx * self.sampling, ny * self.sampling, self.thickness]
        atoms = ase.Atoms(self.numbers[begin:end][inside], positions, cell=cell, pbc=(True, True, False))
        with deterministic():
            potential: Any = abtem.Potential(
                atoms, gpts=(nx, ny), slice_thickness=self.thickness, parametrization="lobato",
                projection="infinite",
            ).build(lazy=False)  # fmt: skip
            transmission = potential.transmission_function(self.energy_ev)
            limited = AntialiasAperture().bandlimit(transmission)
        array = np.asarray(limited.array).reshape(nx, ny).T
        made.transmission[0], made.transmission[1] = array.real, array.imag
        return made
