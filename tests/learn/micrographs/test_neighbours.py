"""Neighbours, the borders between them, and the cells that they bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.micrographs.cells import image_tiling, tiling
from learn.micrographs.columns import find_columns
from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.neighbours import neighbour_graph
from learn.micrographs.patch_set import PatchSet
from learn.micrographs.windows import cut_patches, grid_centres
from stochgeom.errors import UserError


def at(*tables, pixel=0.02):
    """A patch set of 3 x 3 pixels at given centres, one image for each table."""
    images = tuple(Micrograph(np.zeros((9, 9)), pixel) for _ in tables)
    centres = np.concatenate([np.asarray(table, float).reshape(-1, 2) for table in tables])
    source = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return PatchSet(np.zeros((len(centres), 1, 3, 3), np.float32), centres, source, images)


def area(polygon):
    y, x = polygon.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(2, 30))
@settings(max_examples=30, deadline=None)
def test_on_a_grid_neighbours_are_the_next_ones_and_cells_are_squares(ny, nx, step):
    centres = step * np.stack(np.mgrid[:ny, :nx], -1).reshape(-1, 2) + 7.25
    graph = neighbour_graph(at(centres))
    assert len(graph) == ny * (nx - 1) + nx * (ny - 1)
    assert graph.lengths_nm == pytest.approx(0.02 * step)
    assert graph.wall_share_nm == pytest.approx(0.02 * step)
    polygons = tiling(centres, step).polygons
    assert [area(polygon) for polygon in polygons] == pytest.approx([step**2] * (ny * nx))


@given(st.integers(0, 2**32 - 1), st.integers(2, 120))
@settings(max_examples=40, deadline=None)
def test_of_points_anywhere_borders_are_halfway_and_belong_to_no_third(seed, n):
    points = np.random.default_rng(seed).uniform(0, 100, (n, 2))
    graph = neighbour_graph(at(points), longest=3.1)
    assert (graph.edges[:, 0] < graph.edges[:, 1]).all()
    assert len(np.unique(graph.edges, axis=0)) == len(graph)
    for ends, (i, j), length in zip(graph.borders_px, graph.edges, graph.wall_share_nm, strict=True):
        assert np.linalg.norm(ends[1] - ends[0]) * 0.02 == pytest.approx(length)
        for point in (*ends, ends.mean(axis=0)):
            distances = np.linalg.norm(points - point, axis=1)
            assert distances[i] == pytest.approx(distances[j], abs=1e-6)
            assert distances[i] == pytest.approx(distances.min(), abs=1e-6)


def test_cells_fill_their_box_and_hold_their_points():
    rng = np.random.default_rng(3)
    points = grid_centres((100, 120), 10) + rng.uniform(-3, 3, (120, 2))
    tiles = tiling(points, 10)
    assert sum(area(polygon) for polygon in tiles.polygons) == pytest.approx(
        np.prod(np.ptp(tiles.box, axis=0))
    )
    for polygon, point in zip(tiles.polygons, points, strict=True):
        assert np.linalg.norm(polygon.mean(axis=0) - point) < 10


def test_edges_across_a_gap_are_left_out_and_cells_do_not_fill_it():
    points = grid_centres((200, 200), 10)
    points = points[~((points[:, 1] > 80) & (points[:, 1] < 140))]
    graph = neighbour_graph(at(points))
    sides = points[graph.edges][:, :, 1] > 100
    assert (sides[:, 0] == sides[:, 1]).all()
    assert graph.lengths_nm.max() == pytest.approx(0.2)
    assert max(area(polygon) for polygon in tiling(points, 10).polygons) <= 10 * (5 + 15)


def test_images_are_never_joined():
    grid = grid_centres((60, 60), 10)
    graph = neighbour_graph(at(grid, grid, [[5.0, 5.0]]))
    assert len(graph) == 2 * 60
    assert (graph.edges // 36 == graph.source[:, None]).all()


@pytest.mark.parametrize(
    ("points", "edges"),
    [([[5, 5]], 0), ([[5, 5], [9, 5]], 1), ([[5, 5], [9, 5], [13, 5]], 2)],
)
def test_few_points_and_points_on_a_line(points, edges):
    graph = neighbour_graph(at(points))
    assert len(graph) == edges
    assert graph.wall_share_nm == pytest.approx(0.08)
    assert graph.wall_length_nm(np.arange(len(points))) == pytest.approx(0.08 * edges)
    assert graph.wall_length_nm(np.zeros(len(points))) == 0


def test_two_patches_at_one_place_are_refused():
    with pytest.raises(UserError, match="same place"):
        neighbour_graph(at([[1, 1], [1, 1], [5, 5], [9, 2]]))


def test_columns_of_a_perovskite_have_four_and_those_of_graphene_three():
    film = draw_micrograph("film", 256, noise=None)
    corners = find_columns(film, brightest_within_nm=0.33)
    for micrograph, centres, number in ((film, corners, 4), (draw_micrograph("graphene", 256), None, 3)):
        centres = find_columns(micrograph) if centres is None else centres
        patches = cut_patches(micrograph, centres, 3)
        graph = neighbour_graph(patches)
        degree = np.bincount(graph.edges[graph.wall_share_nm > 0.06].ravel(), minlength=len(patches))
        assert np.median(degree) == number


def test_an_image_without_patches_has_no_cells():
    rows, tiles = image_tiling(at([[1.0, 1.0]], []), 1)
    assert len(rows) == 0
    assert tiles is None
