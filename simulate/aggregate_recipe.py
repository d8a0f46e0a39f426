"""Recipes of aggregates: laws of the model, field, materials, microscope, engine, realism, probes."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Discriminator, Field, ValidationError

from simulate.aggregate_laws import AggregateLaws
from simulate.imaged_recipe import ImagedRecipe
from simulate.laws import Law
from simulate.microscope import Microscope
from simulate.realism import Realism
from simulate.recipe_errors import one_line
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


class AggregateRecipe(ImagedRecipe):
    """A recipe whose samples are images of hetero-aggregates."""

    coefficients_are_for: ClassVar[str] = "species or phase"

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
    def coefficient_names(self) -> tuple[str, ...]:
        """What response coefficients may be given for."""
        return (*self.species_names, *self.phase_names)

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
        self.check_phases(source)
