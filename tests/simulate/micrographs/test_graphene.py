"""Drawn graphene: distances, defects where the truth says, grains, and the same sheet from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from simulate.corpus.scene_truth import NO_REGION
from simulate.micrographs.grains import nearest_seed, voronoi_walls
from simulate.micrographs.graphene import CARBON, DIVACANCY, FOURFOLD, THREEFOLD, VACANCY
from simulate.micrographs.models import draw_structure, named_parameters
from simulate.micrographs.truth import clipped_walls, descriptor_names, descriptors_of, scene_truth
from stochgeom.errors import InfeasibleParametersError, UserError
from stochgeom.projection import Field

FIELD = Field((200, 240), 0.025)


def drawn(seed=1, **values):
    return draw_structure(named_parameters("graphene", **values), FIELD, np.random.default_rng(seed))


def test_a_perfect_sheet_is_a_honeycomb_of_the_stated_constant():
    sheet = drawn(silicon_per_nm2=0.0, vacancies_per_nm2=0.0)
    xy = sheet.positions_nm[:, :2]
    inner = (np.abs(xy) < np.array([3.0, 2.5])).all(axis=1)
    distance = cKDTree(xy).query(xy[inner], 10)[0]
    assert distance[:, 1:4] == pytest.approx(0.246 / np.sqrt(3), abs=1e-9)
    assert distance[:, 4:10] == pytest.approx(0.246, abs=1e-9)
    assert inner.sum() == pytest.approx(4 / (np.sqrt(3) * 0.246**2) * 30, rel=0.03)


def test_the_rotation_in_the_truth_is_that_of_the_atoms():
    sheet = drawn(silicon_per_nm2=0.0, vacancies_per_nm2=0.0)
    xy = sheet.positions_nm[:, :2]
    centre = int(np.linalg.norm(xy, axis=1).argmin())
    second = cKDTree(xy).query(xy[centre], 10)[1][4:]  # lattice vectors
    steps = xy[second] - xy[centre]
    angle = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
    apart = (angle - sheet.columns[0, 5] + 30) % 60 - 30
    assert np.abs(apart).max() < 1e-6


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_no_two_atoms_are_closer_than_any_bond(seed, grains):
    sheet = draw_structure(
        named_parameters("graphene", grains=grains, silicon_per_nm2=0.3, vacancies_per_nm2=0.2),
        Field((60, 60), 0.03),
        np.random.default_rng(seed),
        margin_nm=0.5,
    )
    gaps = cKDTree(sheet.positions_nm).query(sheet.positions_nm, 2)[0][:, 1]
    assert gaps.min() > 0.11


def test_defects_are_where_the_truth_says():
    sheet = drawn(seed=3, silicon_per_nm2=0.3, vacancies_per_nm2=0.3, ripple_nm=0.02)
    kind, at = sheet.columns[:, 2], sheet.columns[:, :2]
    inner = (np.abs(at) < 4).all(axis=1)
    tree = cKDTree(sheet.positions_nm[:, :2])
    nearest = {k: tree.query(at[inner & (kind == k)])[0] for k in range(5)}
    assert all(len(found) for found in nearest.values())
    for k in (CARBON, THREEFOLD, FOURFOLD):
        assert nearest[k].max() < 1e-12
    assert nearest[VACANCY].min() > 0.12  # three neighbours around it, nothing in it
    assert nearest[DIVACANCY].min() > 0.16
    silicon = sheet.positions_nm[sheet.numbers == 14, :2]
    stated = at[np.isin(kind, (THREEFOLD, FOURFOLD))]
    assert np.array_equal(np.sort(silicon, axis=0), np.sort(stated, axis=0))
    bonds = cKDTree(sheet.positions_nm[sheet.numbers == 6, :2])
    assert bonds.query(at[inner & (kind == THREEFOLD)], 3)[0] == pytest.approx(0.163, abs=0.008)
    assert bonds.query(at[inner & (kind == FOURFOLD)], 4)[0] == pytest.approx(0.187, abs=0.008)


def test_numbers_of_defects_follow_their_law():
    small, parameters = Field((40, 40), 0.05), named_parameters("graphene", silicon_per_nm2=0.4)
    sheets = [draw_structure(parameters, small, np.random.default_rng(k), margin_nm=1.0) for k in range(20)]
    counts = np.array([(sheet.numbers == 14).sum() for sheet in sheets])
    mean = 0.4 * 4 * 4
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / len(counts)))


def test_tilt_is_the_slope_of_the_ripples():
    sheet = drawn(seed=5, ripple_nm=0.05, ripple_length_nm=4.0, silicon_per_nm2=0.0)
    atoms = sheet.columns[sheet.columns[:, 2] == CARBON]
    at, z = sheet.positions_nm[:, :2], sheet.positions_nm[:, 2]
    i, j = cKDTree(at).query_pairs(0.15, output_type="ndarray").T
    step = at[j] - at[i]
    slope = -1e-3 * (atoms[i, 8:10] + atoms[j, 8:10]) / 2
    assert z[j] - z[i] == pytest.approx((slope * step).sum(axis=1), abs=2e-4)
    assert (z - z.mean()).std() == pytest.approx(0.05, rel=0.5)


def test_walls_separate_the_grains_of_the_map():
    sheet = drawn(seed=2, grains=4)
    truth = scene_truth(sheet, FIELD)
    assert truth.domain.shape == FIELD.shape
    assert (truth.phase == 0).all()
    for x0, y0, x1, y1, _ in truth.walls:
        along = np.array([x1 - x0, y1 - y0])
        across = 0.01 * np.array([-along[1], along[0]]) / np.linalg.norm(along)
        middle = np.array([x0 + x1, y0 + y1]) / 2
        ends = np.array([middle + across, middle - across])
        one, other = sheet.domain_at(*ends.T)
        assert one != other
    # The length of the border between pixels of different grains is that of the walls, times 4 / pi on
    # average over directions; between 1 and sqrt(2) for any one.
    border = np.count_nonzero(np.diff(truth.domain, axis=0)) + np.count_nonzero(np.diff(truth.domain, axis=1))
    assert 0.95 < border * FIELD.pixel_size_nm / truth.wall_length_nm < 1.45


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_points_of_voronoi_walls_are_equally_near_to_two_seeds(seed, count):
    rng = np.random.default_rng(seed)
    low, high = np.array([-2.0, -1.0]), np.array([2.0, 3.0])
    seeds = rng.uniform(low, high, (count, 2))
    walls = voronoi_walls(seeds, low, high)
    t = rng.random((len(walls), 1))
    points = walls[:, :2] + t * (walls[:, 2:] - walls[:, :2])
    distance = np.sort(np.linalg.norm(points[:, None] - seeds[None], axis=2), axis=1)
    assert distance[:, 0] == pytest.approx(distance[:, 1], abs=1e-9)
    assert (points >= low - 1e-9).all()
    assert (points <= high + 1e-9).all()
    assert len(walls) >= len(set(nearest_seed(seeds, *rng.uniform(low, high, (2000, 2)).T))) - 1


def test_walls_are_cut_off_at_the_edges_of_the_field():
    field = Field((10, 20), 0.1)  # x within 1, y within 0.5
    walls = np.array([[-3, 0, 3, 0, 1], [0, -3, 0, -1, 1], [-1, -1, 1, 1, 2], [0.2, 0.1, 0.3, 0.1, 0]], float)
    expected = np.array([[-1, 0, 1, 0, 1], [-0.5, -0.5, 0.5, 0.5, 2], [0.2, 0.1, 0.3, 0.1, 0]])
    assert clipped_walls(walls, field) == pytest.approx(expected)
    assert len(clipped_walls(np.zeros((0, 5)), field)) == 0


def test_descriptors_sum_up_the_truth():
    sheet = drawn(seed=4, grains=3)
    truth = scene_truth(sheet, FIELD)
    found = descriptors_of(truth)
    assert found["column_count"] == len(truth.columns)
    assert sum(value for key, value in found.items() if key.startswith("count_")) == len(truth.columns)
    assert found["grain_boundary_length_nm"] == found["wall_length_nm"] == truth.wall_length_nm > 0
    assert found["domain_count"] == len(np.unique(truth.domain)) <= 3
    assert found["phase_fraction_graphene"] == 1
    assert np.isnan(found["mean_polarization_pm"])
    assert NO_REGION not in truth.domain
    assert set(descriptor_names(type(sheet.parameters))) == {*found, "thickness_nm"}
    assert len(truth.columns) <= sheet.parameters.most_columns(FIELD)


def test_the_same_seed_draws_the_same_sheet():
    one, other, third = drawn(seed=6, grains=2), drawn(seed=6, grains=2), drawn(seed=7, grains=2)
    assert np.array_equal(one.positions_nm, other.positions_nm)
    assert np.array_equal(one.columns, other.columns, equal_nan=True)
    assert len(one.numbers) != len(third.numbers) or not np.array_equal(one.positions_nm, third.positions_nm)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"grains": 0}, r"scene.grains = 0: should be greater than or equal to 1"),
        ({"grain": 2}, r"scene.grain: unknown key; did you mean 'grains'\?"),
        ({"fourfold_share": 1.5}, r"scene.fourfold_share = 1.5: should be less than or equal to 1"),
        ({"ripple_nm": float("nan")}, r"scene.ripple_nm = nan: should be"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(values, message):
    with pytest.raises(UserError, match=message) as caught:
        named_parameters("graphene", **values)
    assert "\n" not in str(caught.value)


def test_grains_that_differ_too_much_find_no_place():
    with pytest.raises(InfeasibleParametersError, match="least_misorientation_degrees = 30 is infeasible"):
        drawn(grains=5, least_misorientation_degrees=30)
    with pytest.raises(UserError, match="no such model; did you mean 'graphene'"):
        named_parameters("grafene")
