"""A lamella under the microscope: a texture of a given thickness, each phase of it a material or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import SeedSequence, default_rng

from simulate.crystallites import Crystallites
from simulate.lamella.crystal_map import MATRIX, MIRROR, VACUUM, WRAP, CrystalMap
from simulate.lamella.orientations import CrystalOrientation
from simulate.lamella.plate import Plate
from simulate.scene import SceneAtoms, child_seed
from stochgeom.errors import UserError
from stochgeom.projection import Field
from stochgeom.textures import Texture

if TYPE_CHECKING:
    from simulate.beam_paths import Paths
    from simulate.material import Material

ORIENTATION_KEY = 3
"""Child of the crystals' seed that draws orientations, by phase and grain."""
AROUND_NM = 10.0
"""How far from the field atoms may be asked for, to say what they take."""
NOTHING = "vacuum"
"""Name of a phase that is a hole."""


@dataclass(frozen=True)
class LamellaPhase:
    """A phase of a lamella: the name of a material, or "vacuum"; the material itself where atoms are made or
    a zone axis is stated; how its crystals lie.
    """

    name: str
    material: Material | None = None
    orientation: CrystalOrientation = field(default_factory=CrystalOrientation)

    @property
    def empty(self) -> bool:
        """Whether it is a hole."""
        return self.name == NOTHING


@dataclass(frozen=True, eq=False)
class LamellaScene:
    """A texture extruded along the beam, from z = -thickness_nm / 2 to thickness_nm / 2; the focus counts
    from the middle, 0.

    `phases` are those of the texture's phases 0 and 1. Beyond the texture's image the lamella goes on: a
    periodic texture repeats; one of lines, which all lie inside, is phase 0; others are mirrored at the
    edges. Crystals know nothing of this: each is one lattice throughout. `field` need not be that of the
    texture, whose pixels may be finer. `crystals` seeds orientations and lattice offsets, by phase and grain,
    `displacements` those by heat. UserError for what cannot be one.
    """

    texture: Texture
    thickness_nm: float
    phases: tuple[LamellaPhase, LamellaPhase]
    field: Field
    crystals: SeedSequence
    displacements: SeedSequence

    def __post_init__(self) -> None:
        if not (np.isfinite(self.thickness_nm) and self.thickness_nm > 0):
            raise UserError(f"lamella.thickness_nm must be positive, not {self.thickness_nm}")
        if len(self.phases) != 2 or all(phase.empty for phase in self.phases):
            raise UserError(
                f"lamella.phases {[phase.name for phase in self.phases]}: accepted are two, a material each, "
                f"one of them perhaps {NOTHING!r}"
            )
        for phase in self.phases:
            if phase.orientation.grains and "grain" not in self.texture.elements:
                raise UserError(
                    f"lamella: {phase.name} should have a crystal per grain, but textures of model "
                    f"{self.texture.model!r} have no grains; those of 'voronoi' do"
                )
            if phase.orientation.zone_axis and phase.material is None:
                raise UserError(f"lamella: the zone axis of {phase.name} needs its material")

    @property
    def materials(self) -> tuple[Material, ...]:
        """Those of the phases that are not empty; () unless all have one."""
        found = [phase.material for phase in self.phases if not phase.empty]
        return tuple(m for m in found if m is not None) if all(found) else ()

    @property
    def centre_z_nm(self) -> float:
        """The middle of the lamella."""
        return 0.0

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Its faces."""
        return -self.thickness_nm / 2, self.thickness_nm / 2

    @cached_property
    def _laid_out(self) -> tuple[CrystalMap, Crystallites, tuple[tuple[int, int], ...]]:
        """Where each crystal lies, what it is, and its key (phase, grain)."""
        phase = self.texture.phase
        numbers = np.full(phase.shape, VACUUM, np.int32)
        keys: list[tuple[int, int]] = []
        matrix = VACUUM
        for p, settings in enumerate(self.phases):
            if settings.empty:
                continue
            own = phase == p
            if settings.orientation.grains:
                grains, places = np.unique(self.texture.elements["grain"][own], return_inverse=True)
                numbers[own] = len(keys) + places.reshape(-1)
                keys += [(p, int(grain)) for grain in grains]
            else:
                # It is there even if this image shows none of it: the field may, beyond its edges.
                matrix = len(keys) if p == 0 else matrix
                numbers[own] = len(keys)
                keys.append((p, 0))
        named = [phase.name for phase in self.phases if not phase.empty]
        kinds = np.array([p if len(named) == 2 else 0 for p, _ in keys], np.int64)
        drawn = [
            self.phases[p].orientation.draw(
                self.phases[p].material, default_rng(child_seed(self.crystals, ORIENTATION_KEY, p, grain))
            )
            for p, grain in keys
        ]
        crystallites = Crystallites(
            tuple(named), kinds, np.array(drawn).reshape(-1, 4), tuple((named[k],) for k in kinds)
        )
        laid = CrystalMap(numbers, self.texture.pixel_size_nm, self._continuation, matrix)
        return laid, crystallites, tuple(keys)

    @property
    def _continuation(self) -> int:
        if self.texture.periodic:
            return WRAP
        return MATRIX if self.texture.model == "lines" else MIRROR

    @property
    def crystal_map(self) -> CrystalMap:
        """Which crystal fills which pixel of the texture, and beyond."""
        return self._laid_out[0]

    @property
    def crystallites(self) -> Crystallites:
        """Single crystals, those of phase 0 first."""
        return self._laid_out[1]

    @property
    def crystal_keys(self) -> tuple[tuple[int, int], ...]:
        """Phase of the texture and grain (0 where all of the phase is one crystal) of each crystal."""
        return self._laid_out[2]

    @cached_property
    def parts(self) -> Plate:
        """One plate with holes."""
        densities = [m.atoms_per_nm3 for m in self.materials]
        sides = np.array(self.field.shape) * self.field.pixel_size_nm + 2 * AROUND_NM
        return Plate(self.crystal_map, self.thickness_nm, max(densities, default=0.0), float(sides.prod()))

    def composition(self) -> dict[str, float]:
        """Relative numbers of atoms of each element, from the phases' areas in the image."""
        if not self.materials:
            raise UserError("the lamella's scene has no materials")
        areas = np.bincount(self.texture.phase.ravel(), minlength=2).astype(float)
        if not any(areas[p] for p, phase in enumerate(self.phases) if not phase.empty):
            areas[:] = 1.0  # holes only: what could be there
        total: dict[str, float] = {}
        for area, phase in zip(areas, self.phases, strict=True):
            if phase.material is not None and not phase.empty:
                for symbol, density in phase.material.element_densities_per_nm3.items():
                    total[symbol] = total.get(symbol, 0.0) + density * float(area)
        return total

    def atoms(self) -> SceneAtoms:
        """Atoms cube by cube. UserError when the scene was made without materials."""
        from simulate.lamella.atoms import LamellaAtoms

        return LamellaAtoms(self)

    def paths(self, focus_nm: float) -> Paths:
        """Exact lengths in every pixel that a ray crosses."""
        from simulate.lamella.paths import LamellaPaths

        return LamellaPaths(self.crystal_map, self.thickness_nm, focus_nm)
