"""How far windowed multislice is from converged multislice: band, slices, windows, thickness, orientation.

python benchmarks/maps/windowed.py [--probes 8]

Slabs of anatase and gamma-WO3, one zone axis and random orientations, one displaced configuration each: the
same atoms and probes on every grid, so that differences are those of the method and no phonon scatter is in
them. The reference keeps waves to 160 mrad, slices of 2 Å. Beside it the scatter from probe to probe, and
the same on abTEM's potential (engine.potential = "abtem") with a grid step of 0.033 Å.
"""

from __future__ import annotations

import argparse
import os

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
from simulate.windowed.windows import Run

MICROSCOPE = Microscope()
THICKNESSES_NM = (5.0, 10.0, 20.0, 40.0)
SIDE_ANGSTROM, SPREAD_ANGSTROM = 60.0, 8.0
PLANNER = Planner()


def slab(phase: str, rotation: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and displaced positions (Å) of a slab as thick as the thickest."""
    material, rng = Material.named(phase), default_rng(seed)
    high = np.array([SIDE_ANGSTROM, SIDE_ANGSTROM, 10 * THICKNESSES_NM[-1]])
    numbers, positions = crystal_block(material, rotation, np.zeros(3), high, rng.random(3) * 5)
    shifts = material.sigma_angstrom(numbers)[:, None] * rng.standard_normal(positions.shape)
    return numbers, positions + shifts


def signals(
    atoms: tuple[np.ndarray, np.ndarray],
    points: np.ndarray,
    band_mrad: float,
    thickness: float,
    window_angstrom: float = 40.0,
    abtem: bool = False,
) -> np.ndarray:
    """Detected fraction (probe, thickness) of probes at points (p, 2) in Å, in focus at the entrance."""
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
    size = window_size(window_angstrom / sampling)
    grid = wave_grid(size, sampling, MICROSCOPE.model_dump_json(), held)
    flyer = Multislice(tile, {size: grid}, {size: PLANNER.plans(size, grid.columns)}, 0.0, SliceMemory(1e9))
    heights = np.array([tile.height(k) for k in range(len(tile))])
    flights = [
        Flight(point / sampling, [Run(np.flatnonzero(heights < 10 * t), size)], np.zeros(1), room)
        for point in points
        for t, room in zip(
            THICKNESSES_NM, np.empty((len(THICKNESSES_NM), size**2), np.complex64), strict=True
        )
    ]
    flyer.run(flights)
    return tail * np.array([f.signal[0] for f in flights]).reshape(len(points), -1)


def compare(phase: str, orientation: str, rotation: np.ndarray, probes: int) -> None:
    """Print, for each thickness, the mean deviation and that of single probes (rms), in per cent."""
    atoms, rng = slab(phase, rotation, 1), default_rng(2)
    points = SIDE_ANGSTROM / 2 + SPREAD_ANGSTROM * (rng.random((probes, 2)) - 0.5)
    reference = signals(atoms, points, 160, 2.0)
    scatter = 100 * reference.std(axis=0, ddof=1) / reference.mean(axis=0)
    print(f"{phase}, {orientation}: signal " + " ".join(f"{100 * r:.2f} %" for r in reference.mean(axis=0)))
    print("  scatter between probes       " + " ".join(f"{s:11.1f}" for s in scatter), flush=True)
    for label, band, thickness, window, abtem in (
        ("60 mrad, 6 Å (default)", 60, 6.0, 40, False),
        ("60 mrad, 6 Å, window 26 Å", 60, 6.0, 26, False),
        ("60 mrad, 2 Å", 60, 2.0, 40, False),
        ("60 mrad, 10 Å", 60, 10.0, 40, False),
        ("80 mrad, 4 Å", 80, 4.0, 40, False),
        ("100 mrad, 4 Å", 100, 4.0, 40, False),
        ("abTEM's potential, 0.033 Å", 198, 2.0, 30, True),
    ):
        found = signals(atoms, points, band, thickness, window, abtem)
        mean = 100 * (found.mean(axis=0) / reference.mean(axis=0) - 1)
        single = 100 * np.sqrt(((found / reference - 1) ** 2).mean(axis=0))
        print(
            f"  {label:<29}" + " ".join(f"{m:+5.1f} ({s:3.1f})" for m, s in zip(mean, single, strict=True)),
            flush=True,
        )


def main(probes: int) -> None:
    print("thickness (nm)                 " + " ".join(f"{t:11g}" for t in THICKNESSES_NM))
    for phase in ("anatase", "gamma-WO3"):
        compare(phase, "zone axis [001]", np.eye(3), probes)
        for seed in (1, 2):
            rotation = Rotation.random(rng=default_rng(seed)).as_matrix()
            compare(phase, f"random orientation {seed}", rotation, probes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--probes", type=int, default=8)
    main(parser.parse_args().probes)
