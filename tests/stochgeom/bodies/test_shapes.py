"""Shapes as parameters, Wulff's construction and the polytopes it gives."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import ConvexHull

from stochgeom import UserError
from stochgeom.bodies import EllipsoidShape, Polytope, WulffShape
from stochgeom.bodies.wulff import cell_vectors, laue_operations, miller_indices, wulff_polytope

from .conftest import ANATASE, CUBE, ROUNDED

BALL = 4 / 3 * np.pi
ORDERS = {
    "-1": 2, "2/m": 4, "mmm": 8, "4/m": 8, "4/mmm": 16, "-3": 6, "-3m1": 12, "-31m": 12, "6/m": 12,
    "6/mmm": 24, "m-3": 24, "m-3m": 48,
}  # fmt: skip


@pytest.mark.parametrize("shape", [CUBE, ROUNDED, ANATASE])
def test_a_wulff_shape_has_the_volume_of_the_unit_ball_and_its_energies_as_distances(shape):
    polytope = shape.polytope
    assert ConvexHull(polytope.vertices).volume == pytest.approx(BALL, rel=1e-12)
    assert polytope.areas @ polytope.distances / 3 == pytest.approx(BALL, rel=1e-12)
    assert polytope.areas.sum() == pytest.approx(ConvexHull(polytope.vertices).area, rel=1e-12)
    np.testing.assert_allclose(polytope.areas @ polytope.normals, 0, atol=1e-12)
    reach = polytope.vertices @ polytope.normals.T
    np.testing.assert_allclose(reach.max(axis=0), polytope.distances, rtol=1e-12)


def test_a_cube_is_a_cube(cube):
    side = BALL ** (1 / 3)
    np.testing.assert_allclose(cube.distances, side / 2)
    np.testing.assert_allclose(np.sort(np.abs(cube.vertices), axis=None), side / 2)
    assert (len(cube.vertices), len(cube.normals)) == (8, 6)
    np.testing.assert_allclose(cube.second_moment, np.eye(3) * side**2 / 12, atol=1e-14)
    assert cube.circumradius == pytest.approx(side * np.sqrt(3) / 2)


def test_second_moments_agree_with_points_in_the_body(rng):
    polytope = ANATASE.polytope
    points = rng.uniform(-1.7, 1.7, (400_000, 3))
    inside = points[(points @ polytope.normals.T <= polytope.distances).all(axis=1)]
    error = (inside**2).std(axis=0) / np.sqrt(len(inside))
    assert (np.abs((inside**2).mean(axis=0) - np.diag(polytope.second_moment)) < 4 * error).all()


def test_anatase_is_a_truncated_bipyramid():
    """(100) lies beyond the edges of {101}; Wulff's shape is known for {101} on over 94 % of its surface."""
    polytope = ANATASE.polytope
    flat = np.abs(polytope.normals[:, 2]) > 0.999
    assert (flat.sum(), len(flat)) == (2, 10)
    assert 0.94 < polytope.areas[~flat].sum() / polytope.areas.sum() < 1
    assert polytope.distances[flat][0] / polytope.distances[~flat][0] == pytest.approx(0.90 / 0.44)
    slope = np.degrees(np.arccos(np.abs(polytope.normals[~flat][:, 2])))
    np.testing.assert_allclose(slope, 68.3, atol=0.05)  # of (101) against (001)


@pytest.mark.parametrize("laue_class", ORDERS)
def test_laue_classes_are_groups_of_their_order(laue_class):
    operations = laue_operations(laue_class)
    assert len(operations) == ORDERS[laue_class]
    every = {one.tobytes() for one in operations}
    assert {(a @ b).tobytes() for a in operations for b in operations} == every


def test_hexagonal_and_monoclinic_crystals():
    prism = wulff_polytope((3, 3, 5), (90, 90, 120), "6/mmm", {"1 0 -1 0": 1, "0001": 1})
    assert (len(prism.normals), len(prism.vertices)) == (8, 12)
    brick = wulff_polytope((7.3, 7.5, 7.7), (90, 91, 90), "2/m", {"100": 1, "010": 1, "001": 1})
    assert len(brick.normals) == 6
    np.testing.assert_allclose(
        cell_vectors((7.3, 7.5, 7.7), (90, 91, 90))[2, 0], 7.7 * np.cos(np.radians(91))
    )


def test_miller_indices_are_read():
    assert miller_indices("101") == (1, 0, 1)
    assert miller_indices("10-1") == miller_indices("1, 0, -1") == (1, 0, -1)
    assert miller_indices("1 0 -1 2") == (1, 0, 2)
    assert miller_indices("12 0 1") == (12, 0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surface_energies": {"001": 1}}, "enclose no body"),
        ({"surface_energies": {"10": 1}}, "'10' are no Miller indices"),
        ({"surface_energies": {"000": 1}}, "no Miller indices"),
        ({"surface_energies": {"1a1": 1}}, "no Miller indices"),
        ({"surface_energies": {"101": -1}}, "greater than 0"),
        ({"surface_energies": {}}, "at least 1"),
        ({"laue_class": "m-3m"}, "m-3m does not fit the cell"),
        ({"laue_class": "4/nmm"}, "laue_class"),
        ({"angles_deg": (30, 30, 90)}, "no cell has the angles"),
    ],
)
def test_impossible_crystals_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        WulffShape.model_validate({**ANATASE.model_dump(), **change})


def test_ellipsoids_keep_the_volume():
    axes = EllipsoidShape(axis_ratios=(1, 2, 4)).unit_axes
    np.testing.assert_allclose(axes, [0.5, 1, 2])
    with pytest.raises(ValidationError, match="greater than 0"):
        EllipsoidShape(axis_ratios=(1, 0, 1))


@pytest.mark.parametrize(
    ("normals", "distances", "message"),
    [
        ([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1]], [1] * 4, "enclose no body"),
        ([[1, 0, 0]], [1], "enclose no body"),
        ([[1, 0], [0, 1]], [1, 1], "need normals"),
        ([[1, 0, 0], [0, 0, 0]], [1, 1], "no normal zero"),
        ([[1, 0, 0], [-1, 0, 0]], [1, -1], "positive distances"),
    ],
)
def test_facets_must_enclose_a_body(normals, distances, message):
    with pytest.raises(UserError, match=message):
        Polytope.of_halfspaces(normals, distances)


def test_bodies_are_moved_to_their_centroid_and_scaled():
    normals = np.concatenate((np.eye(3), -np.eye(3)))
    moved = Polytope.of_halfspaces(normals * 7, [3, 3, 3, 1, 1, 1])
    np.testing.assert_allclose(moved.distances, BALL ** (1 / 3) / 2)
    again = Polytope.of_halfspaces(moved.normals, moved.distances)
    assert again.distances.tobytes() == moved.distances.tobytes()
