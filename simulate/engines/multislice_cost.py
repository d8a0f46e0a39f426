"""What cells of multislice cost, from geometry alone: steps of waves, and memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.atoms import KEPT_BYTES
from simulate.engines.cells import Cell, filled_slices

if TYPE_CHECKING:
    from simulate.microscope import Microscope
    from simulate.recipe_settings import MultisliceSettings
    from simulate.scene import Scene

_POTENTIAL_STEPS = 2  # a slice of potential costs about as much as so many steps of a wave
_WAVE_COPIES, _POTENTIAL_COPIES = 5, 1.5  # alive at once; measured 4.7 and below 1.0
_FIXED_BYTES = 3e7  # tables, plans and buffers of abTEM and FFTW, whatever the cell
_ATOM_BYTES = 32  # number and position
_CUTTING_BYTES = 120  # for each atom of the box that a particle is cut from, while it is cut; measured 102


def cell_work(
    scene: Scene, microscope: Microscope, settings: MultisliceSettings, cell: Cell, probes: int
) -> float:
    """Steps of waves times grid points, in units of 10^6, for so many probes in one configuration."""
    slices = filled_slices(scene, cell.felt, settings.slice_thickness_angstrom)
    waves = plane_waves(cell, microscope, settings) or probes
    return 1e-6 * cell.gpts**2 * slices * (waves + _POTENTIAL_STEPS)


def plane_waves(cell: Cell, microscope: Microscope, settings: MultisliceSettings) -> int:
    """Plane waves of a cell's scattering matrix; 0 where there is none."""
    if settings.method != "prism":
        return 0
    side = cell.gpts * settings.sampling_angstrom / settings.prism_interpolation
    return math.ceil(
        math.pi * (1e-3 * microscope.convergence_mrad * side / microscope.wavelength_angstrom) ** 2
    )


def memory_bound(
    scene: Scene,
    microscope: Microscope,
    settings: MultisliceSettings,
    planned: Iterable[Cell],
    batch_bytes: float,
    potential_bytes: float,
) -> int:
    """Bytes of the most demanding cell and of the atoms that are kept.

    A batch of waves has at most `batch_bytes`, or one wave; a potential that is kept has `potential_bytes`.
    """
    largest = 0.0
    for cell in planned:
        slices = filled_slices(scene, cell.felt, settings.slice_thickness_angstrom)
        wave = 8.0 * cell.gpts**2
        batch = min(len(cell.places), max(1, batch_bytes // wave))
        waves = wave * (plane_waves(cell, microscope, settings) + batch)
        potential = min(wave / 2 * slices, potential_bytes)
        largest = max(largest, _WAVE_COPIES * waves + _POTENTIAL_COPIES * potential)
    return int(_FIXED_BYTES + largest + atom_bytes(scene))


def atom_bytes(scene: Scene) -> float:
    """Of the particles that are kept, at rest and displaced, and of the one that is cut from its crystal."""
    aggregate = scene.aggregate
    if not scene.materials:
        return 0.0
    own = _ATOM_BYTES * atom_counts(scene)
    kept = min(own.sum(), KEPT_BYTES + own.max())
    box = (atom_densities_per_nm3(scene) * 8 * aggregate.circumradii**3).max()
    return float(2 * kept + _CUTTING_BYTES * box)


def atom_densities_per_nm3(scene: Scene) -> NDArray[np.float64]:
    """Atoms per nm^3 of each particle's crystal (n,)."""
    densities = [sum(m.element_densities_per_nm3.values()) for m in scene.materials]
    return np.array(densities)[scene.aggregate.phase]


def atom_counts(scene: Scene) -> NDArray[np.float64]:
    """About how many atoms each particle has (n,)."""
    return atom_densities_per_nm3(scene) * 4 / 3 * np.pi * scene.aggregate.radii**3
