"""Sample i is a pure function of (recipe, seed, i)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulate.engines.base import make_engine
from simulate.laws import Choice
from simulate.realise import PARAMETERS, particle_table, realise, render, seed_of
from simulate.recipe import Recipe
from stochgeom.errors import UserError


def fingerprint(sample):
    rows = (sample.image, sample.parameters, sample.descriptors, sample.particles)
    return b"".join(row.tobytes() for row in rows) + np.float64(sample.pixel_size_nm).tobytes()


def test_a_sample_depends_on_neither_order_nor_engine_object(recipe):
    engine = make_engine(recipe.engine_settings)
    forward = {i: fingerprint(render(recipe, i, engine)) for i in range(5)}
    again = Recipe.from_dict(recipe.canonical)
    for i in reversed(range(5)):
        assert fingerprint(render(again, i, make_engine(again.engine_settings))) == forward[i]
    assert len(set(forward.values())) == 5


def test_number_of_samples_and_shard_size_do_not_enter_a_sample(small, changed, recipe):
    engine = make_engine(recipe.engine_settings)
    for path, value in (("samples", 1000), ("samples_per_shard", 7), ("realism.gain", 3.0)):
        other = Recipe.from_dict(changed(small, path, value))
        assert fingerprint(render(other, 3, engine)) == fingerprint(render(recipe, 3, engine))


def test_another_seed_is_another_sample(small, changed, recipe):
    engine = make_engine(recipe.engine_settings)
    other = Recipe.from_dict(changed(small, "seed", 12))
    assert fingerprint(render(other, 0, engine)) != fingerprint(render(recipe, 0, engine))


def test_the_image_is_finite_in_range_and_holds_the_aggregate(recipe):
    engine = make_engine(recipe.engine_settings)
    for i in range(6):
        made = realise(recipe, i)
        sample = render(recipe, i, engine)
        low, high = made.aggregate.bounds
        fit = max((high - low)[0] / 24, (high - low)[1] / 20)
        assert sample.image.shape == (1, 20, 24)
        assert sample.image.dtype == np.float32
        assert 0 <= sample.image.min() < sample.image.max() < 1
        assert 1.1 <= sample.pixel_size_nm / fit <= 1.2
        np.testing.assert_allclose((low + high)[:2], 0, atol=1e-9)
        assert not sample.cropped
        # The outermost pixels are margin: nothing may touch them.
        assert sample.image[0, 0].max() == sample.image[0, -1].max() == 0


def test_a_stated_pixel_size_is_kept_and_what_leaves_the_field_is_flagged(small):
    small["field"] = {"shape": [8, 8], "pixel_size_nm": 0.5}
    recipe = Recipe.from_dict(small)
    sample = render(recipe, 0, make_engine(recipe.engine_settings))
    assert sample.pixel_size_nm == 0.5
    assert sample.cropped
    assert sample.image.max() > 0


def test_rows_say_what_the_aggregate_is(recipe):
    made = realise(recipe, 2)
    sample = render(recipe, 2, make_engine(recipe.engine_settings))
    parameters = dict(zip(recipe.parameter_names, sample.parameters, strict=True))
    descriptors = dict(zip(recipe.descriptor_names, sample.descriptors, strict=True))
    assert parameters["n_particles"] == descriptors["count"] == len(made.aggregate) == len(sample.particles)
    assert parameters["fraction_TiO2"] + parameters["fraction_WO3"] == pytest.approx(1)
    assert descriptors["hetero_contacts"] <= descriptors["contacts"]
    np.testing.assert_allclose(sample.particles[:, :3], made.aggregate.centres, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(particle_table(made.aggregate), sample.particles)


def test_drawn_parameters_follow_their_laws(small):
    small["aggregate"]["fractal_prefactor"] = {"law": "log-uniform", "low": 1.1, "high": 1.5}
    recipe = Recipe.from_dict(small)
    slots = recipe.aggregate.slots
    rows = [
        recipe.aggregate.parameters(np.random.default_rng(seed_of(recipe, i, PARAMETERS)).random(len(slots)))
        for i in range(600)
    ]
    dimension = [row.fractal_dimension for row in rows]
    prefactor = [row.fractal_prefactor for row in rows]
    counts = np.bincount([row.n_particles for row in rows], minlength=10)[3:]
    assert stats.kstest(dimension, stats.uniform(1.7, 0.2).cdf).pvalue > 1e-3
    assert stats.kstest(prefactor, stats.loguniform(1.1, 1.5).cdf).pvalue > 1e-3
    assert stats.chisquare(counts).pvalue > 1e-3
    assert abs(stats.spearmanr(dimension, prefactor).statistic) < 4 / np.sqrt(600)


def test_infeasible_draws_are_counted_and_replaced(small):
    # A straight chain of 40 spheres is the longest there is, so the smallest dimensions do not exist.
    small["aggregate"] |= {
        "n_particles": 40,
        "fractal_prefactor": 0.6,
        "fractal_dimension": {"law": "uniform", "low": 1.0, "high": 1.6},
    }
    recipe = Recipe.from_dict(small)
    made = [realise(recipe, i) for i in range(12)]
    assert max(one.draws for one in made) > 1
    assert all(len(one.aggregate) == 40 for one in made)
    assert [one.draws for one in made] == [realise(recipe, i).draws for i in range(12)]


def test_a_recipe_without_any_feasible_draw_says_so(small):
    small["aggregate"] |= {"n_particles": 60, "fractal_prefactor": 0.1, "fractal_dimension": 1.0}
    with pytest.raises(UserError, match=r"sample 0: .* draws were all infeasible; the last: fractal_\w+ = "):
        realise(Recipe.from_dict(small), 0)


def test_a_value_that_slipped_through_is_one_line_with_its_sample(recipe):
    laws = recipe.aggregate.model_copy(update={"fractal_dimension": Choice(values=(1.8, 3.4))})
    unchecked = recipe.model_copy(update={"aggregate": laws})
    with pytest.raises(
        UserError, match=r"recipe small: sample \d: aggregate.fractal_dimension = 3.4: should"
    ) as caught:
        [realise(unchecked, i) for i in range(9)]
    assert "\n" not in str(caught.value)
