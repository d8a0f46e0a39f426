"""Atoms of crystals: boxes of a turned crystal, and the particles of a scene, made where they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from simulate.material import Material
from simulate.parts import KEPT_BYTES
from simulate.scene import AggregateScene, child_seed, occupied
from stochgeom.errors import require
from stochgeom.projection import overlap_planes

if TYPE_CHECKING:
    import ase

CLOSEST_ANGSTROM = 1.5
"""Of two atoms of different particles closer than this, the later particle's goes."""
OFFSET_KEY = 2
"""Child of the crystals' seed that draws the lattice offsets; another child is the response engine's."""

Atoms = tuple[NDArray[np.int64], NDArray[np.float64]]
Made = TypeVar("Made", bound=tuple[NDArray[Any], ...])
Box = tuple[tuple[float, float, float], tuple[float, float, float]]


def crystal_block(
    material: Material, rotation: np.ndarray, low: np.ndarray, high: np.ndarray, origin: np.ndarray
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Atoms at rest of an infinite crystal inside a box.

    `rotation` (3, 3) is active, crystal to laboratory; `origin` (3,) is where a unit cell's corner lies;
    `low` and `high` (3,) bound the half-open box; all in Å. Returns numbers (n,) and positions (n, 3).
    """
    lattice = np.asarray(material.cell.cell.array) @ np.asarray(rotation).T
    basis = material.cell.get_scaled_positions() @ lattice
    low, high, origin = (np.asarray(v, dtype=float) for v in (low, high, origin))
    # Lattice points whose cell can reach the box: the box's corners in lattice coordinates, one cell more.
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
    reach = (corners - origin) @ np.linalg.inv(lattice)
    first, last = np.floor(reach.min(axis=0)).astype(int) - 1, np.ceil(reach.max(axis=0)).astype(int) + 1
    axes = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ lattice + origin
    margin = np.abs(basis).max()
    shifts = shifts[((shifts > low - margin) & (shifts < high + margin)).all(axis=1)]
    positions = (shifts[:, None] + basis[None]).reshape(-1, 3)
    numbers = np.tile(material.cell.numbers, len(shifts))
    inside = ((positions >= low) & (positions < high)).all(axis=1)
    return numbers[inside].astype(np.int64), positions[inside]


class KeptAtoms:
    """What was made, the latest used up to KEPT_BYTES of it, or one."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[int | None, ...], Any] = OrderedDict()
        self._bytes = 0

    def get(self, make: Callable[..., Made], *key: int | None) -> Made:
        """make(*key), or what it made before."""
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        made = make(*key)
        self._found[key] = made
        self._bytes += _bytes(made)
        while self._bytes > KEPT_BYTES and len(self._found) > 1:
            self._bytes -= _bytes(self._found.popitem(last=False)[1])
        return made


def _bytes(made: tuple[NDArray[Any], ...]) -> int:
    return sum(array.nbytes for array in made)


class AggregateAtoms:
    """The atoms of an aggregate's scene, particle by particle.

    A particle's atoms are a function of the scene and its number alone: a crystal with its own orientation
    and lattice offset, cut to the particle's shape, which turns with the crystal; spheres that overlap are
    split at the radical plane. Atoms within 1.5 Å of an earlier particle's go. Its displacements have a
    stream of their own per configuration. So any cell of the scene sees the same atoms.
    """

    def __init__(self, scene: AggregateScene) -> None:
        """UserError where bodies that are no spheres overlap."""
        aggregate = scene.aggregate
        self.scene = scene
        self._first, self._planes = overlap_planes(aggregate)
        self._neighbours = _earlier_neighbours(aggregate.centres, aggregate.circumradii)
        self._lowest, self._highest = aggregate.extents
        self._facets = None if aggregate.spherical else aggregate.facets
        # They hold no method of this object: in a circle of references memory would wait for the collector.
        self._crystals, self._particles = KeptAtoms(), KeptAtoms()

    def crystal(self, k: int) -> Atoms:
        """Particle k at rest before its neighbours' atoms are respected: numbers (n,), positions (n, 3) Å."""
        return self._crystals.get(self._crystal, k)

    def particle(self, k: int, configuration: int | None) -> Atoms:
        """Numbers (n,) and positions (n, 3) Å of particle k, at rest or in one displaced configuration."""
        return self._particles.get(self._particle, k, configuration)

    def _crystal(self, k: int) -> Atoms:
        aggregate, material = self.scene.aggregate, self.scene.material_of(k)
        rotation = Rotation.from_quat(aggregate.orientations[k]).as_matrix()
        centre = 10 * aggregate.centres[k]
        low, high = centre + 10 * self._lowest[k], centre + 10 * self._highest[k]
        fraction = np.random.default_rng(child_seed(self.scene.crystals, OFFSET_KEY, k)).random(3)
        origin = centre + fraction @ np.asarray(material.cell.cell.array) @ rotation.T
        numbers, positions = crystal_block(material, rotation, low, high, origin)
        local = positions - centre
        keep = self._inside(k, local)
        for plane in self._planes[self._first[k] : self._first[k + 1]]:
            keep &= local @ plane[:3] * 0.1 <= plane[3]
        return numbers[keep], positions[keep]

    def _inside(self, k: int, local: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which positions (n, 3) Å about its centre lie in particle k."""
        aggregate = self.scene.aggregate
        if aggregate.shape[k] == "sphere":
            return (local**2).sum(axis=1) <= (10 * aggregate.radii[k]) ** 2
        facets = None if self._facets is None else self._facets[k]
        if facets is not None:
            normals, distances = facets
            return (local @ normals.T <= 10 * distances).all(axis=1)
        ball = np.linalg.solve(10 * aggregate.bodies.forms[k], local.T)
        return (ball**2).sum(axis=0) <= 1

    def _particle(self, k: int, configuration: int | None) -> Atoms:
        numbers, rest = self.crystal(k)
        keep = np.ones(len(numbers), dtype=bool)
        for j in self._neighbours[k]:
            other = self.crystal(j)[1]
            if len(other) and len(rest):
                keep &= (
                    cKDTree(other).query(rest, distance_upper_bound=CLOSEST_ANGSTROM)[0] >= CLOSEST_ANGSTROM
                )
        if configuration is None:
            return numbers[keep], rest[keep]
        rng = np.random.default_rng(child_seed(self.scene.displacements, k, configuration))
        sigma = self.scene.material_of(k).sigma_angstrom(numbers)
        return numbers[keep], (rest + sigma[:, None] * rng.standard_normal(rest.shape))[keep]

    def inside(
        self, low_nm: np.ndarray, high_nm: np.ndarray, configuration: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Atoms whose (displaced) position lies in a box: numbers (n,), positions (n, 3) Å, particle (n,).

        `low_nm`, `high_nm` (2,) or (3,) bound the half-open box in the laboratory frame.
        """
        low, high = np.asarray(low_nm, dtype=float), np.asarray(high_nm, dtype=float)
        numbers, positions, owner = [], [], []
        reach = 0.2  # displacements are far smaller than 2 Å
        for k in occupied(self.scene, low[:2] - reach, high[:2] + reach):
            z, p = self.particle(int(k), configuration)
            axes = p[:, : len(low)]
            keep = ((axes >= 10 * low) & (axes < 10 * high)).all(axis=1)
            numbers.append(z[keep])
            positions.append(p[keep])
            owner.append(np.full(int(keep.sum()), k, dtype=np.int64))
        if not numbers:
            return np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64)
        return np.concatenate(numbers), np.concatenate(positions), np.concatenate(owner)


def scene_atoms(
    scene: AggregateScene, box_nm: Box | None = None, configuration: int | None = None
) -> ase.Atoms:
    """Atoms of an aggregate's scene, or of a box of it, as `ase.Atoms` in Å with an array `particle`.

    `box_nm` is ((x, y, z), (x, y, z)), the lower and upper corner in nm. `configuration` None gives the atoms
    at rest, a number one displaced configuration, drawn once for the whole aggregate.
    """
    made = require("ase", extra="simulate").Atoms
    margin = 0.5
    low, high = scene.aggregate.bounds if box_nm is None else (np.array(box_nm[0]), np.array(box_nm[1]))
    if box_nm is None:
        low, high = low - margin, high + margin
    numbers, positions, owner = AggregateAtoms(scene).inside(low, high, configuration)
    atoms = made(numbers, positions)
    atoms.set_array("particle", owner)
    return atoms


def _earlier_neighbours(centres: np.ndarray, radii: np.ndarray) -> list[list[int]]:
    """For each particle, those before it whose atoms may come within the closest distance."""
    found: list[list[int]] = [[] for _ in radii]
    gap = 0.1 * CLOSEST_ANGSTROM
    for i, j in cKDTree(centres).query_pairs(2 * radii.max() + gap):
        i, j = min(i, j), max(i, j)
        if np.linalg.norm(centres[i] - centres[j]) < radii[i] + radii[j] + gap:
            found[j].append(i)
    return [sorted(js) for js in found]
