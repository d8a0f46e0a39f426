"""What can be found wrong in seconds, before anything is written and before workers start."""

from __future__ import annotations

import tempfile
from pathlib import Path

from simulate.aggregate_recipe import AggregateRecipe
from simulate.crystal_shapes import check_shapes
from simulate.engines.base import make_engine
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.textures.realise import realise_texture
from simulate.textures.recipe import TextureRecipe
from simulate.validation import probed_samples
from stochgeom.errors import UserError


def preflight(recipe: Recipe, out: Path, samples: int) -> None:
    """Find out in seconds what would otherwise fail in the workers: the place, the engine, a first sample."""
    _check_writable(out)
    check_recipe(recipe, samples)


def check_recipe(recipe: Recipe, samples: int) -> None:
    """The same without the place. UserError if images, or reference probes, cannot be made."""
    if isinstance(recipe, TextureRecipe):
        realise_texture(recipe, 0)
        return
    assert isinstance(recipe, AggregateRecipe)
    first = realise(recipe, 0).scene
    make_engine(recipe.engine_settings).cost(first, recipe.microscope)
    _check_table(recipe)
    check_shapes(recipe)
    if recipe.validation is not None:
        probed_samples(recipe, samples)
        try:
            make_engine(recipe.validation.engine).cost(first, recipe.microscope)
        except UserError as error:
            raise UserError(f"validation.{error}") from None


def _check_table(recipe: AggregateRecipe) -> None:
    """The response table knows every phase, also what the first aggregate lacks, and is of its crystal."""
    from simulate.engines.tables import ResponseTable
    from simulate.table_materials import check_materials

    path = recipe.table_path()
    if path is not None:
        table = ResponseTable.load(path)
        for name in recipe.phase_names:
            table.phase(name)
        check_materials(recipe, table)


def _check_writable(out: Path) -> None:
    try:
        nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
        if not nearest.is_dir():
            raise UserError(f"cannot write to {out}: {nearest} is a file")
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}") from error
