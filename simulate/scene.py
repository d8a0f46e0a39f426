"""Scene: everything an engine needs to make an image, except the microscope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import SeedSequence

from stochgeom.aggregate import HeteroAggregate
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.material import Material


@dataclass(frozen=True)
class Scene:
    """An aggregate, what its phases are made of, the field of view, and the seeds of its atoms.

    `materials` holds one material per entry of `aggregate.phase_names`; it may be empty for engines that make
    no atoms. `crystals` seeds the lattice offset of each particle, `displacements` the thermal displacements.
    """

    aggregate: HeteroAggregate
    materials: tuple[Material, ...]
    field: Field
    crystals: SeedSequence
    displacements: SeedSequence

    def material_of(self, particle: int) -> Material:
        """Material of a particle. UserError when the scene was made without materials."""
        phase = int(self.aggregate.phase[particle])
        if phase >= len(self.materials):
            raise UserError(f"the scene has no material for phase {self.aggregate.phase_names[phase]!r}")
        return self.materials[phase]

    @property
    def centre_z_nm(self) -> float:
        """Height of the aggregate's centre (of mass, for equal density), from which the focus is counted."""
        return float(self.aggregate.centre_of_mass[2])

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Heights between which there is material."""
        low, high = self.aggregate.bounds
        return float(low[2]), float(high[2])


def child_seed(seed: SeedSequence, *key: int) -> SeedSequence:
    """The child of a seed with the given key, the same whatever was spawned before."""
    return SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size)


def occupied(scene: Scene, low_nm: np.ndarray, high_nm: np.ndarray) -> np.ndarray:
    """Particles (k,) whose circumscribed sphere reaches into the box between low (x, y) and high (x, y)."""
    middle = scene.aggregate.centres[:, :2]
    gap = middle - np.clip(middle, low_nm, high_nm)
    return np.flatnonzero((gap**2).sum(axis=1) < scene.aggregate.circumradii**2)
