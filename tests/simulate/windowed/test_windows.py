"""Windows: wide enough at every slice, in the order of the beam, none for what is not felt."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulate.windowed.wave_grids import SIZES, window_size
from simulate.windowed.windows import GAP_ANGSTROM, RUN_SLICES, Optics, runs
from stochgeom.errors import UserError


class Heights:
    """Stands for a tile that has a slice at each height."""

    thickness, sampling = 4.0, 0.1

    def __init__(self, heights):
        self._heights = heights

    def height(self, k: int) -> float:
        return self._heights[k]


gaps = st.lists(st.sampled_from([4.0, 4.0, 4.0, 8.0, 50.0]), min_size=1, max_size=60)


@given(gaps, st.floats(-300, 300), st.floats(0, 0.03))
def test_every_felt_slice_is_crossed_once_in_a_wide_window(steps, focus, spread):
    heights = np.cumsum(steps)
    active = np.arange(len(heights)) % 5 != 3
    optics = Optics(focus=focus, alpha=0.02, half=13.0, spread=spread, reach=4.0)
    found = runs(Heights(heights), active, optics)
    assert np.concatenate([run.slices for run in found]).tolist() == np.flatnonzero(active).tolist()
    for run in found:
        need = 2 * (13.0 + 0.02 * abs(heights[run.slices] - focus)) / 0.1
        assert run.size in SIZES
        assert (run.size >= need).all()
    for before, after in pairwise(found):
        assert before.size != after.size
        gap = heights[after.slices[0]] - heights[before.slices[-1]]
        assert gap > GAP_ANGSTROM or len(before.slices) >= min(RUN_SLICES, len(np.flatnonzero(active)) - 1)


def test_a_probe_that_feels_nothing_has_no_window():
    optics = Optics(focus=0, alpha=0.02, half=13.0, spread=0, reach=4.0)
    assert runs(Heights([0.0, 4.0]), np.zeros(2, bool), optics) == []


def test_a_window_beyond_the_largest_is_refused():
    assert window_size(257) == 288
    with pytest.raises(UserError, match="5000 grid points"):
        window_size(5000)
