"""A drawn film: the published lattice and polar shift come out, walls part domains, polarization turns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from simulate.corpus.scene_truth import WALL_KINDS
from simulate.material import Material
from simulate.micrographs.ferroelectric_film import BISMUTH, FILM, IRON, STRONTIUM, SUBSTRATE, TITANIUM
from simulate.micrographs.models import draw_structure, named_parameters
from simulate.micrographs.perovskite import SITES, B, polar_modes
from simulate.micrographs.truth import scene_truth
from stochgeom.errors import UserError
from stochgeom.projection import Field

FIELD = Field((150, 150), 0.04)
MARGIN_NM = 0.8
STO_NM = 0.39053


def drawn(seed=1, field=FIELD, materials=None, **values):
    parameters = named_parameters("ferroelectric-film", **({"thickness_nm": 0.8} | values))
    return draw_structure(parameters, field, np.random.default_rng(seed), materials, MARGIN_NM)


def columns_of(structure, kind, inner_nm=np.inf):
    rows = structure.columns[structure.columns[:, 2] == kind]
    return rows[(np.abs(rows[:, :2]) < inner_nm).all(axis=1)]


def test_the_modes_rebuild_the_published_crystal():
    material = Material.named("BiFeO3")
    modes = polar_modes(material)
    assert modes.edge_nm == pytest.approx(0.3965, abs=2e-4)
    assert np.degrees(np.arccos(modes.cosine)) == pytest.approx(89.43, abs=0.01)
    cells = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    parity = 1 - 2 * (cells.sum(axis=1) % 2)
    uniform, alternating = modes.displacements(np.array([1, 1, 1]))
    shear = np.full((3, 3), modes.cosine / 2) + np.diag(np.full(3, 1 - modes.cosine / 2))
    found, numbers = [], []
    for site, ideal in enumerate(SITES):
        place = (cells + ideal) * modes.edge_nm + uniform[site] + parity[:, None] * alternating[site]
        found.append(place @ shear)
        numbers += [modes.numbers[min(site, 2)]] * len(cells)
    rebuilt, numbers = np.concatenate(found), np.array(numbers)
    for number in set(numbers.tolist()):
        k = int(np.flatnonzero(material.cell.numbers == number)[0])
        expected = np.sort(0.1 * _shell(material.cell, k, 60))
        own = rebuilt[numbers == number]
        centre = own[np.linalg.norm(own, axis=1).argmin()]
        distances = np.sort(np.linalg.norm(rebuilt - centre, axis=1))[1:61]
        assert np.abs(distances - expected).max() < 0.0006  # nm; the shear is to first order


def _shell(cell, k, count):
    from ase.neighborlist import neighbor_list

    i, d = neighbor_list("id", cell, 9.0)
    return np.sort(d[i == k])[:count]


def test_lattices_of_substrate_and_film():
    s = drawn(polarity=0.0, film_share=0.5)
    strontium, bismuth = columns_of(s, STRONTIUM, 2.5), columns_of(s, BISMUTH, 2.5)
    low = strontium[strontium[:, 1] > 1.0]
    gaps = cKDTree(low[:, :2]).query(low[:, :2], 2)[0][:, 1]
    assert gaps == pytest.approx(STO_NM, abs=2e-5)
    high = bismuth[bismuth[:, 1] < -0.6]
    rows, columns = (np.sort(high[:, k]) for k in (1, 0))
    rows, columns = (v[np.insert(np.diff(v) > 0.1, 0, True)] for v in (rows, columns))
    # Coherent: as wide as the substrate, and taller by (1 + nu) / (1 - nu) times the misfit.
    misfit = polar_modes(Material.named("BiFeO3")).edge_nm / STO_NM - 1
    assert np.diff(columns).mean() == pytest.approx(STO_NM, abs=2e-3)
    assert np.diff(rows).mean() == pytest.approx(STO_NM * (1 + misfit * 1.3 / 0.7), abs=1.5e-3)


def test_iron_is_off_the_middle_of_bismuth_as_the_truth_says_and_as_published():
    s = drawn(inverted_share=0.0, domain_width_nm=100.0, film_share=1.0)
    bismuth, iron = columns_of(s, BISMUTH), columns_of(s, IRON, 1.8)
    near = cKDTree(bismuth[:, :2]).query(iron[:, :2], 4)[1]
    away = 1e3 * (iron[:, :2] - bismuth[near, :2].mean(axis=1))
    deep = iron[:, 1] < 1.0
    assert np.abs(away - iron[:, 6:8])[deep].max() < 0.5
    expected = 1e3 * np.linalg.norm(polar_modes(Material.named("BiFeO3")).uniform[B, :2])
    assert np.linalg.norm(away[deep], axis=1) == pytest.approx(expected, abs=0.5)
    assert 30 < expected < 36  # 41 pm along [111], seen along a cube's edge


def test_polarization_turns_over_across_a_wall_of_180_degrees():
    s = drawn(seed=2, inverted_share=1.0, domain_width_nm=100.0, film_share=1.0, wall_width_nm=0.2)
    iron = columns_of(s, IRON)
    walls = s.walls[s.walls[:, 4] == WALL_KINDS.index("domain wall")]
    middle = (walls[:, :2] + walls[:, 2:4]) / 2
    gap, which = cKDTree(middle).query(iron[:, :2])
    along = walls[which, 2:4] - walls[which, :2]
    side = along[:, 0] * (iron[:, 1] - middle[which, 1]) - along[:, 1] * (iron[:, 0] - middle[which, 0])
    far = (gap > 0.8) & (np.abs(iron[:, :2]) < 2).all(axis=1)
    means = [iron[far & (np.sign(side) == sign), 6:8].mean(axis=0) for sign in (-1, 1)]
    assert means[0] == pytest.approx(-means[1], abs=0.5)
    assert np.linalg.norm(means[0]) > 30


@pytest.mark.parametrize("rotation", [0.0, 27.0])
def test_walls_are_where_the_maps_change(rotation):
    s = drawn(seed=4, steps=2, inverted_share=0.8, domain_width_nm=2.0, rotation_degrees=rotation)
    truth = scene_truth(s, FIELD)
    walls = truth.walls
    middle, along = (walls[:, :2] + walls[:, 2:4]) / 2, walls[:, 2:4] - walls[:, :2]
    length = np.hypot(*along.T)
    across = np.column_stack([-along[:, 1], along[:, 0]]) / length[:, None] * 0.02
    long = length > 0.3
    either = [s.domain_at(*(middle + sign * across)[long].T) for sign in (-1, 1)]
    assert (either[0] != either[1]).all()
    # and nowhere else: pixels further than a pixel from all walls look like their neighbours
    edges = (truth.domain[:, 1:] != truth.domain[:, :-1]).nonzero()
    x = (FIELD.x_nm[1:] + FIELD.x_nm[:-1])[edges[1]] / 2
    points = np.column_stack([x, FIELD.y_nm[edges[0]]])
    t = np.linspace(0, 1, 30)[:, None, None]
    dense = (walls[:, :2] + t * along).reshape(-1, 2)
    assert cKDTree(dense).query(points)[0].max() < FIELD.pixel_size_nm


def test_domains_of_the_columns_are_those_of_the_map_and_of_their_polarization():
    s = drawn(seed=4, inverted_share=1.0, domain_width_nm=2.5, wall_width_nm=0.1, rotation_degrees=0.0)
    iron = columns_of(s, IRON)
    bismuth = columns_of(s, BISMUTH)
    assert (s.domain_at(bismuth[:, 0], bismuth[:, 1]) == bismuth[:, 4]).all()
    signs = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])[iron[:, 4].astype(int)]
    # Iron is displaced against bismuth, the polarization points the other way.
    agree = (np.sign(iron[:, 6:8]) == -signs).all(axis=1)
    assert agree.mean() > 0.9
    assert {int(d) for d in iron[:, 4]} == {0, 1, 2, 3}


def test_columns_lean_by_the_tilt_in_the_truth():
    tilt = {"mistilt_x_mrad": 5.0, "mistilt_gradient_mrad_per_nm": 2.0, "mistilt_gradient_degrees": 90.0}
    s = drawn(thickness_nm=2.0, polarity=0.0, **tilt)
    heavy = s.positions_nm[s.numbers == 83]
    columns = columns_of(s, BISMUTH, 2.0)
    for row in columns[::20]:
        own = heavy[np.hypot(*(heavy[:, :2] - row[:2]).T) < 0.1]
        assert len(own) == 5
        slope = np.polyfit(own[:, 2], own[:, :2], 1)[0]
        assert 1e3 * slope == pytest.approx(row[8:10], abs=1e-6)
        assert row[8:10] == pytest.approx([5.0, 2.0 * row[1]], abs=1e-6)


def test_rotation_in_the_truth_is_that_of_the_lattice():
    s = drawn(rotation_degrees=12.0, film_share=0.0, polarity=0.0)
    strontium = columns_of(s, STRONTIUM, 2.0)
    pairs = np.array(sorted(cKDTree(strontium[:, :2]).query_pairs(0.42)))
    steps = strontium[pairs[:, 1], :2] - strontium[pairs[:, 0], :2]
    angle = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
    assert np.abs((angle - 12 + 45) % 90 - 45).max() < 0.02
    assert strontium[:, 5] == pytest.approx(12.0, abs=0.02)


def test_domains_shear_in_opposite_senses_across_a_wall_of_109_degrees():
    s = drawn(seed=3, inverted_share=0.0, domain_width_nm=2.5, film_share=1.0)
    bismuth = columns_of(s, BISMUTH, 2.5)
    even = np.isin(bismuth[:, 4], (0, 2))
    apart = abs(bismuth[even, 5].mean() - bismuth[~even, 5].mean())
    assert 0.3 < apart < 0.6  # degrees; the crystal's shear is 0.57


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(0, 1),
    st.floats(1, 6),
    st.floats(0, 1),
    st.integers(0, 3),
    st.floats(-180, 180),
)
def test_any_film_is_stoichiometric_and_its_atoms_keep_apart(seed, share, width, inverted, steps, turn):
    field = Field((40, 50), 0.06)
    s = drawn(seed, field, film_share=share, domain_width_nm=width, inverted_share=inverted, steps=steps,
              rotation_degrees=turn)  # fmt: skip
    assert cKDTree(s.positions_nm).query(s.positions_nm, 2)[0][:, 1].min() > 0.16
    counts = {z: np.count_nonzero(s.numbers == z) for z in (8, 22, 26, 38, 83)}
    rim = 4 * (sum(field.shape) * field.pixel_size_nm + 4 * MARGIN_NM) / STO_NM
    assert abs(counts[26] - counts[83]) < rim
    assert abs(counts[22] - counts[38]) < rim
    assert abs(counts[8] - 3 * (counts[22] + counts[26])) < 3 * rim
    truth = scene_truth(s, field)
    assert len(truth.columns) <= s.parameters.most_columns(field)
    assert len(truth.walls) <= s.parameters.most_walls(field)
    assert s.thickness_nm <= s.parameters.most_thick_nm
    assert set(np.unique(s.crystal)) <= {FILM, SUBSTRATE}
    assert not (np.isfinite(s.columns[:, 6]) & np.isin(s.columns[:, 2], (STRONTIUM, TITANIUM))).any()


def test_the_same_seed_draws_the_same_film():
    assert (drawn(5).positions_nm == drawn(5).positions_nm).all()
    assert drawn(5).columns.shape != drawn(6).columns.shape or (drawn(5).columns != drawn(6).columns).any()


def test_materials_of_another_sort_are_refused():
    shipped = {name: Material.named(name) for name in ("BiFeO3", "SrTiO3", "anatase")}
    with pytest.raises(UserError, match=r"'anatase'.*R 3 c"):
        drawn(materials=shipped | {"BiFeO3": shipped["anatase"]})
    with pytest.raises(UserError, match=r"'anatase'.*cubic"):
        drawn(materials=shipped | {"SrTiO3": shipped["anatase"]})


@pytest.mark.parametrize("bad", [{"film_share": 1.5}, {"steps": 2.5}, {"domain_width_nm": 0.2}, {"walls": 3}])
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        named_parameters("ferroelectric-film", **bad)
