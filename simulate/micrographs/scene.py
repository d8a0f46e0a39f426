"""A drawn scene under the microscope: its atoms in boxes, displaced by heat, and where material lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from simulate.atoms import KeptAtoms
from simulate.crystallites import Crystallites
from simulate.micrographs.structure import MicrographStructure
from simulate.parts import ATOM_BYTES, CUTTING_BYTES
from simulate.scene import SceneAtoms, child_seed
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.beam_paths import Paths
    from simulate.material import Material

Array = NDArray[np.float64]
Atoms = tuple[NDArray[np.int64], Array, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class MicrographScene:
    """Atoms of a structure in a field of view; the focus counts from the entrance face, z = 0.

    `displacements` seeds the displacements by heat; `crystals` seeds nothing: the structure is drawn.
    """

    structure: MicrographStructure
    field: Field
    crystals: SeedSequence
    displacements: SeedSequence

    @property
    def materials(self) -> tuple[Material, ...]:
        """Those whose Debye-Waller factors the atoms have."""
        return self.structure.materials

    @property
    def centre_z_nm(self) -> float:
        """The entrance face."""
        return 0.0

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Entrance and exit face."""
        return 0.0, self.structure.thickness_nm

    @cached_property
    def parts(self) -> Slab:
        """One slab around all atoms."""
        positions = self.structure.positions_nm
        if not len(positions):
            raise UserError("the scene has no atoms")
        return Slab(
            positions[:, :2].min(axis=0),
            positions[:, :2].max(axis=0),
            self.structure.thickness_nm,
            len(positions),
        )

    @property
    def crystallites(self) -> Crystallites:
        """One for each material, not turned: scenes have no response tables."""
        names = tuple(material.name for material in self.materials)
        lie = np.tile([0.0, 0.0, 0.0, 1.0], (len(names), 1))
        return Crystallites(names, np.arange(len(names)), lie, tuple((name,) for name in names))

    def composition(self) -> dict[str, float]:
        """Numbers of atoms of each element."""
        from ase.data import chemical_symbols

        numbers, counts = np.unique(self.structure.numbers, return_counts=True)
        return {chemical_symbols[z]: float(count) for z, count in zip(numbers, counts, strict=True)}

    def atoms(self) -> SceneAtoms:
        """The structure's atoms."""
        return MicrographAtoms(self)

    def paths(self, focus_nm: float) -> Paths:
        """UserError: columns of atoms are not resolved by response tables."""
        raise UserError("engine.name = 'response': scenes take multislice or windowed")


class MicrographAtoms:
    """The atoms of a drawn scene, the same ones for whoever asks: each configuration has one stream of
    displacements for all of them.
    """

    def __init__(self, scene: MicrographScene) -> None:
        self.scene = scene
        structure = scene.structure
        self._sigma = np.zeros(len(structure.numbers))
        for k, material in enumerate(structure.materials):
            own = structure.material == k
            if own.any():
                self._sigma[own] = material.sigma_angstrom(structure.numbers[own])
        self._displaced = KeptAtoms()

    def inside(self, low_nm: Array, high_nm: Array, configuration: int | None) -> Atoms:
        """Atoms whose (displaced) position lies in a box: numbers (n,), positions (n, 3) Å, crystal (n,).

        `low_nm`, `high_nm` (2,) or (3,) bound the half-open box in the laboratory frame.
        """
        structure = self.scene.structure
        low, high = 10 * np.asarray(low_nm, float), 10 * np.asarray(high_nm, float)
        positions = (
            10 * structure.positions_nm
            if configuration is None
            else self._displaced.get(self._moved, configuration)[0]
        )
        axes = positions[:, : len(low)]
        keep = ((axes >= low) & (axes < high)).all(axis=1)
        return structure.numbers[keep], positions[keep], structure.crystal[keep]

    def _moved(self, configuration: int) -> tuple[Array]:
        """All atoms of one displaced configuration, Å."""
        rest = 10 * self.scene.structure.positions_nm
        normal = default_rng(child_seed(self.scene.displacements, configuration)).standard_normal(rest.shape)
        return (rest + self._sigma[:, None] * normal,)


@dataclass(frozen=True, eq=False)
class Slab:
    """The one part of a drawn scene: a cuboid from the entrance face on, with so many atoms."""

    low_nm: Array
    high_nm: Array
    thickness_nm: float
    atoms: int

    @property
    def middles_nm(self) -> Array:
        return np.array([0.5 * self.thickness_nm])

    @property
    def half_heights_nm(self) -> Array:
        return np.array([0.5 * self.thickness_nm])

    def gaps_nm(self, low_nm: Array, high_nm: Array) -> Array:
        """Distance (..., 1) from rectangles between low and high (..., 2); 0 where they overlap."""
        below = self.low_nm - np.asarray(high_nm, float)
        above = np.asarray(low_nm, float) - self.high_nm
        return np.linalg.norm(np.maximum(np.maximum(below, above), 0.0), axis=-1)[..., None]

    def crossed_nm(self, points_nm: Array, reach_nm: Array) -> Array:
        """The thickness (p, 1) where the slab is within reach (1,), else 0."""
        return np.where(self.gaps_nm(points_nm, points_nm) < reach_nm, self.thickness_nm, 0.0)

    def atom_bytes(self) -> float:
        """Of all atoms, at rest and displaced, and of a box that is cut from them."""
        return float(self.atoms * (2 * (ATOM_BYTES + 16) + CUTTING_BYTES))

    def atoms_in_squares(self, places_nm: Array, half_nm: float) -> Array:
        """As if they were spread evenly (b,)."""
        density = self.atoms / max(float(np.prod(self.high_nm - self.low_nm)), 1e-9)
        return np.full(len(places_nm), min(density * (2 * half_nm) ** 2, self.atoms))
