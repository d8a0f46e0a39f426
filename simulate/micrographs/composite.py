"""A composite of two oxides in plan view: pillars, or bands, of NiO in La0.7Sr0.3MnO3.

Films of this pair grow as vertically aligned nanocomposites ("Strain Effects on the Growth of La0.7Sr0.3MnO3
(LSMO)-NiO Nanocomposite Thin Films via Substrate Control", ACS Omega): one phase in columns through the
other. Here both lie cube on cube with [001] along the beam, each crystal turned a little. Rock salt is 7.7 %
wider than the perovskite, so each keeps its lattice; a part of the misfit may be left as strain, continuous
across the borders (`misfit_strain.py`). Lanthanum and strontium share their sites at random, atom by atom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Key

from simulate.corpus.scene_truth import WALL_KINDS
from simulate.exact_numbers import FiniteFloat, NonNegativeFloat
from simulate.micrographs.frames import Frame, crystal_box
from simulate.micrographs.misfit_strain import Distortion, relaxed_distortion
from simulate.micrographs.mistilt import Mistilt
from simulate.micrographs.outlines import PIECE_NM, Regions, random_bands, random_pillars
from simulate.micrographs.parameters import MicrographParameters, most_perovskite_columns
from simulate.micrographs.square_crystals import Cut, TurnedCrystal, cut_out, perovskite, rock_salt
from simulate.micrographs.structure import MicrographStructure, box_of, columns_table, within
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.material import Material

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

MOST_REGIONS = 12
LSMO, NIO = range(2)
"""Phases; the first is the matrix."""
LANTHANUM, MANGANESE, OXYGEN, NICKEL = range(4)
"""Kinds of columns, by what is in them."""
_RIM_NM = 0.3
"""Atoms this far outside come in by strain and tilt at most."""
_STRAIN_WIDTH_NM = 0.2
_LA, _SR, _MN = 57, 38, 25
_SMALLEST_EDGE_NM = 0.36


class CompositeParameters(MicrographParameters):
    """Parameters of a composite.

    thickness_nm
        Of the foil along the beam.
    shape, regions
        "pillars" have closed borders, "bands" cross the field; how many regions of NiO there are.
    size_nm
        Mean radius of a pillar, or width of a band.
    size_spread
        Sizes are uniform within this share of it.
    roughness
        Root mean square of the border's waves, relative to the radius or to half the width.
    strontium_share
        Probability of strontium on a site that lanthanum would have.
    misfit_left
        Share of the misfit by which NiO is strained against the matrix; the rest is taken up at the border.
    rotation_degrees, region_rotation_degrees
        Of everything about the beam, from x towards y; standard deviation of the further turn of each region.
    mistilt_x_mrad, mistilt_y_mrad, mistilt_gradient_mrad_per_nm, mistilt_gradient_degrees
        As for the film.
    """

    material_names: ClassVar[tuple[str, ...]] = ("LSMO", "NiO")
    kind_names: ClassVar[tuple[str, ...]] = ("La/Sr", "Mn-O", "O", "Ni-O")
    phase_names: ClassVar[tuple[str, ...]] = ("LSMO", "NiO")
    domain_names: ClassVar[tuple[str, ...]] = (
        "LSMO matrix",
        *(f"NiO region {k + 1}" for k in range(MOST_REGIONS)),
    )
    rotation_orders: ClassVar[tuple[int, ...]] = (4, 4)

    model: Literal["composite"] = "composite"
    thickness_nm: float = Key(default=6.0, ge=0.5, le=100)
    shape: Literal["pillars", "bands"] = "pillars"
    regions: int = Key(default=2, ge=1, le=MOST_REGIONS)
    size_nm: float = Key(default=1.8, ge=0.6, le=100)
    size_spread: float = Key(default=0.25, ge=0, le=0.8)
    roughness: float = Key(default=0.12, ge=0, le=0.3)
    strontium_share: float = Key(default=0.3, ge=0, le=1)
    misfit_left: float = Key(default=0.0, ge=0, le=0.5)
    poisson_ratio: float = Key(default=0.3, ge=0, le=0.45)
    rotation_degrees: FiniteFloat = 0.0
    region_rotation_degrees: NonNegativeFloat = Key(default=2.0, le=45)
    mistilt_x_mrad: float = Key(default=0.0, ge=-50, le=50)
    mistilt_y_mrad: float = Key(default=0.0, ge=-50, le=50)
    mistilt_gradient_mrad_per_nm: float = Key(default=0.0, ge=-10, le=10)
    mistilt_gradient_degrees: FiniteFloat = 0.0

    def most_columns(self, field: Field) -> int:
        """Four columns in each cell of the field and of a rim around it."""
        return most_perovskite_columns(field, _SMALLEST_EDGE_NM)

    def most_walls(self, field: Field) -> int:
        """Pieces of all borders."""
        across = math.hypot(*field.shape) * field.pixel_size_nm
        longest = 2 * across if self.shape == "bands" else 4 * math.pi * self.size_nm
        return self.regions * (math.ceil(2 * longest / PIECE_NM) + 8)

    @property
    def most_thick_nm(self) -> float:
        """As asked."""
        return self.thickness_nm

    @property
    def mistilt(self) -> Mistilt:
        """The crystals' lean."""
        return Mistilt.of(self)


def draw_composite(
    parameters: CompositeParameters,
    field: Field,
    margin_nm: float,
    materials: Mapping[str, Material],
    rng: np.random.Generator,
) -> MicrographStructure:
    """Draw a composite. InfeasibleParametersError where the regions find no place."""
    low, high = box_of(field, margin_nm)
    plane_low, plane_high = crystal_box(low, high, parameters.rotation_degrees)
    plane = plane_low - _RIM_NM, plane_high + _RIM_NM
    regions = _regions(parameters, field, plane, rng)
    crystals, misfit = _crystals(parameters, materials, len(regions.outlines), rng)
    frame = Frame(
        parameters.rotation_degrees,
        np.array(field.centre_nm),
        _distortion(parameters, misfit, regions, plane),
        parameters.mistilt,
        parameters.thickness_nm,
    )
    cut = cut_out(crystals, regions.at, frame, plane)
    alloyed = np.where(rng.random(len(cut.numbers)) < parameters.strontium_share, _SR, _LA)
    columns = _columns(cut, crystals, frame)
    keep, kept = within(cut.positions_nm, low, high), within(columns, low, high)
    return MicrographStructure(
        parameters=parameters,
        numbers=np.where(cut.numbers == _LA, alloyed, cut.numbers)[keep],
        positions_nm=cut.positions_nm[keep],
        crystal=cut.crystal[keep],
        material=np.minimum(cut.crystal[keep], NIO),
        materials=tuple(materials[name] for name in parameters.material_names),
        thickness_nm=parameters.thickness_nm,
        columns=columns[kept],
        walls=_walls(regions, frame),
        phase_at=lambda x, y: np.minimum(regions.at(frame.crystal(x, y)), NIO).astype(np.uint8),
        domain_at=lambda x, y: regions.at(frame.crystal(x, y)).astype(np.uint8),
    )


def _regions(
    parameters: CompositeParameters, field: Field, plane: tuple[Array, Array], rng: np.random.Generator
) -> Regions:
    half = np.array(field.shape[::-1]) * field.pixel_size_nm / 2
    spread = parameters.size_nm * parameters.size_spread
    sizes = rng.uniform(parameters.size_nm - spread, parameters.size_nm + spread, parameters.regions)
    if parameters.shape == "pillars":
        return Regions(random_pillars(rng, half, sizes, parameters.roughness))
    return Regions(random_bands(rng, half, (plane[0][0], plane[1][0]), sizes, parameters.roughness))


def _crystals(
    parameters: CompositeParameters, materials: Mapping[str, Material], count: int, rng: np.random.Generator
) -> tuple[list[TurnedCrystal], float]:
    """The matrix and each region's crystal, and the misfit that is left between them."""
    # A formula of the perovskite has five atoms, one of rock salt two; the cube of the latter holds four.
    edges = [_edge_nm(materials[name], atoms) for name, atoms in zip(("LSMO", "NiO"), (5, 8), strict=True)]
    misfit = parameters.misfit_left * (edges[NIO] / edges[LSMO] - 1)
    matrix = perovskite(edges[LSMO], _LA, _MN, (LANTHANUM, MANGANESE, OXYGEN))
    metal = int(max(materials["NiO"].cell.numbers))
    salt = rock_salt(edges[NIO] / (1 + misfit), metal, NICKEL)  # strain widens it again
    turns = parameters.region_rotation_degrees * rng.standard_normal(count)
    found = [TurnedCrystal(matrix, 0.0, matrix.edge_nm * rng.random(2))]
    found += [TurnedCrystal(salt, float(turn), salt.edge_nm * rng.random(2)) for turn in turns]
    return found, misfit


def _edge_nm(material: Material, atoms: int) -> float:
    """Edge of the cube that holds so many atoms. UserError unless the cell is made of such cubes."""
    cell = material.cell
    edge = float((cell.get_volume() * atoms / len(cell)) ** (1 / 3))
    cubes = np.asarray(cell.cell.lengths()) / edge
    if np.abs(cubes - cubes.round()).max() > 0.01 or np.abs(cell.cell.angles() - 90).max() > 0.01:
        raise UserError(
            f"material {material.name!r}: the composite needs cells made of cubes of {atoms} atoms"
        )
    return 0.1 * edge


def _distortion(
    parameters: CompositeParameters, misfit: float, regions: Regions, plane: tuple[Array, Array]
) -> Distortion | None:
    if misfit == 0:
        return None

    def strain(points: Array) -> Array:
        wanted = misfit * regions.inside(points, _STRAIN_WIDTH_NM)
        return np.column_stack([wanted, wanted, wanted, 0 * wanted])

    def matrix(points: Array) -> NDArray[np.bool_]:
        return np.asarray(regions.inside(points, _STRAIN_WIDTH_NM) < 0.01)

    return relaxed_distortion(strain, matrix, *plane, parameters.poisson_ratio)


def _columns(cut: Cut, crystals: list[TurnedCrystal], frame: Frame) -> Array:
    """Table (n, 10) of the atomic columns."""
    turns = np.array([crystal.degrees for crystal in crystals])
    image = frame.image(cut.columns_nm)
    tilt = frame.tilt_mrad(image)
    return columns_table(
        x_nm=image[:, 0],
        y_nm=image[:, 1],
        kind=cut.column_kind.astype(float),
        phase=np.minimum(cut.column_crystal, NIO).astype(float),
        domain=cut.column_crystal.astype(float),
        rotation_degrees=frame.rotation_degrees(cut.columns_nm) + turns[cut.column_crystal],
        tilt_x_mrad=tilt[:, 0],
        tilt_y_mrad=tilt[:, 1],
    )


def _walls(regions: Regions, frame: Frame) -> Array:
    """Table (m, 5) of the borders."""
    lines = np.concatenate([outline.pieces() for outline in regions.outlines])
    kind = np.full(len(lines), float(WALL_KINDS.index("phase boundary")))
    return np.column_stack([frame.lines(lines), kind])
