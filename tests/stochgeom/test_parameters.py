"""Validation of the model's parameters, exact counts, radius laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stochgeom import AggregateParameters, ConstantRadii, Species, check_feasible


def species(*fractions: float) -> list[Species]:
    return [
        Species(name=f"S{k}", fraction=f, radii=ConstantRadii(radius_nm=5)) for k, f in enumerate(fractions)
    ]


def test_defaults_are_those_of_the_experiment():
    tio2, wo3 = AggregateParameters().species
    assert (tio2.name, tio2.fraction, tio2.radii.median_nm, tio2.radii.geometric_sd) == (
        "TiO2",
        0.57,
        5.78,
        1.42,
    )
    assert (wo3.name, wo3.fraction, wo3.radii.median_nm, wo3.radii.geometric_sd) == ("WO3", 0.43, 6.30, 1.32)
    assert AggregateParameters().n_particles == 29


@given(st.integers(1, 2000), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_counts_are_exact_and_nearest(n, weights):
    fractions = np.array(weights) / sum(weights)
    counts = AggregateParameters(n_particles=n, species=species(*fractions)).counts
    assert sum(counts) == n
    assert all(abs(c - f * n) < 1 + 1e-6 for c, f in zip(counts, fractions, strict=True))


def test_largest_remainder_on_a_worked_example():
    parameters = AggregateParameters(n_particles=10, species=species(0.45, 0.35, 0.2))
    assert parameters.counts == (5, 3, 2)  # quotas 4.5, 3.5, 2: the tie goes to the earlier species
    assert AggregateParameters(n_particles=10, species=species(0.46, 0.37, 0.17)).counts == (4, 4, 2)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"fractal_dimension": 0.5}, "fractal_dimension"),
        ({"fractal_dimension": 3.1}, "fractal_dimension"),
        ({"fractal_prefactor": 0}, "fractal_prefactor"),
        ({"n_particles": 0}, "n_particles"),
        ({"overlap": 0.5}, "overlap"),
        ({"kernel": "magic"}, "kernel"),
        ({"pose": "standing"}, "pose"),
        ({"hetero_affinity": math.nan}, "hetero_affinity"),
        ({"colour": 3}, "colour"),
        ({"species": []}, "species"),
        ({"species": species(0.5, 0.6)}, "fractions of species must sum to 1, not 1.1"),
        ({"species": [*species(0.5), *species(0.5)]}, "names of species must differ"),
    ],
)
def test_impossible_parameters_are_refused_by_name(change, where):
    with pytest.raises(ValidationError, match=where):
        AggregateParameters(**change)


@pytest.mark.parametrize(
    ("radii", "where"),
    [
        ({"law": "lognormal", "median_nm": -5, "geometric_sd": 1.4}, "median_nm"),
        ({"law": "lognormal", "median_nm": 5, "geometric_sd": 0.9}, "geometric_sd"),
        ({"law": "normal", "mean_nm": 5, "sd_nm": 2}, "less than a third"),
        ({"law": "constant", "radius_nm": 0}, "radius_nm"),
        ({"law": "cauchy", "median_nm": 5}, "lognormal"),
    ],
)
def test_impossible_radii_are_refused(radii, where):
    with pytest.raises(ValidationError, match=where):
        Species(name="A", fraction=1, radii=radii)


@pytest.mark.parametrize("name", ["", "Ti O2", 'a"b', "a=b", "../x"])
def test_names_that_would_break_files_are_refused(name):
    with pytest.raises(ValidationError, match="name"):
        Species(name=name, fraction=1, radii=ConstantRadii(radius_nm=5))


def test_phases_must_be_shares():
    with pytest.raises(ValidationError, match="sum to 1"):
        Species(name="A", fraction=1, radii=ConstantRadii(radius_nm=5), phases={"a": 0.5, "b": 0.2})


def test_parameters_survive_json():
    parameters = AggregateParameters(n_particles=7, hetero_affinity=1.5)
    assert AggregateParameters.model_validate_json(parameters.model_dump_json()) == parameters


def test_columns():
    names = list(AggregateParameters().columns())
    assert names == [
        "n_particles", "fractal_dimension", "fractal_prefactor", "hetero_affinity", "overlap",
        "fraction_TiO2", "median_radius_nm_TiO2", "geometric_sd_TiO2", "mean_cluster_size_TiO2",
        "fraction_WO3", "median_radius_nm_WO3", "geometric_sd_WO3", "mean_cluster_size_WO3",
    ]  # fmt: skip
    assert AggregateParameters().columns()["median_radius_nm_WO3"] == 6.30


def test_volume_and_mass_fractions_become_shares_by_number():
    """Radii 3 and 6 nm: one large particle has the volume of eight small ones, and here twice the density."""
    two = [
        {"name": "A", "fraction": 0.5, "radii": {"law": "constant", "radius_nm": 3}, "density_g_cm3": 4},
        {"name": "B", "fraction": 0.5, "radii": {"law": "constant", "radius_nm": 6}, "density_g_cm3": 8},
    ]
    expected = {"number": 0.5, "volume": 8 / 9, "mass": 16 / 17}
    for kind, share in expected.items():
        parameters = AggregateParameters(n_particles=153, species=two, fractions=kind)
        assert parameters.number_fractions[0] == pytest.approx(share)
        assert abs(parameters.counts[0] - share * 153) <= 0.5 + 1e-9
        assert parameters.columns()["fraction_A"] == pytest.approx(share)
    del two[1]["density_g_cm3"]
    with pytest.raises(ValidationError, match="density_g_cm3 of B"):
        AggregateParameters(species=two, fractions="mass")


def test_realised_volume_fractions_scatter_about_the_one_asked_for(rng):
    two = [
        {"name": "A", "fraction": 0.3, "radii": {"law": "lognormal", "median_nm": 3, "geometric_sd": 1.4}},
        {"name": "B", "fraction": 0.7, "radii": {"law": "lognormal", "median_nm": 6, "geometric_sd": 1.2}},
    ]
    parameters = AggregateParameters(n_particles=400, species=two, fractions="volume")
    drawn = list(zip(parameters.species, parameters.counts, strict=True))
    volumes = np.array([[(s.radii.sample(n, rng) ** 3).sum() for s, n in drawn] for _ in range(400)])
    mean, error = volumes.mean(axis=0), volumes.std(axis=0) / 20
    share = mean[0] / mean.sum()
    # The error of a ratio of means, and half a particle of rounding.
    tolerance = 4 * share * (1 - share) * np.hypot(*(error / mean)) + 1 / parameters.counts[1]
    assert share == pytest.approx(0.3, abs=tolerance)


def test_a_structure_that_was_never_found_is_an_error_without_a_nearest_value():
    from stochgeom.feasibility import unmet

    error = unmet(AggregateParameters(), 0.0, "no structure was found")
    assert error.nearest is None
    assert "nearest" not in str(error)


def test_feasibility_is_that_of_the_numbers_of_particles():
    """Radii 3 and 9 nm: the same aggregates, asked for by volume and by number."""
    radii = [{"law": "constant", "radius_nm": r} for r in (3, 9)]
    law = {"n_particles": 1000, "fractal_dimension": 2.58, "fractal_prefactor": 1.4}
    volume = [
        {"name": n, "fraction": f, "radii": r} for n, f, r in zip("AB", (0.05, 0.95), radii, strict=True)
    ]
    by_volume = AggregateParameters(species=volume, fractions="volume", **law)
    shares = by_volume.number_fractions
    number = [{"name": n, "fraction": f, "radii": r} for n, f, r in zip("AB", shares, radii, strict=True)]
    for parameters in (by_volume, AggregateParameters(species=number, **law)):
        check_feasible(parameters)
