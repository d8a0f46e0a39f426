"""Bodies that several tests use."""

from __future__ import annotations

import numpy as np
import pytest

from stochgeom import HeteroAggregate
from stochgeom.bodies import EllipsoidShape, Polytope, WulffShape
from stochgeom.bodies.shapes import shape_arrays
from stochgeom.rotations import random_quaternions

CUBE = WulffShape(cell_angstrom=(4, 4, 4), laue_class="m-3m", surface_energies={"100": 1})
ROUNDED = WulffShape(
    cell_angstrom=(4, 4, 4), laue_class="m-3m", surface_energies={"100": 1.1, "111": 1, "110": 1.05}
)
# Lazzeri, Vittadini & Selloni, Phys. Rev. B 63 (2001) 155409, relaxed surfaces, J/m².
ANATASE = WulffShape(
    cell_angstrom=(3.7842, 3.7842, 9.5146),
    laue_class="4/mmm",
    surface_energies={"101": 0.44, "100": 0.53, "001": 0.90},
)
NEEDLE = EllipsoidShape(axis_ratios=(1, 1.5, 3))
SHAPES = (CUBE, ROUNDED, ANATASE, NEEDLE)


@pytest.fixture
def cube() -> Polytope:
    return CUBE.polytope


def bodies_at(shapes, centres, radii, orientations=None, rng=None) -> HeteroAggregate:
    """An aggregate whose particle k has shapes[k]; orientations given, at random by rng, or upright."""
    n = len(radii)
    if orientations is None:
        orientations = [[0, 0, 0, 1]] * n if rng is None else random_quaternions(n, rng)
    radii, phase = np.asarray(radii, float), np.arange(n)
    shape, semi_axes, polytopes = shape_arrays(shapes, phase, radii)
    names = tuple(f"P{k}" for k in range(n))
    return HeteroAggregate(
        centres=np.asarray(centres, float),
        radii=radii,
        species=phase,
        cluster=phase,
        orientations=orientations,
        phase=phase,
        species_names=names,
        phase_names=names,
        shape=shape,
        semi_axes=semi_axes,
        polytopes=polytopes,
    )
