"""A ferroelectric film on its substrate in cross section: BiFeO3 on SrTiO3, both along an edge of the cube.

Each unit cell of the film is a cube of bismuth with iron and oxygen off their places, as in the rhombohedral
crystal of the film's material (`perovskite.py`), along one of the eight diagonals. Domains and walls are
those of `film_domains.py`. The displacements go as tanh(distance / width) across walls: neutral walls are a
unit cell or two wide (A. Lubk et al., Phys. Rev. Lett. 109 (2012) 047601), charged ones 1.5 to 2 nm (A. Y.
Borisevich et al., ACS Nano 4 (2010) 6071). The film grows coherently: it is as wide as the substrate; its
misfit and the shear of its domains are relaxed elastically (`misfit_strain.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Key

from simulate.corpus.scene_truth import WALL_KINDS
from simulate.exact_numbers import FiniteFloat
from simulate.micrographs.film_domains import VARIANTS, random_domains
from simulate.micrographs.film_layout import PIECE_NM, FilmLayout
from simulate.micrographs.frames import Frame, crystal_box
from simulate.micrographs.interface_steps import random_steps
from simulate.micrographs.mistilt import Mistilt
from simulate.micrographs.parameters import MicrographParameters, most_perovskite_columns
from simulate.micrographs.perovskite import OX, OZ, SITES, A, B, polar_modes
from simulate.micrographs.structure import MicrographStructure, box_of, columns_table, within
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.material import Material

Array = NDArray[np.float64]

BISMUTH, IRON, STRONTIUM, TITANIUM, OXYGEN = range(5)
"""Kinds of columns; those of iron and titanium hold oxygen, too."""
FILM, SUBSTRATE = range(2)
_SMALLEST_EDGE_NM = 0.38
_RIM_NM = 0.3
"""Atoms this far outside come in by strain and tilt at most."""


class FilmParameters(MicrographParameters):
    """Parameters of a film on a substrate. The film lies above, at smaller y of the unturned image.

    thickness_nm
        Of the foil along the beam, rounded to whole unit cells.
    film_share
        Share of the field's height that is film.
    steps
        Steps of one unit cell that the interface makes within the field's width.
    domain_width_nm, domain_width_spread
        Mean width of the stripes; widths are uniform within this share of it.
    inverted_share
        Probability that a stripe is cut by a wall of 180 degrees.
    wall_width_nm
        Displacements go as tanh(distance / width) across walls, and fade so towards the interface.
    polarity
        Factor on the displacements of iron and oxygen, tilts of octahedra included; 1 is the bulk crystal.
    poisson_ratio
        Of film and substrate.
    rotation_degrees
        Of everything about the beam, from x towards y.
    mistilt_x_mrad, mistilt_y_mrad, mistilt_gradient_mrad_per_nm, mistilt_gradient_degrees
        Lean of the crystal away from the beam at the field's centre; how fast it changes, and along which
        direction of the image, as in a bent foil.
    """

    material_names: ClassVar[tuple[str, ...]] = ("BiFeO3", "SrTiO3")
    kind_names: ClassVar[tuple[str, ...]] = ("Bi", "Fe-O", "Sr", "Ti-O", "O")
    phase_names: ClassVar[tuple[str, ...]] = ("film", "substrate")
    domain_names: ClassVar[tuple[str, ...]] = (
        *(f"P along {'+' if x > 0 else '-'}x {'+' if y > 0 else '-'}y" for x, y in VARIANTS),
        "substrate",
    )
    rotation_orders: ClassVar[tuple[int, ...]] = (4, 4)

    model: Literal["ferroelectric-film"] = "ferroelectric-film"
    thickness_nm: float = Key(default=6.0, ge=0.5, le=100)
    film_share: float = Key(default=0.7, ge=0, le=1)
    steps: int = Key(default=0, ge=0, le=8)
    domain_width_nm: float = Key(default=3.0, ge=1.0, le=200)
    domain_width_spread: float = Key(default=0.3, ge=0, le=0.8)
    inverted_share: float = Key(default=0.5, ge=0, le=1)
    wall_width_nm: float = Key(default=0.4, ge=0.05, le=3)
    polarity: float = Key(default=1.0, ge=0, le=1.5)
    poisson_ratio: float = Key(default=0.3, ge=0, le=0.45)
    rotation_degrees: FiniteFloat = 0.0
    mistilt_x_mrad: float = Key(default=0.0, ge=-50, le=50)
    mistilt_y_mrad: float = Key(default=0.0, ge=-50, le=50)
    mistilt_gradient_mrad_per_nm: float = Key(default=0.0, ge=-10, le=10)
    mistilt_gradient_degrees: FiniteFloat = 0.0

    def most_columns(self, field: Field) -> int:
        """Four columns in each cell of the field and of a rim around it."""
        return most_perovskite_columns(field, _SMALLEST_EDGE_NM)

    def most_walls(self, field: Field) -> int:
        """Pieces of walls that a field can hold: of the interface, of each stripe's border and its cut."""
        across = math.hypot(*field.shape) * field.pixel_size_nm
        stripes = math.ceil(across / (self.domain_width_nm * (1 - self.domain_width_spread))) + 2
        each = math.ceil(1.1 * across / PIECE_NM) + 2
        return each * (3 * stripes + 1) + 3 * self.steps

    @property
    def most_thick_nm(self) -> float:
        """With the rounding to whole cells."""
        return self.thickness_nm + 0.5

    @property
    def mistilt(self) -> Mistilt:
        """The crystal's lean."""
        return Mistilt.of(self)


def draw_film(
    parameters: FilmParameters,
    field: Field,
    margin_nm: float,
    materials: Mapping[str, Material],
    rng: np.random.Generator,
) -> MicrographStructure:
    """Draw a film on its substrate. UserError for materials of another sort."""
    low, high = box_of(field, margin_nm)
    film = _layout(parameters, field, (low, high), materials, rng)
    depth = max(1, round(parameters.thickness_nm / film.edge_nm))
    frame = Frame(
        parameters.rotation_degrees,
        np.array(field.centre_nm),
        film.distortion(parameters.poisson_ratio),
        parameters.mistilt,
        depth * film.edge_nm,
    )
    positions, site, inside = _atoms(film, frame, depth)
    columns = _columns(film, frame)
    keep, kept = within(positions, low, high), within(columns, low, high)
    chemistry = _chemistry(film, materials["SrTiO3"])
    phase = np.where(inside, FILM, SUBSTRATE)[keep].astype(np.int64)
    return MicrographStructure(
        parameters=parameters,
        numbers=chemistry[phase, np.minimum(site[keep], OX)],
        positions_nm=positions[keep],
        crystal=phase,
        material=phase,
        materials=tuple(materials[name] for name in parameters.material_names),
        thickness_nm=frame.thickness_nm,
        columns=columns[kept],
        walls=_walls(film, frame),
        phase_at=lambda x, y: np.where(
            film.interface.above(frame.crystal(x, y)), FILM, SUBSTRATE
        ).astype(np.uint8),
        domain_at=lambda x, y: film.domain(frame.crystal(x, y)),
    )  # fmt: skip


def _layout(
    parameters: FilmParameters,
    field: Field,
    box: tuple[Array, Array],
    materials: Mapping[str, Material],
    rng: np.random.Generator,
) -> FilmLayout:
    edge = _cubic_edge_nm(materials["SrTiO3"])
    low, high = crystal_box(*box, parameters.rotation_degrees)
    low, high = low - _RIM_NM, high + _RIM_NM
    half = np.array(field.shape[::-1]) * field.pixel_size_nm / 2
    level = (2 * parameters.film_share - 1) * half[1]
    origin = edge * rng.random()
    interface = random_steps(rng, level, parameters.steps, (-half[0], half[0]), edge, origin)
    domains = random_domains(
        rng, (low[0], high[0]), (-half[0], half[0]), (-half[1], level), parameters.domain_width_nm,
        parameters.domain_width_spread, parameters.inverted_share, parameters.wall_width_nm,
    )  # fmt: skip
    modes = polar_modes(materials["BiFeO3"])
    return FilmLayout(modes, parameters.polarity, edge, origin, interface, domains, low, high)


def _cubic_edge_nm(material: Material) -> float:
    """Edge of a cubic perovskite's cell. UserError for another crystal."""
    lengths, angles = material.cell.cell.lengths(), material.cell.cell.angles()
    if len(material.cell) != 5 or np.ptp(lengths) > 1e-3 or np.abs(angles - 90).max() > 0.01:
        raise UserError(f"material {material.name!r}: the substrate needs a cubic perovskite of five atoms")
    return float(0.1 * lengths.mean())


def _chemistry(film: FilmLayout, substrate: Material) -> NDArray[np.int64]:
    """Atomic numbers (2, 3) of film and substrate on A, B and oxygen."""
    cell = substrate.cell
    metals = [k for k in range(5) if cell.numbers[k] != 8]
    oxygen = [k for k in range(5) if cell.numbers[k] == 8]
    # A is 2 / sqrt(2) times further from oxygen than B.
    near = [cell.get_distances(k, oxygen, mic=True).min() for k in metals]
    a, b = metals[int(np.argmax(near))], metals[int(np.argmin(near))]
    return np.array([film.modes.numbers, (cell.numbers[a], cell.numbers[b], 8)], np.int64)


def _atoms(film: FilmLayout, frame: Frame, depth: int) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Atoms (n, 3) nm in the image, their sites (n,) in the cube, and whether they are of the film (n,)."""
    cells = film.cells()
    found, site_of, inside = [], [], []
    for site, (_, _, height) in enumerate(SITES):
        rest = film.places(cells, site)
        uniform, alternating = film.displaced(rest, site)
        for k in range(depth):
            parity = 1 - 2 * ((cells.sum(axis=1) + k) % 2)
            away = uniform + parity[:, None] * alternating
            z = film.edge_nm * (k + height + 0.25) + away[:, 2]
            found.append(frame.leaned(frame.image(rest, away[:, :2]), z))
        site_of.append(np.full(depth * len(rest), site, np.int64))
        inside.append(np.tile(film.interface.above(rest), depth))
    return np.concatenate(found), np.concatenate(site_of), np.concatenate(inside)


def _columns(film: FilmLayout, frame: Frame) -> Array:
    """Table (n, 10) of the atomic columns."""
    cells, tables = film.cells(), []
    for site in range(OZ):  # the oxygen of the faces across z stands in the columns of B
        rest = film.places(cells, site)
        inside = film.interface.above(rest)
        image = frame.image(rest, film.displaced(rest, site)[0][:, :2])
        polar = np.where(inside[:, None], 1e3 * frame.turned(film.displaced(rest, B)[0][:, :2]), np.nan)
        tilt = frame.tilt_mrad(image)
        kinds = {A: (BISMUTH, STRONTIUM), B: (IRON, TITANIUM)}.get(site, (OXYGEN, OXYGEN))
        tables.append(
            columns_table(
                x_nm=image[:, 0], y_nm=image[:, 1], kind=np.where(inside, *map(float, kinds)),
                phase=np.where(inside, float(FILM), float(SUBSTRATE)),
                domain=film.domain(rest).astype(float), rotation_degrees=frame.rotation_degrees(rest),
                polarization_x_pm=polar[:, 0], polarization_y_pm=polar[:, 1],
                tilt_x_mrad=tilt[:, 0], tilt_y_mrad=tilt[:, 1],
            )
        )  # fmt: skip
    return np.concatenate(tables)


def _walls(film: FilmLayout, frame: Frame) -> Array:
    """Table (m, 5) of the walls."""
    kinds = (("phase boundary", film.boundary()), ("domain wall", film.domain_walls()))
    return np.concatenate(
        [
            np.column_stack([frame.lines(lines), np.full(len(lines), float(WALL_KINDS.index(name)))])
            for name, lines in kinds
        ]
    )
