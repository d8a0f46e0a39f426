"""A lamella as multislice plans with it: one plate that goes on beyond the field, with holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulate.lamella.crystal_map import CrystalMap
from simulate.parts import ATOM_BYTES, CUTTING_BYTES, KEPT_BYTES

CUBE_NM = 3.0
"""Side of the cubes by which atoms are made and displaced."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plate:
    """The one part of a lamella's scene; `atoms_per_nm3` of the denser phase, 0 where no atoms are made;
    `area_nm2` of the field and what lies around it within reach.
    """

    crystal_map: CrystalMap
    thickness_nm: float
    atoms_per_nm3: float
    area_nm2: float

    @property
    def middles_nm(self) -> Array:
        return np.zeros(1)

    @property
    def half_heights_nm(self) -> Array:
        return np.array([0.5 * self.thickness_nm])

    def gaps_nm(self, low_nm: Array, high_nm: Array) -> Array:
        """Distance (..., 1) to the next material, or a bound below it (`CrystalMap.gap_nm`)."""
        low, high = np.broadcast_arrays(np.asarray(low_nm, float), np.asarray(high_nm, float))
        pairs = zip(low.reshape(-1, 2), high.reshape(-1, 2), strict=True)
        return np.reshape([self.crystal_map.gap_nm(*pair) for pair in pairs], (*low.shape[:-1], 1))

    def crossed_nm(self, points_nm: Array, reach_nm: Array) -> Array:
        """The thickness (p, 1) where there is material within reach (1,), else 0."""
        return np.where(self.gaps_nm(points_nm, points_nm) < reach_nm, self.thickness_nm, 0.0)

    def atom_bytes(self) -> float:
        """Of cubes that are kept, at rest and displaced, and of one that is cut. Atoms know their crystal,
        and a cell's are copied once.
        """
        cube, own = self.atoms_per_nm3 * CUBE_NM**3, ATOM_BYTES + 8
        whole = 2 * own * self.atoms_per_nm3 * self.area_nm2 * self.thickness_nm
        return 2 * (min(KEPT_BYTES, whole) + own * cube) + CUTTING_BYTES * cube if cube else 0.0

    def atoms_in_squares(self, places_nm: Array, half_nm: float) -> Array:
        """As if the lamella had no holes (b,)."""
        return np.full(len(places_nm), self.atoms_per_nm3 * (2 * half_nm) ** 2 * self.thickness_nm)
