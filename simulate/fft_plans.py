"""The FFT plans that a corpus keeps, so that all processes that work on it give the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from simulate.engines.base import Engine, make_engine
from simulate.imaged_recipe import ImagedRecipe
from simulate.imaging import realise
from simulate.recipe import Recipe
from simulate.recipe_settings import WindowedSettings

if TYPE_CHECKING:
    from simulate.engines.windowed import WindowedEngine
    from simulate.scene import Scene

FILE = "fft-plans.json"


_STEP_S = 5e-3  # about what 10^6 grid points of a step take
_GAIN = 0.05  # about what patient plans save of it
_PATIENCE_S = 10.0  # about what they take to find, for a window size


def keep_plans(recipe: Recipe, folder: Path, samples: int) -> None:
    """Measure the plans that the recipe's engines need, once, and keep them in the corpus' folder.

    They cover the windows of the first aggregate. A larger one may ask for more: those are estimated. FFTW is
    patient where `samples` images like the first gain more by it than the search takes.
    """
    from simulate.windowed.plans import Planner

    if not isinstance(recipe, ImagedRecipe):
        return
    engines = _windowed(recipe)
    if not engines or (folder / FILE).exists():
        return
    scene = realise(recipe, 0).scene
    windows = {w for engine in engines for w in engine.windows(scene, recipe.microscope)}
    taken = samples * _STEP_S * _image_work(recipe, engines, scene)
    patient = _GAIN * taken > _PATIENCE_S * len(windows)
    Planner().save(folder / FILE, sorted(windows), patient)


def _image_work(recipe: ImagedRecipe, engines: list[WindowedEngine], scene: Scene) -> float:
    """Work of an image in 10^6 grid points of steps; 0 where another engine makes it."""
    engine = engines[0]
    if engine.settings is not recipe.engine_settings:
        return 0.0
    blocks = engine.blocks(scene, recipe.microscope)
    return sum(engine.block_work(scene, recipe.microscope, block) for block in blocks)


def plans_are_current(folder: Path) -> bool:
    """Whether the FFT plans of a corpus, if it has some, are of the kind that the engine uses now."""
    from simulate.windowed.plans import EARLIER

    path = folder / FILE
    try:
        return not path.exists() or json.loads(path.read_text(encoding="utf-8"))["format"] not in EARLIER
    except (OSError, ValueError, KeyError, TypeError):
        return True  # unreadable: whoever needs them says so


def with_plans(engine: Engine, folder: str | Path) -> Engine:
    """The engine, with the plans of a corpus' folder if there are some and it has a use for them."""
    path = Path(folder) / FILE
    if hasattr(engine, "use_plans") and path.exists():
        engine.use_plans(path)
    return engine


def _windowed(recipe: ImagedRecipe) -> list[WindowedEngine]:
    settings = [recipe.engine_settings] + ([] if recipe.validation is None else [recipe.validation.engine])
    return [make_engine(s) for s in settings if isinstance(s, WindowedSettings)]  # type: ignore[misc]
