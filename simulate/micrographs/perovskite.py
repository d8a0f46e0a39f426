"""Perovskites as cubes: their sites, and how the atoms of rhombohedral BiFeO3 leave them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.material import Material

Array = NDArray[np.float64]

A, B, OX, OY, OZ = range(5)
"""Sites of a cube: corner, centre, and the oxygen of the faces across x, y and z."""
SITES = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
"""(5, 3): places in units of the cube's edge; an octahedron is centred on the B of its cube."""
_OXYGEN = 8
_NEAREST = 0.25
"""Atoms further than this from any site, in units of the edge, are not those of a distorted perovskite."""


@dataclass(frozen=True, eq=False)
class PolarModes:
    """A rhombohedral perovskite with octahedra tilted in antiphase (R 3 c), referred to its A atoms; the
    polarization, from the negative oxygen to the positive cations, along [111].

    edge_nm: of the pseudo-cubic cell; cosine: of the angle between its edges; numbers (3,): of A, B and O.
    uniform (5, 3) nm: displacement of each site of `SITES`, alike in every cube.
    alternating (5, 3) nm: what is added in cubes of even i + j + k, and taken off in odd ones.
    """

    edge_nm: float
    cosine: float
    numbers: tuple[int, int, int]
    uniform: Array
    alternating: Array

    def displacements(self, signs: Array) -> tuple[Array, Array]:
        """Uniform and alternating displacements (..., 5, 3) of the variant polarized along `signs` (..., 3)
        of 1 and -1: the crystal mirrored in the faces of the cube.

        The tilt's sense may be chosen: its z component is kept. So it is the same either side of a wall of
        180 degrees.
        """
        sense = signs[..., 0] * signs[..., 1]
        mirrored = signs[..., None, :]
        return mirrored * self.uniform, sense[..., None, None] * mirrored * self.alternating


def polar_modes(material: Material) -> PolarModes:
    """Modes of a crystal on the hexagonal axes of R 3 c. UserError for another sort of crystal."""
    cell = material.cell
    a1, a2, c = np.asarray(cell.cell.array)
    metals = sorted(set(cell.numbers.tolist()) - {_OXYGEN})
    found = [] if len(metals) != 2 or len(cell) != 30 else list(_described(cell, a1, a2, c, metals))
    best = min(found, key=lambda modes: modes[0], default=(np.inf, None))
    if best[1] is None or best[0] > 0.003:
        raise UserError(
            f"material {material.name!r}: the film needs a perovskite on the hexagonal axes of R 3 c"
        )
    modes: PolarModes = best[1]
    return modes


def _described(cell, a1: Array, a2: Array, c: Array, metals: list[int]):  # type: ignore[no-untyped-def]
    """Each way of laying a cube into the cell: (largest misfit in nm, modes)."""
    positions, numbers = np.asarray(cell.positions), cell.numbers
    ways = itertools.product((1, -1), (c, -c), (metals, metals[::-1]))
    for turned, axis, (first, second) in ways:
        # Rhombohedral edges are the diagonals of the cube's faces.
        r = np.array([(turned * v + axis) / 3 for v in (2 * a1 + a2, a2 - a1, -a1 - 2 * a2)])
        edges = r.sum(axis=0) / 2 - r
        whole = _whole(positions, np.array([a1, a2, c]))
        rest = np.concatenate([numbers] * (len(whole) // len(numbers)))
        fitted = _fitted(whole @ np.linalg.inv(edges), rest, (first, second))
        if fitted is not None:
            misfit, uniform, alternating = fitted
            length = float(np.linalg.norm(edges, axis=1).mean())
            cosine = float(edges[0] @ edges[1]) / length**2
            scale = 0.1 * length
            modes = PolarModes(
                scale, cosine, (first, second, _OXYGEN), scale * uniform, scale * alternating
            )  # fmt: skip
            yield misfit * scale, modes


def _whole(positions: Array, lattice: Array) -> Array:
    """Atoms of 3 x 3 x 3 cells (n, 3) around the origin."""
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ lattice
    return (shifts[:, None] + positions[None]).reshape(-1, 3)


def _fitted(
    places: Array, numbers: NDArray[np.int64], metals: tuple[int, int]
) -> tuple[float, Array, Array] | None:
    """Largest deviation from the modes, and the modes, in units of the edge; None for no perovskite."""
    uniform, alternating, misfit = np.zeros((5, 3)), np.zeros((5, 3)), 0.0
    for site, ideal in enumerate(SITES):
        number = metals[site] if site < OX else _OXYGEN
        own = places[numbers == number]
        cube = np.round(own - ideal)
        away = own - ideal - cube
        # Oxygen sits on three sites: those of other faces are half an edge away.
        near = np.abs(away).max(axis=1) < (_NEAREST if site >= OX else 0.5)
        cube, away = cube[near], away[near]
        odd = cube.sum(axis=1).astype(int) % 2 == 1
        if not odd.any() or odd.all():
            return None
        means = away[~odd].mean(axis=0), away[odd].mean(axis=0)
        uniform[site], alternating[site] = (means[0] + means[1]) / 2, (means[0] - means[1]) / 2
        misfit = max(misfit, float(np.abs(away - np.where(odd[:, None], means[1], means[0])).max()))
    uniform -= uniform[A]
    if (uniform[B] - uniform[OX:].mean(axis=0)).sum() < 0:
        return None  # polarized along -[111]: the other way of laying the cube
    return misfit, uniform, alternating
