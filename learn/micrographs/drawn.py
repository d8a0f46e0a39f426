"""Micrographs drawn in a moment: atomic columns as Gaussians, with the truth that simulated scenes have.

For tests, for measuring times and for looking around; no result should rest on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from learn.micrographs.drawn_regions import (
    arc_pieces,
    below,
    inside_circle,
    level_piece,
    nearest_seed,
    scattered_seeds,
    seed_borders,
)
from learn.micrographs.micrograph import Micrograph
from simulate.corpus.scene_truth import SceneTruth
from stochgeom.errors import UserError

Kind = Literal["film", "graphene", "composite"]
KINDS: tuple[Kind, ...] = ("film", "graphene", "composite")
MARGIN_NM = 0.5  # columns beyond the field whose light still falls into it
COLUMN_WIDTH_NM = 0.045  # standard deviation of a column's spot
BACKGROUND = 0.05  # of the brightest column's height
SMEAR_NM = 20.0  # height of the columns, for what a tilt does to their spots
POLAR_SHIFT_PM = 30.0
CLOSEST_NM = 0.09  # of two columns nearer than this across a border one goes


@dataclass(frozen=True)
class Crystal:
    """What fills one region: lattice vectors (2, 2) nm in rows, basis (m, 2) in their units, and of each site
    the kind; `polar` sites are moved by `polarization_pm` (x, y), NaN where the phase is not polar.
    """

    phase: int
    domain: int
    lattice_nm: NDArray[np.float64]
    basis: NDArray[np.float64]
    kinds: tuple[int, ...]
    rotation_degrees: float = 0.0
    polar: tuple[bool, ...] = ()
    polarization_pm: tuple[float, float] = (np.nan, np.nan)

    def columns(self, reach_nm: float) -> NDArray[np.float64]:
        """Rows of the truth's table for every site within `reach_nm` of the centre; tilts are zero."""
        turn = np.deg2rad(self.rotation_degrees)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        vectors = self.lattice_nm @ rotation
        n = int(np.ceil(1.5 * reach_nm / np.linalg.norm(vectors, axis=1).min())) + 1
        steps = np.stack(np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1)), -1).reshape(-1, 2)
        tables = []
        for k, kind in enumerate(self.kinds):
            xy = (steps + self.basis[k]) @ vectors
            if self.polar and self.polar[k]:
                xy = xy + np.array(self.polarization_pm) / 1000
            xy = xy[np.abs(xy).max(axis=1) <= reach_nm]
            fields = [kind, self.phase, self.domain, self.rotation_degrees, *self.polarization_pm, 0, 0]
            tables.append(np.hstack([xy, np.tile(np.array(fields, float), (len(xy), 1))]))
        return np.concatenate(tables)


@dataclass(frozen=True)
class Scene:
    """Crystals, which of them is where (points (n, 2) nm -> numbers), walls, heights of columns by kind."""

    crystals: tuple[Crystal, ...]
    region: Callable[[NDArray[np.float64]], NDArray[np.int64]]
    walls: NDArray[np.float64]
    heights: tuple[float, ...]
    kind_names: tuple[str, ...]
    phase_names: tuple[str, ...]
    domain_names: tuple[str, ...]
    tilt_mrad: float = 0.0  # at the right-hand edge; minus that at the left
    replaced: float = 0.0  # share of the columns of kind 0 that are of kind 1
    missing: float = 0.0


def draw_micrograph(
    kind: Kind = "film",
    size_px: int | tuple[int, int] = 256,
    pixel_size_nm: float = 0.02,
    seed: int = 0,
    noise: float | None = 400.0,
) -> Micrograph:
    """A micrograph (1, y, x) with its truth; values about 0 to 1.

    film: four variants of a polarization on a substrate, tilt growing from left to right; graphene: three
    grains, 3 % silicon, 1 % vacancies; composite: a round grain of rock salt in a perovskite. `noise` is the
    number of electrons in a pixel of value 1 (Poisson); None draws none. UserError for another kind, or a
    field that is not above 1 nm.
    """
    if kind not in KINDS:
        raise UserError(f"no micrograph of the kind {kind!r} is drawn; accepted: {', '.join(KINDS)}")
    ny, nx = (size_px, size_px) if isinstance(size_px, int) else size_px
    field = np.array([nx, ny]) * pixel_size_nm
    if not (pixel_size_nm > 0 and field.min() > 1):
        raise UserError(f"a drawn field of {field[0]:g} nm x {field[1]:g} nm; accepted: sides above 1 nm")
    if noise is not None and not noise > 0:
        raise UserError(f"noise of {noise:g} electrons in a pixel; accepted: above zero, or None")
    rng = np.random.default_rng(seed)
    scene = {"film": _film, "graphene": _graphene, "composite": _composite}[kind](field, rng)
    columns = _columns(scene, field, rng)
    image = _spots(columns, scene, (ny, nx), pixel_size_nm)
    if noise is not None:
        image = rng.poisson(image * noise) / noise
    truth = _truth(scene, columns, field, (ny, nx), pixel_size_nm)
    return Micrograph(image.astype(np.float32)[None], pixel_size_nm, f"drawn {kind} {seed}", truth)


def _film(field: NDArray[np.float64], rng: np.random.Generator) -> Scene:
    a, interface = 0.396, 0.3 * field[1]
    perovskite = np.array([[0.0, 0.0], [0.5, 0.5]])
    shift = POLAR_SHIFT_PM / np.sqrt(2)
    seeds = scattered_seeds(4, field * (1, 0.8), rng) - (0, 0.1 * field[1])
    crystals = [
        Crystal(0, k, a * np.eye(2), perovskite, (0, 1), polar=(False, True), polarization_pm=way)
        for k, way in enumerate(((shift, shift), (-shift, shift), (-shift, -shift), (shift, -shift)))
    ]
    crystals.append(Crystal(1, 4, 0.3905 * np.eye(2), perovskite, (2, 3)))
    borders = seed_borders(seeds, field, lowest_y=interface, kind=1)
    return Scene(
        tuple(crystals),
        lambda points: np.where(below(points, interface), 4, nearest_seed(points, seeds)),
        np.vstack([borders, level_piece(interface, field, kind=0)]),
        (1.0, 0.45, 0.6, 0.35),
        ("Bi", "Fe", "Sr", "Ti"),
        ("film", "substrate"),
        ("++", "-+", "--", "+-", "substrate"),
        tilt_mrad=3.0,
    )


def _graphene(field: NDArray[np.float64], rng: np.random.Generator) -> Scene:
    a = 0.246
    lattice = np.array([[a, 0], [a / 2, a * np.sqrt(3) / 2]])
    basis = np.array([[0.0, 0.0], [1 / 3, 1 / 3]])
    seeds = scattered_seeds(3, field, rng)
    turns = rng.permutation([0.0, 20.0, 40.0]) + rng.uniform(0, 20)
    return Scene(
        tuple(Crystal(0, k, lattice, basis, (0, 0), float(turn)) for k, turn in enumerate(turns)),
        lambda points: nearest_seed(points, seeds),
        seed_borders(seeds, field, lowest_y=np.inf, kind=2),
        (0.3, 1.0),
        ("C", "Si"),
        ("graphene",),
        tuple(f"grain {k}" for k in range(3)),
        replaced=0.03,
        missing=0.01,
    )


def _composite(field: NDArray[np.float64], rng: np.random.Generator) -> Scene:
    perovskite = np.array([[0.0, 0.0], [0.5, 0.5]])
    radius = 0.6 * field.min()
    middle = field * (-0.5, rng.uniform(-0.3, 0.3))
    return Scene(
        (
            Crystal(0, 0, 0.387 * np.eye(2), perovskite, (0, 1)),
            Crystal(1, 1, 0.2089 * np.eye(2), np.zeros((1, 2)), (2,), rotation_degrees=8.0),
        ),
        lambda points: inside_circle(points, middle, radius),
        arc_pieces(middle, radius, field, kind=0),
        (1.0, 0.55, 0.5),
        ("La/Sr", "Mn/O", "Ni/O"),
        ("LSMO", "NiO"),
        ("LSMO", "NiO"),
    )


def _columns(scene: Scene, field: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Columns of every crystal where it is, those of the margin too."""
    tables = []
    for number, crystal in enumerate(scene.crystals):
        table = crystal.columns(float(field.max()) / 2 + MARGIN_NM)
        tables.append(table[scene.region(table[:, :2]) == number])
    columns = _apart(np.concatenate(tables))
    columns = columns[rng.random(len(columns)) >= scene.missing]
    columns[(rng.random(len(columns)) < scene.replaced) & (columns[:, 2] == 0), 2] = 1
    columns[:, 8] = scene.tilt_mrad * columns[:, 0] / (field[0] / 2)
    return columns


def _apart(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    pairs = cKDTree(columns[:, :2]).query_pairs(CLOSEST_NM, output_type="ndarray")
    return np.delete(columns, np.unique(pairs.max(axis=1)) if len(pairs) else [], axis=0)


def _spots(
    columns: NDArray[np.float64], scene: Scene, shape: tuple[int, int], pixel_size_nm: float
) -> NDArray[np.float64]:
    """Image (y, x): one Gaussian per column, longer along the tilt, over a level background."""
    reach = int(np.ceil(5 * COLUMN_WIDTH_NM / pixel_size_nm))
    at = columns[:, 1::-1] / pixel_size_nm + (np.array(shape) - 1) / 2
    base = np.round(at).astype(np.int64)
    steps = np.argwhere(np.ones((2 * reach + 1, 2 * reach + 1))) - reach
    pixels = base[:, None] + steps
    away = (pixels - at[:, None]) * pixel_size_nm
    smear = columns[:, 9:7:-1] / 1000 * SMEAR_NM / np.sqrt(12)
    spread = COLUMN_WIDTH_NM**2 * np.eye(2) + smear[:, :, None] * smear[:, None, :]
    power = np.einsum("npi,nij,npj->np", away, np.linalg.inv(spread), away)
    heights = np.array(scene.heights)[columns[:, 2].astype(int)]
    values = heights[:, None] * np.exp(-power / 2)
    inside = ((pixels >= 0) & (pixels < shape)).all(axis=-1)
    image = np.full(shape, BACKGROUND)
    np.add.at(image, tuple(pixels[inside].T), values[inside])
    return image


def _truth(
    scene: Scene,
    columns: NDArray[np.float64],
    field: NDArray[np.float64],
    shape: tuple[int, int],
    pixel_size_nm: float,
) -> SceneTruth:
    y, x = np.indices(shape)
    middle = (np.array(shape) - 1) / 2
    points = np.stack([(x - middle[1]).ravel(), (y - middle[0]).ravel()], axis=1) * pixel_size_nm
    region = scene.region(points).reshape(shape)
    seen = (np.abs(columns[:, :2]) <= field / 2).all(axis=1)
    return SceneTruth(
        np.array([crystal.phase for crystal in scene.crystals], np.uint8)[region],
        np.array([crystal.domain for crystal in scene.crystals], np.uint8)[region],
        columns[seen],
        scene.walls,
        scene.kind_names,
        scene.phase_names,
        scene.domain_names,
    )
