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
from numpy.typing import NDArray
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from simulate.aggregate_laws import AggregateLaws
from simulate.laws import Number, Strict, bounds
from simulate.microscope import Microscope
from simulate.realism import Realism
from simulate.recipe_errors import one_line, suggestion
from simulate.resources import names as shipped_names
from simulate.resources import resource
from stochgeom.errors import UserError
from stochgeom.parameters import AggregateParameters

SPLITS = ("train", "calibration", "validation", "test")
"""Names of the splits; a corpus stores their positions in this tuple."""


class Split(Strict):
    """Samples of each split; only the proportions matter when another number of samples is asked for."""

    train: NonNegativeInt = 8
    calibration: NonNegativeInt = 1
    validation: NonNegativeInt = 1
    test: NonNegativeInt = 2

    @model_validator(mode="after")
    def _some(self) -> Split:
        if sum(self.counts) == 0:
            raise ValueError("every split is empty; at least one should be above zero")
        return self

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers in the order of SPLITS."""
        return self.train, self.calibration, self.validation, self.test

    @cached_property
    def pattern(self) -> NDArray[np.uint8]:
        """Split of sample i for one period of sum(counts) samples; the pattern repeats after that.

        The members of each split are spread evenly over the period, so the proportions hold exactly over a
        period and to within a few samples over any stretch of it. It depends on the counts alone.
        """
        members = [(np.arange(count) + 0.5) / max(count, 1) for count in self.counts]
        split = np.repeat(np.arange(len(SPLITS), dtype=np.uint8), self.counts)
        return split[np.lexsort((split, np.concatenate(members)))]

    def of(self, index: int) -> int:
        """Position in SPLITS of sample `index`."""
        return int(self.pattern[index % len(self.pattern)])


class FieldSettings(Strict):
    """Field of view: `shape` (y, x) in pixels, and a pixel size or `fit` (field side over the aggregate's
    extent).
    """

    shape: tuple[PositiveInt, PositiveInt]
    pixel_size_nm: Number | None = None
    fit: Number | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> FieldSettings:
        if (self.pixel_size_nm is None) == (self.fit is None):
            raise ValueError("exactly one of pixel_size_nm and fit should be given")
        for name in ("pixel_size_nm", "fit"):
            number = getattr(self, name)
            if number is not None and bounds(number)[0] <= 0:
                raise ValueError(f"{name} = {bounds(number)[0]:g} should be above zero")
        return self


class MaterialSettings(Strict):
    """A user's material: a CIF (path relative to the recipe's folder) and Debye-Waller displacements per
    element.
    """

    cif: str
    cif_text: str | None = Field(
        default=None, description="content of the CIF; filled in when the recipe is loaded"
    )
    rms_displacement_angstrom: dict[str, PositiveFloat] = Field(default_factory=dict)
    expected_density_g_cm3: PositiveFloat | None = None


class ResponseSettings(Strict):
    """Engine `response`: a calibrated table, or coefficients per µm (by phase or species) with jitter.

    `jitter` is the relative standard deviation, from particle to particle, of a lognormal factor of median 1.
    """

    name: Literal["response"] = "response"
    table: str | None = None
    table_sha256: str | None = Field(
        None, description="hash of the table; filled in when the recipe is loaded"
    )
    coefficients_per_um: dict[str, NonNegativeFloat] | None = None
    jitter: NonNegativeFloat = 0.0
    oversampling: int = Field(default=2, ge=1, le=8)

    @model_validator(mode="after")
    def _one_of_two(self) -> ResponseSettings:
        if (self.table is None) == (self.coefficients_per_um is None):
            raise ValueError("exactly one of table and coefficients_per_um should be given")
        return self


class MultisliceSettings(Strict):
    """Engine `multislice`: sampling (Å per grid point), slices (Å), margins (Å), frozen phonons, probe or
    PRISM.

    `tail` says whether the independent-atom signal beyond the grid's angles is added.
    """

    name: Literal["multislice"] = "multislice"
    sampling_angstrom: PositiveFloat = 0.033
    slice_thickness_angstrom: PositiveFloat = 2.0
    margin_angstrom: PositiveFloat = 12.0
    phonon_configurations: PositiveInt = 1
    method: Literal["probe", "prism"] = "probe"
    prism_interpolation: PositiveInt = 1
    tile_pixels: PositiveInt | None = None
    tail: Literal["independent-atom", "none"] = "independent-atom"


class ValidationSettings(Strict):
    """Reference probes beside a response corpus.

    `positions` probes in each of `places` pixels of `aggregates` samples. Places are pixels with at least
    `min_thickness_nm` of material. The probes of a place lie within `spread_nm` (the side of a square) around
    the pixel's centre, and inside the pixel: narrow enough to share one cell, wide enough to average over the
    columns of atoms.
    """

    aggregates: PositiveInt = 8
    places: PositiveInt = 7
    positions: int = Field(default=4, ge=2)
    min_thickness_nm: PositiveFloat = 1.0
    spread_nm: PositiveFloat = 0.5
    engine: MultisliceSettings = MultisliceSettings()


class Recipe(Strict):
    """A validated recipe. Build one with `Recipe.load` (a file or a shipped name) or `Recipe.from_dict`."""

    model_config = ConfigDict(title="recipe")

    schema_: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    kind: Literal["aggregate"] = "aggregate"
    description: str = ""
    samples: PositiveInt
    samples_per_shard: PositiveInt = 250
    seed: NonNegativeInt = 0
    split: Split = Split()
    aggregate: AggregateLaws
    materials: dict[str, MaterialSettings] = Field(default_factory=dict)
    microscope: Microscope = Microscope()
    field: FieldSettings
    engine: Annotated[ResponseSettings | MultisliceSettings, Discriminator("name")]
    realism: Realism = Realism()
    validation: ValidationSettings | None = None

    _folder: Path | None = PrivateAttr(None)

    @classmethod
    def load(cls, path_or_name: str | Path, with_table: bool = True) -> Recipe:
        """The recipe in a TOML file, or the shipped one of that name. UserError, one line, if it is not
        valid.

        `with_table=False` does not ask for the response table, which may be still to be calibrated.
        """
        path = _locate(path_or_name)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UserError(f"recipe {path_or_name} cannot be read: {error}") from error
        return cls.from_dict(data, folder=path.parent, source=str(path_or_name), with_table=with_table)

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
        """SHA-256 of the canonical JSON."""
        text = json.dumps(self.canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the image's channels: the detectors."""
        return tuple(detector.name for detector in self.microscope.detectors)

    @cached_property
    def _middle(self) -> AggregateParameters:
        return self.aggregate.parameters(np.full(len(self.aggregate.slots), 0.5))

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
                name: _with_cif(settings, f"{source}: materials.{name}.cif", self._folder)
                for name, settings in self.materials.items()
            }
        try:
            table = self.table_path() if with_table else None
        except UserError as error:
            raise UserError(f"{source}: {error}") from None
        if table is not None:
            update["engine"] = self.engine.model_copy(update={"table_sha256": _sha256(table)})
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
        name, folder = self.engine.table, self._folder or Path()
        shipped = shipped_files("responses", ".npz").get(name)
        candidates = [shipped, folder / name]
        if self.engine.table_sha256 is not None:  # a corpus' own copy, known by its hash
            candidates.append(folder / "response.npz")
        found = [path for path in candidates if path is not None and path.is_file()]
        if not found:
            hint = suggestion(name, list(shipped_files("responses", ".npz")))
            raise UserError(f"engine.table = {name!r}: no such response table, shipped or as a file{hint}")
        wanted = self.engine.table_sha256
        same = [path for path in found if wanted in (None, _sha256(path))]
        if not same:
            raise UserError(
                f"engine.table = {name!r} is another table than the one that the recipe was made with"
            )
        return same[0]

    @property
    def engine_settings(self) -> ResponseSettings | MultisliceSettings:
        """`engine` with the response table's name resolved to a file."""
        path = self.table_path()
        return self.engine if path is None else self.engine.model_copy(update={"table": str(path.absolute())})


def shipped_files(kind: str, suffix: str) -> dict[str, Path]:
    """Shipped files of a kind, by their name without the suffix."""
    return {name.removesuffix(suffix): resource(kind, name) for name in shipped_names(kind, suffix)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _locate(path_or_name: str | Path) -> Path:
    """File of a recipe: an existing path first, then a shipped name."""
    path = Path(path_or_name)
    if path.is_file():
        return path
    shipped = shipped_files("recipes", ".toml")
    if str(path_or_name) in shipped:
        return shipped[str(path_or_name)]
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise UserError(f"no recipe file at {path}")
    raise UserError(f"no recipe {str(path_or_name)!r}{suggestion(str(path_or_name), list(shipped))}")


def _with_cif(settings: MaterialSettings, where: str, folder: Path | None) -> MaterialSettings:
    if settings.cif_text is not None:
        return settings
    path = Path(settings.cif) if folder is None else folder / settings.cif
    try:
        return settings.model_copy(update={"cif_text": path.read_text(encoding="utf-8"), "cif": path.name})
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where} = {settings.cif!r}: no readable CIF file at {path}") from error
