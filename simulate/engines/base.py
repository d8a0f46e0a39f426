"""What every engine offers, what those offer whose images are made block by block, and how one is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from simulate.devices import CPU
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe_settings import MultisliceSettings, ResponseSettings, WindowedSettings
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


@dataclass(frozen=True)
class Block:
    """A rectangle of an image: half-open ranges of its rows and columns."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """Its place in an image (channel, y, x)."""
        return slice(None), slice(self.y0, self.y1), slice(self.x0, self.x1)


@dataclass(frozen=True)
class BlockResult:
    """A block, or an image put together from blocks: `intensity` (channel, y, x).

    `standard_error`, of the same shape, is that of the mean over the configurations of atoms; None where
    there is but one.
    """

    intensity: NDArray[np.float32]
    standard_error: NDArray[np.float32] | None = None

    @property
    def layers(self) -> tuple[NDArray[np.float32], ...]:
        """Intensity, and its standard error if there is one."""
        return (self.intensity,) if self.standard_error is None else (self.intensity, self.standard_error)


@runtime_checkable
class BlockEngine(Engine, Protocol):
    """An engine whose image is made of blocks that know nothing of each other: `image` is its blocks put
    together, bit by bit.
    """

    def blocks(self, scene: Scene, microscope: Microscope) -> list[Block]:
        """Blocks that cover the field, in row order; they depend on settings and `field.shape` only."""
        ...

    def block_result(self, scene: Scene, microscope: Microscope, block: Block) -> BlockResult:
        """Intensity of one of `blocks`, and its standard error if the settings ask for several configurations
        of atoms. A pure function: never of the blocks that were made before.
        """
        ...

    def block_work(self, scene: Scene, microscope: Microscope, block: Block) -> float:
        """Relative cost of a block from geometry alone; 0 where nothing is computed."""
        ...

    def memory_bytes(self, scene: Scene, microscope: Microscope) -> int:
        """Bound of what a process needs for any block, beyond its imports."""
        ...


def square_blocks(shape: tuple[int, int], side: int) -> list[Block]:
    """Squares of `side` pixels that cover an image of `shape` (y, x), in row order; the last are cut off."""
    ny, nx = shape
    return [
        Block(y, min(y + side, ny), x, min(x + side, nx))
        for y in range(0, ny, side)
        for x in range(0, nx, side)
    ]


def put_together(shape: tuple[int, int], parts: Iterable[tuple[Block, BlockResult]]) -> BlockResult:
    """The image of `shape` (y, x) from the results of blocks that cover it."""
    layers: list[NDArray[np.float32]] = []
    for block, result in parts:
        if not layers:
            layers = [np.full((len(layer), *shape), np.nan, np.float32) for layer in result.layers]
        for layer, part in zip(layers, result.layers, strict=True):
            layer[block.window] = part
    return BlockResult(*layers)


def whole_image(engine: Engine, scene: Scene, microscope: Microscope) -> BlockResult:
    """Image of the scene's field by any engine, with its standard error where the engine gives one."""
    if not isinstance(engine, BlockEngine):
        return BlockResult(np.asarray(engine.image(scene, microscope), np.float32))
    blocks = engine.blocks(scene, microscope)
    parts = ((block, engine.block_result(scene, microscope, block)) for block in blocks)
    return put_together(scene.field.shape, parts)


def make_engine(
    settings: ResponseSettings | MultisliceSettings | WindowedSettings, device: str = CPU
) -> Engine:
    """The engine that a recipe's `engine` table asks for, on a device if it can compute there.

    UserError if there is no such device (`simulate.devices.resolved`).
    """
    if settings.name == "response":
        from simulate.engines.response import ResponseEngine

        return ResponseEngine(settings)
    if settings.name == "multislice":
        from simulate.engines.multislice import MultisliceEngine

        return MultisliceEngine(settings)
    if settings.name == "windowed":
        from simulate.engines.windowed import WindowedEngine

        return WindowedEngine(settings, device)
    raise UserError(f"engine.name = {settings.name!r}: there are response, multislice and windowed")
