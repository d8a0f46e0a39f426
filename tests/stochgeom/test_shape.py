"""Gyration tensor, distance of the species, necks and volumes: worked cases and identities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from stochgeom import AggregateParameters, ConstantRadii, Species, describe, reference, sample_aggregate
from stochgeom.shape import (
    anisotropy,
    contact_areas,
    gyration_tensor,
    particle_volumes,
    species_centre_distance,
)


def test_one_sphere_has_the_tensor_of_a_ball(spheres):
    ball = spheres([[4.0, -1.0, 2.0]], [5.0])
    np.testing.assert_allclose(gyration_tensor(ball), 5.0 * np.eye(3))
    assert anisotropy(gyration_tensor(ball)) == pytest.approx(
        {"asphericity": 0, "acylindricity": 0, "relative_shape_anisotropy": 0, "gyration_anisotropy": 1}
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [  # asphericity, acylindricity, relative shape anisotropy, gyration anisotropy
        ((8, 1, 1), (0.7, 0.0, 1 - 3 * 17 / 100, 8)),
        ((2, 2, 1), (0.1, 0.2, 1 - 3 * 8 / 25, 2)),
        ((6, 3, 1), (0.4, 0.2, 1 - 3 * 27 / 100, 6)),
    ],
)
def test_anisotropy_of_known_eigenvalues(values, expected):
    turn = Rotation.random(random_state=5).as_matrix()
    found = anisotropy(turn @ np.diag(values) @ turn.T)
    assert tuple(found.values()) == pytest.approx(expected)


def test_anisotropy_of_a_long_row_tends_to_a_line(spheres):
    """n unit spheres in a row: along it (n² - 1)/3 + 1/5, across it 1/5."""
    row = describe(spheres([[2 * k, 0, 0] for k in range(30)], np.ones(30)))
    along, across = (30**2 - 1) / 3 + 0.2, 0.2
    assert row["gyration_anisotropy"] == pytest.approx(along / across)
    assert row["asphericity"] == pytest.approx((along - across) / (along + 2 * across))
    assert row["acylindricity"] == pytest.approx(0, abs=1e-12)
    assert 0.99 < row["relative_shape_anisotropy"] < 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_tensor_equals_its_reference_and_its_trace_is_rg(spheres, seed, n):
    rng = np.random.default_rng(seed)
    aggregate = spheres(rng.normal(size=(n, 3)) * 20 + 7, rng.uniform(1, 5, n))
    tensor = gyration_tensor(aggregate)
    np.testing.assert_allclose(
        tensor, reference.gyration_tensor(aggregate.centres, aggregate.radii), atol=1e-9
    )
    assert np.trace(tensor) == pytest.approx(aggregate.radius_of_gyration**2)
    values = anisotropy(tensor)
    assert 0 <= values["relative_shape_anisotropy"] <= 1 + 1e-12
    second = (np.trace(tensor) ** 2 - np.trace(tensor @ tensor)) / 2  # ab + bc + ca
    expected = 1 - 3 * second / np.trace(tensor) ** 2
    assert values["relative_shape_anisotropy"] == pytest.approx(expected, abs=1e-12)


def test_descriptors_do_not_depend_on_the_pose(rng):
    aggregate = sample_aggregate(AggregateParameters(n_particles=40, overlap=0.1), rng)
    moved = aggregate.rotated(Rotation.random(random_state=3).as_quat()).translated([30, -4, 9])
    assert describe(moved) == pytest.approx(describe(aggregate), rel=1e-9, abs=1e-9)


def test_distance_of_the_species(spheres):
    centres, radii = [[0, 0, 0], [4, 0, 0], [0, 3, 0]], [2.0, 1.0, 1.0]
    two = spheres(centres, radii, [0, 0, 1])
    assert species_centre_distance(two) == pytest.approx(math.hypot(4 / 9, 3))
    assert describe(two)["species_centre_distance_over_rg"] == pytest.approx(
        math.hypot(4 / 9, 3) / two.radius_of_gyration
    )
    three = spheres(centres, radii, [0, 1, 2], ("A", "B", "C"))
    assert species_centre_distance(three) == pytest.approx((4 + 3 + 5) / 3)
    assert math.isnan(species_centre_distance(spheres(centres, radii)))


def test_area_of_a_neck_by_hand(spheres):
    """Radii 5 and 5 at 8: the circle of radius 3. Radii 13 and 15 at 14: a triangle of height 12."""
    equal = spheres([[0, 0, 0], [0, 8, 0]], [5.0, 5.0], [0, 1])
    assert contact_areas(equal, equal.contacts()).tolist() == pytest.approx([9 * math.pi])
    unequal = spheres([[0, 0, 0], [0, 0, 14]], [13.0, 15.0], [0, 1])
    assert contact_areas(unequal, unequal.contacts()).tolist() == pytest.approx([144 * math.pi])


def test_hetero_contact_area_counts_unlike_necks_only(spheres):
    row = describe(spheres([[0, 0, 0], [0, 8, 0], [0, 16, 0]], [5.0, 5.0, 5.0], [0, 0, 1]))
    assert row["contact_area_nm2"] == pytest.approx(18 * math.pi)
    assert row["hetero_contact_area_nm2"] == pytest.approx(9 * math.pi)


def test_spheres_that_touch_or_contain_each_other_have_no_neck(rng, spheres):
    row = describe(sample_aggregate(AggregateParameters(n_particles=50), rng))
    assert row["contact_area_nm2"] == 0
    inside = spheres([[0, 0, 0], [1, 0, 0]], [5.0, 2.0], [0, 1])
    assert contact_areas(inside, inside.contacts()).tolist() == [0]


def test_necks_of_the_model_have_the_area_of_its_coefficient(rng):
    """Equal radii: r² - (1 - C)² r² = r² (2 C - C²), for each contact that the model makes."""
    species = [Species(name=name, fraction=0.5, radii=ConstantRadii(radius_nm=4.0)) for name in ("A", "B")]
    parameters = AggregateParameters(n_particles=20, species=species, overlap=0.2)
    aggregate = sample_aggregate(parameters, rng)
    areas = contact_areas(aggregate, aggregate.contacts())
    expected = math.pi * 16 * (0.4 - 0.04)
    assert np.sort(areas)[-19:] == pytest.approx(expected, rel=1e-6)


def test_volumes_of_a_necked_pair(spheres):
    """Two spheres of radius 5 at 8 share two caps of height 1: each loses pi (3 5 - 1) / 3."""
    pair = spheres([[0, 0, 0], [8, 0, 0]], [5.0, 5.0])
    assert particle_volumes(pair) == pytest.approx([4 / 3 * math.pi * 125 - math.pi * 14 / 3] * 2)
    swallowed = spheres([[0, 0, 0], [1, 0, 0]], [5.0, 2.0])
    assert particle_volumes(swallowed) == pytest.approx([4 / 3 * math.pi * 125, 0], abs=1e-9)
