"""Point sets and correlations of the parameters: marginal laws kept, evenness, independence of the shards."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, spearmanr

from simulate.realise import PARAMETERS, realise, seed_of
from simulate.recipe import Recipe
from stochgeom.errors import UserError

DF, FRACTION = "fractal_dimension", "species.TiO2.fraction"


def drawn(data: dict, count: int = 512) -> np.ndarray:
    """Uniform numbers (sample, slot) behind a recipe's samples."""
    recipe = Recipe.from_dict(data)
    keys = [key for key, _ in recipe.slots]
    own = [seed_of(recipe, i, PARAMETERS) for i in range(count)]
    return np.array([recipe.sampling.uniforms(recipe.seed, i, keys, seed) for i, seed in enumerate(own)])


def test_without_the_table_numbers_are_independent(small):
    u = drawn(small)
    assert u.shape[1] == len(Recipe.from_dict(small).slots)
    assert kstest(u.ravel(), "uniform").pvalue > 1e-3
    # Correlations of 512 independent pairs: standard error 1 / sqrt(512)
    assert np.abs(np.corrcoef(u.T)[np.triu_indices(u.shape[1], 1)]).max() < 4.5 / np.sqrt(512)


def test_a_sobol_sequence_fills_every_strip_equally(small):
    u = drawn(small | {"sampling": {"points": "sobol"}})
    for column in u.T:
        # A scrambled net: each of 512 equal strips holds exactly one of the first 512 points.
        assert np.array_equal(np.sort((column * 512).astype(int)), np.arange(512))
    assert not np.allclose(u, drawn(small | {"sampling": {"points": "sobol"}, "seed": 12}))


def test_point_i_is_the_same_from_any_block(small):
    from simulate.sampling import _sobol

    whole = _sobol(5, 3, 0), _sobol(5, 3, 1)
    _sobol.cache_clear()
    assert np.array_equal(_sobol(5, 3, 1), whole[1])
    joined = np.concatenate(whole)
    assert np.array_equal(np.sort((joined[:, 2] * 2048).astype(int)), np.arange(2048))


@pytest.mark.parametrize("points", ["random", "sobol"])
def test_a_copula_couples_two_laws_and_changes_neither(small, points):
    u = drawn(small | {"sampling": {"points": points, "correlations": [[DF, FRACTION, -0.7]]}}, 1024)
    keys = [key for key, _ in Recipe.from_dict(small).slots]
    one, other = u[:, keys.index(DF)], u[:, keys.index(FRACTION)]
    assert kstest(one, "uniform").pvalue > 1e-3
    assert kstest(other, "uniform").pvalue > 1e-3
    # Of a Gaussian copula: 6 / pi asin(r / 2); its standard error is below 1 / sqrt(n).
    assert spearmanr(one, other)[0] == pytest.approx(6 / np.pi * np.arcsin(-0.35), abs=4 / 32)
    rest = np.delete(u, [keys.index(DF), keys.index(FRACTION)], axis=1)
    plain = drawn(small | {"sampling": {"points": points}}, 1024)
    assert np.array_equal(rest, np.delete(plain, [keys.index(DF), keys.index(FRACTION)], axis=1))


def test_samples_follow_the_joint_law(small):
    small["sampling"] = {"points": "sobol", "correlations": [[DF, FRACTION, 0.9]]}
    recipe = Recipe.from_dict(small)
    made = [realise(recipe, i).parameters for i in range(40)]
    pairs = np.array([(p.fractal_dimension, p.species[0].fraction) for p in made])
    assert spearmanr(pairs[:, 0], pairs[:, 1])[0] > 0.7
    assert np.all((pairs[:, 0] >= 1.7) & (pairs[:, 0] <= 1.9))


@pytest.mark.parametrize(
    ("correlations", "where"),
    [
        ([[DF, "species.TiO2.fractoin", 0.5]], "no law at 'species.TiO2.fractoin'; did you mean"),
        ([[DF, "fractal_prefactor", 0.5]], "no law at 'fractal_prefactor'"),
        ([[DF, FRACTION, 1.0]], "should lie between -1 and 1"),
        ([[DF, FRACTION, 0.1], [FRACTION, DF, 0.2]], "may be correlated once"),
        (
            [[DF, FRACTION, 0.9], [DF, "n_particles", 0.9], [FRACTION, "n_particles", -0.9]],
            "no joint law has these correlations",
        ),
    ],
)
def test_impossible_correlations_are_refused(small, correlations, where):
    small["sampling"] = {"correlations": correlations}
    with pytest.raises(UserError, match=where):
        Recipe.from_dict(small)


def test_a_recipe_keeps_its_hash_when_keys_are_added(small):
    recipe = Recipe.from_dict(small)
    stated = Recipe.from_dict(small | {"sampling": {"points": "random"}})
    assert stated.hash == recipe.hash
    assert Recipe.from_dict(small | {"sampling": {"points": "sobol"}}).hash != recipe.hash
    law = {"law": "log-uniform", "low": 1.7, "high": 1.9}
    other = {**small, "aggregate": {**small["aggregate"], "fractal_dimension": law}}
    assert Recipe.from_dict(other).hash != recipe.hash
