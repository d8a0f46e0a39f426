"""Facets and crystals: Wulff shapes of a material, and whether a recipe's facets fit its crystals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import numpy as np

from simulate.aggregate_recipe import AggregateRecipe
from simulate.material import Material
from simulate.realise import materials_of
from stochgeom.bodies.shapes import WulffShape
from stochgeom.bodies.wulff import LaueClass, cell_vectors, laue_operations
from stochgeom.errors import UserError

_CLOSE_ANGSTROM = 0.02
_CLOSE_DEG = 0.2


def wulff_shape(material: Material, surface_energies: Mapping[str, float]) -> WulffShape:
    """The Wulff shape of a material, its cell and Laue class taken from the crystal.

    surface_energies: J/m² by Miller indices in the material's own cell. UserError for a cell in another
    setting than the conventional one (b unique if monoclinic, hexagonal axes if trigonal).
    """
    lengths, angles = _cell(material)
    return WulffShape(
        cell_angstrom=lengths,
        angles_deg=angles,
        laue_class=laue_class(material),
        surface_energies=dict(surface_energies),
    )


def laue_class(material: Material) -> LaueClass:
    """The Laue class whose operations in the material's cell are those of the crystal."""
    own, columns = material.laue_rotations(), cell_vectors(*_cell(material)).T
    for name in get_args(LaueClass):
        operations = columns @ laue_operations(name) @ np.linalg.inv(columns)
        if len(operations) == len(own) and all(_among(one, own) for one in operations):
            return name
    raise UserError(f"material {material.name!r}: no Laue class fits its cell in a conventional setting")


def check_shapes(recipe: AggregateRecipe) -> None:
    """UserError where the facets of a phase are not of the crystal that atoms are made of."""
    materials = materials_of(recipe)  # none where no atoms are made
    for material, phase, shape in zip(materials, recipe.phase_names, recipe.phase_shapes, strict=False):
        if isinstance(shape, WulffShape):
            _check(material, phase, shape)


def _check(material: Material, phase: str, shape: WulffShape) -> None:
    lengths, angles = _cell(material)
    apart = np.abs(np.subtract(lengths, shape.cell_angstrom)).max()
    if apart > _CLOSE_ANGSTROM or np.abs(np.subtract(angles, shape.angles_deg)).max() > _CLOSE_DEG:
        cell = ", ".join(f"{value:g}" for value in (*lengths, *angles))
        raise UserError(f"the facets of {phase} are of another cell than its crystal, which has {cell}")
    own = laue_class(material)
    if own != shape.laue_class:
        raise UserError(f"the facets of {phase} have the Laue class {shape.laue_class}, its crystal {own}")


def _among(operation: np.ndarray, group: np.ndarray) -> bool:
    return bool((np.abs(group - operation).max(axis=(1, 2)) < 1e-2).any())


def _cell(material: Material) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Lengths (Å) and angles (degrees) of a cell; UserError if it stands otherwise than a CIF's."""
    a, b, c, alpha, beta, gamma = (float(value) for value in material.cell.cell.cellpar().round(6))
    upright = cell_vectors((a, b, c), (alpha, beta, gamma))
    if np.abs(upright - np.asarray(material.cell.cell.array)).max() > _CLOSE_ANGSTROM:
        raise UserError(
            f"material {material.name!r}: facets need a cell with a along x and b in the xy plane"
        )
    return (a, b, c), (alpha, beta, gamma)
