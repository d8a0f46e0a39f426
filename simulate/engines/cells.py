"""How a scene is divided for multislice: tiles of scan points, cells around them, slices along the beam."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from simulate.engines.base import Block
    from simulate.microscope import Microscope
    from simulate.recipe_settings import MultisliceSettings
    from simulate.scene import Scene
    from stochgeom.projection import Field

_LARGEST_TILE = 64


@dataclass(frozen=True)
class Cell:
    """A square of the scene with the scan points inside it.

    low_nm (2,): its corner (x, y); gpts: grid points along a side; points_nm (p, 2); places (p,): rows of the
    points in the result; felt: particles that are felt there.
    """

    low_nm: NDArray[np.float64]
    gpts: int
    points_nm: NDArray[np.float64]
    places: NDArray[np.int64]
    felt: NDArray[np.int64]


def reaches_nm(scene: Scene, microscope: Microscope, settings: MultisliceSettings) -> NDArray[np.float64]:
    """How far from a probe each particle is felt (n,): `margin_angstrom` and the cone at its far end."""
    aggregate = scene.aggregate
    from_focus = aggregate.centres[:, 2] - scene.centre_z_nm - microscope.focus_nm
    cone = 1e-3 * microscope.convergence_mrad * (abs(from_focus) + aggregate.circumradii)
    return 0.1 * settings.margin_angstrom + cone


def tile_pixels(scene: Scene, microscope: Microscope, settings: MultisliceSettings) -> int:
    """Side of a tile: as asked, or the one that costs least.

    Small tiles pay for their potential, large ones for waves that are wider than a probe needs. A slice of
    potential costs about twice a step of a wave on the same grid.
    """
    longest = max(scene.field.shape)
    if settings.tile_pixels is not None:
        return min(settings.tile_pixels, longest)
    margin = float(reaches_nm(scene, microscope, settings).mean())
    sides = np.arange(1, min(longest, _LARGEST_TILE) + 1)
    cost = ((sides - 1) * scene.field.pixel_size_nm + 2 * margin) ** 2 * (1 + 2 / sides**2)
    return int(sides[cost.argmin()])


Pixels = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]
"""Centres (p, 2) nm in row order; the tile of each (p,); whether it is asked for (p,)."""


def tiled_pixels(field: Field, tile: int, block: Block) -> Pixels:
    """Pixels of all tiles of side `tile` that a block of the image touches; those in it are asked for."""
    ny, nx = field.shape
    rows = np.arange(block.y0 // tile * tile, min(-(-block.y1 // tile) * tile, ny))
    columns = np.arange(block.x0 // tile * tile, min(-(-block.x1 // tile) * tile, nx))
    row, column = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    points = np.stack([field.x_nm[column], field.y_nm[row]], axis=1)
    inside = (row >= block.y0) & (row < block.y1) & (column >= block.x0) & (column < block.x1)
    return points, (row // tile) * nx + column // tile, inside


def batches(cell: Cell, wanted: NDArray[np.bool_], batch_bytes: float) -> list[NDArray[np.int64]]:
    """Numbers of a cell's probes that go through the slices together; only batches with one that is wanted.

    What is wanted decides which batches there are, and never which probes are in one: bits depend on that.
    """
    size = max(1, int(batch_bytes // (8 * cell.gpts**2)))
    numbers = np.arange(len(cell.places))
    found = [numbers[k : k + size] for k in range(0, len(numbers), size)]
    return [batch for batch in found if wanted[cell.places[batch]].any()]


def cells(
    scene: Scene,
    microscope: Microscope,
    settings: MultisliceSettings,
    points: NDArray[np.float64],
    groups: NDArray[np.int64],
) -> Iterator[Cell]:
    """Cells for points (p, 2), those of one number in `groups` (p,) together; none where nothing is felt.

    A cell reaches beyond its points as far as the particles ask that are felt there.
    """
    reach = reaches_nm(scene, microscope, settings)
    middle, radii = scene.aggregate.centres[:, :2], scene.aggregate.circumradii
    order = np.argsort(groups, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        inside = points[places]
        low, high = inside.min(axis=0), inside.max(axis=0)
        gap = np.linalg.norm(middle - np.clip(middle, low, high), axis=1) - radii
        felt = gap < reach
        if not felt.any():
            continue
        side = 10 * (float((high - low).max()) + 2 * float(reach[felt].max()))
        step = settings.prism_interpolation if settings.method == "prism" else 1
        gpts = good_size(math.ceil(side / settings.sampling_angstrom), step)
        corner = (low + high) / 2 - 0.05 * gpts * settings.sampling_angstrom
        yield Cell(corner, gpts, inside, places, np.flatnonzero(felt))


def filled_slices(scene: Scene, particles: NDArray[np.int64], thickness_angstrom: float) -> int:
    """Slices along the beam that hold some of these particles; the gaps between cost nothing."""
    aggregate, thickness = scene.aggregate, 0.1 * thickness_angstrom
    middle, half = aggregate.centres[particles, 2], aggregate.circumradii[particles]
    first = np.floor((middle - half) / thickness).astype(np.int64)
    last = np.ceil((middle + half) / thickness).astype(np.int64)
    filled = np.zeros(last.max() - first.min(), dtype=bool)
    for low, high in zip(first - first.min(), last - first.min(), strict=True):
        filled[low:high] = True
    return int(filled.sum())


def good_size(least: int, step: int = 1) -> int:
    """The next number of grid points that FFTW is quick at, a multiple of `step`.

    Prime factors 2, 3, 5 and 7, with 2 twice to five times: with an estimated plan FFTW is 1.3 times slower
    with fewer, and four to six times at 512, 768 or 1024 points.
    """
    n = max(least, 16)
    while True:
        rest = n
        for prime in (3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if n % step == 0 and rest in (4, 8, 16, 32):
            return n
        n += 1


def beam_slices(z: NDArray[np.float64], thickness: float) -> tuple[float, tuple[float, ...]]:
    """Slices along the beam for atoms at heights z (n,): the first slice's top, and each slice's thickness.

    The planes lie on multiples of `thickness`, so that all cells of a scene share them. A slice without atoms
    is joined to the one before it: multislice transmits at a slice's top, then propagates through it.
    """
    filled = np.unique(np.floor(z / thickness).astype(np.int64))
    ends = np.append(filled[1:], filled[-1] + 1)
    return float(filled[0] * thickness), tuple(float(n * thickness) for n in ends - filled)
