"""Where a scene has material, as multislice plans with it: parts with a place, a height and so many atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stochgeom.aggregate import HeteroAggregate

KEPT_BYTES = 2.5e8
"""Of atoms that are kept at rest, and of as many that are kept displaced."""
ATOM_BYTES = 32
"""Number and position."""
CUTTING_BYTES = 120
"""For each atom of the box that something is cut from, while it is cut; measured 102."""

Array = NDArray[np.float64]


class Parts(Protocol):
    """The n parts of a scene. Each fills heights `middles_nm` (n,) plus and minus `half_heights_nm` (n,)."""

    @property
    def middles_nm(self) -> Array: ...

    @property
    def half_heights_nm(self) -> Array: ...

    def gaps_nm(self, low_nm: Array, high_nm: Array) -> Array:
        """Distance (..., n) across the beam from rectangles between low and high (..., 2), x and y, to each
        part; 0 or less where they overlap.
        """
        ...

    def crossed_nm(self, points_nm: Array, reach_nm: Array) -> Array:
        """The most material along the beam (p, n) of each part within its reach (n,) from points (p, 2)."""
        ...

    def atom_bytes(self) -> float:
        """Of the atoms that are kept, at rest and displaced, and of those that are being cut; 0 where no
        atoms can be made.
        """
        ...

    def atoms_in_squares(self, places_nm: Array, half_nm: float) -> Array:
        """About how many atoms (b,) stand within squares of half side `half_nm` about places (b, 2)."""
        ...


@dataclass(frozen=True, eq=False)
class Spheres:
    """Particles as the spheres around them; `densities_per_nm3` (n,) of their crystals' atoms, or None."""

    aggregate: HeteroAggregate
    densities_per_nm3: Array | None

    @property
    def middles_nm(self) -> Array:
        return self.aggregate.centres[:, 2]

    @property
    def half_heights_nm(self) -> Array:
        return self.aggregate.circumradii

    def gaps_nm(self, low_nm: Array, high_nm: Array) -> Array:
        """As `Parts`."""
        return self._from_axes(low_nm, high_nm) - self.aggregate.circumradii

    def crossed_nm(self, points_nm: Array, reach_nm: Array) -> Array:
        """As `Parts`: chords of the spheres."""
        nearest = np.maximum(self._from_axes(points_nm, points_nm) - reach_nm, 0.0)
        return 2 * np.sqrt(np.maximum(self.aggregate.circumradii**2 - nearest**2, 0.0))

    def _from_axes(self, low_nm: Array, high_nm: Array) -> Array:
        middle = self.aggregate.centres[:, :2]
        low, high = np.asarray(low_nm)[..., None, :], np.asarray(high_nm)[..., None, :]
        return np.linalg.norm(middle - np.clip(middle, low, high), axis=-1)

    def atom_bytes(self) -> float:
        """As `Parts`: particles are kept one by one."""
        if self.densities_per_nm3 is None:
            return 0.0
        own = ATOM_BYTES * self.atom_counts(self.densities_per_nm3)
        kept = min(own.sum(), KEPT_BYTES + own.max())
        box = (self.densities_per_nm3 * 8 * self.aggregate.circumradii**3).max()
        return float(2 * kept + CUTTING_BYTES * box)

    def atom_counts(self, densities_per_nm3: Array) -> Array:
        """About how many atoms each particle has (n,)."""
        return densities_per_nm3 * 4 / 3 * np.pi * self.aggregate.radii**3

    def atoms_in_squares(self, places_nm: Array, half_nm: float) -> Array:
        """As `Parts`: particles that reach into a square, with the share of theirs that may."""
        if self.densities_per_nm3 is None:
            return np.zeros(len(places_nm))
        radii = self.aggregate.circumradii
        gap = np.abs(places_nm[:, None] - self.aggregate.centres[None, :, :2]).max(axis=2)
        near = gap < half_nm + radii
        share = np.minimum(1.0, (2 * half_nm) ** 2 / (np.pi * radii**2))
        return (near * share * self.atom_counts(self.densities_per_nm3)).sum(axis=1)
