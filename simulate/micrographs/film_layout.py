"""Where the cells of a film and its substrate lie, what they are, and how their atoms leave their places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulate.micrographs.film_domains import SUBSTRATE_DOMAIN, FilmDomains
from simulate.micrographs.interface_steps import SteppedInterface, pieces
from simulate.micrographs.misfit_strain import Distortion, relaxed_distortion
from simulate.micrographs.perovskite import SITES, PolarModes

Array = NDArray[np.float64]

PIECE_NM = 0.5
"""Longest straight piece of a wall, which the strain bends a little."""
_STRAIN_WIDTH_NM = 0.2


@dataclass(frozen=True, eq=False)
class FilmLayout:
    """Film and substrate as one cubic lattice of `edge_nm`, the substrate's, neither turned nor strained, in
    a rectangle between low and high (2,). `polarity` multiplies the film's displacements.
    """

    modes: PolarModes
    polarity: float
    edge_nm: float
    origin_x: float
    interface: SteppedInterface
    domains: FilmDomains
    low_nm: Array
    high_nm: Array

    def _strain(self, points: Array) -> Array:
        """Misfit strain (n, 4): xx, yy, zz, xy of the free film against the substrate."""
        amount = self.interface.amount(points, _STRAIN_WIDTH_NM)
        misfit = (self.modes.edge_nm / self.edge_nm - 1) * amount
        shear = self.polarity * self.modes.cosine / 2 * amount * self.domains.shear_sign(points)
        return np.column_stack([misfit, misfit, misfit, shear])

    def distortion(self, poisson_ratio: float) -> Distortion:
        """The substrate keeps its lattice in the mean."""

        def substrate(points: Array) -> NDArray[np.bool_]:
            return np.asarray(self.interface.amount(points, _STRAIN_WIDTH_NM) < 0.01)

        return relaxed_distortion(self._strain, substrate, self.low_nm, self.high_nm, poisson_ratio)

    def domain(self, points: Array) -> NDArray[np.uint8]:
        """Domain (n,) at points (n, 2)."""
        inside = self.interface.above(points)
        return np.where(inside, self.domains.variant(points), SUBSTRATE_DOMAIN).astype(np.uint8)

    def displaced(self, points: Array, site: int) -> tuple[Array, Array]:
        """Displacements (n, 3) nm of a site's atoms at points (n, 2): alike in all cubes, and what is added
        in even cubes and taken off in odd ones. Zero in the substrate.
        """
        signs = np.stack([self.domains.signs, -self.domains.signs], axis=1)
        shares = self.domains.shares(points)
        amount = self.polarity * self.interface.amount(points, self.domains.wall_width_nm)
        amount = np.where(self.interface.above(points), amount, 0.0)[:, None]
        uniform, alternating = (
            amount * np.einsum("nkv,kvc->nc", shares, d[:, :, site]) for d in self.modes.displacements(signs)
        )
        return uniform, alternating

    def cells(self) -> NDArray[np.int64]:
        """Whole numbers (n, 2) of the cells in the rectangle and a rim around it."""
        first = self.places(np.zeros((1, 2), np.int64), 0)[0]
        low = np.floor((self.low_nm - first) / self.edge_nm).astype(int) - 2
        high = np.ceil((self.high_nm - first) / self.edge_nm).astype(int) + 2
        ranges = [np.arange(low[k], high[k]) for k in range(2)]
        return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 2)

    def places(self, cells: NDArray[np.int64], site: int) -> Array:
        """Places (n, 2) of a site in cells (n, 2): the interface runs halfway between a plane of titanium and
        oxygen and one of the film's A atoms.
        """
        first = np.array([self.origin_x, self.interface.level_nm - self.edge_nm / 4])
        return np.asarray(first + (cells + SITES[site, :2]) * self.edge_nm)

    def domain_walls(self) -> Array:
        """Straight pieces (k, 4) of the walls within the film."""
        bottoms = self.interface.level(self.domains.edges_nm)
        lines = self.domains.walls(self.low_nm[1], self.low_nm[0], self.high_nm[0], bottoms)
        cut = pieces(lines, PIECE_NM)
        return cut[self.interface.above((cut[:, :2] + cut[:, 2:]) / 2)]

    def boundary(self) -> Array:
        """Straight pieces (k, 4) of the interface."""
        return pieces(self.interface.lines(self.low_nm[0], self.high_nm[0]), PIECE_NM)
