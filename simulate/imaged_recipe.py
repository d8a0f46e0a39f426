"""Recipes whose samples are imaged by an engine: materials, microscope, engine, reference probes.

A user's CIF is read when the recipe is loaded and becomes part of it; a response table enters by the hash of
its bytes.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from simulate.recipe import Recipe
from simulate.recipe_errors import suggestion
from simulate.recipe_files import find_table, sha256
from simulate.recipe_settings import (
    MultisliceSettings,
    ResponseSettings,
    ValidationSettings,
    WindowedSettings,
)
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe_settings import MaterialSettings

EngineSettings = ResponseSettings | MultisliceSettings | WindowedSettings


class ImagedRecipe(Recipe):
    """What recipes share whose samples are scenes that an engine images."""

    coefficients_are_for: ClassVar[str] = "phase"
    """What `coefficient_names` are names of."""

    if TYPE_CHECKING:  # each kind says where these tables stand among its own
        materials: dict[str, MaterialSettings]
        microscope: Microscope
        engine: EngineSettings
        validation: ValidationSettings | None

    @property
    @abstractmethod
    def phase_names(self) -> tuple[str, ...]:
        """Names of the phases, each a material, in order."""

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """What response coefficients may be given for."""
        return self.phase_names

    @property
    def probes(self) -> ValidationSettings | None:
        """Reference probes beside the images, if there are to be any."""
        return self.validation

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the image's channels: the detectors."""
        return tuple(detector.name for detector in self.microscope.detectors)

    @property
    def makes_atoms(self) -> bool:
        """Whether images, or reference probes, are made of atoms."""
        return not isinstance(self.engine, ResponseSettings) or self.validation is not None

    def check_phases(self, source: str) -> None:
        """UserError, which begins with `source`, where a table names a phase that there is none of."""
        if isinstance(self.engine, ResponseSettings) and self.engine.coefficients_per_um is not None:
            accepted = sorted(set(self.coefficient_names))
            for key in self.engine.coefficients_per_um:
                if key not in accepted:
                    hint = suggestion(key, accepted)
                    what = self.coefficients_are_for
                    raise UserError(f"{source}: engine.coefficients_per_um.{key}: no such {what}{hint}")
            if len(self.channel_names) != 1:
                count = len(self.channel_names)
                raise UserError(f"{source}: engine.coefficients_per_um: serves one detector, not {count}")
        for key in self.materials:
            if key not in self.phase_names:
                raise UserError(
                    f"{source}: materials.{key}: no such phase{suggestion(key, self.phase_names)}"
                )

    def with_files(self, source: str, with_table: bool) -> Self:
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
    def engine_settings(self) -> EngineSettings:
        """`engine` with the response table's name resolved to a file."""
        path = self.table_path()
        return self.engine if path is None else self.engine.model_copy(update={"table": str(path.absolute())})
