"""Silhouettes and pictures of bodies."""

from __future__ import annotations

import numpy as np
import pytest

from stochgeom import AggregateParameters, Field, Species, chord_lengths, sample_aggregate
from stochgeom.bodies.silhouette import exposed_segments, outline_of
from stochgeom.pictures import _body_surfaces, save_picture
from stochgeom.silhouette import describe_projection

from .conftest import ANATASE, CUBE, NEEDLE, SHAPES, bodies_at

SIDE = (4 / 3 * np.pi) ** (1 / 3)
SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)


def moved(x: float, y: float) -> np.ndarray:
    return SQUARE + np.array([x, y])


def test_the_outline_of_squares():
    for other, area, perimeter in (
        (moved(2, 0), 2, 8),
        (moved(0.5, 0.5), 1.75, 6),
        (SQUARE * 0.5 + 0.25, 1, 4),  # hidden
        (SQUARE, 1, 4),
        (moved(1, 0), 2, 6),  # edge by edge
    ):
        found = outline_of([SQUARE, other])
        assert found[:2] == pytest.approx((area, perimeter))
    np.testing.assert_allclose(outline_of([SQUARE])[2], np.eye(2) / 12, atol=1e-12)
    assert len(exposed_segments(SQUARE, np.array([0, 4]))) == 4


def test_the_projection_of_a_cube():
    row = describe_projection(bodies_at([CUBE], [[3, 4, 5]], [2.0]))
    side = 2 * SIDE
    assert row["projected_area_nm2"] == pytest.approx(side**2)
    assert row["projected_perimeter_nm"] == pytest.approx(4 * side)
    assert row["projected_extent_nm"] == pytest.approx(side * np.sqrt(2))
    assert row["projected_aspect_ratio"] == pytest.approx(1)
    assert row["projected_radius_of_gyration_nm"] == pytest.approx(side / np.sqrt(6))
    assert row["mean_thickness_nm"] == pytest.approx(side)


def test_the_projection_of_an_ellipsoid_is_an_ellipse():
    one = bodies_at([NEEDLE], [[0, 0, 0]], [2.0])
    a, b, _ = one.semi_axes[0]
    row = describe_projection(one)
    assert row["projected_area_nm2"] == pytest.approx(np.pi * a * b)
    assert row["projected_aspect_ratio"] == pytest.approx(b / a)


def test_the_silhouette_covers_where_there_is_material(rng):
    aggregate = bodies_at(SHAPES, rng.uniform(-1, 1, (4, 3)) * [5, 5, 0] + 9 * np.eye(4, 3, -1), [2, 2, 2, 2],
                          rng=rng)  # fmt: skip
    aggregate = aggregate.moved(aggregate.centres + np.outer(np.arange(4), [0, 0, 12]))
    field = Field.around(aggregate, (600, 600), 1.02)
    covered = (chord_lengths(aggregate, field).sum(axis=0) > 0).sum() * field.pixel_size_nm**2
    assert describe_projection(aggregate)["projected_area_nm2"] == pytest.approx(covered, rel=5e-3)


def test_surfaces_of_a_picture_are_those_of_the_bodies(rng):
    """Heights and chords say the same of where material begins."""
    one = bodies_at([ANATASE], [[0, 0, 5]], [3.0], rng=rng)
    view = Field.around(one, (60, 60))
    iy, ix, z, normal, edge = next(_body_surfaces(one, view))
    chords = chord_lengths(one, view)[0][iy, ix]
    assert (np.isfinite(z) == (chords > 0)).all()
    facets = {tuple(row) for row in normal[np.isfinite(z)].round(9)}
    assert facets <= {tuple(row) for row in one.facets[0][0].round(9)}
    assert 0 < edge.mean() < 0.5


def test_pictures_and_tables_of_bodies(rng, tmp_path):
    pytest.importorskip("matplotlib")
    species = [s.model_copy(update={"shape": NEEDLE}) for s in AggregateParameters().species]
    made = sample_aggregate(AggregateParameters(n_particles=9, species=tuple(species)), rng)
    save_picture(made, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert Species.model_validate(species[0].model_dump()) == species[0]
