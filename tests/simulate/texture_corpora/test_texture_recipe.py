"""Recipes of textures: what is accepted, what is refused and how; laws in any place of the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate.aggregate_recipe import AggregateRecipe
from simulate.lamella.recipe import LamellaRecipe
from simulate.laws import Law
from simulate.micrographs.recipe import MicrographRecipe
from simulate.realise import first_feasible
from simulate.recipe import Recipe
from simulate.recipe_files import shipped_files
from simulate.textures.columns import parameter_columns, truth_columns
from simulate.textures.realise import realise_texture, render_texture
from simulate.textures.recipe import TextureRecipe
from stochgeom.errors import InfeasibleParametersError, UserError
from stochgeom.textures import sample_texture
from stochgeom.textures.models import PARAMETERS, truth_names

SHIPPED = [
    "lines-1-4",
    "lines-3-7",
    "lines-diagonal",
    "gaussian-fields",
    "discs",
    "fibres",
    "grains",
    "lamellae",
]


def uniform(low: float, high: float) -> dict[str, Any]:
    return {"law": "uniform", "low": low, "high": high}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_load_by_name_survive_json_and_make_textures(name):
    recipe = Recipe.load(name)
    assert isinstance(recipe, TextureRecipe)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.canonical)), folder=recipe.folder)
    assert again == recipe
    assert (recipe.name, again.hash) == (name, recipe.hash)
    assert recipe.samples * recipe.split.test / sum(recipe.split.counts) >= 1000
    assert recipe.image_shape == (224, 224)
    draws = [render_texture(recipe, index).draws for index in range(20)]
    assert sum(draws) <= 22  # laws that the model mostly finds infeasible would be a poor recipe
    names = {*recipe.parameter_names, *recipe.descriptor_names}
    assert len(names) == len(recipe.parameter_names) + len(recipe.descriptor_names)


def test_every_shipped_recipe_is_of_one_of_the_kinds():
    kinds = {name: type(Recipe.load(name)) for name in shipped_files("recipes", ".toml")}
    assert {name for name, kind in kinds.items() if kind is TextureRecipe} == set(SHIPPED)
    assert set(kinds.values()) == {TextureRecipe, AggregateRecipe, LamellaRecipe, MicrographRecipe}


def test_a_recipe_of_another_kind_than_asked_for_is_refused():
    with pytest.raises(UserError, match="lines-1-4: kind = 'texture': should be 'aggregate'"):
        AggregateRecipe.load("lines-1-4")
    with pytest.raises(UserError, match="demo: kind = 'aggregate': should be 'texture'"):
        TextureRecipe.load("demo")


REFUSED = [
    ("kind", "crystal", r"kind = 'crystal': should be one of aggregate, texture, scene$"),
    ("sampels", 3, r"sampels: unknown key; did you mean 'samples'\?"),
    ("samples_per_shard", 0, r"samples_per_shard = 0: should be greater than 0"),
    (
        "samples_per_shard",
        10**8,
        r"samples_per_shard = 100000000: at most 12201611 for textures of 11 x 13 pixels",
    ),
    ("aggregate", {}, r"aggregate: unknown key"),
    ("texture", 3, r"texture = 3: should be a valid dictionary"),
    ("texture", {}, r"texture.model is missing: should be one of lines, gaussian-field,"),
    ("texture.model", "foam", r"texture.model = 'foam': should be one of lines, gaussian-field,"),
    ("texture.widht_nm", 2, r"texture.widht_nm: unknown key; did you mean 'width_nm'\?"),
    ("texture.width_nm", -1, r"texture.width_nm = -1.0: should be greater than 0"),
    ("texture.width_nm", uniform(0, 2), r"texture.width_nm = 0.0: should be greater than 0"),
    ("texture.width_nm", uniform(3, 2), r"texture.width_nm: low = 3 is above high = 2"),
    (
        "texture.width_nm",
        {"law": "unifrom"},
        r"texture.width_nm: law = 'unifrom': should be one of uniform, log-",
    ),
    ("texture.width_nm", {"low": 1, "high": 2}, r"texture.width_nm.law is missing: should be one of uniform"),
    ("texture.width_nm", uniform(1, 2) | {"hihg": 3}, r"texture.width_nm.hihg: unknown key; .*'high'\?"),
    ("texture.width_nm", {"law": "uniform", "low": 1}, r"texture.width_nm.high is missing"),
    ("texture.width_nm", "2", r"texture.width_nm = '2': should be a valid number"),
    ("texture.width_nm", True, r"texture.width_nm = True: should be a valid number"),
    ("texture.width_nm", float("nan"), r"texture.width_nm = nan: should be a finite number"),
    ("texture.width_nm", uniform(1, 5), r"texture: length_nm = 4 must be at least width_nm = 5"),
    (
        "texture.volume_fraction",
        {"law": "choice", "values": [0.2, 1.5]},
        r"texture.volume_fraction = 1.5: should be",
    ),
    ("texture.shape", [11, uniform(8, 13)], r"texture.shape\[1\]: holds for all samples; no law is accepted"),
    ("texture.shape", [11], r"texture.shape = \[11\]: should be a list of 2 values"),
    ("texture.shape", [11, "13"], r"texture.shape\[1\] = '13': should be a valid number"),
    ("texture.shape", [11, True], r"texture.shape\[1\] = True: should be a valid number"),
    ("texture.shape", [11, 1], r"texture.shape\[1\] = 1: should be greater than or equal to 2"),
    ("texture.periodic", "yes", r"texture.periodic = 'yes': should be true or false"),
    ("texture.periodic", uniform(0, 1), r"texture.periodic: holds for all samples; no law is accepted"),
    (
        "sampling",
        {"correlations": [["width_nm", "length_nm", 0.5]]},
        r"sampling.correlations: no law at 'width_nm'",
    ),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), REFUSED, ids=[f"{p}={str(v)[:30]}" for p, v, _ in REFUSED]
)
def test_errors_are_one_line_with_path_value_and_what_is_accepted(fibres, changed, path, value, message):
    with pytest.raises(UserError, match=message) as caught:
        Recipe.from_dict(changed(fibres, path, value), source="my.toml")
    assert str(caught.value).startswith("my.toml: ")
    assert "\n" not in str(caught.value)


def of(texture: dict[str, Any], **more: Any) -> TextureRecipe:
    data = {"schema": 1, "name": "one", "kind": "texture", "samples": 4, "texture": texture, **more}
    return TextureRecipe.from_dict(data)


NESTED = [
    (
        {"model": "gaussian-field", "covariance": {"model": "matren", "length_nm": 3}},
        r"texture.covariance: model = 'matren': should be one of 'exponential', 'gaussian'",
    ),
    ({"model": "gaussian-field", "covariance": {"length_nm": 3}}, r"texture.covariance: model is missing"),
    (
        {"model": "gaussian-field", "covariance": {"model": "gaussian", "lenght_nm": 3}},
        r"texture.covariance.lenght_nm: unknown key; did you mean 'length_nm'\?",
    ),
    (
        {
            "model": "gaussian-field",
            "covariance": {"model": "matern", "length_nm": 3, "smoothness": uniform(0, 1)},
        },
        r"texture.covariance.smoothness = 0.0: should be greater than or equal to 0.2",
    ),
    (
        {"model": "boolean-discs", "radii": {"law": "gamma", "radius_nm": 3}},
        r"texture.radii: law = 'gamma': should be one of 'lognormal'",
    ),
    (
        {
            "model": "boolean-discs",
            "radii": {"law": "normal", "mean_nm": uniform(3, 9), "sd_nm": uniform(0, 2)},
        },
        r"texture.radii: sd_nm = (1|2) must be less than a third of mean_nm = 3",
    ),
    (
        {"model": "lines", "count": [1, {"law": "choice", "values": [3, 4.5]}]},
        r"texture.count\[1\]: values\[1\] = 4.5: should be a whole number",
    ),
    ({"model": "lines", "orientations": ["up"]}, r"texture.orientations\[0\] = 'up': should be "),
    ({"model": "lines", "orientations": "vertical"}, r"texture.orientations = 'vertical': should be a list"),
    ({"model": "lines", "count": uniform(1, 3)}, r"texture.count = \{'law': .*\}: should be a list"),
    ({"model": "lines", "length_nm": [1, 2, 3]}, r"texture.length_nm = .*: should be a list of 2 values"),
    ({"model": "gaussian-field", "covariance": "ring"}, r"texture.covariance = 'ring': should be a table"),
    (
        {"model": "boolean-discs", "radii": {"law": "scipy", "distribution": "gamma", "b": 3}},
        r"texture.radii: distribution 'gamma' needs the keys a, not b",
    ),
    ({"model": "lamellae", "width_cv": 0.5}, r"texture: width_cv = 0.5 needs periodic = false"),
]


@pytest.mark.parametrize(("texture", "message"), NESTED)
def test_errors_in_nested_tables_are_one_line_with_their_path(texture, message):
    with pytest.raises(UserError, match=message) as caught:
        of(texture)
    assert "\n" not in str(caught.value)


def test_laws_stand_in_nested_tables_and_lists():
    texture = {
        "model": "gaussian-field",
        "shape": [16, 16],
        "covariance": {"model": "matern", "length_nm": uniform(2, 5), "smoothness": 1.5},
    }
    recipe = of(texture, sampling={"points": "sobol"})
    assert recipe.laws.drawn == ["covariance.length_nm"]
    lengths = [realise_texture(recipe, index).parameters.covariance.length_nm for index in range(64)]
    assert 2 <= min(lengths) < 2.1
    assert 4.9 < max(lengths) <= 5
    assert np.mean(lengths) == pytest.approx(3.5, abs=0.03)  # a Sobol sequence is even

    lines = of({"model": "lines", "count": [1, {"law": "choice", "values": [2, 4]}], "thickness_nm": [5, 7]})
    assert lines.laws.drawn == ["count[1]"]
    most = {realise_texture(lines, index).parameters.count for index in range(20)}
    assert most == {(1, 2), (1, 4)}


def test_integer_laws_reach_both_ends_with_full_weight():
    recipe = of(
        {"model": "lines", "shape": [64, 64], "length_nm": [20, 30], "gap_nm": 2, "count": [1, uniform(1, 3)]}
    )
    counts = [realise_texture(recipe, index).parameters.count[1] for index in range(300)]
    assert np.bincount(counts, minlength=4)[1:].min() > 70


def test_correlations_join_the_laws_of_nested_numbers():
    texture = {
        "model": "gaussian-field",
        "shape": [8, 8],
        "volume_fraction": uniform(0.1, 0.9),
        "covariance": {"model": "gaussian", "length_nm": uniform(1, 2)},
    }
    joined = {"correlations": [["volume_fraction", "covariance.length_nm", 0.95]]}
    recipe = of(texture, sampling=joined)
    drawn = [realise_texture(recipe, index).parameters for index in range(200)]
    pairs = np.array([(one.volume_fraction, one.covariance.length_nm) for one in drawn])
    assert np.corrcoef(pairs.T)[0, 1] > 0.85


def test_a_law_replaced_by_a_number_leaves_the_other_draws_alone(fibres, changed):
    with_law = Recipe.from_dict(fibres).laws
    with_number = Recipe.from_dict(changed(fibres, "texture.volume_fraction", 0.3)).laws
    assert with_law.keys == with_number.keys == sorted(with_law.keys)
    u = np.random.default_rng(3).random(len(with_law.keys))
    assert with_number.at(u) == with_law.at(u) | {"volume_fraction": 0.3}


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, float | int) and not isinstance(value, bool):
        yield value


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(SHIPPED), st.integers(0, 10**6))
def test_parameters_lie_within_their_laws(name, index):
    recipe = Recipe.load(name)
    uniforms = np.random.default_rng(index).random(len(recipe.laws.keys))
    values = recipe.laws.at(uniforms)
    for key, number in recipe.laws.slots:
        inner = values
        for part in key.split("."):
            inner = inner[part]
        low, high = number.bounds if isinstance(number, Law) else (number, number)
        assert low <= inner <= high
    assert recipe.laws.parameters(uniforms).shape == (224, 224)


def test_key_order_and_seed_and_hash(fibres, changed):
    recipe = Recipe.from_dict(fibres)
    fibres["texture"] = dict(reversed(list(fibres["texture"].items())))
    other = Recipe.from_dict(dict(reversed(list(fibres.items()))))
    assert other.hash == recipe.hash
    assert other.laws.keys == recipe.laws.keys
    for path, value in (("seed", 6), ("texture.width_nm", 2.5), ("samples_per_shard", 4)):
        assert Recipe.from_dict(changed(fibres, path, value)).hash != recipe.hash


@pytest.mark.parametrize("model", PARAMETERS)
def test_truth_has_exactly_the_names_that_are_not_always_nan(model):
    parameters = PARAMETERS[model](shape=(128, 128))
    truth = sample_texture(parameters, np.random.default_rng(1)).truth
    assert set(truth_names(parameters)) == {name for name, value in truth.items() if np.isfinite(value)}


def test_columns_are_there_if_some_of_the_laws_give_them(fibres, changed):
    recipe = Recipe.from_dict(fibres)
    first = ("volume_fraction", "orientation_degrees", "orientation_cos2", "orientation_sin2", "count")
    assert recipe.descriptor_names[:5] == first
    isotropic = Recipe.from_dict(changed(fibres, "texture.orientation_spread_degrees", 90))
    assert isotropic.descriptor_names[:2] == ("volume_fraction", "count")
    assert "count" not in Recipe.load("gaussian-fields").descriptor_names
    made = realise_texture(recipe, 0)
    assert tuple(parameter_columns(made.parameters)) == recipe.parameter_names
    assert set(recipe.descriptor_names) <= set(truth_columns(made.texture.truth))


def test_parameters_have_columns_of_their_own_names():
    assert Recipe.load("lines-1-4").parameter_names[:2] == ("asked_count_smallest", "asked_count_largest")
    assert Recipe.load("gaussian-fields").parameter_names == (
        "asked_volume_fraction",
        "asked_covariance_length_nm",
        "asked_covariance_smoothness",
        "asked_stretch",
        "asked_orientation_degrees",
    )


def test_a_measured_histogram_of_radii_may_hold_laws_and_has_no_columns():
    radii = {"law": "histogram", "edges_nm": [1, 2, 3], "counts": [1, uniform(0, 2)]}
    recipe = of({"model": "boolean-discs", "shape": (16, 16), "radii": radii})
    assert recipe.laws.drawn == recipe.laws.keys == ["radii.counts[1]"]
    assert recipe.parameter_names == ("asked_volume_fraction",)
    drawn = [realise_texture(recipe, index).parameters.radii.counts for index in range(5)]
    assert len({counts[1] for counts in drawn}) == 5
    assert {counts[0] for counts in drawn} == {1}


def test_infeasible_draws_are_drawn_again_and_counted():
    # Fibres longer than a periodic image would meet themselves.
    recipe = of(
        {
            "model": "boolean-fibres",
            "shape": [16, 16],
            "length_nm": uniform(8, 24),
            "width_nm": 1,
            "volume_fraction": 0.3,
        }
    )
    made = [realise_texture(recipe, index) for index in range(40)]
    draws = np.array([one.draws for one in made])
    assert 20 < (draws == 1).sum() < 40
    assert all(one.parameters.diagonal_nm <= 16 for one in made)
    assert draws.max() > 1


def test_a_recipe_that_cannot_be_realised_says_why():
    recipe = of({"model": "lines", "count": [9, 9], "shape": [64, 64], "length_nm": [32, 63]})
    with pytest.raises(
        UserError, match=r"sample 0: 100 draws were all infeasible; the last: count = 9 .*nearest"
    ):
        realise_texture(recipe, 0)


def test_draws_are_counted_from_one(fibre_recipe):
    def third(attempt: int) -> str:
        if attempt < 2:
            raise InfeasibleParametersError("x", attempt, None, "too early")
        return "found"

    assert first_feasible(fibre_recipe, 0, third) == ("found", 3)
