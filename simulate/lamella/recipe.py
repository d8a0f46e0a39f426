"""Recipes of lamellae: a texture of some thickness, materials and crystals of its phases, an engine."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import Discriminator, Field, model_validator

from simulate.exact_numbers import Integer, PositiveInt
from simulate.imaged_recipe import ImagedRecipe
from simulate.lamella.orientations import CrystalOrientation
from simulate.lamella.scene import NOTHING
from simulate.laws import Law, Number, Strict, bounds
from simulate.microscope import Microscope
from simulate.realism import Realism
from simulate.recipe_settings import (
    MaterialSettings,
    MultisliceSettings,
    ResponseSettings,
    ValidationSettings,
    WindowedSettings,
)
from simulate.sampling import Sampling
from simulate.textures.recipe import TextureRecipe
from stochgeom.errors import UserError

THICKNESS = "lamella.thickness_nm"
"""Key of the one law beside those of the texture."""
THICKNESS_COLUMN = "lamella_thickness_nm"
"""Its column among the descriptors; lines have a `thickness_nm` of their own."""
FINEST_PIXELS = 16384
"""Along the side of a texture, as `stochgeom.textures` accepts."""


class LamellaSettings(Strict):
    """The `[lamella]` table.

    phases
        Materials of the texture's phases 0 and 1: a name of `[materials]`, of a shipped material, or
        "vacuum".
    thickness_nm
        A number or a law.
    orientations
        How the crystals of each phase lie; at random unless stated.
    subpixels
        The texture is drawn with so many pixels along the side of one of the image, an odd number, so that a
        pixel's centre has a phase: boundaries then have greys between those of the phases.
    """

    phases: tuple[str, str]
    thickness_nm: Number
    orientations: tuple[CrystalOrientation, CrystalOrientation] = (
        CrystalOrientation(),
        CrystalOrientation(),
    )
    subpixels: Integer = Field(default=1, ge=1, le=9)

    @model_validator(mode="after")
    def _sensible(self) -> LamellaSettings:
        if self.phases == (NOTHING, NOTHING):
            raise ValueError(f"phases = {list(self.phases)}: at most one of them can be {NOTHING!r}")
        if bounds(self.thickness_nm)[0] <= 0:
            raise ValueError(f"thickness_nm = {bounds(self.thickness_nm)[0]:g} should be above zero")
        if self.subpixels % 2 == 0:
            raise ValueError(f"subpixels = {self.subpixels} should be odd")
        for name, lie in zip(self.phases, self.orientations, strict=True):
            if name == NOTHING and lie != CrystalOrientation():
                raise ValueError(f"orientations: {NOTHING} has none")
        return self


class LamellaRecipe(ImagedRecipe, TextureRecipe):
    """A recipe whose samples are images of lamellae: textures under the microscope."""

    kind: Literal["texture"] = "texture"
    samples_per_shard: PositiveInt = 250
    lamella: LamellaSettings
    sampling: Sampling = Sampling()
    materials: dict[str, MaterialSettings] = Field(default_factory=dict)
    microscope: Microscope = Microscope()
    engine: Annotated[ResponseSettings | MultisliceSettings | WindowedSettings, Discriminator("name")]
    realism: Realism = Realism()
    validation: ValidationSettings | None = None

    def check(self, source: str) -> None:
        """The model must accept the laws, correlations must find them, and phases must be known."""
        try:
            self.laws.check()
            self.sampling.check([*self.laws.drawn, *self.thickness_keys])
        except UserError as error:
            raise UserError(f"{source}: {error}") from None
        self.check_phases(source)
        self._check_materials(source)
        if any(lie.grains for lie in self.lamella.orientations) and self.laws.model != "voronoi":
            raise UserError(
                f"{source}: lamella.orientations: grains = true, but texture.model = {self.laws.model!r} has "
                "none; 'voronoi' does"
            )
        most = self.lamella.subpixels * max(self.image_shape)
        if most > FINEST_PIXELS:
            raise UserError(
                f"{source}: lamella.subpixels = {self.lamella.subpixels} makes a texture of {most} pixels; "
                f"at most {FINEST_PIXELS} are accepted"
            )

    def _check_materials(self, source: str) -> None:
        from simulate.material import shipped_materials
        from simulate.recipe_errors import suggestion

        known = [*self.materials, *shipped_materials()]
        free = isinstance(self.engine, ResponseSettings)  # a table, or coefficients, may know others
        for place, name in enumerate(self.lamella.phases):
            needed = not free or self.makes_atoms or self.lamella.orientations[place].zone_axis is not None
            if name != NOTHING and needed and name not in known:
                hint = suggestion(name, [NOTHING, *known])
                raise UserError(f"{source}: lamella.phases: no material {name!r}{hint}")

    @property
    def thickness_keys(self) -> tuple[str, ...]:
        """Key of the thickness's law, if it has one."""
        return (THICKNESS,) if isinstance(self.lamella.thickness_nm, Law) else ()

    @property
    def phase_names(self) -> tuple[str, ...]:
        """Names of the materials, each once."""
        return tuple(dict.fromkeys(name for name in self.lamella.phases if name != NOTHING))

    @cached_property
    def descriptor_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `descriptors`: the truth of the texture, and the lamella's thickness."""
        return (*super().descriptor_names, THICKNESS_COLUMN)
