"""The FFT plans that a corpus keeps, so that all processes that work on it give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simulate.aggregate_recipe import AggregateRecipe
from simulate.engines.base import Engine, make_engine
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.recipe_settings import WindowedSettings

if TYPE_CHECKING:
    from simulate.engines.windowed import WindowedEngine

FILE = "fft-plans.json"


def keep_plans(recipe: Recipe, folder: Path) -> None:
    """Measure the plans that the recipe's engines need, once, and keep them in the corpus' folder.

    They cover the windows of the first aggregate. A larger one may ask for more: those are estimated.
    """
    from simulate.windowed.plans import Planner

    if not isinstance(recipe, AggregateRecipe):
        return
    engines = _windowed(recipe)
    if not engines or (folder / FILE).exists():
        return
    scene = realise(recipe, 0).scene
    windows = {w for engine in engines for w in engine.windows(scene, recipe.microscope)}
    Planner().save(folder / FILE, sorted(windows))


def with_plans(engine: Engine, folder: str | Path) -> Engine:
    """The engine, with the plans of a corpus' folder if there are some and it has a use for them."""
    path = Path(folder) / FILE
    if hasattr(engine, "use_plans") and path.exists():
        engine.use_plans(path)
    return engine


def _windowed(recipe: AggregateRecipe) -> list[WindowedEngine]:
    settings = [recipe.engine_settings] + ([] if recipe.validation is None else [recipe.validation.engine])
    return [make_engine(s) for s in settings if isinstance(s, WindowedSettings)]  # type: ignore[misc]
