"""Fractal dimension and prefactor: exact laws, structures of known dimension, the model's own ensembles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stochgeom import AggregateParameters, LognormalRadii, Species, UserError, sample_aggregate
from stochgeom.fractal import ensemble_law, fitted_law, law_of_pairs, law_of_parts


def drawn(rng, n, dimension, prefactor=1.3, sd=1.0):
    species = (Species(name="A", fraction=1, radii=LognormalRadii(median_nm=5, geometric_sd=sd)),)
    return sample_aggregate(
        AggregateParameters(
            n_particles=n, species=species, fractal_dimension=dimension, fractal_prefactor=prefactor
        ),
        rng,
    )


def test_an_exact_law_is_found_without_error():
    x = np.array([2.0, 4.0, 9.0, 20.0])
    law = fitted_law(1.4 * x**1.78, x)
    assert (law.dimension, law.prefactor) == pytest.approx((1.78, 1.4))
    assert law.dimension_error == pytest.approx(0, abs=1e-7)
    assert law.points == 4


def test_errors_of_the_regression_cover_the_truth(rng):
    """ln N with normal scatter of 0.1: deviations over errors follow Student's law, 18 degrees."""
    x = np.geomspace(2, 30, 20)
    laws = [fitted_law(1.3 * x**1.8 * np.exp(0.1 * rng.standard_normal(20)), x) for _ in range(400)]
    for deviation in (
        [(law.dimension - 1.8) / law.dimension_error for law in laws],
        [(math.log(law.prefactor / 1.3)) / (law.prefactor_error / law.prefactor) for law in laws],
    ):
        # Student's variance is 18/16; the error of a standard deviation of 400 values is about 4 %.
        assert np.std(deviation) == pytest.approx(math.sqrt(18 / 16), rel=0.16)
        assert abs(np.mean(deviation)) < 4 * np.std(deviation) / math.sqrt(400)


@pytest.mark.parametrize(("dimension", "prefactor"), [(1.7, 1.4), (2.1, 1.2)])
def test_an_ensemble_of_the_model_has_its_law(rng, dimension, prefactor):
    several = [drawn(rng, n, dimension, prefactor, 1.3) for n in np.geomspace(20, 150, 25).astype(int)]
    law = ensemble_law(several)
    # Rg of the model lies within 1.4 % of its target.
    assert law.dimension == pytest.approx(dimension, abs=0.02)
    assert law.prefactor == pytest.approx(prefactor, abs=0.05)


def test_a_row_has_dimension_one(spheres):
    row = spheres([[2 * k, 0, 0] for k in range(200)], np.ones(200))
    assert law_of_pairs(row).dimension == pytest.approx(1, abs=0.1)
    parts = law_of_parts(row)
    # Rg² = (n² - 1)/3 + 3/5, so N tends to sqrt(3) Rg; short rows bend the fit by about a percent.
    assert parts.dimension == pytest.approx(1, abs=0.02)
    assert parts.prefactor == pytest.approx(math.sqrt(3), abs=0.1)


def test_sheets_and_cubes_have_two_and_three_dimensions_in_their_pairs(spheres):
    """Their cut-off is not that of a fractal, which costs up to 0.3 of the dimension."""
    for sides, dimension in (((25, 25, 1), 2), ((9, 9, 9), 3)):
        grid = np.stack(np.meshgrid(*[np.arange(n) * 2.0 for n in sides]), axis=-1).reshape(-1, 3)
        law = law_of_pairs(spheres(grid, np.ones(len(grid))))
        assert law.dimension == pytest.approx(dimension, abs=0.35)


@pytest.mark.parametrize("dimension", [1.6, 2.1])
def test_single_aggregates_of_the_model(rng, dimension):
    """Means over 12 aggregates of 128 equal spheres: both ways within 0.1 (bias 0.05 and 0.02, see docs)."""
    several = [drawn(rng, 128, dimension) for _ in range(12)]
    pairs, parts = [law_of_pairs(one) for one in several], [law_of_parts(one) for one in several]
    assert np.mean([law.dimension for law in pairs]) == pytest.approx(dimension, abs=0.1)
    assert np.mean([law.dimension for law in parts]) == pytest.approx(dimension, abs=0.05)
    assert np.mean([law.prefactor for law in parts]) == pytest.approx(1.35, abs=0.12)
    scatter = np.std([law.dimension for law in pairs], ddof=1)
    assert scatter < np.median([law.dimension_error for law in pairs]) < 8 * scatter
    assert np.std([law.dimension for law in parts], ddof=1) < 5 * np.median(
        [law.dimension_error for law in parts]
    )


def test_the_law_goes_through_the_aggregate_itself(rng):
    one = drawn(rng, 60, 1.8, sd=1.2)
    law = law_of_pairs(one)
    scaled = one.radius_of_gyration / np.mean(one.radii**3) ** (1 / 3)
    assert law.prefactor * scaled**law.dimension == pytest.approx(60)
    assert law.prefactor_error == pytest.approx(law.prefactor * math.log(scaled) * law.dimension_error)


def test_parts_of_a_row_of_six_by_hand(spheres):
    """Cuts of a row of six leave parts of 5, 4 (and shorter ones) on both sides, and the whole."""
    law = law_of_parts(spheres([[2 * k, 0, 0] for k in range(6)], np.ones(6)))
    sizes = np.array([4, 4, 5, 5, 6])
    expected = fitted_law(sizes, np.sqrt((sizes**2 - 1) / 3 + 0.6))
    assert (law.dimension, law.prefactor, law.points) == pytest.approx(
        (expected.dimension, expected.prefactor, 5)
    )


def test_too_few_particles_are_undefined_or_refused(spheres, rng):
    few = spheres([[2 * k, 0, 0] for k in range(4)], np.ones(4))
    assert math.isnan(law_of_pairs(few).dimension)
    assert math.isnan(law_of_parts(few).prefactor)
    with pytest.raises(UserError, match="three aggregates"):
        ensemble_law([few, few])
    with pytest.raises(UserError, match="different size"):
        ensemble_law([few, few, few])
    apart = spheres([[50 * k, 0, 0] for k in range(6)], np.ones(6))
    with pytest.raises(UserError, match="only 1 of 6"):
        law_of_parts(apart)
