"""Recipes: what all kinds of them share. A recipe is a TOML file that says what a corpus is.

Everything that decides a byte of the corpus is in the recipe, and nothing else is: it names no output path,
and the hash of its canonical JSON identifies the corpus. Unknown keys and impossible values are refused with
the path of the key. There are three kinds, told apart by the key `kind`: `simulate.aggregate_recipe`,
`simulate.textures.recipe` and `simulate.micrographs.recipe`; textures with a table `lamella` are imaged
(`simulate.lamella.recipe`).
`Recipe.load` and `Recipe.from_dict` give the one that the text asks for.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError

from simulate.exact_numbers import Integer, NonNegativeInt, PositiveInt
from simulate.laws import Strict
from simulate.recipe_errors import one_line
from simulate.recipe_files import locate
from simulate.recipe_settings import Split
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.realism import Realism
    from simulate.recipe_settings import ValidationSettings
    from simulate.sampling import Sampling

KINDS = ("aggregate", "texture", "scene")


class Recipe(Strict):
    """A validated recipe. Build one with `Recipe.load` (a file or a shipped name) or `Recipe.from_dict`; both
    give a recipe of the kind that its text names.
    """

    model_config = ConfigDict(title="recipe")

    schema_: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    kind: str = "aggregate"
    description: str = ""
    samples: Integer = Field(gt=0, le=1_000_000_000)
    samples_per_shard: PositiveInt = 250
    seed: NonNegativeInt = 0
    split: Split = Split()
    if TYPE_CHECKING:  # all kinds have these tables; each kind says where they stand among its own
        sampling: Sampling
        realism: Realism

    _folder: Path | None = PrivateAttr(None)

    @classmethod
    def load(cls, path_or_name: str | Path, with_table: bool = True) -> Self:
        """The recipe in a TOML file, the shipped one of that name, or the one that a corpus was made with.

        UserError, one line, if there is none, it is not valid, or it is of another kind than the class asked.
        A corpus is named by its folder. `with_table=False` does not ask for the response table, which may be
        still to be calibrated.
        """
        path = locate(path_or_name)
        if path.is_dir():
            return cls._of_corpus(path, with_table)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UserError(f"recipe {path_or_name} cannot be read: {error}") from error
        return cls.from_dict(data, folder=path.parent, source=str(path_or_name), with_table=with_table)

    @classmethod
    def _of_corpus(cls, path: Path, with_table: bool) -> Self:
        from simulate.corpus.layout import store_path
        from simulate.corpus.writer import read_attributes

        store = store_path(path)
        stored, source = read_attributes(store)["recipe"], f"{store}: recipe"
        return cls.from_dict(stored, folder=store.parent, source=source, with_table=with_table)

    @classmethod
    def from_dict(
        cls,
        data: dict[str, Any],
        folder: str | Path | None = None,
        source: str = "recipe",
        with_table: bool = True,
    ) -> Self:
        """Validate a recipe; files that it names are looked up relative to `folder`."""
        kind = _kind(data, source)
        if not issubclass(kind, cls):
            raise UserError(f"{source}: kind = {data.get('kind', KINDS[0])!r}: should be {_name_of(cls)!r}")
        try:
            recipe = kind.model_validate(data)
        except ValidationError as error:
            raise UserError(f"{source}: {one_line(error, kind, data)}") from None
        recipe._folder = None if folder is None else Path(folder)
        recipe.check(source)
        return recipe.with_files(source, with_table)

    def check(self, source: str) -> None:
        """What the schema cannot say. UserError, which begins with `source`, for values that the model would
        refuse.
        """

    def with_files(self, source: str, with_table: bool) -> Self:
        """The recipe with what the files that it names hold."""
        return self

    @property
    def folder(self) -> Path | None:
        """Folder that relative paths of the recipe refer to."""
        return self._folder

    @property
    def canonical(self) -> dict[str, Any]:
        """The recipe as plain JSON data, defaults filled in; `from_dict` reads it back."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON without the keys at their defaults, so that a key which a later
        version adds does not change the hash of recipes that do without it.
        """
        sparse = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        stated = _stated(self.canonical, sparse)
        text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns (y, x) of its images."""

    @property
    @abstractmethod
    def channel_names(self) -> tuple[str, ...]:
        """Names of the images' channels."""

    @property
    @abstractmethod
    def parameter_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `parameters`."""

    @property
    @abstractmethod
    def descriptor_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `descriptors`."""

    @property
    def species_names(self) -> tuple[str, ...]:
        """Names of the species whose particles a corpus holds, in order; none for textures."""
        return ()

    @property
    def probes(self) -> ValidationSettings | None:
        """Reference probes beside the images, if there are to be any."""
        return None


def _kind(data: dict[str, Any], source: str) -> type[Recipe]:
    """The class of the recipe in `data`. UserError for a kind that there is none of."""
    from simulate.aggregate_recipe import AggregateRecipe
    from simulate.lamella.recipe import LamellaRecipe
    from simulate.micrographs.recipe import MicrographRecipe
    from simulate.textures.recipe import TextureRecipe

    kind = data.get("kind", KINDS[0])
    if kind not in KINDS:
        raise UserError(f"{source}: kind = {kind!r}: should be one of {', '.join(KINDS)}")
    if kind == "aggregate":
        return AggregateRecipe
    if kind == "scene":
        return MicrographRecipe
    return LamellaRecipe if "lamella" in data else TextureRecipe


def _name_of(kind: type[Recipe]) -> str:
    return str(kind.model_fields["kind"].default)


def _stated(full: Any, sparse: Any) -> Any:
    """`full` without what `sparse` lacks, but for the names that tell one law or engine from another."""
    if isinstance(full, dict) and isinstance(sparse, dict):
        return {
            key: _stated(value, sparse.get(key, value))
            for key, value in full.items()
            if key in sparse or key in ("law", "name")
        }
    if isinstance(full, list) and isinstance(sparse, list):
        return [_stated(*pair) for pair in zip(full, sparse, strict=True)]
    return full
