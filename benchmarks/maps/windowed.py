"""How far windowed multislice of a slab is from converged multislice: band, slices, thickness, orientation.

    python benchmarks/maps/windowed.py [--probes 6] [--abtem]

Slabs of anatase and gamma-WO3 on zone axes and in random orientations, one displaced configuration each: the
same atoms and probes on every grid, so that differences are those of the method and no phonon scatter is in
them. The reference keeps waves to 140 mrad, slices of 2 Å. Beside it the scatter from probe to probe, and
what another displaced configuration changes. Probes lie in a square of 8 Å, in focus at the entrance, in
windows of 40 Å; one flight is read at all thicknesses.
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
from scipy.spatial.transform import Rotation

from simulate.atoms import crystal_block
from simulate.cross_sections import tail_factor
from simulate.engines.detection import whole_rings_mrad
from simulate.material import Material
from simulate.microscope import Microscope
from simulate.windowed.abtem_slices import AbtemSlices
from simulate.windowed.atomic import atom_table
from simulate.windowed.multislice import Flight, Multislice
from simulate.windowed.plans import Planner
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.wave_grids import BAND, SOFT_EDGE, wave_grid, window_size
from simulate.windowed.windows import Optics, Run, runs

MICROSCOPE = Microscope()
THICKNESSES_NM = (4.8, 9.6, 19.2, 38.4)
"""Whole numbers of slices of 2, 4 and 6 Å, so that all rows have the same atoms behind them."""
SIDE_ANGSTROM, SPREAD_ANGSTROM = 60.0, 8.0
PLANNER = Planner()
REFERENCE = (140.0, 2.0)
DEFAULT = (60.0, 6.0)
ROWS = (DEFAULT, (60.0, 4.0), (60.0, 2.0), (80.0, 4.0), (100.0, 4.0))
"""Band in mrad, slices in Å."""
ABTEM = (198.0, 2.0)
"""A grid step of 0.033 Å."""
SLABS: tuple[tuple[str, tuple[int, int, int] | int], ...] = (
    ("gamma-WO3", (0, 0, 1)),
    ("gamma-WO3", 1),
    ("anatase", (0, 0, 1)),
    ("gamma-WO3", (1, 1, 0)),
    ("anatase", 1),
)
"""Zone axes, or seeds of random orientations."""

Atoms = tuple[np.ndarray, np.ndarray]


def zone_axis(phase: str, indices: tuple[int, int, int]) -> np.ndarray:
    """Rotation (3, 3) that brings [u v w] of a phase on to the beam."""
    axis = np.array(indices) @ np.asarray(Material.named(phase).cell.cell.array)
    return Rotation.align_vectors([[0.0, 0.0, 1.0]], [axis / np.linalg.norm(axis)])[0].as_matrix()


def slab(phase: str, rotation: np.ndarray, configuration: int) -> Atoms:
    """Numbers and displaced positions (Å) of a slab as thick as the thickest."""
    material, rng = Material.named(phase), default_rng(1)
    high = np.array([SIDE_ANGSTROM, SIDE_ANGSTROM, 10 * THICKNESSES_NM[-1]])
    numbers, positions = crystal_block(material, rotation, np.zeros(3), high, rng.random(3) * 5)
    rng = default_rng([2, configuration])
    shifts = material.sigma_angstrom(numbers)[:, None] * rng.standard_normal(positions.shape)
    return numbers, positions + shifts


def signals(
    atoms: Atoms,
    points: np.ndarray,
    band_mrad: float,
    thickness: float,
    window_angstrom: float | None = 40.0,
    abtem: bool = False,
) -> np.ndarray:
    """Detected fraction (probe, thickness) of probes at points (p, 2) in Å.

    A window of None is the engine's default: 26 Å and the cone. One of 40 Å holds that at all depths.
    """
    sampling = BAND * 0.5 * MICROSCOPE.wavelength_angstrom / (1e-3 * band_mrad)
    numbers, positions = atoms
    shape = (int(SIDE_ANGSTROM / sampling),) * 2
    held, tail = np.inf, 1.0
    if abtem:
        held = whole_rings_mrad(SOFT_EDGE * band_mrad)
        composition = {chemical_symbols[z]: float((numbers == z).sum()) for z in np.unique(numbers)}
        tail = tail_factor(composition, MICROSCOPE.detectors[0], MICROSCOPE.energy_ev, held)
        tile: TileSlices = AbtemSlices(
            MICROSCOPE.energy_ev, numbers, positions, (0.0, 0.0), shape, sampling, thickness, {}
        )
    else:
        tables = {
            int(z): atom_table(chemical_symbols[z], MICROSCOPE.energy_ev, sampling, MICROSCOPE.detectors)
            for z in np.unique(numbers)
        }
        tile = TileSlices(numbers, positions, (0.0, 0.0), shape, sampling, thickness, tables)
    heights = np.array([tile.height(k) for k in range(len(tile))])
    last = [int(np.flatnonzero(heights < 10 * t)[-1]) for t in THICKNESSES_NM]
    inside = heights < 10 * THICKNESSES_NM[-1]
    if window_angstrom is None:
        optics = Optics(focus=0.0, alpha=1e-3 * MICROSCOPE.convergence_mrad, half=13.0, spread=0.0, reach=4.0)
        planned = runs(tile, inside, optics)
    else:
        planned = [Run(np.flatnonzero(inside), window_size(window_angstrom / sampling))]
    text, sizes = MICROSCOPE.model_dump_json(), sorted({run.size for run in planned})
    grids = {size: wave_grid(size, sampling, text, held) for size in sizes}
    plans = {size: PLANNER.plans(size, grid.columns) for size, grid in grids.items()}
    flights = [
        Flight(point / sampling, planned, np.zeros(1), room, read_after=frozenset(last))
        for point, room in zip(points, np.empty((len(points), sizes[-1] ** 2), np.complex64), strict=True)
    ]
    Multislice(tile, grids, plans, 0.0, SliceMemory(1e9)).run(flights)
    return tail * np.array([[reading[0] for reading in flight.readings] for flight in flights])


def deviations(label: str, found: np.ndarray, reference: np.ndarray) -> None:
    """Print the deviation of the mean, and that of single probes (rms), in per cent."""
    mean = 100 * (found.mean(axis=0) / reference.mean(axis=0) - 1)
    single = 100 * np.sqrt(((found / reference - 1) ** 2).mean(axis=0))
    both = (f"{m:+.1f} ({s:.1f})" for m, s in zip(mean, single, strict=True))
    print(f"  {label:<29}" + " ".join(f"{text:>13}" for text in both), flush=True)


def compare(phase: str, orientation: str, rotation: np.ndarray, probes: int, abtem: bool) -> None:
    atoms = slab(phase, rotation, 0)
    points = SIDE_ANGSTROM / 2 + SPREAD_ANGSTROM * (default_rng(3).random((probes, 2)) - 0.5)
    reference = signals(atoms, points, *REFERENCE)
    scatter = 100 * reference.std(axis=0, ddof=1) / reference.mean(axis=0)
    print(f"{phase}, {orientation}: signal")
    print(f"  {'':<29}" + " ".join(f"{100 * r:11.2f} %" for r in reference.mean(axis=0)))
    print(f"  {'scatter between probes':<29}" + " ".join(f"{f'({s:.1f})':>13}" for s in scatter), flush=True)
    for band, thickness in ROWS:
        found = signals(atoms, points, band, thickness)
        deviations(f"{band:g} mrad, {thickness:g} Å", found, reference)
        if (band, thickness) == DEFAULT:
            other = signals(slab(phase, rotation, 1), points, band, thickness)
            deviations("  other displacements", other, found)
            deviations("  windows of 26 Å and more", signals(atoms, points, *DEFAULT, None), reference)
    if abtem:
        deviations("abTEM's potential, 0.033 Å", signals(atoms, points, *ABTEM, 30.0, True), reference)


def main(probes: int, abtem: bool) -> None:
    begin = time.process_time()
    print("deviation of the mean, in brackets rms of single probes, in %")
    print(f"  {'thickness (nm)':<29}" + " ".join(f"{t:13g}" for t in THICKNESSES_NM))
    for phase, direction in SLABS:
        if isinstance(direction, int):
            name, rotation = "random orientation", Rotation.random(rng=default_rng(direction)).as_matrix()
        else:
            name, rotation = f"zone axis [{''.join(map(str, direction))}]", zone_axis(phase, direction)
        compare(phase, name, rotation, probes, abtem)
    print(f"{(time.process_time() - begin) / 60:.1f} minutes of one core")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--probes", type=int, default=6)
    parser.add_argument("--abtem", action="store_true", help="also on abTEM's potential: slow")
    options = parser.parse_args()
    main(options.probes, options.abtem)
