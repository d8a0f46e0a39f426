"""Scene: everything an engine needs to make an image, except the microscope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from simulate.crystallites import Crystallites
from simulate.parts import Parts, Spheres
from stochgeom.aggregate import HeteroAggregate
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.beam_paths import Paths
    from simulate.material import Material


class SceneAtoms(Protocol):
    """The atoms of a scene, the same ones for whoever asks, whatever was asked for before."""

    @property
    def scene(self) -> Scene: ...

    def inside(
        self, low_nm: np.ndarray, high_nm: np.ndarray, configuration: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Atoms whose (displaced) position lies in a box: numbers (n,), positions (n, 3) Å, crystallite (n,).

        `low_nm`, `high_nm` (2,) or (3,) bound the half-open box in the laboratory frame; configuration None
        is at rest.
        """
        ...


class Scene(Protocol):
    """What engines ask of a scene.

    Multislice asks for atoms in boxes (`atoms`) and, to plan, where the `parts` of the material lie;
    `response` asks for the `crystallites`, whose tables it looks up, and how rays cross them (`paths`).
    `crystals` seeds lattice offsets and what else is drawn for crystals, `displacements` those by heat.
    """

    @property
    def field(self) -> Field: ...

    @property
    def materials(self) -> tuple[Material, ...]:
        """All that atoms may be of; empty where none are made."""
        ...

    @property
    def crystals(self) -> SeedSequence: ...

    @property
    def displacements(self) -> SeedSequence: ...

    @property
    def centre_z_nm(self) -> float:
        """Height from which the focus is counted."""
        ...

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Heights between which there is material."""
        ...

    @property
    def parts(self) -> Parts: ...

    @property
    def crystallites(self) -> Crystallites: ...

    def composition(self) -> dict[str, float]:
        """Relative numbers of atoms of each element. UserError when the scene was made without materials."""
        ...

    def atoms(self) -> SceneAtoms:
        """The scene's atoms. UserError when the scene was made without materials."""
        ...

    def paths(self, focus_nm: float) -> Paths:
        """How rays that cross at `focus_nm` behind `centre_z_nm` pass through the crystallites."""
        ...


@dataclass(frozen=True)
class AggregateScene:
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

    @cached_property
    def parts(self) -> Spheres:
        """The spheres around the particles."""
        if not self.materials:
            return Spheres(self.aggregate, None)
        densities = [m.atoms_per_nm3 for m in self.materials]
        return Spheres(self.aggregate, np.array(densities)[self.aggregate.phase])

    @property
    def crystallites(self) -> Crystallites:
        """The particles; a response coefficient may be that of their phase or of their species."""
        aggregate = self.aggregate
        names = tuple(
            (aggregate.phase_names[p], aggregate.species_names[s])
            for p, s in zip(aggregate.phase, aggregate.species, strict=True)
        )
        phase = np.asarray(aggregate.phase, np.int64)
        return Crystallites(aggregate.phase_names, phase, aggregate.orientations, names)

    def composition(self) -> dict[str, float]:
        """Relative numbers of atoms of each element, from the particles' volumes."""
        total: dict[str, float] = {}
        for k, radius in enumerate(self.aggregate.radii):
            for symbol, density in self.material_of(k).element_densities_per_nm3.items():
                total[symbol] = total.get(symbol, 0.0) + density * float(radius) ** 3
        return total

    def atoms(self) -> SceneAtoms:
        """Atoms particle by particle."""
        from simulate.atoms import AggregateAtoms

        return AggregateAtoms(self)

    def paths(self, focus_nm: float) -> Paths:
        """Exact chords through every particle."""
        from simulate.beam_paths import ParticlePaths

        return ParticlePaths(self.aggregate, self.centre_z_nm, focus_nm)


def child_seed(seed: SeedSequence, *key: int) -> SeedSequence:
    """The child of a seed with the given key, the same whatever was spawned before."""
    return SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key), pool_size=seed.pool_size)


def occupied(scene: AggregateScene, low_nm: np.ndarray, high_nm: np.ndarray) -> np.ndarray:
    """Particles (k,) whose circumscribed sphere reaches into the box between low (x, y) and high (x, y)."""
    middle = scene.aggregate.centres[:, :2]
    gap = middle - np.clip(middle, low_nm, high_nm)
    return np.flatnonzero((gap**2).sum(axis=1) < scene.aggregate.circumradii**2)
