"""What every engine offers, and how one is made from a recipe's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe import MultisliceSettings, ResponseSettings
    from simulate.scene import Scene


@runtime_checkable
class Engine(Protocol):
    """Turns a scene into detected intensity, as the fraction of the incident beam."""

    def image(self, scene: Scene, microscope: Microscope) -> NDArray[np.float32]:
        """Image (channel, y, x) of the scene's field."""
        ...

    def probes(
        self, scene: Scene, microscope: Microscope, points_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Intensity (p, channel) at points (p, 2), x and y in nm."""
        ...

    def cost(self, scene: Scene, microscope: Microscope) -> str:
        """What an image costs, in words; UserError if the engine cannot serve scene and microscope."""
        ...


def make_engine(settings: ResponseSettings | MultisliceSettings) -> Engine:
    """The engine that a recipe's `engine` table asks for."""
    if settings.name == "response":
        from simulate.engines.response import ResponseEngine

        return ResponseEngine(settings)
    if settings.name == "multislice":
        from simulate.engines.multislice import MultisliceEngine

        return MultisliceEngine(settings)
    raise UserError(f"engine.name = {settings.name!r}: there are response and multislice")
