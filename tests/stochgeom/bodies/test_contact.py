"""Where convex bodies touch: analytic cases, SciPy's optimisers, contacts of a record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from stochgeom import HeteroAggregate, UserError, describe
from stochgeom.bodies import EllipsoidShape, SphereShape
from stochgeom.bodies.bodies import extents
from stochgeom.bodies.contacts import refuse_overlaps
from stochgeom.bodies.kernels import separation, support, touch_distance

from .conftest import ANATASE, CUBE, NEEDLE, ROUNDED, SHAPES, bodies_at

SIDE = (4 / 3 * np.pi) ** (1 / 3)  # of a cube of volume-equivalent radius 1


def unit(direction) -> np.ndarray:
    return np.asarray(direction, float) / np.linalg.norm(direction)


def touching(aggregate: HeteroAggregate, direction) -> float:
    return touch_distance(aggregate.bodies, 0, 1, unit(direction))


@pytest.mark.parametrize("direction", [(1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0.3, 0), (0.2, -0.9, 0.4)])
def test_upright_cubes_touch_by_face_edge_and_vertex(direction):
    """Where the larger component of the distance is the mean of the sides."""
    pair = bodies_at([CUBE, CUBE], np.zeros((2, 3)), [2, 3])
    expected = SIDE * 2.5 / np.abs(unit(direction)).max()
    assert touching(pair, direction) == pytest.approx(expected, rel=1e-12)


def test_a_vertex_touches_a_face(rng):
    """A cube on its corner above another: half a diagonal and half a side."""
    turn = [
        *(np.sin(np.arccos(1 / np.sqrt(3)) / 2) * unit((1, -1, 0))),
        np.cos(np.arccos(1 / np.sqrt(3)) / 2),
    ]
    pair = bodies_at([CUBE, CUBE], np.zeros((2, 3)), [1, 1], [[0, 0, 0, 1], turn])
    assert pair.extents[1][1, 2] == pytest.approx(SIDE * np.sqrt(3) / 2)
    assert touching(pair, (0, 0, 1)) == pytest.approx(SIDE * (0.5 + np.sqrt(3) / 2), rel=1e-12)


@pytest.mark.parametrize("axis", range(3))
def test_ellipsoids_touch_along_their_axes_at_the_sum_of_the_semi_axes(axis):
    shapes = EllipsoidShape(axis_ratios=(1, 2, 4)), EllipsoidShape(axis_ratios=(3, 1, 2))
    pair = bodies_at(shapes, np.zeros((2, 3)), [2, 5])
    assert touching(pair, np.eye(3)[axis]) == pytest.approx(pair.semi_axes[:, axis].sum(), rel=1e-9)


def test_like_parallel_ellipsoids_touch_as_the_spheres_they_are_stretched_from(rng):
    pair = bodies_at([NEEDLE, NEEDLE], np.zeros((2, 3)), [1, 2])
    for direction in rng.normal(size=(20, 3)):
        expected = 3 / np.linalg.norm(unit(direction) / NEEDLE.unit_axes)
        assert touching(pair, direction) == pytest.approx(expected, rel=1e-9)


def test_spheres_are_the_limit_of_ellipsoids(rng):
    nearly = EllipsoidShape(axis_ratios=(1, 1 + 1e-9, 1 - 1e-9))
    for shapes in ([SphereShape(), SphereShape()], [nearly, SphereShape()], [nearly, nearly]):
        pair = bodies_at(shapes, np.zeros((2, 3)), [2, 3], rng=rng)
        assert touching(pair, rng.normal(size=3)) == pytest.approx(5, rel=1e-8)


def by_linear_program(pair: HeteroAggregate, u: np.ndarray) -> float:
    """Least h_A(n) + h_B(-n) over normals with n . u = 1: the first plane that separates the polytopes."""
    bodies = pair.bodies
    first, second = (bodies.vertices[bodies.begin[k] : bodies.begin[k + 1]] for k in (0, 1))
    rows = [[*v, -1, 0] for v in first] + [[*-v, 0, -1] for v in second]
    found = linprog([0, 0, 0, 1, 1], rows, np.zeros(len(rows)), [[*u, 0, 0]], [1], [(None, None)] * 5)
    return float(found.fun)


def by_minimisation(pair: HeteroAggregate, u: np.ndarray) -> float:
    """The same for ellipsoids, |F' n| being their support."""
    _, _, across = np.linalg.svd(u[None])

    def planes(v: np.ndarray) -> float:
        return sum(float(np.linalg.norm(form.T @ (u + v @ across[1:]))) for form in pair.bodies.forms)

    return float(minimize(planes, np.zeros(2), method="BFGS", options={"gtol": 1e-10}).fun)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_polytopes_touch_where_a_linear_program_says(seed):
    rng = np.random.default_rng(seed)
    shapes = [(CUBE, ROUNDED, ANATASE)[k] for k in rng.integers(3, size=2)]
    pair = bodies_at(shapes, np.zeros((2, 3)), rng.uniform(0.2, 3, 2), rng=rng)
    u = unit(rng.normal(size=3))
    assert touching(pair, u) == pytest.approx(by_linear_program(pair, u), rel=1e-9)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_ellipsoids_touch_where_a_minimum_says(seed):
    rng = np.random.default_rng(seed)
    shapes = [EllipsoidShape(axis_ratios=tuple(np.exp(rng.normal(0, 0.5, 3)))) for _ in range(2)]
    pair = bodies_at(shapes, np.zeros((2, 3)), rng.uniform(0.2, 3, 2), rng=rng)
    u = unit(rng.normal(size=3))
    assert touching(pair, u) == pytest.approx(by_minimisation(pair, u), rel=1e-8)
    assert touching(pair, u) == pytest.approx(touch_distance(pair.bodies, 1, 0, -u), rel=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_supports_are_the_furthest_points(shape, rng):
    one = bodies_at([shape], [[0, 0, 0]], [2.0], rng=rng)
    directions = rng.normal(size=(50, 3))
    found = np.array([support(one.bodies, 0, 1.0, *d) for d in directions])
    mirrored = np.array([support(one.bodies, 0, -1.0, *-d) for d in directions])
    np.testing.assert_allclose(found, -mirrored)
    reach = np.einsum("ij,ij->i", found, directions)
    assert (directions @ found.T <= reach[:, None] * (1 + 1e-12)).all()
    low, high = extents(one.bodies)
    for axis in range(3):
        assert high[0, axis] == pytest.approx(support(one.bodies, 0, 1.0, *np.eye(3)[axis])[axis])
        assert low[0, axis] == pytest.approx(support(one.bodies, 0, 1.0, *-np.eye(3)[axis])[axis])
    assert np.linalg.norm(found, axis=1).max() <= one.circumradii[0] * (1 + 1e-12)


def test_contacts_of_a_record_are_those_that_touch(rng):
    s = SIDE / 2
    aggregate = bodies_at(
        [CUBE, CUBE, SphereShape(), NEEDLE],
        [[0, 0, 0], [2 * s, 0, 0], [0, s + 1, 0], [0, 0, -s - NEEDLE.unit_axes[2] - 1e-3]],
        [1, 1, 1, 1],
    )
    assert aggregate.contacts().tolist() == [[0, 1], [0, 2]]
    assert aggregate.contacts(1e-3).tolist() == [[0, 1], [0, 2], [0, 3]]
    row = describe(aggregate)
    assert (row["contacts"], row["contact_area_nm2"]) == (2, 0)
    assert row["largest_overlap"] == pytest.approx(0, abs=1e-9)


def test_separation_scales_with_the_distance():
    pair = bodies_at([CUBE, CUBE], [[0, 0, 0], [3 * SIDE, 0, 0]], [1, 1])
    assert separation(pair.bodies, pair.centres, 0, 1) == pytest.approx(3)
    assert separation(pair.bodies, np.zeros((2, 3)), 0, 1) == 0


def test_bodies_that_overlap_are_refused_where_their_material_counts():
    pair = bodies_at([CUBE, NEEDLE], [[0, 0, 0], [1, 0, 0]], [1, 1])
    with pytest.raises(UserError, match=r"particles 0 and 1 overlap by .* %: necks are for spheres"):
        refuse_overlaps(pair.bodies, pair.centres)
