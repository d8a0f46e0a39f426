"""Graphene: grains of different rotation, silicon in single and double vacancies, empty vacancies, ripples.

The lattice constant is that of graphite in the plane, 0.2464(2) nm (P. Trucano, R. Chen, Nature 258 (1975)
136), 0.246 nm by default. Silicon takes the place of one carbon atom, or sits in the middle of two that are
missing; both are seen in graphene (W. Zhou et al., Phys. Rev. Lett. 109 (2012) 206803), at 0.15 per nm^2 and
two thirds of them of the first sort after irradiation (H. Inani et al., J. Phys. Chem. C 123 (2019) 13136).
Ripples have about the length found in simulations of the sheet, 8 nm (A. Fasolino et al., Nature Materials
6 (2007) 858).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Key
from scipy.spatial import cKDTree

from simulate.corpus.scene_truth import WALL_KINDS
from simulate.exact_numbers import NonNegativeFloat, PositiveFloat
from simulate.micrographs.grains import nearest_seed, voronoi_walls
from simulate.micrographs.parameters import MicrographParameters, area_nm2
from simulate.micrographs.sheet import Sheet, bulk, relaxed, tidied
from simulate.micrographs.structure import MicrographStructure, box_of, columns_table, within
from stochgeom.errors import InfeasibleParametersError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.material import Material

Array = NDArray[np.float64]

MOST_GRAINS = 16
CARBON, THREEFOLD, FOURFOLD, VACANCY, DIVACANCY = range(5)
"""Kinds of columns."""
_SILICON_ABOVE_NM = 0.05
"""Threefold silicon is too large for its place and stands above the sheet."""
_APART_NM = 0.7
"""Least distance between defects."""
_OVERLAP_NM = 0.04
"""How far a grain reaches over the line to its neighbours, before atoms that are too close go."""
_WAVES = 6
"""Plane waves of which ripples are made."""
_HALF_NM = 0.1
"""The flat sheet lies in the middle of 0.2 nm."""


class GrapheneParameters(MicrographParameters):
    """Parameters of a sheet of graphene.

    grains
        Voronoi cells of so many seeds, uniform in the field; each its own rotation, all equally likely, none
        closer than `least_misorientation_degrees` to that of another.
    silicon_per_nm2, fourfold_share
        Mean number of silicon atoms per area; the share of them that sits in a double vacancy.
    vacancies_per_nm2, double_share
        Mean number of empty vacancies per area; the share of double ones.
    ripple_nm, ripple_length_nm
        Root mean square height of the ripples, and their wavelength.
    """

    material_names: ClassVar[tuple[str, ...]] = ("graphite", "silicon")
    kind_names: ClassVar[tuple[str, ...]] = ("C", "Si threefold", "Si fourfold", "vacancy", "divacancy")
    phase_names: ClassVar[tuple[str, ...]] = ("graphene",)
    domain_names: ClassVar[tuple[str, ...]] = tuple(f"grain {k + 1}" for k in range(MOST_GRAINS))
    rotation_orders: ClassVar[tuple[int, ...]] = (6,)

    model: Literal["graphene"] = "graphene"
    lattice_constant_nm: float = Key(default=0.246, ge=0.2, le=0.3)
    grains: int = Key(default=1, ge=1, le=MOST_GRAINS)
    least_misorientation_degrees: float = Key(default=5.0, ge=0, le=30)
    silicon_per_nm2: NonNegativeFloat = Key(default=0.15, le=1)
    fourfold_share: float = Key(default=0.33, ge=0, le=1)
    vacancies_per_nm2: NonNegativeFloat = Key(default=0.03, le=1)
    double_share: float = Key(default=0.5, ge=0, le=1)
    ripple_nm: NonNegativeFloat = Key(default=0.0, le=0.2)
    ripple_length_nm: PositiveFloat = 8.0

    def most_columns(self, field: Field) -> int:
        """Sites of the lattice and of a rim around the field."""
        per_nm2 = 4 / (math.sqrt(3) * self.lattice_constant_nm**2)
        side = math.sqrt(area_nm2(field))
        return math.ceil(1.1 * per_nm2 * (area_nm2(field) + side) + 16)

    def most_walls(self, field: Field) -> int:
        """Edges of a planar graph of the cells."""
        return max(1, 3 * self.grains)

    @property
    def most_thick_nm(self) -> float:
        """With the highest ripples."""
        return 2 * self.middle_nm

    @property
    def middle_nm(self) -> float:
        """Height of the flat sheet: highest ripples and silicon stay above 0."""
        highest = self.ripple_nm * math.sqrt(2 * _WAVES)
        return _HALF_NM if highest == 0 else _HALF_NM + highest


def draw_graphene(
    parameters: GrapheneParameters,
    field: Field,
    margin_nm: float,
    materials: Mapping[str, Material],
    rng: np.random.Generator,
) -> MicrographStructure:
    """Draw a sheet. InfeasibleParametersError where the grains' rotations find no place."""
    low, high = box_of(field, margin_nm)
    seeds = rng.uniform(*box_of(field, 0.0), (parameters.grains, 2))
    rotations = _rotations(parameters, rng)
    sheet = _lattice(parameters, seeds, rotations, low, high, rng)
    sheet = relaxed(_with_defects(parameters, sheet, low, high, rng), parameters.lattice_constant_nm)
    height, slope = _ripples(parameters, sheet.positions_nm, rng)
    atoms = sheet.kind <= FOURFOLD
    z = parameters.middle_nm + height + np.where(sheet.kind == THREEFOLD, _SILICON_ABOVE_NM, 0.0)
    silicon = np.isin(sheet.kind[atoms], (THREEFOLD, FOURFOLD))
    columns = columns_table(
        x_nm=sheet.positions_nm[:, 0],
        y_nm=sheet.positions_nm[:, 1],
        kind=sheet.kind.astype(float),
        phase=0.0,
        domain=sheet.grain.astype(float),
        rotation_degrees=rotations[sheet.grain],
        tilt_x_mrad=0.0 - 1e3 * slope[:, 0],
        tilt_y_mrad=0.0 - 1e3 * slope[:, 1],
    )
    pieces = voronoi_walls(seeds, low, high)
    kinds = np.full(len(pieces), float(WALL_KINDS.index("grain boundary")))
    return MicrographStructure(
        parameters=parameters,
        numbers=np.where(silicon, 14, 6).astype(np.int64),
        positions_nm=np.column_stack([sheet.positions_nm, z])[atoms],
        crystal=sheet.grain[atoms].astype(np.int64),
        material=silicon.astype(np.int64),
        materials=tuple(materials[name] for name in parameters.material_names),
        thickness_nm=parameters.most_thick_nm,
        columns=columns,
        walls=np.column_stack([pieces, kinds]),
        phase_at=lambda x, y: np.zeros(len(x), np.uint8),
        domain_at=lambda x, y: nearest_seed(seeds, x, y),
    )


def _rotations(parameters: GrapheneParameters, rng: np.random.Generator) -> Array:
    """Rotations (grain,) in degrees, 0 to 60, at least so far from each other modulo 60."""
    found: list[float] = []
    for _ in range(1000):
        angle = float(rng.uniform(0, 60))
        gaps = [abs((angle - other + 30) % 60 - 30) for other in found]
        if min(gaps, default=60.0) >= parameters.least_misorientation_degrees:
            found.append(angle)
        if len(found) == parameters.grains:
            return np.array(found)
    most = 30 / max(parameters.grains, 1)
    raise InfeasibleParametersError(
        "least_misorientation_degrees", parameters.least_misorientation_degrees, most,
        f"{parameters.grains} grains within 60 degrees",
    )  # fmt: skip


def _lattice(
    parameters: GrapheneParameters,
    seeds: Array,
    rotations: Array,
    low: Array,
    high: Array,
    rng: np.random.Generator,
) -> Sheet:
    """Carbon atoms of all grains in a rectangle, those too close to another grain's left out."""
    positions, grain = [], []
    for k, angle in enumerate(rotations):
        own = _honeycomb(parameters.lattice_constant_nm, math.radians(angle), low, high, rng.random(2))
        distance = np.linalg.norm(own[:, None] - seeds[None], axis=2)
        # Beyond the bisector by about _OVERLAP_NM; the difference of distances grows twice as fast.
        mine = distance[:, k] <= distance.min(axis=1) + 2 * _OVERLAP_NM
        positions.append(own[mine])
        grain.append(np.full(int(mine.sum()), k, np.int64))
    grains = np.concatenate(grain)
    return tidied(Sheet(np.concatenate(positions), np.full(len(grains), CARBON), grains))


def _honeycomb(a: float, angle: float, low: Array, high: Array, offset: Array) -> Array:
    """Sites (n, 2) of a honeycomb in a rectangle; `offset` (2,) is its shift in cells."""
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    lattice = a * np.array([[1.0, 0.0], [0.5, math.sqrt(3) / 2]]) @ turn
    middle = (low + high) / 2
    reach = math.ceil(float(np.linalg.norm(high - low)) / a) + 2
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    corners = (steps + offset) @ lattice + middle
    sites = (corners[:, None] + np.array([[0.0, 0.0], [1 / 3, 1 / 3]]) @ lattice).reshape(-1, 2)
    return sites[within(sites, low, high)]


def _with_defects(
    parameters: GrapheneParameters, sheet: Sheet, low: Array, high: Array, rng: np.random.Generator
) -> Sheet:
    """Silicon and vacancies at random sites inside grains, apart from each other."""
    area = float(np.prod(high - low))
    silicon = rng.poisson(parameters.silicon_per_nm2 * area)
    empty = rng.poisson(parameters.vacancies_per_nm2 * area)
    double = rng.random(silicon + empty) < np.where(
        np.arange(silicon + empty) < silicon, parameters.fourfold_share, parameters.double_share
    )
    tree, sites = cKDTree(sheet.positions_nm), rng.permutation(bulk(sheet))
    kind, gone = sheet.kind.copy(), np.zeros(len(sheet.kind), bool)
    taken, added = np.zeros((0, 2)), []
    place: Iterator[int] = iter(sites.tolist())
    for number in range(silicon + empty):
        site = _next_apart(place, sheet.positions_nm, taken)
        if site is None:
            break  # a sheet that is full of them
        at = sheet.positions_nm[site]
        is_silicon = number < silicon
        if double[number]:
            near = tree.query(at, 4)[1][1:]
            partner = int(near[rng.integers(3)])
            gone[[site, partner]] = True
            at = (at + sheet.positions_nm[partner]) / 2
            added.append((*at, FOURFOLD if is_silicon else DIVACANCY, sheet.grain[site]))
        else:
            kind[site] = THREEFOLD if is_silicon else VACANCY
        taken = np.vstack([taken, at])
    more = np.array(added).reshape(-1, 4)
    return Sheet(
        np.vstack([sheet.positions_nm[~gone], more[:, :2]]),
        np.concatenate([kind[~gone], more[:, 2].astype(np.int64)]),
        np.concatenate([sheet.grain[~gone], more[:, 3].astype(np.int64)]),
    )


def _next_apart(place: Iterator[int], positions: Array, taken: Array) -> int | None:
    for site in place:
        if not len(taken) or np.linalg.norm(taken - positions[site], axis=1).min() > _APART_NM:
            return site
    return None


def _ripples(parameters: GrapheneParameters, at: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Height (n,) in nm and its slope (n, 2) at points (n, 2): plane waves of one length, of any direction
    and phase, equally strong.
    """
    angle, phase = rng.uniform(0, 2 * math.pi, (2, _WAVES))
    wave = 2 * math.pi / parameters.ripple_length_nm * np.stack([np.cos(angle), np.sin(angle)])
    amplitude = parameters.ripple_nm * math.sqrt(2 / _WAVES)
    turns = at @ wave + phase
    return amplitude * np.sin(turns).sum(axis=1), amplitude * np.cos(turns) @ wave.T
