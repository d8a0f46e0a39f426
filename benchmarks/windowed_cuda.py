"""The engine windowed on a CUDA device beside the processor, in wall time.

python benchmarks/windowed_cuda.py [--device cuda:1] [--windows 256 384] [--blocks 4]

Steps: as many waves as a block has (24 x 24 probes, 0.5 nm apart) through slices of anatase in windows of one
size, the slices being made on the way; on the processor (one core) a few of these probes.

Image: blocks, light to heavy, of an aggregate of 30 particles (recipe windowed-30, pixels of 0.5 nm), scaled
to the whole image by the engine's estimate of work; on the processor a small part of each of these blocks.

`--device cpu` runs torch on the processor, to try this script out.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from ase.data import chemical_symbols
from numpy.random import default_rng

from simulate.calibration.slabs import displaced_slab
from simulate.devices import resolved
from simulate.engines.base import Block
from simulate.engines.windowed import WindowedEngine
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.recipe_settings import WindowedSettings
from simulate.windowed.atomic import atom_table
from simulate.windowed.flights_torch import TorchFlyer
from simulate.windowed.multislice import Flight, Multislice
from simulate.windowed.multislice_torch import TorchMultislice
from simulate.windowed.plans import Planner
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.wave_grids import wave_grid
from simulate.windowed.wave_grids_torch import DeviceGrid
from simulate.windowed.windows import Run
from stochgeom.errors import UserError

SLICES, THICKNESS, SAMPLING, PIXEL = 16, 6.0, 0.1094, 5.0  # lengths in Å
MICROSCOPE = Microscope(detectors=(Detector(name="HAADF", inner_mrad=60, outer_mrad=200),))


def seconds(call, times: int = 2) -> float:
    """Least wall time of a call, after one that is not counted."""
    call()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def tile_of(size: int, side: int) -> TileSlices:
    """Anatase under side x side probes in windows of `size` points."""
    points = size + int(side * PIXEL / SAMPLING) + 2
    numbers, positions = displaced_slab(
        Material.named("anatase"), np.eye(3), points * SAMPLING, SLICES * THICKNESS, default_rng(1)
    )
    tables = {
        int(z): atom_table(chemical_symbols[z], MICROSCOPE.energy_ev, SAMPLING, MICROSCOPE.detectors)
        for z in np.unique(numbers)
    }
    return TileSlices(numbers, positions, (0.0, 0.0), (points, points), SAMPLING, THICKNESS, tables)


def steps(size: int, side: int, few: int, device: str) -> None:
    """Steps in a second, and how far the signals are apart."""
    tile = tile_of(size, side)
    grid = wave_grid(size, SAMPLING, MICROSCOPE.model_dump_json())
    places = size // 2 + PIXEL / SAMPLING * np.arange(side)
    centres = np.stack(np.meshgrid(places, places), axis=2).reshape(-1, 2)
    run = Run(np.arange(len(tile)), size)

    def flights(count: int) -> list[Flight]:
        room = np.empty((count, size**2), np.complex64)
        return [Flight(c, [run], np.zeros(1), m) for c, m in zip(centres, room, strict=False)]

    there = TorchMultislice(
        tile, {size: DeviceGrid(grid, device)}, 0.0, device, TorchFlyer(device).work_bytes
    )
    plans = Planner().plans(size, grid.columns)
    here = Multislice(tile, {size: grid}, {size: plans}, 0.0, SliceMemory(4e9))
    fast, slow = (len(f) * len(tile) / seconds(lambda m=m, f=f: m.run(f), times=1)
                  for m, f in ((there, flights(side**2)), (here, flights(few))))  # fmt: skip
    ours, theirs = flights(few), flights(few)
    there.run(ours), here.run(theirs)
    apart = max(abs(a.signal[0] / b.signal[0] - 1) for a, b in zip(ours, theirs, strict=True))
    print(
        f"{size}^2: {fast:.0f} steps/s on {device}, {slow:.0f} on one core, ratio {fast / slow:.1f}; "
        f"signals differ by {apart:.1g}"
    )


def image(count: int, part: int, device: str) -> None:
    """Images per hour of an aggregate of 30 particles."""
    recipe = Recipe.load("windowed-30")
    scene, settings = realise(recipe, 0).scene, recipe.engine
    assert isinstance(settings, WindowedSettings)
    here, there = WindowedEngine(settings), WindowedEngine(settings)
    there._flyer = TorchFlyer(device)
    blocks = here.blocks(scene, recipe.microscope)
    work = np.array([here.block_work(scene, recipe.microscope, block) for block in blocks])
    heavier = np.argsort(work)[np.count_nonzero(work == 0) :]
    places = np.linspace(0.3, 0.95, count) * (len(heavier) - 1)
    chosen = [blocks[heavier[int(place)]] for place in places]
    corners = [((b.y0 + b.y1 - part) // 2, (b.x0 + b.x1 - part) // 2) for b in chosen]
    middles = [Block(y, y + part, x, x + part) for y, x in corners]
    for engine, pieces, where in ((there, chosen, device), (here, middles, "one core")):
        engine.block_result(scene, recipe.microscope, middles[0])  # imports, tables, plans
        begin = time.perf_counter()
        for piece in pieces:
            engine.block_result(scene, recipe.microscope, piece)
        taken = time.perf_counter() - begin
        done = sum(engine.block_work(scene, recipe.microscope, piece) for piece in pieces)
        rate = 3600 * done / taken / work.sum()
        print(f"30 particles, 200^2 pixels: {rate:.2f} images/h on {where} ({taken:.0f} s measured)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--windows", type=int, nargs="*", default=[256, 320, 384, 512])
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--side", type=int, default=24, help="probes along a side for the steps")
    asked = parser.parse_args()
    try:
        device = resolved(asked.device)
    except UserError as error:
        print(f"nothing measured: {error}")
        return
    for size in asked.windows:
        steps(size, asked.side, min(24, asked.side**2), device)
    if asked.blocks:
        image(asked.blocks, 4, device)


if __name__ == "__main__":
    main()
