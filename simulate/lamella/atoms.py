"""Atoms of a lamella: turned crystals cut along the boundaries of the extruded phases."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from simulate.atoms import CLOSEST_ANGSTROM, OFFSET_KEY, KeptAtoms, crystal_block
from simulate.lamella.plate import CUBE_NM
from simulate.lamella.scene import LamellaScene
from simulate.material import Material
from simulate.scene import child_seed
from stochgeom.errors import UserError
from stochgeom.rotations import rotation_matrices

_DIGITS = 6  # of Å: cubes that share a face must agree on which side of it an atom lies
_HALO_ANGSTROM = CLOSEST_ANGSTROM + 1e-3
_DISPLACED_NM = 0.2  # displacements are far smaller than 2 Å

Atoms = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]


class LamellaAtoms:
    """The atoms of a lamella, cube by cube of a fixed grid.

    An atom of a crystal is there if the pixel in which it lies, at rest, is that crystal's. Of two atoms of
    different crystals closer than 1.5 Å the later crystal's goes. Each cube has a stream of displacements of
    its own per configuration. So any box of the scene sees the same atoms, whatever was asked for before.
    """

    def __init__(self, scene: LamellaScene) -> None:
        """UserError when the scene was made without materials."""
        if not scene.materials:
            raise UserError("the lamella's scene has no materials: no atoms can be made")
        self.scene = scene
        self._crystals: dict[int, tuple[Material, NDArray[np.float64], NDArray[np.float64]]] = {}
        self._rest, self._displaced = KeptAtoms(), KeptAtoms()

    def inside(
        self, low_nm: NDArray[np.float64], high_nm: NDArray[np.float64], configuration: int | None
    ) -> Atoms:
        """Atoms whose (displaced) position lies in a box: numbers (n,), positions (n, 3) Å, crystal (n,).

        `low_nm`, `high_nm` (2,) or (3,) bound the half-open box in the laboratory frame.
        """
        low, high = np.asarray(low_nm, float), np.asarray(high_nm, float)
        found = []
        for cube in self._cubes(low - _DISPLACED_NM, high + _DISPLACED_NM):
            numbers, positions, owner = (
                self._rest.get(self._at_rest, *cube)
                if configuration is None
                else self._displaced.get(self._moved, *cube, configuration)
            )
            axes = positions[:, : len(low)]
            keep = ((axes >= 10 * low) & (axes < 10 * high)).all(axis=1)
            found.append((numbers[keep], positions[keep], owner[keep]))
        if not found:
            return np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64)
        numbers, positions, owner = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        return numbers, positions, owner

    def _cubes(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> list[tuple[int, int, int]]:
        """Cubes (x, y, layer) that a box, or what is above and below a rectangle, may touch."""
        face, count = self.scene.z_range_nm[0], math.ceil(self.scene.thickness_nm / CUBE_NM - 1e-9)
        across = [range(math.floor(low[k] / CUBE_NM), math.floor(high[k] / CUBE_NM) + 1) for k in range(2)]
        layers = range(count)
        if len(low) == 3:
            first, last = (math.floor((z - face) / CUBE_NM) for z in (low[2], high[2]))
            layers = range(max(first, 0), min(last + 1, count))
        return [(x, y, layer) for x, y, layer in itertools.product(*across, layers)]

    def _crystal(self, k: int) -> tuple[Material, NDArray[np.float64], NDArray[np.float64]]:
        """Material, rotation (3, 3) and where a unit cell's corner lies (3,), Å."""
        if k not in self._crystals:
            phase, grain = self.scene.crystal_keys[k]
            material = self.scene.phases[phase].material
            assert material is not None
            rotation = rotation_matrices(self.scene.crystallites.orientations[k])
            seed = child_seed(self.scene.crystals, OFFSET_KEY, phase, grain)
            origin = default_rng(seed).random(3) @ np.asarray(material.cell.cell.array) @ rotation.T
            self._crystals[k] = material, rotation, origin
        return self._crystals[k]

    def _at_rest(self, x: int, y: int, layer: int) -> Atoms:
        """Atoms of a cube at rest, crystal by crystal."""
        face, other = (10 * z for z in self.scene.z_range_nm)
        side = 10 * CUBE_NM
        # The same products on both sides of a face.
        low, high = (
            np.array([(x + e) * side, (y + e) * side, min(face + (layer + e) * side, other)]) for e in (0, 1)
        )
        # Neighbours outside of the cube count, but not outside of the lamella.
        outer_low, outer_high = low - _HALO_ANGSTROM, high + _HALO_ANGSTROM
        outer_low[2], outer_high[2] = max(outer_low[2], face), min(outer_high[2], other)
        parts, earlier = [], np.zeros((0, 3))
        for k in self.scene.crystal_map.within(0.1 * outer_low[:2], 0.1 * outer_high[:2]):
            numbers, positions = self._cut(int(k), outer_low, outer_high)
            own = ((positions >= low) & (positions < high)).all(axis=1)
            numbers, mine = numbers[own], positions[own]
            if len(earlier) and len(mine):
                near = cKDTree(earlier).query(mine, distance_upper_bound=CLOSEST_ANGSTROM)[0]
                numbers, mine = numbers[near >= CLOSEST_ANGSTROM], mine[near >= CLOSEST_ANGSTROM]
            parts.append((numbers, mine, np.full(len(mine), k, np.int64)))
            earlier = np.concatenate([earlier, positions])
        if not parts:
            return np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64)
        numbers, positions, owner = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return numbers, positions, owner

    def _cut(
        self, k: int, low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Atoms of crystal k in a box (Å) that lie in its own pixels, before neighbours are respected."""
        material, rotation, origin = self._crystal(k)
        # Rounding may move an atom over a face: faces are drawn after it, those of the lamella included.
        slack = 2 * 10.0**-_DIGITS
        numbers, positions = crystal_block(material, rotation, low - slack, high + slack, origin)
        positions = np.round(positions, _DIGITS)
        keep = ((positions >= low) & (positions < high)).all(axis=1)
        keep &= self.scene.crystal_map.at(0.1 * positions[:, :2]) == k
        return numbers[keep], positions[keep]

    def _moved(self, x: int, y: int, layer: int, configuration: int) -> Atoms:
        """Atoms of a cube in one displaced configuration."""
        numbers, rest, owner = self._rest.get(self._at_rest, x, y, layer)
        key = (*(2 * abs(n) - (n < 0) for n in (x, y)), layer, configuration)  # keys are not negative
        normal = default_rng(child_seed(self.scene.displacements, *key)).standard_normal(rest.shape)
        sigma = np.zeros(len(numbers))
        for k in np.unique(owner):
            own = owner == k
            sigma[own] = self._crystal(int(k))[0].sigma_angstrom(numbers[own])
        return numbers, rest + sigma[:, None] * normal, owner
