"""The `[texture]` table of a recipe: a number or a law for every number of a texture model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from simulate.model_laws import ModelLaws
from stochgeom.textures import TextureParameters
from stochgeom.textures.models import PARAMETERS


class TextureLaws(ModelLaws[TextureParameters]):
    """The laws of a `[texture]` table, read once; its keys are those of `stochgeom.textures`."""

    name: ClassVar[str] = "texture"
    models: ClassVar[Mapping[str, type[BaseModel]]] = PARAMETERS
