"""Chords of the beam: one sphere in closed form, joined pieces, sums of the projection."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stochgeom import AggregateParameters, Field, chord_lengths, sample_aggregate
from stochgeom.beam_chords import beam_chords


def test_one_sphere_has_linear_density(spheres):
    """l / (2 R²) on 0 to 2 R, mean 4 R / 3 (uniform rays; 512 x 512 of them, so 0.5 % of the mean)."""
    chords = beam_chords(spheres([[3.0, -2.0, 7.0]], [5.0]))
    assert chords.solid.mean() == pytest.approx(4 * 5 / 3, rel=5e-3)
    edges = np.linspace(0, 10, 11)
    middle = (edges[1:] + edges[:-1]) / 2
    found = chords.density(edges)
    np.testing.assert_allclose(found["solid"], middle / 50, rtol=0.02, atol=1e-4)
    np.testing.assert_allclose(found["A"], found["solid"])
    assert np.isnan(found["B"]).all()


def test_polydisperse_spheres_side_by_side(spheres):
    """Mean chord 4/3 sum r³ / sum r², without overlap."""
    radii = np.array([3.0, 5.0, 8.0])
    chords = beam_chords(spheres([[0, 0, 0], [30, 0, 5], [60, 10, 0]], radii))
    assert chords.solid.mean() == pytest.approx(4 / 3 * np.sum(radii**3) / np.sum(radii**2), rel=0.01)


def test_a_path_through_a_neck_is_one_chord(spheres):
    """Two spheres of radius 5 at 8 along the beam: 18 through both axes; cut at the plane between species."""
    axis = Field((1, 1), 0.1)
    like = beam_chords(spheres([[0, 0, 0], [0, 0, 8]], [5.0, 5.0], [0, 0]), axis)
    assert like.solid.tolist() == pytest.approx([18])
    assert like.by_species["A"].tolist() == pytest.approx([18])
    unlike = beam_chords(spheres([[0, 0, 0], [0, 0, 8]], [5.0, 5.0], [0, 1]), axis)
    assert unlike.solid.tolist() == pytest.approx([18])
    assert unlike.by_species["A"].tolist() == pytest.approx([9])
    assert unlike.by_species["B"].tolist() == pytest.approx([9])
    apart = beam_chords(spheres([[0, 0, 0], [0, 0, 11]], [5.0, 5.0]), axis)
    assert apart.solid.tolist() == pytest.approx([10, 10])


@pytest.mark.parametrize("overlap", [0.0, 0.2])
def test_chords_sum_to_the_projection(rng, overlap):
    aggregate = sample_aggregate(AggregateParameters(n_particles=25, overlap=overlap), rng)
    field = Field.around(aggregate, (90, 70), 0.8)  # part of the aggregate lies outside
    chords, images = beam_chords(aggregate, field), chord_lengths(aggregate, field)
    for k, name in enumerate(aggregate.species_names):
        assert chords.by_species[name].sum() == pytest.approx(images[k].sum(), rel=1e-6)
    assert chords.solid.sum() == pytest.approx(images.sum(), rel=1e-6)
    assert len(chords.solid) <= sum(map(len, chords.by_species.values()))


def test_mean_chord_over_directions_is_four_volumes_over_the_surface(rng):
    """Cauchy, for touching spheres: any direction gives 4/3 sum r³ / sum r² of single chords."""
    aggregate = sample_aggregate(AggregateParameters(n_particles=25), rng)
    r = aggregate.radii
    assert beam_chords(aggregate).solid.mean() == pytest.approx(4 / 3 * np.sum(r**3) / np.sum(r**2), rel=0.02)


def test_an_empty_field_has_no_chords(spheres):
    chords = beam_chords(spheres([[500, 0, 0]], [5.0]), Field((4, 4), 1.0))
    assert chords.solid.size == 0
    assert math.isnan(chords.density(np.array([0.0, 1.0]))["solid"][0])
