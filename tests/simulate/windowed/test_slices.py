"""Slices of a tile: single atoms against their definition, the tile cut smaller, where atoms are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate.microscope import Microscope
from simulate.windowed.atomic import STEP_ANGSTROM, atom_table
from simulate.windowed.slices import SliceMemory, TileSlices, add_radial

SAMPLING = 0.1094
HAADF = Microscope().detectors
TABLES = {z: atom_table(s, 300e3, SAMPLING, HAADF) for z, s in ((8, "O"), (74, "W"))}


def tile(numbers, positions, shape=(96, 112), thickness=4.0) -> TileSlices:
    return TileSlices(
        np.array(numbers), np.array(positions, float), (0.0, 0.0), shape, SAMPLING, thickness, TABLES
    )


def made(slices: TileSlices, k: int = 0):
    memory = SliceMemory(1e7).slices(slices.shape, len(slices.beyond), 1)[0]
    return slices.make(k, memory)


def test_one_atom_is_its_table_at_the_distance_of_each_grid_point():
    x, y = 6.03, 4.71
    found = made(tile([74], [[x, y, 1.0]]))
    grid_y, grid_x = np.mgrid[:96, :112] * SAMPLING
    distance = np.hypot(grid_x - x, grid_y - y)
    table = TABLES[74]
    phase, absorption, signal = (
        np.interp(distance, np.arange(len(t)) * STEP_ANGSTROM, t, right=0.0)
        for t in (table.phase, table.absorption, table.signal[0])
    )
    np.testing.assert_allclose(found.factor, np.exp(1j * phase - absorption), atol=2e-4)
    np.testing.assert_allclose(found.signal[0], signal, atol=1e-3 * signal.max())


def test_atoms_add_up_and_stay_in_their_slices():
    positions = [[3.0, 3.0, 0.5], [5.2, 3.3, 3.9], [4.0, 6.0, -0.5], [4.0, 6.0, 40.0]]
    slices = tile([8, 74, 8, 74], positions)
    assert slices.filled.tolist() == [-1, 0, 10]
    assert [slices.height(k) for k in range(3)] == [-2.0, 2.0, 42.0]
    both = made(slices, 1).factor
    product = made(tile([8], positions[:1])).factor * made(tile([74], positions[1:2])).factor
    np.testing.assert_allclose(both, product, atol=1e-5)


def test_a_smaller_part_of_a_tile_is_the_same_there():
    rng = np.random.default_rng(1)
    positions = rng.uniform([0, 0, 0], [12, 10, 4], (40, 3))
    slices = tile(np.where(rng.random(40) < 0.5, 8, 74), positions)
    whole, low, high = made(slices), np.array([20, 30]), np.array([80, 90])
    part = made(slices.trimmed(low, high))
    np.testing.assert_allclose(part.factor, whole.factor[30:90, 20:80], atol=2e-5)
    np.testing.assert_allclose(part.signal, whole.signal[:, 30:90, 20:80], atol=2e-5)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0, 11), st.floats(0, 9)), min_size=1, max_size=12),
    st.tuples(st.floats(0, 11), st.floats(0, 9), st.floats(0.1, 6)),
)
def test_no_atom_near_a_probe_is_overlooked(atoms, probe):
    slices = tile([8] * len(atoms), [[x, y, 1.0] for x, y in atoms])
    x, y, reach = probe
    centre = np.array([[x, y]]) / SAMPLING
    found = slices.touched(0, centre - reach / SAMPLING, centre + reach / SAMPLING)[0]
    near = any(abs(a - x) < reach and abs(b - y) < reach for a, b in atoms)
    assert found or not near


def test_radial_tables_end_where_they_end():
    plane = np.zeros((21, 21), np.float32)
    add_radial(plane, np.array([[10.0, 10.0]]), np.array([1.0, 1.0, 0.0], np.float32), np.float32(0.5))
    assert plane[10, 10] == 1
    assert plane[10, 12] == 1
    assert plane[10, 13] == pytest.approx(0.5, abs=1e-5)
    assert plane[10, 14] == pytest.approx(0.0, abs=2e-3)
    assert plane[10, 15] == 0
