"""Chords of beams through ellipsoids and polytopes, and what a record makes of its bodies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from stochgeom import (
    Field,
    HeteroAggregate,
    UserError,
    chord_lengths,
    chord_lengths_at,
    describe,
    particle_chords,
)
from stochgeom.beam_chords import beam_chords
from stochgeom.bodies import EllipsoidShape, SphereShape
from stochgeom.bodies.chords import crossings, entry_normals
from stochgeom.projection import beam_bodies
from stochgeom.shape import gyration_tensor

from .conftest import ANATASE, CUBE, NEEDLE, ROUNDED, SHAPES, bodies_at

SIDE = (4 / 3 * np.pi) ** (1 / 3)
MANY = [[0, 0, 0], [9, 0, 0], [0, 9, 3], [9, 9, -4]]


def test_an_upright_cube_has_its_side_as_chord():
    cube = bodies_at([CUBE], [[1, 2, 3]], [2.0])
    points = np.array([[1, 2], [1 + 0.99 * SIDE, 2], [1, 2 - 1.01 * SIDE], [9, 9]])
    np.testing.assert_allclose(chord_lengths_at(cube, points)[:, 0], [2 * SIDE, 2 * SIDE, 0, 0], atol=1e-12)


def test_an_ellipsoid_has_the_chord_of_the_sphere_it_is_stretched_from():
    one = bodies_at([NEEDLE], [[0, 0, 7]], [2.0])
    a, b, c = one.semi_axes[0]
    x, y = 0.4 * a, 0.5 * b
    expected = 2 * c * np.sqrt(1 - 0.4**2 - 0.5**2)
    assert chord_lengths_at(one, np.array([[x, y]]))[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_entry_and_exit_lie_on_the_surface_and_normals_point_against_the_beam(shape, rng):
    one = bodies_at([shape], [[0, 0, 0]], [1.0], rng=rng)
    beam, steps = beam_bodies(one), np.linspace(-1.5, 1.5, 41)
    low, high = crossings(beam, 0, steps, steps)
    normals = entry_normals(beam, 0, steps, steps)
    iy, ix = np.nonzero(high > low)
    to_crystal = Rotation.from_quat(one.orientations[0]).inv()
    for heights in (low, high):
        points = to_crystal.apply(np.column_stack((steps[ix], steps[iy], heights[iy, ix])))
        if isinstance(shape, EllipsoidShape):
            level = np.linalg.norm(points / shape.unit_axes, axis=1)
        else:
            level = (points @ shape.polytope.normals.T / shape.polytope.distances).max(axis=1)
        np.testing.assert_allclose(level, 1, rtol=1e-9)
    assert (normals[iy, ix, 2] < 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals[iy, ix], axis=1), 1)
    assert (normals[high <= low] == 0).all()


def test_chords_integrate_to_the_volume_of_each_body_and_species(rng):
    aggregate = bodies_at(SHAPES, MANY, [2, 2.5, 3, 2], rng=rng)
    field = Field.around(aggregate, (300, 300), 1.05)
    chords, area = particle_chords(aggregate, field, 2), field.pixel_size_nm**2
    measured = np.array([chords.patch(k).sum() for k in range(4)]) * area
    volumes = 4 / 3 * np.pi * aggregate.radii**3
    np.testing.assert_allclose(measured, volumes, rtol=3e-3)
    np.testing.assert_allclose(chord_lengths(aggregate, field, 2).sum(axis=(1, 2)) * area, measured)
    shadows = np.array([chords.patch(k).any() for k in range(4)])
    assert shadows.all()


def test_chords_agree_with_points_in_the_body(rng):
    """Monte Carlo along the beam; four standard errors."""
    aggregate = bodies_at([ROUNDED, NEEDLE], [[0, 0, 0], [1, 0, 8]], [2, 2], rng=rng)
    columns, heights = rng.uniform(-2, 2, (30, 2)), rng.uniform(-6, 14, 20_000)
    exact = chord_lengths_at(aggregate, columns)
    for k, (form, centre) in enumerate(zip((ROUNDED, NEEDLE), aggregate.centres, strict=True)):
        back = Rotation.from_quat(aggregate.orientations[k]).inv()
        for column, length in zip(columns, exact[:, k], strict=True):
            points = np.column_stack((np.tile(column, (len(heights), 1)), heights)) - centre
            local = back.apply(points) / aggregate.radii[k]
            if form is NEEDLE:
                inside = ((local / NEEDLE.unit_axes) ** 2).sum(axis=1) <= 1
            else:
                inside = (local @ form.polytope.normals.T <= form.polytope.distances).all(axis=1)
            share = inside.mean()
            assert abs(20 * share - length) < 80 * np.sqrt(share * (1 - share) / len(heights)) + 0.01


def test_a_mixed_record_has_the_spheres_chords_for_its_spheres(rng):
    mixed = bodies_at([SphereShape(), CUBE], [[0, 0, 0], [8, 0, 0]], [3, 2], rng=rng)
    points = rng.uniform(-3, 3, (50, 2))
    half = np.sqrt(np.clip(9 - (points**2).sum(axis=1), 0, None))
    np.testing.assert_allclose(chord_lengths_at(mixed, points)[:, 0], 2 * half, atol=1e-9)


def test_overlapping_bodies_are_not_projected():
    pair = bodies_at([CUBE, CUBE], [[0, 0, 0], [1, 0, 0]], [1, 1])
    with pytest.raises(UserError, match="overlap"):
        chord_lengths(pair, Field((8, 8), 0.5))


def test_gyration_tensor_and_extent_of_bodies(rng):
    aggregate = bodies_at(SHAPES, MANY, [2, 2.5, 3, 2], rng=rng)
    assert np.trace(gyration_tensor(aggregate)) == pytest.approx(aggregate.radius_of_gyration**2)
    cube = bodies_at([CUBE], [[0, 0, 0]], [2.0], rng=rng)
    assert cube.radius_of_gyration == pytest.approx(SIDE)  # side 2 SIDE: sqrt(3 / 12) of it
    assert describe(cube)["extent_nm"] == pytest.approx(2 * SIDE * np.sqrt(3))
    pair = bodies_at([NEEDLE, NEEDLE], [[0, 0, 0], [0, 0, 20]], [1, 2])
    assert describe(pair)["extent_nm"] == pytest.approx(20 + 3 * NEEDLE.unit_axes[2])
    corners = np.concatenate([4 * CUBE.polytope.vertices, 3 * ANATASE.polytope.vertices + [9, 1, 0]])
    two = bodies_at([CUBE, ANATASE], [[0, 0, 0], [9, 1, 0]], [4, 3])
    assert describe(two)["extent_nm"] == pytest.approx(pdist(corners).max())


def test_chords_along_the_beam_join_bodies_in_contact():
    stack = bodies_at([CUBE, CUBE], [[0, 0, 0], [0, 0, 2 * SIDE]], [2, 2])
    found = beam_chords(stack, Field((9, 9), 0.3))
    np.testing.assert_allclose(found.solid, 4 * SIDE)
    np.testing.assert_allclose(found.by_species["P0"], 2 * SIDE)


def test_bodies_turn_with_their_crystals(rng):
    aggregate = bodies_at(SHAPES, MANY, [2, 2.5, 3, 2], rng=rng)
    q = Rotation.random(rng=rng).as_quat()
    turned = aggregate.rotated(q)
    np.testing.assert_allclose(
        turned.bodies.vertices, Rotation.from_quat(q).apply(aggregate.bodies.vertices), atol=1e-12
    )
    assert turned.radius_of_gyration == pytest.approx(aggregate.radius_of_gyration)
    assert (turned.bounds[1] == (turned.centres + turned.extents[1]).max(axis=0)).all()


def test_extxyz_keeps_shapes_exactly(rng, tmp_path):
    aggregate = bodies_at([*SHAPES, SphereShape()], [*MANY, [30, 0, 0]], [2, 2.5, 3, 2, 1], rng=rng)
    aggregate.to_extxyz(tmp_path / "a.xyz")
    back = HeteroAggregate.from_extxyz(tmp_path / "a.xyz")
    assert back.shape.tolist() == ["polytope"] * 3 + ["ellipsoid", "sphere"]
    np.testing.assert_array_equal(back.semi_axes, aggregate.semi_axes)
    for mine, theirs in zip(aggregate.polytopes[:3], back.polytopes[:3], strict=True):
        np.testing.assert_array_equal(mine.distances, theirs.distances)
        np.testing.assert_array_equal(mine.vertices, theirs.vertices)
    back.to_extxyz(tmp_path / "b.xyz")
    assert (tmp_path / "a.xyz").read_bytes() == (tmp_path / "b.xyz").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("polytope", "dodecahedron", "shape 'dodecahedron' is unknown"),
        ("facets_0", "facet_0", "polytopes of phase 'P0' have no facets"),
        ('facets_0="', 'facets_0="1 ', "line 2: facets_0: four numbers per facet"),
    ],
)
def test_files_with_damaged_shapes_are_refused(old, new, message, tmp_path):
    bodies_at([CUBE], [[0, 0, 0]], [2.0]).to_extxyz(tmp_path / "a.xyz")
    text = (tmp_path / "a.xyz").read_text()
    (tmp_path / "a.xyz").write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message):
        HeteroAggregate.from_extxyz(tmp_path / "a.xyz")


def test_semi_axes_must_fit_the_radius():
    good = bodies_at([NEEDLE], [[0, 0, 0]], [2.0])
    values = {
        name: getattr(good, name) for name in ("centres", "species", "cluster", "orientations", "phase")
    }
    with pytest.raises(UserError, match="must be volume-equivalent"):
        HeteroAggregate(
            **values, radii=[3.0], species_names=("A",), phase_names=("A",), shape=good.shape,
            semi_axes=good.semi_axes,
        )  # fmt: skip
