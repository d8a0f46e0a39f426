"""Published figures of the reference estimation task, to compare with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from learn.scores import Estimate

if TYPE_CHECKING:
    from simulate.recipe import Recipe

REFERENCE_RECIPE = "reference"
TASK_KEYS = ("kind", "aggregate", "field", "engine", "microscope", "realism")
"""Keys of a recipe that make the task; its name, size, seed and split do not."""

BEST_ESTIMATOR = "small_cnn_24k"


@dataclass(frozen=True)
class ReferenceFigures:
    """R2 by column of a corpus and by method; `methods` names the methods in order, with a description of
    each.
    """

    source: str
    standard_error: float
    methods: dict[str, str]
    rows: dict[str, dict[str, float | None]]

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> ReferenceFigures | None:
        """Figures for a recipe with the laws of the reference task; None for any other, whatever its name."""
        from simulate.recipe import Recipe

        task, other = Recipe.load(REFERENCE_RECIPE).canonical, recipe.canonical
        return cls.load() if all(task.get(key) == other.get(key) for key in TASK_KEYS) else None

    def estimator_r2(self, column: str) -> dict[str, Estimate]:
        """What the best published estimator reached for a target, with a 95 % interval; empty if nothing is
        known.
        """
        r2 = self.rows.get(column, {}).get(BEST_ESTIMATOR)
        if r2 is None:
            return {}
        half = 1.96 * self.standard_error
        return {"a published " + self.methods[BEST_ESTIMATOR]: Estimate(r2, r2 - half, r2 + half)}

    @classmethod
    def load(cls) -> ReferenceFigures:
        """The shipped figures."""
        from simulate.resources import resource

        data: dict[str, Any] = json.loads(resource("reference", "reference-task.json").read_text("utf-8"))
        rows = {column: row["r2"] for row in data["targets"] for column in row["columns"]}
        return cls(data["source"], data["standard_error"], data["methods"], rows)
