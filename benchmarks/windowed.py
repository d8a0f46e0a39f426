"""Windowed multislice beside abTEM, in processor time of one core, both measured in this run.

python benchmarks/windowed.py [--windows 256 384] [--aggregate]

Windows: the same probes through the same slices in windows of the same size. abTEM has its potential built
beforehand and the best of several batch sizes; the windowed engine's slices are made beforehand too. Beside
it, the time of the step's Fourier transforms alone.

--aggregate (minutes): blocks of an image of 30 particles (recipe windowed-30), scaled to the whole image by
the engine's estimate of work, beside tiles with margins by abTEM (engine multislice, on a grid that carries
the detector), scaled by its own.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import ase
import numpy as np
from numpy.random import default_rng

from simulate.calibration.slabs import displaced_slab
from simulate.engines.base import Block, make_engine
from simulate.engines.multislice import deterministic
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.recipe_settings import MultisliceSettings, WindowedSettings
from simulate.windowed.atomic import atom_table
from simulate.windowed.multislice import Flight, Multislice
from simulate.windowed.passes import only_transforms
from simulate.windowed.plans import Planner, Plans
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.wave_grids import wave_grid
from simulate.windowed.windows import Run

SLICES, THICKNESS, SAMPLING, PROBES = 16, 4.0, 0.1094, 24
BATCHES = (1, 2, 4, 8, 24)
MICROSCOPE = Microscope()
RING = (30.0, 50.0)
"""A detector that the grid holds, in mrad: all that abTEM can detect on it."""
ROUNDS = 5
DETECTORS = {
    "the same ring": (Detector(name="ring", inner_mrad=RING[0], outer_mrad=RING[1]),),
    "HAADF, with all that leaves the band": MICROSCOPE.detectors,
}


def seconds(*calls: Callable[[], None], rounds: int) -> list[float]:
    """Least processor time of each call, all of them in turn: what else a machine does slows all alike."""
    taken = []
    for _ in range(rounds):
        for call in calls:
            begin = time.process_time()
            call()
            taken.append(time.process_time() - begin)
    return [min(taken[k :: len(calls)]) for k in range(len(calls))]


def same_windows(size: int) -> None:
    """Milliseconds per probe and slice, abTEM's and ours, in windows of `size` points."""
    import abtem

    side = size * SAMPLING
    height = SLICES * THICKNESS
    numbers, positions = displaced_slab(Material.named("anatase"), np.eye(3), side, height, default_rng(1))
    inside = ((positions[:, :2] >= 0) & (positions[:, :2] < side)).all(axis=1)
    slab = ase.Atoms(numbers[inside], positions[inside], cell=[side, side, height])
    with abtem.config.set({"diagnostics.progress_bar": False, "fftw.planning_effort": "FFTW_MEASURE",
                           "fftw.threads": 1}):  # fmt: skip
        potential = abtem.Potential(
            slab, gpts=size, slice_thickness=THICKNESS, parametrization="lobato", projection="infinite"
        ).build(lazy=False)
        probe = abtem.Probe(energy=MICROSCOPE.energy_ev, semiangle_cutoff=MICROSCOPE.convergence_mrad)
        probe.grid.match(potential)
        detector = abtem.AnnularDetector(inner=RING[0], outer=RING[1])
        scan = abtem.CustomScan(np.full((PROBES, 2), side / 2))

        def theirs(batch: int) -> None:
            probe.multislice(potential, scan=scan, detectors=detector, max_batch=batch, lazy=False)

        tried = seconds(*(partial(theirs, batch) for batch in BATCHES), rounds=2)
        best = BATCHES[int(np.argmin(tried))]
        scopes = [MICROSCOPE.model_copy(update={"detectors": detectors}) for detectors in DETECTORS.values()]
        flights = itertools.chain.from_iterable(ours(size, slab, scope) for scope in scopes)
        abtems, whole, *taken = seconds(
            partial(theirs, best), whole_transforms(size), *flights, rounds=ROUNDS
        )
    unit = 1e3 / (PROBES * SLICES)
    print(
        f"{size}^2: abTEM {unit * abtems:.3f} ms per probe and slice (batches of {best}), {RING} mrad; "
        f"two whole transforms {unit * whole:.3f} ms"
    )
    for label, flown, transforms in zip(DETECTORS, taken[::2], taken[1::2], strict=True):
        print(
            f"  windowed, {label}: {unit * flown:.3f} ms, ratio {abtems / flown:.2f}; "
            f"loop over two whole transforms {flown / whole:.2f}; its own, which leave out what is beyond "
            f"the band, {unit * transforms:.3f} ms, loop over them {flown / transforms:.2f}"
        )


def ours(size: int, slab, scope: Microscope) -> tuple[Callable[[], None], Callable[[], None]]:
    """The same probes by the windowed engine's loop, and its transforms alone, by the plans of a corpus."""
    tables = {
        int(z): atom_table(symbol, scope.energy_ev, SAMPLING, scope.detectors)
        for z, symbol in zip(slab.numbers, slab.get_chemical_symbols(), strict=True)
    }
    tile = TileSlices(
        slab.numbers, slab.positions, (0.0, 0.0), (size + 2, size + 2), SAMPLING, THICKNESS, tables
    )
    grid = wave_grid(size, SAMPLING, scope.model_dump_json())
    plans = stored_plans(size, grid.columns)
    flyer = Multislice(tile, {size: grid}, {size: plans}, 0.0, SliceMemory(4e9))
    rooms = SliceMemory(4e9).slices(tile.shape, len(tile.beyond), len(tile))
    made = {k: tile.make(k, room) for k, room in enumerate(rooms)}
    tile.make = lambda k, room: made[k]  # type: ignore[method-assign]  # built beforehand, as abTEM's are
    room = np.empty((PROBES, size**2), np.complex64)
    reach = plans.whole_lines(grid.reach)

    def fly() -> None:
        run = Run(np.arange(len(tile)), size)
        centre = np.full(2, size / 2)
        flyer.run([Flight(centre, [run], np.zeros(1), memory) for memory in room])

    def transform() -> None:
        plans.work[...] = 0
        plans.rows[...] = 0
        for _ in range(PROBES * SLICES):
            only_transforms(plans.calls, plans.work, plans.rows, plans.columns, plans.kept, reach)

    fly()
    return fly, transform


def whole_transforms(size: int) -> Callable[[], None]:
    """As many two-dimensional transforms, forward and back, as a loop without shortcuts takes."""
    import pyfftw

    wave = pyfftw.empty_aligned((size, size), np.complex64)
    there, back = (
        pyfftw.FFTW(wave, wave, axes=(0, 1), direction=way, flags=("FFTW_MEASURE",))
        for way in ("FFTW_FORWARD", "FFTW_BACKWARD")
    )
    wave[...] = 0

    def transform() -> None:
        for _ in range(PROBES * SLICES):
            there.execute()
            back.execute()

    return transform


def stored_plans(size: int, columns: int) -> Plans:
    """Plans as a corpus keeps them."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plans.json"
        Planner().save(path, [(size, columns)], patient=True)
        return Planner.load(path).plans(size, columns)


def whole_aggregate() -> None:
    """Hours of one core for an image of 30 particles: windowed, and abTEM in tiles with margins."""
    recipe = Recipe.load("windowed-30")
    scene = realise(recipe, 0).scene
    found = {}
    for label, settings in (
        ("windowed, 60 mrad", WindowedSettings()),
        ("windowed, 195 mrad", WindowedSettings(band_mrad=195, slice_thickness_angstrom=2, block_pixels=8)),
    ):
        engine = make_engine(settings)
        blocks = engine.blocks(scene, recipe.microscope)
        work = np.array([engine.block_work(scene, recipe.microscope, block) for block in blocks])
        chosen = blocks[int(np.argsort(work)[int(0.8 * len(work))])]
        engine.block_result(
            scene, recipe.microscope, Block(chosen.y0, chosen.y0 + 1, chosen.x0, chosen.x0 + 1)
        )
        begin = time.process_time()
        engine.block_result(scene, recipe.microscope, chosen)
        rate = (time.process_time() - begin) / engine.block_work(scene, recipe.microscope, chosen)
        found[label] = rate * work.sum()
        print(f"{label}: {found[label] / 3600:.2f} h of one core, from block {chosen}")
    found["abTEM in tiles"] = tiles(recipe, scene)
    for label in list(found)[:2]:
        print(f"abTEM in tiles over {label}: {found['abTEM in tiles'] / found[label]:.1f}")


def tiles(recipe: Recipe, scene) -> float:
    """Seconds of one core for abTEM's tiles with the margins that the windows have, from a few probes."""
    engine = make_engine(MultisliceSettings(margin_angstrom=13.0, sampling_angstrom=0.0328))
    blocks = engine.blocks(scene, recipe.microscope)
    work = np.array([engine.block_work(scene, recipe.microscope, block) for block in blocks])
    heavy = blocks[int(np.argsort(work)[int(0.8 * len(work))])]
    y, x = (heavy.y0 + heavy.y1) // 2, (heavy.x0 + heavy.x1) // 2
    small = make_engine(engine.settings.model_copy(update={"tile_pixels": 2}))
    part = Block(y, y + 2, x, x + 2)
    with deterministic():
        begin = time.process_time()
        small.block_result(scene, recipe.microscope, part)
        taken = time.process_time() - begin
    total = taken / small.block_work(scene, recipe.microscope, part) * work.sum()
    print(f"abTEM in tiles: {total / 3600:.1f} h of one core, scaled from four probes ({taken:.0f} s)")
    return float(total)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, nargs="*", default=[256, 384])
    parser.add_argument("--aggregate", action="store_true")
    arguments = parser.parse_args()
    for window in arguments.windows:
        same_windows(window)
    if arguments.aggregate:
        whole_aggregate()
