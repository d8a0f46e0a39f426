"""Fields and chords: geometry, volumes, necks, references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stochgeom import (
    AggregateParameters,
    Field,
    HeteroAggregate,
    UserError,
    chord_lengths,
    chord_lengths_at,
    particle_chords,
    reference,
    sample_aggregate,
)


def spheres(centres, radii, species=None) -> HeteroAggregate:
    n = len(radii)
    species = np.zeros(n, int) if species is None else species
    return HeteroAggregate(
        centres=centres,
        radii=radii,
        species=species,
        cluster=np.arange(n),
        orientations=[[0, 0, 0, 1]] * n,
        phase=species,
        species_names=("A", "B"),
        phase_names=("A", "B"),
    )


def test_pixel_centres_follow_the_convention():
    field = Field((3, 4), 2.0, (10.0, -1.0))
    assert field.x_nm.tolist() == [7, 9, 11, 13]
    assert field.y_nm.tolist() == [-3, -1, 1]
    assert field.extent_nm == (6, 14, 2, -4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 4), 1.0), "shape"),
        (((4,), 1.0), "shape"),
        (((4, 4), 0.0), "pixel_size_nm"),
        (((4, 4), math.nan), "pixel_size_nm"),
        (((4, 4), 1.0, (0.0, math.inf)), "centre_nm"),
    ],
)
def test_impossible_fields_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        Field(*arguments)


def test_a_sphere_has_the_chord_of_a_sphere():
    aggregate = spheres([[1.0, -2.0, 30.0]], [5.0])
    points = np.array([[1.0, -2.0], [4.0, -2.0], [1.0, 2.0], [6.0, -2.0], [20.0, 0.0]])
    assert chord_lengths_at(aggregate, points)[:, 0].tolist() == pytest.approx([10, 8, 6, 0, 0])


def test_images_have_rows_along_y_and_columns_along_x():
    image = chord_lengths(spheres([[6.0, 2.0, 0.0]], [1.5]), Field((5, 17), 1.0))[0]
    assert np.argwhere(image == image.max()).tolist() == [[2 + 2, 8 + 6]]
    assert image.max() == 3.0


def test_volume_of_a_sampled_aggregate(rng):
    """Chords integrate to the volume of each particle and of each species."""
    aggregate = sample_aggregate(AggregateParameters(n_particles=30), rng)
    field = Field.around(aggregate, (300, 300), 1.05)
    area = field.pixel_size_nm**2
    chords = particle_chords(aggregate, field, oversampling=4)
    volumes = 4 / 3 * np.pi * aggregate.radii**3
    measured = np.array([chords.patch(k).sum() for k in range(len(chords))]) * area
    np.testing.assert_allclose(measured, volumes, rtol=5e-3)
    by_species = chord_lengths(aggregate, field, 4).sum(axis=(1, 2)) * area
    np.testing.assert_allclose(by_species, np.bincount(aggregate.species, volumes), rtol=1e-3)


def lens_volume(first: float, second: float, distance: float) -> float:
    """Volume common to two spheres that intersect."""
    both = first + second - distance
    return (
        math.pi * both**2 * (distance**2 + 2 * distance * (first + second) - 3 * (first - second) ** 2)
    ) / (12 * distance)  # fmt: skip


@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 0, 0), (0.6, 0.0, 0.8), (-0.48, 0.64, -0.6)])
def test_necks_count_material_once_and_split_it_at_the_radical_plane(direction):
    first, second, distance = 6.0, 4.0, 8.5
    aggregate = spheres([[0, 0, 0], np.multiply(direction, distance)], [first, second], [0, 1])
    field = Field.around(aggregate, (400, 400), 1.02)
    volumes = chord_lengths(aggregate, field, 2).sum(axis=(1, 2)) * field.pixel_size_nm**2
    union = 4 / 3 * math.pi * (first**3 + second**3) - lens_volume(first, second, distance)
    assert volumes.sum() == pytest.approx(union, rel=1e-3)
    plane = (distance**2 + first**2 - second**2) / (2 * distance)  # from the first centre
    height = first - plane
    cap = math.pi * height**2 * (3 * first - height) / 3
    assert volumes[0] == pytest.approx(4 / 3 * math.pi * first**3 - cap, rel=1e-3)


def test_union_of_many_overlapping_spheres(rng):
    """Against a count of points: overlaps of three and more are counted once, too."""
    centres, radii = rng.uniform(-6, 6, (12, 3)), rng.uniform(2, 5, 12)
    aggregate = spheres(centres, radii)
    lower, upper = aggregate.bounds
    points = rng.uniform(lower, upper, (200_000, 3))
    inside = np.zeros(len(points), bool)
    for centre, radius in zip(centres, radii, strict=True):
        inside |= np.sum((points - centre) ** 2, axis=1) < radius**2
    share, box = inside.mean(), np.prod(upper - lower)
    field = Field.around(aggregate, (200, 200), 1.02)
    volume = chord_lengths(aggregate, field, 2).sum() * field.pixel_size_nm**2
    assert abs(volume - share * box) < 4 * box * math.sqrt(share * (1 - share) / len(points)) + 1e-3 * volume


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 3))
def test_chords_equal_their_reference(seed, n, oversampling):
    rng = np.random.default_rng(seed)
    aggregate = spheres(rng.uniform(-8, 8, (n, 3)), rng.uniform(0.3, 5, n))
    field = Field((13, 17), 0.9, (1.0, -0.5))  # part of the aggregate lies outside
    images = reference.chord_images(aggregate.centres, aggregate.radii, field, oversampling)
    chords = particle_chords(aggregate, field, oversampling)
    dense = np.zeros_like(images)
    for k in range(n):
        y0, y1, x0, x1 = chords.windows[k]
        dense[k, y0:y1, x0:x1] = chords.patch(k)
    np.testing.assert_allclose(dense, images, atol=1e-9)
    np.testing.assert_allclose(
        chord_lengths(aggregate, field, oversampling)[0], images.sum(axis=0), atol=1e-9
    )
    points = np.stack(np.meshgrid(field.x_nm, field.y_nm), axis=-1).reshape(-1, 2)
    exact = reference.chord_lengths_at(aggregate.centres, aggregate.radii, points)
    np.testing.assert_allclose(chords.at(points), exact, atol=1e-9)


def test_touching_spheres_are_not_cut():
    aggregate = spheres([[0, 0, 0], [0, 0, 10]], [5, 5])
    assert chord_lengths_at(aggregate, np.zeros((1, 2))).tolist() == [[10, 10]]


def test_particles_outside_the_field_have_empty_patches():
    chords = particle_chords(spheres([[0, 0, 0], [500, 0, 0]], [5, 5]), Field((16, 16), 1.0))
    assert chords.patch(1).size == 0
    assert chords.patch(0).sum() > 0


def test_a_field_around_an_aggregate_holds_it(rng):
    aggregate = sample_aggregate(AggregateParameters(), rng).translated([40, -7, 3])
    field = Field.around(aggregate, (64, 96), 1.1)
    left, right, bottom, top = field.extent_nm
    lower, upper = aggregate.bounds
    assert left < lower[0]
    assert right > upper[0]
    assert top < lower[1]
    assert bottom > upper[1]
    filled = max((upper[0] - lower[0]) / (right - left), (upper[1] - lower[1]) / (bottom - top))
    assert filled == pytest.approx(1 / 1.1)


@pytest.mark.parametrize("oversampling", [0, -1, 1.5])
def test_oversampling_is_a_whole_number(oversampling):
    with pytest.raises(UserError, match="oversampling"):
        particle_chords(spheres([[0, 0, 0]], [1]), Field((4, 4), 1.0), oversampling)


def test_points_must_be_pairs():
    with pytest.raises(UserError, match=r"shape \(p, 2\)"):
        chord_lengths_at(spheres([[0, 0, 0]], [1]), np.zeros((4, 3)))
