"""Slabs of a turned crystal, and what one probe through such a slab sends to the detectors."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from simulate.atoms import crystal_block
from simulate.calibration.directions import rotation_onto_beam
from simulate.calibration.settings import CalibrationSettings
from simulate.material import Material
from simulate.windowed.atomic import REACH_ANGSTROM, atom_table
from simulate.windowed.multislice import Flight, Multislice
from simulate.windowed.plans import Planner
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.wave_grids import wave_grid
from simulate.windowed.windows import Run

_SLICE_BYTES = 3e7  # of slices that are there at once: few enough to stay near the processor


def displaced_slab(
    material: Material,
    rotation: NDArray[np.float64],
    side_angstrom: float,
    height_angstrom: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers (n,) and positions (n, 3) in Å of a slab of a crystal, at a random offset and displaced.

    `rotation` (3, 3) turns crystal to laboratory; the beam is along z. The slab reaches from 0 to the height,
    and sideways from 0 to `side_angstrom` and a little further, by what atoms reach.
    """
    low = np.array([-REACH_ANGSTROM, -REACH_ANGSTROM, 0.0])
    high = np.array([side_angstrom + REACH_ANGSTROM, side_angstrom + REACH_ANGSTROM, height_angstrom])
    origin = rng.random(3) @ np.asarray(material.cell.cell.array) @ rotation.T
    numbers, positions = crystal_block(material, rotation, low, high, origin)
    positions = positions + material.sigma_angstrom(numbers)[:, None] * rng.standard_normal(positions.shape)
    positions[:, 2] = np.clip(positions[:, 2], 0, height_angstrom - 1e-6)
    return numbers, positions


@lru_cache(maxsize=1)
def _tools() -> tuple[Planner, SliceMemory]:
    """FFT plans and memory of this process. Another plan changes only the last bits."""
    return Planner(), SliceMemory(_SLICE_BYTES)


def measure_slab(
    settings: CalibrationSettings,
    material: Material,
    rotation: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Signal (T, channel) of one probe through a slab whose crystal is turned by `rotation` (3, 3)."""
    from ase.data import chemical_symbols

    scope, sampling, size = settings.microscope, settings.sampling_angstrom, settings.window_points
    thickness, points = settings.slice_thickness_angstrom, size + 2
    height = thickness * settings.slices_to[-1]
    numbers, positions = displaced_slab(material, rotation, points * sampling, height, rng)
    tables = {
        int(z): atom_table(chemical_symbols[z], scope.energy_ev, sampling, scope.detectors)
        for z in np.unique(numbers)
    }
    tile = TileSlices(numbers, positions, (0.0, 0.0), (points, points), sampling, thickness, tables)
    # The last slice with atoms in front of each reading; -1 where there is none yet.
    last = np.searchsorted(tile.filled, settings.slices_to, side="left") - 1
    planner, memory = _tools()
    grid = wave_grid(size, sampling, scope.model_dump_json())
    plans = {size: planner.plans(size, grid.columns)}
    multislice = Multislice(tile, {size: grid}, plans, settings.focus_angstrom, memory)
    asked = np.unique(last[last >= 0])
    flight = Flight(
        np.full(2, points / 2),
        [Run(np.arange(len(tile)), size)],
        np.zeros(len(scope.detectors)),
        np.empty(size**2, np.complex64),
        read_after=frozenset(asked.tolist()),
    )
    multislice.run([flight])
    readings = np.array([np.zeros(len(scope.detectors)), *flight.readings])
    return readings[np.searchsorted(asked, last, side="right")]


def measure_direction(
    settings: CalibrationSettings, material: Material, direction: NDArray[np.float64], seed: SeedSequence
) -> NDArray[np.float64]:
    """Mean signal (T, channel) of `settings.probes` probes along `direction` (3,) of the crystal.

    Every probe has a slab of its own, with another lattice offset, turn about the beam and displacement.
    """
    rng = default_rng(seed)
    signals = [
        measure_slab(settings, material, rotation_onto_beam(direction, rng), rng)
        for _ in range(settings.probes)
    ]
    return np.mean(signals, axis=0)
