"""Recipes of textures: laws of a model of `stochgeom.textures`, and how its images are made.

Without an engine the image is the texture's phase map itself, one channel of zeros and ones.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from simulate.exact_numbers import PositiveInt
from simulate.realism import Realism
from simulate.recipe import Recipe
from simulate.sampling import Sampling
from simulate.textures.bits import row_bytes
from simulate.textures.columns import parameter_columns, truth_names
from simulate.textures.laws import TextureLaws
from stochgeom.errors import UserError

MOST_SHARD_BYTES = 2**28


class TextureRecipe(Recipe):
    """A recipe whose samples are two-phase textures. It has no engine: the images are the phase maps."""

    kind: Literal["texture"] = "texture"
    samples_per_shard: PositiveInt = 1000
    texture: dict[str, Any] = Field(description="model, shape, pixel_size_nm, and the model's parameters")
    sampling: Sampling = Sampling()
    realism: Realism = Realism()

    def check(self, source: str) -> None:
        """The model must accept the laws, and correlations must find them."""
        try:
            self.laws.check()
            self.sampling.check(self.laws.drawn)
            self._check_shards()
        except UserError as error:
            raise UserError(f"{source}: {error}") from None

    def _check_shards(self) -> None:
        """A worker holds all samples of a shard, and copies of them."""
        ny, nx = self.image_shape
        most = max(1, MOST_SHARD_BYTES // (ny * row_bytes(nx)))
        if self.samples_per_shard > most:
            raise UserError(
                f"samples_per_shard = {self.samples_per_shard}: at most {most} for textures of {ny} x {nx} "
                "pixels"
            )

    @cached_property
    def laws(self) -> TextureLaws:
        """The laws of the table `texture`."""
        return TextureLaws(self.texture)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns (y, x) of its images."""
        return self.laws.middle.shape

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The phase map is the one channel."""
        return ("phase",)

    @cached_property
    def parameter_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `parameters`: numbers asked of the model, `asked_` and their key."""
        return tuple(parameter_columns(self.laws.middle))

    @cached_property
    def descriptor_names(self) -> tuple[str, ...]:
        """Columns of the corpus' `descriptors`: what is true of the images."""
        return truth_names(self.laws.some())
