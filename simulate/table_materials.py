"""Whether a recipe's crystals are those that its response table was made with.

A table holds intensities under the name of a phase. A user's own crystal of that name would be passed over
without a word, and reference probes, which take it, would be compared with a table of another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulate.aggregate_recipe import AggregateRecipe
from simulate.engines.tables import ResponseTable
from simulate.realise import material_of
from stochgeom.errors import UserError

_CLOSE_ANGSTROM = 1e-3
_CLOSE_DISPLACEMENT_ANGSTROM = 1e-4


def check_materials(recipe: AggregateRecipe, table: ResponseTable) -> None:
    """UserError where the recipe's crystal of a phase is not the one that `table` is of.

    Phases count that the recipe describes itself, and all of them where there are reference probes.
    """
    for phase in recipe.phase_names:
        if phase not in recipe.materials and recipe.validation is None:
            continue
        made = made_with(table, phase)
        found = None if made is None else difference(made, material_of(recipe, phase).record)
        if found is not None:
            raise UserError(_refusal(recipe, phase, found))


def made_with(table: ResponseTable, phase: str) -> dict[str, Any] | None:
    """Record of the material that a phase of a table was made with; None where nobody wrote it down."""
    stored = table.metadata.get("materials", {}).get(phase)
    return None if stored is None else dict(stored)


def difference(made: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """In what two records of a material differ, in words; None if they are of the same crystal."""
    if made["numbers"] != asked["numbers"]:
        return f"{len(asked['numbers'])} atoms in the cell against {len(made['numbers'])}, or other ones"
    for key, what in (("cell_angstrom", "cell edges"), ("positions_angstrom", "positions of atoms")):
        apart = float(np.abs(np.subtract(made[key], asked[key])).max())
        if apart > _CLOSE_ANGSTROM:
            return f"{what} differ by up to {apart:.3g} Å"
    return _displacements(made["rms_displacement_angstrom"], asked["rms_displacement_angstrom"])


def _displacements(made: dict[str, float], asked: dict[str, float]) -> str | None:
    for symbol in sorted({*made, *asked}):
        ours, theirs = asked.get(symbol), made.get(symbol)
        if ours is None or theirs is None or abs(ours - theirs) > _CLOSE_DISPLACEMENT_ANGSTROM:
            said = [f"{value:g} Å" if value is not None else "none" for value in (ours, theirs)]
            return f"rms_displacement_angstrom.{symbol} is {said[0]} against {said[1]}"
    return None


def _refusal(recipe: AggregateRecipe, phase: str, found: str) -> str:
    table = getattr(recipe.engine, "table", None)
    if phase in recipe.materials:
        return (
            f"materials.{phase} is not the crystal that engine.table = {table!r} was made with ({found}): "
            "make a table of it (heterostem calibrate with this recipe), or leave the material out"
        )
    return (
        f"engine.table = {table!r} was made with another {phase} than the shipped one ({found}), which the "
        f"reference probes would take: give its crystal as materials.{phase}, or leave validation out"
    )
