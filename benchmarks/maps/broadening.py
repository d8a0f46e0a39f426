"""How much a slab raises what another behind it sends to the detector: measured, beside the table's number.

python benchmarks/maps/broadening.py [--slabs 40] [--energy-ev 300000]

10 nm of one phase alone, and the same atoms behind 20 nm of another: the optical depth it adds there, over
its own, minus 1, per nm of what is in front. Orientations, offsets and displacements are new for every pair.
The standard error is a jackknife's. About 5 minutes of one core.
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

from simulate.calibration.broadening import broadening_per_nm
from simulate.calibration.settings import CalibrationSettings
from simulate.calibration.slabs import displaced_slab
from simulate.material import Material
from simulate.microscope import Microscope
from simulate.windowed.atomic import atom_table
from simulate.windowed.multislice import Flight, Multislice
from simulate.windowed.plans import Planner
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.wave_grids import wave_grid
from simulate.windowed.windows import Run

PHASES = ("anatase", "gamma-WO3")
FRONT_NM, BEHIND_NM = 20.0, 10.0
PLANNER, MEMORY = Planner(), SliceMemory(3e7)


def signals(
    settings: CalibrationSettings, atoms: tuple[np.ndarray, np.ndarray], ends_nm: tuple
) -> np.ndarray:
    """Signal of one probe if the material ended at each of the heights `ends_nm`."""
    scope, sampling, size = settings.microscope, settings.sampling_angstrom, settings.window_points
    numbers, positions = atoms
    tables = {
        int(z): atom_table(chemical_symbols[z], scope.energy_ev, sampling, scope.detectors)
        for z in np.unique(numbers)
    }
    shape, thickness = (size + 2, size + 2), settings.slice_thickness_angstrom
    tile = TileSlices(numbers, positions, (0.0, 0.0), shape, sampling, thickness, tables)
    last = np.searchsorted(tile.filled, [round(10 * end / thickness) for end in ends_nm]) - 1
    grid = wave_grid(size, sampling, scope.model_dump_json())
    plans = {size: PLANNER.plans(size, grid.columns)}
    flight = Flight(
        np.full(2, shape[0] / 2),
        [Run(np.arange(len(tile)), size)],
        np.zeros(1),
        np.empty(size**2, np.complex64),
        read_after=frozenset(last.tolist()),
    )
    Multislice(tile, {size: grid}, plans, settings.focus_angstrom, MEMORY).run([flight])
    return np.array(flight.readings)[:, 0]


def pair(settings: CalibrationSettings, front: str, behind: str, slabs: int) -> tuple[float, float]:
    """Rise per nm and its standard error."""
    rng = default_rng(5)
    side = (settings.window_points + 2) * settings.sampling_angstrom
    rows = []
    for _ in range(slabs):
        first, second = (
            displaced_slab(Material.named(name), Rotation.random(rng=rng).as_matrix(), side, 10 * nm, rng)
            for name, nm in ((front, FRONT_NM), (behind, BEHIND_NM))
        )
        second = second[0], second[1] + [0.0, 0.0, 10 * FRONT_NM]
        both = tuple(np.concatenate(parts) for parts in zip(first, second, strict=True))
        ends = (FRONT_NM, FRONT_NM + BEHIND_NM)
        rows.append([*signals(settings, both, ends), *signals(settings, second, ends[1:])])
    depths = -np.log1p(-np.array(rows))

    def rise(kept: np.ndarray) -> float:
        alone, stacked, own = kept.mean(axis=0)
        return float(((stacked - alone) / own - 1) / FRONT_NM)

    left_out = np.array([rise(np.delete(depths, k, axis=0)) for k in range(slabs)])
    return rise(depths), float(np.sqrt((slabs - 1) * left_out.var()))


def main(slabs: int, energy_ev: float) -> None:
    scope = Microscope(energy_ev=energy_ev)
    settings = CalibrationSettings(
        materials=PHASES, microscope=scope, thicknesses_nm=(FRONT_NM, FRONT_NM + BEHIND_NM)
    )
    for k, front in enumerate(PHASES):
        table = broadening_per_nm(settings, k)[:, 0]
        for behind, number in zip(PHASES, table, strict=True):
            measured, error = pair(settings, front, behind, slabs)
            print(
                f"{behind} behind {front}: {measured:.5f} +- {error:.5f} per nm, as tabulated {number:.5f}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slabs", type=int, default=40)
    parser.add_argument("--energy-ev", type=float, default=300e3)
    chosen = parser.parse_args()
    main(chosen.slabs, chosen.energy_ev)
