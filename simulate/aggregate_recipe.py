"""Recipes of aggregates: laws of the model, materials, microscope, field, engine, realism, reference probes.

A user's CIF is read when the recipe is loaded and becomes part of it; a response table enters by the hash of
its bytes.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Discriminator, Field, ValidationError

from simulate.aggregate_laws import AggregateLaws
from simulate.laws import Law
from simulate.microscope import Microscope
from simulate.realism import Realism
from simulate.recipe import Recipe
from simulate.recipe_errors import one_line, suggestion
from simulate.recipe_files import find_table, sha256
from simulate.recipe_settings import (
    FieldSettings,
    MaterialSettings,
    MultisliceSettings,
    ResponseSettings,
    ValidationSettings,
    WindowedSettings,
)
from simulate.sampling import Sampling
from stochgeom.bodies.shapes import Shape
from stochgeom.errors import UserError
from stochgeom.parameters import AggregateParameters


class AggregateRecipe(Recipe):
    """A recipe whose samples are images of hetero-aggregates."""

    kind: Literal["aggregate"] = "aggregate"
    aggregate: AggregateLaws
    sampling: Sampling = Sampling()
    materials: dict[str, MaterialSettings] = Field(default_factory=dict)
    microscope: Microscope = Microscope()
    field: FieldSettings
    engine: Annotated[ResponseSettings | MultisliceSettings | WindowedSettings, Discriminator("name")]
    realism: Realism = Realism()
    validation: ValidationSettings | None = None

    def check(self, source: str) -> None:
        """The model must accept the laws, and what refers to species, phases and laws must find them."""
        self._check_values(source)
        self._check_names(source)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns (y, x) of its images."""
        return self.field.shape

    @property
    def probes(self) -> ValidationSettings | None:
        """Reference probes beside the images, if there are to be any."""
        return self.validation

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
    def engine_settings(self) -> ResponseSettings | MultisliceSettings | WindowedSettings:
        """`engine` with the response table's name resolved to a file."""
        path = self.table_path()
        return self.engine if path is None else self.engine.model_copy(update={"table": str(path.absolute())})
