"""Recipes of scenes: laws of a model of atoms, a field of view, microscope, engine, realism."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Discriminator, Field, model_validator

from simulate.exact_numbers import PositiveInt
from simulate.imaged_recipe import ImagedRecipe
from simulate.laws import Law, Number, Strict, bounds
from simulate.micrographs.models import PARAMETERS
from simulate.micrographs.parameters import MARGIN_NM, MicrographParameters
from simulate.micrographs.truth import descriptor_names
from simulate.microscope import Microscope
from simulate.model_laws import ModelLaws
from simulate.realism import Realism
from simulate.recipe_settings import MaterialSettings, MultisliceSettings, Side, WindowedSettings
from simulate.sampling import Sampling
from simulate.textures.columns import parameter_columns
from stochgeom.errors import UserError
from stochgeom.projection import Field as FieldOfView

PIXEL_SIZE = "field.pixel_size_nm"
"""Key of the one law beside those of the scene."""
MOST_MARGIN_NM = MARGIN_NM - 0.5
"""That an engine may ask for around a probe, its cone aside."""
LARGEST_FIELD_NM, THICKEST_NM = 40.0, 40.0
"""All atoms of a scene are kept in memory: a cube of this side has some five million."""


class ScanSettings(Strict):
    """The `[field]` table of a scene: `shape` (y, x) in pixels and their size, a number or a law."""

    shape: tuple[Side, Side]
    pixel_size_nm: Number

    @model_validator(mode="after")
    def _sensible(self) -> ScanSettings:
        low, high = bounds(self.pixel_size_nm)
        if low <= 0:
            raise ValueError(f"pixel_size_nm = {low:g} should be above zero")
        if max(self.shape) * high > LARGEST_FIELD_NM:
            raise ValueError(
                f"{max(self.shape)} pixels of {high:g} nm are {max(self.shape) * high:g} nm; at most "
                f"{LARGEST_FIELD_NM:g} nm are accepted"
            )
        return self


class SceneLaws(ModelLaws[MicrographParameters]):
    """The laws of a `[scene]` table; its keys are those of the model's parameters."""

    name: ClassVar[str] = "scene"
    models: ClassVar[Mapping[str, type[BaseModel]]] = PARAMETERS


class MicrographRecipe(ImagedRecipe):
    """A recipe whose samples are micrographs of drawn scenes, with their truth."""

    kind: Literal["scene"] = "scene"
    samples_per_shard: PositiveInt = 1
    scene: dict[str, Any] = Field(description="model, and the model's parameters")
    sampling: Sampling = Sampling()
    materials: dict[str, MaterialSettings] = Field(default_factory=dict)
    microscope: Microscope = Microscope()
    field: ScanSettings
    engine: Annotated[MultisliceSettings | WindowedSettings, Discriminator("name")]
    realism: Realism = Realism()
    validation: None = None

    def check(self, source: str) -> None:
        """The model must accept the laws, and what refers to laws and materials must find them."""
        try:
            self.laws.check()
            self.sampling.check([*self.laws.drawn, *self.field_keys])
            self._check_sizes()
        except UserError as error:
            raise UserError(f"{source}: {error}") from None
        self.check_phases(source)
        self._check_materials(source)

    def _check_sizes(self) -> None:
        thick = max(parameters.most_thick_nm for parameters in self.laws.some())
        if thick > THICKEST_NM:
            raise UserError(f"scene: up to {thick:g} nm thick; at most {THICKEST_NM:g} nm are accepted")
        engine = self.engine
        key = "margin_angstrom" if isinstance(engine, MultisliceSettings) else "reach_angstrom"
        margin = getattr(engine, key)
        if margin > 10 * MOST_MARGIN_NM:
            raise UserError(
                f"engine.{key} = {margin:g}: atoms are drawn {MARGIN_NM:g} nm around the field; at most "
                f"{10 * MOST_MARGIN_NM:g} Å are accepted"
            )

    def _check_materials(self, source: str) -> None:
        from simulate.material import shipped_materials

        known = [*self.materials, *shipped_materials()]
        for name in self.phase_names:
            if name not in known:
                raise UserError(f"{source}: materials.{name} is missing: {self.laws.model} has atoms of it")

    @cached_property
    def laws(self) -> SceneLaws:
        """The laws of the table `scene`."""
        return SceneLaws(self.scene)

    @property
    def model(self) -> type[MicrographParameters]:
        """Class of its scenes' parameters."""
        return PARAMETERS[self.laws.model]

    @property
    def field_keys(self) -> tuple[str, ...]:
        """Key of the pixel size's law, if it has one."""
        return (PIXEL_SIZE,) if isinstance(self.field.pixel_size_nm, Law) else ()

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Materials whose Debye-Waller factors the atoms have."""
        return self.model.material_names

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns (y, x) of its images."""
        return self.field.shape

    @cached_property
    def most_rows(self) -> tuple[int, int]:
        """Slots of the tables of columns and of walls: no scene of the recipe has more."""
        field = FieldOfView(self.field.shape, bounds(self.field.pixel_size_nm)[1])
        some = list(self.laws.some())
        return max(p.most_columns(field) for p in some), max(p.most_walls(field) for p in some)

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `parameters`: numbers asked of the model, `asked_` and their key."""
        return tuple(parameter_columns(self.laws.middle))

    @property
    def descriptor_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `descriptors`: what is true of the micrographs."""
        return descriptor_names(self.model)
