"""What the page shows, as a recipe: every choice that its pictures depend on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learn.clustering.settings import Covariance
from learn.files import write_text
from stochgeom.errors import UserError, require

LARGEST_COMPONENTS = 32
LARGEST_COUNT = 16
HEAD = "What a page of heterostem explore shows. Open it again with: heterostem explore THIS_FILE"


class Part(BaseModel):
    """A table of the recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceState(Part):
    """Where the image comes from: a drawn example, sample `sample` of a corpus of scenes, or a file.

    pixel_size_nm None: what the corpus or the file says; 0.02 nm for a drawn one, whose `seed` draws it.
    """

    kind: Literal["drawn", "corpus", "image"] = "drawn"
    drawn: Literal["film", "graphene", "composite"] = "film"
    size_px: int = Field(default=512, ge=64, le=2048)
    seed: int = Field(default=0, ge=0)
    path: str = ""
    sample: int = Field(default=0, ge=0)
    pixel_size_nm: float | None = Field(default=None, gt=0)
    channel: int = Field(default=0, ge=0)


class PatchState(Part):
    """Windows about atomic columns (`sublattice_nm`: only those with no brighter one nearer) or on a grid."""

    centres: Literal["columns", "grid"] = "columns"
    window_px: int = Field(default=32, ge=3, le=256)
    step_px: int = Field(default=8, ge=1, le=256)
    sublattice_nm: float | None = Field(default=None, gt=0)
    normalise: Literal["none", "patch", "image"] = "image"


class DescriptorState(Part):
    """The numbers that stand for a patch: its pixels, principal or non-negative components, or latent numbers
    of the autoencoder in the folder `model`.
    """

    kind: Literal["raw", "pca", "nmf", "model"] = "pca"
    components: int = Field(default=8, ge=1, le=LARGEST_COMPONENTS)
    model: str = ""


class ClusterState(Part):
    """A mixture of `count` Gaussians over the descriptor."""

    count: int = Field(default=5, ge=1, le=LARGEST_COUNT)
    covariance: Covariance = "full"
    seed: int = Field(default=0, ge=0)


class ViewState(Part):
    """What colours the charts, and which numbers of the descriptor, counted from 1, the scatter shows."""

    colour: str = "cluster"
    across: int = Field(default=1, ge=1)
    up: int = Field(default=2, ge=1)


class ExploreState(Part):
    """All of it. Parts are hashable: they are the keys of what is kept."""

    source: SourceState = SourceState()
    patches: PatchState = PatchState()
    descriptor: DescriptorState = DescriptorState()
    clusters: ClusterState = ClusterState()
    view: ViewState = ViewState()

    @classmethod
    def of(cls, tables: dict[str, Any], where: str = "the page") -> ExploreState:
        """A state of nested tables. UserError, one line with the key, for what is not accepted."""
        try:
            return cls.model_validate(tables)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "tables"
            raise UserError(f"{where}: {key} = {first['input']!r}: {first['msg']}") from None

    def toml(self) -> str:
        """The recipe's text; what is None, the source's own pixel size for example, has no line."""
        tomlkit = require("tomlkit", extra="explore")
        document = tomlkit.document()
        document.add(tomlkit.comment(HEAD))
        for name, part in self.model_dump(exclude_none=True).items():
            table = tomlkit.table()
            for key, value in part.items():
                table.add(key, value)
            document.add(tomlkit.nl())
            document.add(name, table)
        return str(tomlkit.dumps(document))

    @classmethod
    def from_toml(cls, text: str, where: str = "recipe") -> ExploreState:
        """The state of a recipe's text. UserError for text that is none."""
        try:
            return cls.of(tomllib.loads(text), where)
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"{where}: is no TOML: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the recipe, whole or not at all."""
        try:
            write_text(path, self.toml())
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | Path) -> ExploreState:
        """Read a recipe. UserError if the file cannot be read, or holds something else."""
        try:
            return cls.from_toml(Path(path).read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
