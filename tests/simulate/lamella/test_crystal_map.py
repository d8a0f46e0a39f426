"""Which crystal is where, beyond the edges too; how far away the next material is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulate.lamella.crystal_map import MATRIX, MIRROR, VACUUM, WRAP, CrystalMap

MODES = {WRAP: "wrap", MIRROR: "symmetric", MATRIX: "constant"}


def map_of(seed: int, continuation: int, holes: float = 0.0, matrix: int = VACUUM) -> CrystalMap:
    generator = np.random.default_rng(seed)
    crystal = generator.integers(0, 3, (5, 7)).astype(np.int32)
    crystal[generator.random(crystal.shape) < holes] = VACUUM
    return CrystalMap(crystal, 0.5, continuation, matrix)


@pytest.mark.parametrize("continuation", MODES)
def test_beyond_the_edges_it_is_what_padding_gives(continuation):
    found = map_of(3, continuation, matrix=2)
    more = {"constant_values": 2} if continuation == MATRIX else {}
    padded = np.pad(found.crystal, ((8, 8), (9, 9)), mode=MODES[continuation], **more)
    rows, columns = np.meshgrid(np.arange(-8, 13), np.arange(-9, 16), indexing="ij")
    points = np.array(found.left_nm) + 0.5 * (np.stack([columns, rows], axis=-1) + 0.3)
    assert np.array_equal(found.at(points), padded)


@given(
    seed=st.integers(0, 50),
    continuation=st.sampled_from(sorted(MODES)),
    corner=st.tuples(*[st.floats(-6, 6)] * 2),
    size=st.tuples(*[st.floats(0, 2)] * 2),
)
def test_the_gap_is_no_longer_than_the_distance_to_material(seed, continuation, corner, size):
    found = map_of(seed, continuation, holes=0.9)
    low = np.array(corner)
    high = low + size
    places = np.stack(np.meshgrid(np.arange(-60, 60), np.arange(-60, 60)), axis=-1).reshape(-1, 2)
    centres = np.array(found.left_nm) + 0.5 * (places + 0.5)
    material = centres[found.at(centres) != VACUUM]
    if not len(material):
        assert found.gap_nm(low, high) > 20
        return
    beside = np.maximum(np.maximum(material - 0.25 - high, low - material - 0.25), 0)
    exact = np.hypot(*beside.T).min()
    assert found.gap_nm(low, high) <= exact + 1e-9
    if continuation != MATRIX:
        assert found.gap_nm(low, high) >= exact - 3 * 0.5


def test_crystals_within_a_rectangle_are_those_of_its_pixels():
    found = CrystalMap(np.array([[0, 0, 4], [2, VACUUM, 4]], np.int32), 1.0, WRAP, VACUUM)
    assert found.within(np.array([-1.4, -0.9]), np.array([-0.6, 0.9])).tolist() == [0, 2]
    assert found.within(np.array([-0.4, 0.1]), np.array([0.4, 0.9])).tolist() == []
    assert found.within(np.array([1.2, 0.2]), np.array([1.8, 0.4])).tolist() == [2, 4]
