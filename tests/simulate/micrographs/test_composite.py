"""A drawn composite: two published lattices, borders that are in the walls' table, atoms that keep apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from simulate.corpus.scene_truth import WALL_KINDS
from simulate.material import Material
from simulate.micrographs.composite import LANTHANUM, LSMO, NICKEL, NIO
from simulate.micrographs.models import draw_structure, named_parameters
from simulate.micrographs.square_crystals import CLOSEST_NM
from simulate.micrographs.truth import scene_truth
from stochgeom.errors import InfeasibleParametersError, UserError
from stochgeom.projection import Field

FIELD = Field((160, 200), 0.04)
MARGIN_NM = 0.6


def drawn(seed=1, field=FIELD, materials=None, **values):
    parameters = named_parameters("composite", **({"thickness_nm": 1.0} | values))
    return draw_structure(parameters, field, np.random.default_rng(seed), materials, MARGIN_NM)


def neighbours(structure, kind, phase):
    rows = structure.columns[(structure.columns[:, 2] == kind) & (structure.columns[:, 3] == phase)]
    return cKDTree(rows[:, :2]).query(rows[:, :2], 2)[0][:, 1]


def test_both_phases_have_their_published_lattices():
    s = drawn(regions=1, size_nm=2.2)
    assert np.median(neighbours(s, LANTHANUM, LSMO)) == pytest.approx(0.388, abs=1e-6)
    assert np.median(neighbours(s, NICKEL, NIO)) == pytest.approx(0.4177 / 2, abs=1e-6)


def test_misfit_that_is_left_brings_the_lattices_closer_and_strains_the_matrix():
    free, strained = (drawn(regions=1, size_nm=2.2, misfit_left=left) for left in (0.0, 0.3))
    assert np.median(neighbours(strained, NICKEL, NIO)) < np.median(neighbours(free, NICKEL, NIO)) - 5e-4
    spread = [np.std(neighbours(s, LANTHANUM, LSMO)) for s in (free, strained)]
    assert spread[1] > 1e-3 > spread[0]


@pytest.mark.parametrize("shape", ["pillars", "bands"])
@pytest.mark.parametrize("turn", [0.0, 31.0])
def test_walls_are_where_the_map_changes(shape, turn):
    s = drawn(seed=3, shape=shape, size_nm=1.3, rotation_degrees=turn, misfit_left=0.2)
    truth = scene_truth(s, FIELD)
    assert (truth.walls[:, 4] == WALL_KINDS.index("phase boundary")).all()
    middle, along = (truth.walls[:, :2] + truth.walls[:, 2:4]) / 2, truth.walls[:, 2:4] - truth.walls[:, :2]
    across = np.column_stack([-along[:, 1], along[:, 0]]) / np.hypot(*along.T)[:, None] * 0.02
    sides = [s.phase_at(*(middle + sign * across).T) for sign in (-1, 1)]
    assert (sides[0] != sides[1]).mean() > 0.98  # where the field cuts a piece off, what is left may be tiny
    edges = (truth.phase[:, 1:] != truth.phase[:, :-1]).nonzero()
    points = np.column_stack([(FIELD.x_nm[1:] + FIELD.x_nm[:-1])[edges[1]] / 2, FIELD.y_nm[edges[0]]])
    assert cKDTree(middle).query(points)[0].max() < 0.12
    assert {LSMO, NIO} == set(np.unique(truth.phase).tolist())


def test_columns_lie_in_the_region_that_they_say():
    s = drawn(seed=2, regions=3, size_nm=1.2)
    assert (s.phase_at(s.columns[:, 0], s.columns[:, 1]) == s.columns[:, 3]).all()
    assert (s.domain_at(s.columns[:, 0], s.columns[:, 1]) == s.columns[:, 4]).all()
    assert set(np.unique(s.columns[:, 4])) == {0.0, 1.0, 2.0, 3.0}
    own = s.domain_at(s.positions_nm[:, 0], s.positions_nm[:, 1])
    assert (own == s.crystal).all()


def test_rotations_in_the_truth_are_those_of_the_lattices():
    s = drawn(seed=5, regions=2, size_nm=1.6, rotation_degrees=20.0, region_rotation_degrees=4.0)
    for domain, reach, kinds in ((0, 0.4, (LANTHANUM,)), (1, 0.22, (NICKEL,)), (2, 0.22, (NICKEL,))):
        rows = s.columns[(s.columns[:, 4] == domain) & np.isin(s.columns[:, 2], kinds)]
        pairs = np.array(sorted(cKDTree(rows[:, :2]).query_pairs(reach)))
        steps = rows[pairs[:, 1], :2] - rows[pairs[:, 0], :2]
        angle = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
        assert np.abs((angle - rows[0, 5] + 45) % 90 - 45).max() < 1e-6
    assert len(np.unique(np.round(s.columns[:, 5], 6))) == 3


def test_strontium_takes_its_share_of_the_sites_at_random():
    s = drawn(regions=1, size_nm=1.0, strontium_share=0.3, thickness_nm=4.0)
    lanthanum, strontium = (np.count_nonzero(s.numbers == z) for z in (57, 38))
    n = lanthanum + strontium
    assert strontium / n == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / n))


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["pillars", "bands"]),
    st.floats(0, 0.25),
    st.floats(0, 0.3),
    st.floats(-90, 90),
    st.floats(0.6, 3),
)
def test_any_composite_is_stoichiometric_and_its_atoms_keep_apart(seed, shape, rough, left, turn, thick):
    field = Field((60, 70), 0.06)
    s = drawn(seed, field, shape=shape, regions=1, size_nm=1.0, roughness=rough, misfit_left=left,
              rotation_degrees=turn, thickness_nm=thick, mistilt_x_mrad=8.0)  # fmt: skip
    gaps = cKDTree(s.positions_nm).query(s.positions_nm, 2)[0][:, 1]
    assert gaps.min() >= CLOSEST_NM
    truth = scene_truth(s, field)
    assert 0 < len(truth.columns) <= s.parameters.most_columns(field)
    assert 0 < len(truth.walls) <= s.parameters.most_walls(field)
    inside = s.crystal > 0
    nickel, oxygen = (np.count_nonzero(inside & (s.numbers == z)) for z in (28, 8))
    rim = np.sqrt(nickel + oxygen)
    assert abs(nickel - oxygen) < 4 * rim
    manganese = np.count_nonzero(s.numbers == 25)
    a_sites = np.count_nonzero(np.isin(s.numbers, (57, 38)))
    cells = max(1, int(thick / 0.388))
    # Cells cut by the edges and the border: rows of up to 14 columns.
    assert manganese > 80 * cells
    assert abs(manganese - a_sites) < 28 * cells


def test_density_of_a_large_foil_is_that_of_the_materials():
    s = drawn(regions=1, size_nm=0.6, size_spread=0.0, thickness_nm=7.76)
    area = float(np.prod(np.array(FIELD.shape) * FIELD.pixel_size_nm + 2 * MARGIN_NM))
    atoms = len(s.numbers) / (area * 7.76)
    assert atoms == pytest.approx(5 / 0.388**3, rel=0.02)


def test_regions_that_find_no_place_are_infeasible():
    with pytest.raises(InfeasibleParametersError, match="regions"):
        drawn(regions=12, size_nm=3.0)
    with pytest.raises(InfeasibleParametersError, match="regions"):
        drawn(regions=4, size_nm=3.0, shape="bands")


def test_materials_of_another_sort_are_refused():
    shipped = {name: Material.named(name) for name in ("LSMO", "NiO", "rutile")}
    with pytest.raises(UserError, match="'rutile'"):
        drawn(materials=shipped | {"NiO": shipped["rutile"]})


@pytest.mark.parametrize("bad", [{"shape": "stars"}, {"regions": 0}, {"strontium_share": 1.2}])
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        named_parameters("composite", **bad)
