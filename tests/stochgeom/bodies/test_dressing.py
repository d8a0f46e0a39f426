"""Whole aggregates of bodies: contacts, no overlaps, the law, poses, and spheres as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stochgeom import (
    AggregateParameters,
    InfeasibleParametersError,
    LognormalRadii,
    Species,
    sample_aggregate,
)
from stochgeom.bodies import SphereShape
from stochgeom.bodies.dressing import contact_tree
from stochgeom.bodies.kernels import separation

from .conftest import ANATASE, CUBE, NEEDLE, ROUNDED

EVERY = (SphereShape(), CUBE, ROUNDED, ANATASE, NEEDLE)


def parameters(first, second, n=20, **change) -> AggregateParameters:
    radii = LognormalRadii(median_nm=5, geometric_sd=1.3)
    both = [
        Species(name=name, fraction=0.5, radii=radii, shape=shape, mean_cluster_size=3)
        for name, shape in (("A", first), ("B", second))
    ]
    return AggregateParameters(n_particles=n, species=tuple(both), **change)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from(EVERY), st.sampled_from(EVERY[1:]))
def test_aggregates_hang_together_and_nothing_overlaps(seed, n, first, second):
    rng = np.random.default_rng(seed)
    kernel = ("tunable", "ballistic", "diffusion-limited")[seed % 3]
    asked = parameters(first, second, n, kernel=kernel)
    try:
        made = sample_aggregate(asked, rng)
    except InfeasibleParametersError:
        return
    pairs = made.contacts()
    assert len(made.contacts(-1e-8)) == 0
    assert n - 1 <= len(pairs) <= n + 2  # a tree, and who comes near by chance
    order, _ = contact_tree(made.centres, made.circumradii * 1.5)
    assert len(order) == n
    np.testing.assert_allclose(made.centre_of_mass, 0, atol=1e-9)
    if kernel == "tunable" and n >= 8:
        law = (n / asked.fractal_prefactor) ** (1 / asked.fractal_dimension)
        law *= np.mean(made.radii**3) ** (1 / 3)
        assert made.radius_of_gyration == pytest.approx(law, rel=0.0152)


def test_contacts_are_exact_and_those_of_the_spheres(rng):
    made = sample_aggregate(parameters(CUBE, NEEDLE, 30), rng)
    gaps = [separation(made.bodies, made.centres, i, j) - 1 for i, j in made.contacts()]
    assert 0 <= np.max(np.abs(gaps)) < 1e-8
    assert set(made.shape[made.species == 0]) == {"polytope"}
    assert set(made.shape[made.species == 1]) == {"ellipsoid"}


def test_an_aggregate_of_bodies_is_a_function_of_its_generators():
    first, second = (
        sample_aggregate(parameters(CUBE, NEEDLE), np.random.default_rng(3), np.random.default_rng(4))
        for _ in range(2)
    )
    assert first.centres.tobytes() == second.centres.tobytes()
    assert first.orientations.tobytes() == second.orientations.tobytes()


def test_spheres_by_name_have_the_bytes_of_spheres_by_default():
    made = sample_aggregate(AggregateParameters(n_particles=40), np.random.default_rng(5))
    assert made.spherical
    assert made.polytopes == ()
    explicit = [s.model_copy(update={"shape": SphereShape()}) for s in AggregateParameters().species]
    again = sample_aggregate(
        AggregateParameters(n_particles=40, species=tuple(explicit)), np.random.default_rng(5)
    )
    assert again.centres.tobytes() == made.centres.tobytes()


@pytest.mark.parametrize("shape", [CUBE, NEEDLE])
def test_a_resting_aggregate_stands_under_its_centre_of_mass(shape, rng):
    """Nothing that tilts it a little lowers it."""
    made = sample_aggregate(parameters(shape, shape, 8, pose="resting"), rng)
    height = -made.bounds[0][2]
    for axis in np.eye(3)[:2]:
        for angle in (0.02, -0.02):
            turned = made.rotated([*(np.sin(angle / 2) * axis), np.cos(angle / 2)])
            assert -turned.bounds[0][2] > height - 0.01 * made.radii.mean()


def test_facets_follow_the_phase(rng):
    species = Species(
        name="TiO2", fraction=1, radii=LognormalRadii(median_nm=5), phases={"anatase": 0.5, "rutile": 0.5},
        shapes={"anatase": ANATASE},
    )  # fmt: skip
    made = sample_aggregate(AggregateParameters(n_particles=12, species=(species,)), rng)
    assert (made.shape == np.where(made.phase == 0, "polytope", "sphere")).all()
    assert made.polytopes[0] is ANATASE.polytope
    assert made.polytopes[1] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"overlap": 0.1}, "overlap = 0.1: necks are for spheres"),
        ({"coordination": 2.2}, "loops are bent of spheres"),
    ],
)
def test_necks_and_loops_of_bodies_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        parameters(CUBE, SphereShape(), **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shapes": {"brookite": CUBE}}, "names no phase of TiO2: 'brookite'; accepted: anatase, rutile"),
        ({"shape": ANATASE}, "belong to one crystal, TiO2 has anatase, rutile"),
        ({"shape": {"kind": "cube"}}, "'sphere', 'ellipsoid', 'wulff'"),
    ],
)
def test_shapes_must_fit_the_phases(change, message):
    values = {"name": "TiO2", "fraction": 1, "radii": {"law": "constant", "radius_nm": 5}}
    with pytest.raises(ValidationError, match=message):
        Species.model_validate({**values, "phases": {"anatase": 0.5, "rutile": 0.5}, **change})
