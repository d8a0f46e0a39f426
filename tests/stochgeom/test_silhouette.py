"""The silhouette: one and two discs in closed form, holes, pixels, references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stochgeom import (
    AggregateParameters,
    Field,
    chord_lengths,
    describe_projection,
    reference,
    sample_aggregate,
)
from stochgeom.silhouette import exposed_arcs


def test_one_sphere(spheres):
    row = describe_projection(spheres([[40.0, -3.0, 9.0]], [5.0]))
    assert row == pytest.approx(
        {
            "projected_area_nm2": 25 * math.pi,
            "projected_perimeter_nm": 10 * math.pi,
            "projected_circularity": 1,
            "projected_aspect_ratio": 1,
            "projected_equivalent_diameter_nm": 10,
            "projected_radius_of_gyration_nm": 5 / math.sqrt(2),
            "projected_extent_nm": 10,
            "projected_mass_radius_of_gyration_nm": 5 * math.sqrt(0.4),
            "mean_thickness_nm": 20 / 3,
            "mean_thickness_nm_A": 20 / 3,
            "mean_thickness_nm_B": 0,
        }
    )


def test_two_discs_that_touch(spheres):
    """Radius 2 at 4: second moments R²/4 across and R²/4 + 4 along."""
    row = describe_projection(spheres([[0, 0, 0], [4, 0, 0]], [2.0, 2.0], [0, 1]))
    assert row["projected_area_nm2"] == pytest.approx(8 * math.pi)
    assert row["projected_perimeter_nm"] == pytest.approx(8 * math.pi)
    assert row["projected_circularity"] == pytest.approx(0.5)
    assert row["projected_aspect_ratio"] == pytest.approx(math.sqrt(5))
    assert row["projected_radius_of_gyration_nm"] == pytest.approx(math.sqrt(6))
    assert row["projected_extent_nm"] == pytest.approx(8)
    assert row["mean_thickness_nm_B"] == pytest.approx(4 / 3)


def test_two_discs_that_overlap_in_projection(spheres):
    """Radii 5 at a distance of 6: the lens is 2 (25 acos 0.6 - 3 4), the outline 2 (2 pi - 2 acos 0.6) 5."""
    row = describe_projection(spheres([[0, 0, 0], [0, 6, 40]], [5.0, 5.0]))
    lens = 2 * (25 * math.acos(0.6) - 12)
    assert row["projected_area_nm2"] == pytest.approx(50 * math.pi - lens)
    assert row["projected_perimeter_nm"] == pytest.approx(20 * math.pi - 20 * math.acos(0.6))
    assert row["mean_thickness_nm"] == pytest.approx(8 / 3 * math.pi * 125 / (50 * math.pi - lens))


def test_hidden_and_equal_discs_count_once(spheres):
    row = describe_projection(spheres([[0, 0, 0], [0, 0, 20], [1, 0, 40]], [5.0, 5.0, 2.0]))
    assert row["projected_area_nm2"] == pytest.approx(25 * math.pi)
    assert row["projected_perimeter_nm"] == pytest.approx(10 * math.pi)


def test_a_ring_of_discs_has_a_hole(spheres):
    """Four discs of radius 1 at the corners of a square of side 2: the hole adds to the outline alone."""
    row = describe_projection(spheres([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]], np.ones(4)))
    assert row["projected_area_nm2"] == pytest.approx(4 * math.pi)
    assert row["projected_perimeter_nm"] == pytest.approx(8 * math.pi)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 25))
def test_arcs_equal_their_reference(seed, n):
    rng = np.random.default_rng(seed)
    x, y, radii = rng.uniform(-6, 6, n), rng.uniform(-6, 6, n), rng.uniform(0.3, 4, n)
    arcs = exposed_arcs(x, y, radii)
    share = np.bincount(arcs[:, 0].astype(int), arcs[:, 2] - arcs[:, 1], n) / (2 * math.pi)
    np.testing.assert_allclose(share, reference.exposed_share(x, y, radii, 4000), atol=4e-3)


@pytest.mark.parametrize("overlap", [0.0, 0.15])
def test_an_aggregate_against_pixels(rng, overlap):
    aggregate = sample_aggregate(AggregateParameters(n_particles=40, overlap=overlap), rng)
    row = describe_projection(aggregate)
    field = Field.around(aggregate, (900, 900), 1.02)
    thickness = chord_lengths(aggregate, field)
    y, x = np.nonzero(thickness.sum(axis=0))
    area = len(x) * field.pixel_size_nm**2
    small, large = np.linalg.eigvalsh(np.cov(np.stack([x, y]), bias=True)) * field.pixel_size_nm**2
    assert row["projected_area_nm2"] == pytest.approx(area, rel=2e-3)
    assert row["projected_aspect_ratio"] == pytest.approx(math.sqrt(large / small), rel=2e-3)
    assert row["projected_radius_of_gyration_nm"] == pytest.approx(math.sqrt(large + small), rel=2e-3)
    for k, name in enumerate(aggregate.species_names):
        mean = thickness[k].sum() * field.pixel_size_nm**2 / row["projected_area_nm2"]
        assert row[f"mean_thickness_nm_{name}"] == pytest.approx(mean, rel=5e-3 if overlap == 0 else 2e-2)


def test_turning_about_the_beam_changes_nothing(rng):
    aggregate = sample_aggregate(AggregateParameters(n_particles=30), rng)
    turned = aggregate.rotated([0, 0, math.sin(0.4), math.cos(0.4)]).translated([50, -20, 8])
    assert describe_projection(turned) == pytest.approx(describe_projection(aggregate), rel=1e-9)
