"""Recipes: the schema of the TOML file that says what a corpus is, and how to make it.

Everything that decides a byte of the corpus is in the recipe, and nothing else is: it names no output path,
and the hash of its canonical JSON identifies the corpus. Unknown keys and impossible values are refused with
the path of the key. A user's CIF is read when the recipe is loaded and becomes part of it; a response table
enters by the hash of its bytes.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    ValidationError,
)

from simulate.aggregate_laws import AggregateLaws
from simulate.exact_numbers import Integer, NonNegativeInt, PositiveInt
from simulate.laws import Law, Strict
from simulate.microscope import Microscope
from simulate.realism import Realism
from simulate.recipe_errors import one_line, suggestion
from simulate.recipe_files import find_table, locate, sha256
from simulate.recipe_settings import (
    FieldSettings,
    MaterialSettings,
    MultisliceSettings,
    ResponseSettings,
    Split,
    ValidationSettings,
    WindowedSettings,
)
from simulate.sampling import Sampling
from stochgeom.bodies.shapes import Shape
from stochgeom.errors import UserError
from stochgeom.parameters import AggregateParameters


class Recipe(Strict):
    """A validated recipe. Build one with `Recipe.load` (a file or a shipped name) or `Recipe.from_dict`."""

    model_config = ConfigDict(title="recipe")

    schema_: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    kind: Literal["aggregate"] = "aggregate"
    description: str = ""
    samples: Integer = Field(gt=0, le=1_000_000_000)
    samples_per_shard: PositiveInt = 250
    seed: NonNegativeInt = 0
    split: Split = Split()
    aggregate: AggregateLaws
    sampling: Sampling = Sampling()
    materials: dict[str, MaterialSettings] = Field(default_factory=dict)
    microscope: Microscope = Microscope()
    field: FieldSettings
    engine: Annotated[ResponseSettings | MultisliceSettings | WindowedSettings, Discriminator("name")]
    realism: Realism = Realism()
    validation: ValidationSettings | None = None

    _folder: Path | None = PrivateAttr(None)

    @classmethod
    def load(cls, path_or_name: str | Path, with_table: bool = True) -> Recipe:
        """The recipe in a TOML file, the shipped one of that name, or the one that a corpus was made with.

        UserError, one line, if there is none or it is not valid. A corpus is named by its folder.
        `with_table=False` does not ask for the response table, which may be still to be calibrated.
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
    def _of_corpus(cls, path: Path, with_table: bool) -> Recipe:
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
    ) -> Recipe:
        """Validate a recipe; files that it names are looked up relative to `folder`."""
        try:
            recipe = cls.model_validate(data)
        except ValidationError as error:
            raise UserError(f"{source}: {one_line(error, cls, data)}") from None
        recipe._folder = None if folder is None else Path(folder)
        recipe._check_values(source)
        recipe._check_names(source)
        return recipe._with_files(source, with_table)

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
    def channel_names(self) -> tuple[str, ...]:
        """Names of the image's channels: the detectors."""
        return tuple(detector.name for detector in self.microscope.detectors)

    @cached_property
    def _middle(self) -> AggregateParameters:
        return self.aggregate.parameters(np.full(len(self.aggregate.slots), 0.5))

    @cached_property
    def slots(self) -> list[tuple[str, float | Law]]:
        """Key and number or law of each uniform number that a sample's parameters and field take."""
        field = {"field.fit": self.field.fit, "field.pixel_size_nm": self.field.pixel_size_nm}
        return self.aggregate.slots + [(key, 0.0 if value is None else value) for key, value in field.items()]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `parameters`."""
        return tuple(self._middle.columns())

    @property
    def species_names(self) -> tuple[str, ...]:
        """Names of the species, in order."""
        return tuple(species.name for species in self.aggregate.species)

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases over all species, in order."""
        return tuple(self._middle.phase_names)

    @property
    def phase_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the phases' particles, in the order of `phase_names`."""
        return self._middle.phase_shapes

    @cached_property
    def descriptor_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `descriptors`."""
        from stochgeom.descriptors import descriptor_names

        return tuple(descriptor_names(self.species_names))

    def _check_values(self, source: str) -> None:
        """The model must accept every value that a choice lists, and the ends of every other law."""
        for uniforms in self.aggregate.corners():
            values = self.aggregate.at(uniforms)
            try:
                AggregateParameters.model_validate(values)
            except ValidationError as error:
                line = one_line(error, AggregateParameters, values, prefix="aggregate")
                raise UserError(f"{source}: {line}") from None

    def _check_names(self, source: str) -> None:
        ignored = () if self.aggregate.kernel == "tunable" else ("fractal_dimension", "fractal_prefactor")
        laws = [key for key, number in self.slots if isinstance(number, Law) and key not in ignored]
        try:
            self.sampling.check(laws)
        except UserError as error:
            raise UserError(f"{source}: {error}") from None
        if isinstance(self.engine, ResponseSettings) and self.engine.coefficients_per_um is not None:
            coefficients = self.engine.coefficients_per_um
            accepted = sorted({*self.species_names, *self.phase_names})
            for key in coefficients:
                if key not in accepted:
                    hint = suggestion(key, accepted)
                    raise UserError(
                        f"{source}: engine.coefficients_per_um.{key}: no such species or phase{hint}"
                    )
            if len(self.channel_names) != 1:
                count = len(self.channel_names)
                raise UserError(f"{source}: engine.coefficients_per_um: serves one detector, not {count}")
        for key in self.materials:
            if key not in self.phase_names:
                raise UserError(
                    f"{source}: materials.{key}: no such phase{suggestion(key, self.phase_names)}"
                )

    def _with_files(self, source: str, with_table: bool) -> Recipe:
        """The recipe with the content of its CIFs and the hash of its table."""
        update: dict[str, Any] = {}
        if self.materials:
            update["materials"] = {
                name: settings.with_text(f"{source}: materials.{name}.cif", self._folder)
                for name, settings in self.materials.items()
            }
        try:
            table = self.table_path() if with_table else None
        except UserError as error:
            raise UserError(f"{source}: {error}") from None
        if table is not None:
            update["engine"] = self.engine.model_copy(update={"table_sha256": sha256(table)})
        if not update:
            return self
        loaded = self.model_copy(update=update)
        loaded._folder = self._folder
        return loaded

    def table_path(self) -> Path | None:
        """File of the response table: a shipped name, a path relative to the recipe's folder, or a corpus'
        copy.
        """
        if not isinstance(self.engine, ResponseSettings) or self.engine.table is None:
            return None
        return find_table(self.engine.table, self._folder or Path(), self.engine.table_sha256)

    @property
    def engine_settings(self) -> ResponseSettings | MultisliceSettings | WindowedSettings:
        """`engine` with the response table's name resolved to a file."""
        path = self.table_path()
        return self.engine if path is None else self.engine.model_copy(update={"table": str(path.absolute())})


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
