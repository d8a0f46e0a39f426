"""Validation of the model's parameters, exact counts, radius laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import kstest, norm

from stochgeom import AggregateParameters, ConstantRadii, LognormalRadii, NormalRadii, Species


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


def test_lognormal_radii_follow_the_truncated_law(rng):
    radii = LognormalRadii(median_nm=5.78, geometric_sd=1.42).sample(20_000, rng)
    scores = np.log(radii / 5.78) / math.log(1.42)
    assert abs(scores).max() <= 3
    below = norm.cdf(-3)
    assert kstest(scores, lambda x: (norm.cdf(x) - below) / (1 - 2 * below)).pvalue > 1e-3


def test_normal_and_constant_radii(rng):
    radii = NormalRadii(mean_nm=6, sd_nm=1).sample(20_000, rng)
    assert radii.min() >= 3
    assert radii.max() <= 9
    assert abs(radii.mean() - 6) < 4 / math.sqrt(20_000)
    assert NormalRadii(mean_nm=6, sd_nm=1).geometric_sd == pytest.approx(1 + 1 / 6, rel=0.02)
    state = rng.bit_generator.state
    assert ConstantRadii(radius_nm=4).sample(3, rng).tolist() == [4, 4, 4]
    assert rng.bit_generator.state == state


def test_a_structure_that_was_never_found_is_an_error_without_a_nearest_value():
    from stochgeom.feasibility import unmet

    error = unmet(AggregateParameters(), 0.0, "no structure was found")
    assert error.nearest is None
    assert "nearest" not in str(error)
