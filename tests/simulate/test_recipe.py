"""Recipes: what is accepted, what is refused and how, and what identifies a corpus."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate.recipe import Recipe
from simulate.recipe_files import shipped_files
from simulate.recipe_settings import SPLITS, Split
from simulate.resources import resource
from stochgeom.errors import UserError


@pytest.mark.parametrize(
    "name", ["demo", "faceted", "reference", "multislice-small", "tio2-wo3", "windowed-30"]
)
def test_shipped_recipes_load_by_name_and_survive_json(name):
    recipe = Recipe.load(name)
    again = Recipe.from_dict(json.loads(json.dumps(recipe.canonical)), folder=recipe.folder)
    assert recipe.name == name
    assert again == recipe
    assert again.hash == recipe.hash
    assert len(set(recipe.parameter_names) | set(recipe.descriptor_names)) == len(
        recipe.parameter_names
    ) + len(recipe.descriptor_names)


def test_the_reference_recipe_is_the_reference_task():
    recipe = Recipe.load("reference")
    assert recipe.split.counts == (24000, 1000, 1000, 2000)
    assert recipe.samples == 28000
    assert recipe.engine.coefficients_per_um == {"TiO2": 0.50, "WO3": 1.69}
    assert (recipe.engine.jitter, recipe.realism.electrons_per_pixel) == (0.30, 2000)
    assert recipe.field.shape == (128, 128)


REFUSED = [
    ("sampels", 3, r"sampels: unknown key; did you mean 'samples'\?"),
    ("out", "/tmp/elsewhere", r"out: unknown key; accepted: aggregate, .*"),
    ("samples", 0, r"samples = 0: should be greater than 0"),
    ("name", "../evil", r"name = '../evil': string should match pattern"),
    ("schema", 2, r"schema = 2: should be 1"),
    (
        "aggregate.fractal_dimension",
        3.5,
        r"aggregate.fractal_dimension = 3.5: should be less than or equal to 3",
    ),
    (
        "aggregate.fractal_dimension",
        {"law": "uniform", "low": 1.5, "hihg": 2},
        r"aggregate.fractal_dimension.hihg: unknown key; did you mean 'high'\? \(and 1 more\)",
    ),
    (
        "aggregate.fractal_dimension",
        {"law": "unifrom", "low": 1.5, "high": 2},
        r"aggregate.fractal_dimension: law = 'unifrom': should be one of uniform, log-uniform, choice",
    ),
    (
        "aggregate.fractal_dimension",
        {"law": "uniform", "low": 2, "high": 1.5},
        r"aggregate.fractal_dimension: low = 2 is above high = 1.5",
    ),
    ("aggregate.n_particles", 2.5, r"aggregate.n_particles = 2.5: should be a whole number"),
    ("aggregate.n_particles", -4, r"aggregate.n_particles = -4: should be at least 1"),
    (
        "aggregate.n_particles",
        {"law": "uniform", "low": 3.5, "high": 9},
        r"aggregate.n_particles: low = 3.5 should be a whole number",
    ),
    (
        "aggregate.n_particles",
        {"law": "log-uniform", "low": 3, "high": 8.5},
        r"aggregate.n_particles: high = 8.5 should be a whole number",
    ),
    (
        "aggregate.n_particles",
        {"law": "choice", "values": [4, 9.6, 5]},
        r"aggregate.n_particles: values\[1\] = 9.6 should be a whole number",
    ),
    (
        "aggregate.fractal_dimension",
        {"law": "choice", "values": [1.7, 3.4, 1.8, 1.8, 1.9]},
        r"aggregate.fractal_dimension = 3.4: should be less than or equal to 3",
    ),
    (
        "aggregate.species.0.radii",
        {
            "law": "normal",
            "mean_nm": {"law": "uniform", "low": 2, "high": 9},
            "sd_nm": {"law": "choice", "values": [0.1, 2.5, 0.2]},
        },
        r"aggregate.species\[0\].radii: sd_nm = 2.5 must be less than a third of mean_nm = (5.5|2)",
    ),
    (
        "aggregate.species.0.radii",
        {
            "law": "normal",
            "mean_nm": {"law": "uniform", "low": 3, "high": 9},
            "sd_nm": {"law": "uniform", "low": 0, "high": 1.5},
        },
        r"aggregate.species\[0\].radii: sd_nm = 1.5 must be less than a third of mean_nm = 3",
    ),
    (
        "aggregate.species.0.radii.median_nm",
        -3,
        r"aggregate.species\[0\].radii.median_nm = -3.0: should be greater than 0",
    ),
    (
        "aggregate.species.0.radii.median_nm",
        {"law": "uniform", "low": -1, "high": 4},
        r"aggregate.species\[0\].radii.median_nm = -1.0: should be greater than 0",
    ),
    (
        "aggregate.species.0.radii.law",
        "gamma",
        r"radii: law = 'gamma': should be one of 'lognormal', 'normal'",
    ),
    ("aggregate.species.1.fraction", 0.9, r"species' fractions sum to 1.2 to 1.6; they should sum to 1"),
    (
        "aggregate.species.1.fraction",
        "rest",
        r"aggregate.species\[1\].fraction = 'rest': should be 'remainder'",
    ),
    ("aggregate.species.0.fraction", 1.4, r"fractions sum to as much as 1.4; they should leave a remainder"),
    ("aggregate.species.1.name", "TiO2", r"aggregate: two species are called 'TiO2'"),
    ("microscope", {"energy_kv": 300}, r"microscope.energy_kv: unknown key; did you mean 'energy_ev'\?"),
    (
        "microscope",
        {"detectors": [{"name": "A", "inner_mrad": 90, "outer_mrad": 30}]},
        r"microscope.detectors\[0\]: detector 'A': inner_mrad = 90 is not below outer_mrad = 30",
    ),
    ("field", {"shape": [8, 8]}, r"field: exactly one of pixel_size_nm and fit should be given"),
    ("field.fit", -1, r"field: fit = -1 should be above zero"),
    ("engine", {"name": "magic"}, r"engine: name = 'magic': should be one of 'response', 'multislice'"),
    ("engine", {"name": "response"}, r"engine: exactly one of table and coefficients_per_um should be given"),
    ("engine.coefficients_per_um", {"TiO": 1}, r"engine.coefficients_per_um.TiO: no such .* 'TiO2'\?"),
    ("engine", {"name": "response", "table": "no-such"}, r"engine.table = 'no-such': no such response table"),
    ("realism.gain", {"law": "uniform", "low": 0, "high": 1}, r"realism: gain should be above zero"),
    ("realism.source_fwhm_nm", -1, r"realism: source_fwhm_nm = -1 should be zero or above"),
    ("split", {"train": 0, "calibration": 0, "validation": 0, "test": 0}, r"split: every split is empty"),
    ("materials", {"Ti": {"cif": "a.cif"}}, r"materials.Ti: no such phase; did you mean 'TiO2'\?"),
    ("materials", {"TiO2": {"cif": "gone.cif"}}, r"materials.TiO2.cif = 'gone.cif': no readable CIF file at"),
    ("validation", {"positions": 1}, r"validation.positions = 1: should be greater than or equal to 2"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), REFUSED, ids=[f"{p}={str(v)[:30]}" for p, v, _ in REFUSED]
)
def test_errors_are_one_line_with_path_value_and_what_is_accepted(small, changed, path, value, message):
    with pytest.raises(UserError, match=message) as caught:
        Recipe.from_dict(changed(small, path, value), source="my.toml")
    text = str(caught.value)
    assert text.startswith("my.toml: ")
    assert "\n" not in text


def test_a_missing_file_and_an_unknown_name_are_told_apart(tmp_path):
    with pytest.raises(UserError, match="no recipe file at"):
        Recipe.load(tmp_path / "gone.toml")
    with pytest.raises(UserError, match=r"no recipe 'refrence'; did you mean 'reference'\?"):
        Recipe.load("refrence")
    (tmp_path / "broken.toml").write_text("samples = = 3")
    with pytest.raises(UserError, match="cannot be read"):
        Recipe.load(tmp_path / "broken.toml")


def test_a_file_of_ones_own_loads_like_a_shipped_one(tmp_path):
    text = shipped_files("recipes", ".toml")["reference"].read_text()
    (tmp_path / "mine.toml").write_text(text.replace('name = "reference"', 'name = "mine"'))
    recipe = Recipe.load(tmp_path / "mine.toml")
    assert recipe.name == "mine"
    assert recipe.hash != Recipe.load("reference").hash


def test_a_users_cif_is_found_beside_the_recipe_and_becomes_part_of_it(small, changed, tmp_path):
    cif = resource("materials", "anatase.cif").read_text()
    (tmp_path / "crystals").mkdir()
    (tmp_path / "crystals" / "own.cif").write_text(cif)
    data = changed(small, "materials", {"TiO2": {"cif": "crystals/own.cif"}})
    recipe = Recipe.from_dict(data, folder=tmp_path)
    assert recipe.materials["TiO2"].cif_text == cif
    assert str(tmp_path) not in json.dumps(recipe.canonical)
    (tmp_path / "crystals" / "own.cif").write_text(cif + "\n# changed\n")
    assert Recipe.from_dict(data, folder=tmp_path).hash != recipe.hash


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 12),
        ("samples_per_shard", 5),
        ("engine.jitter", 0.2),
        ("realism.gain", 1.0),
        ("aggregate.species.0.radii.geometric_sd", 1.21),
    ],
)
def test_every_value_enters_the_hash(small, changed, path, value):
    assert Recipe.from_dict(changed(small, path, value)).hash != Recipe.from_dict(small).hash


def test_the_hash_does_not_depend_on_what_was_looked_at_before(small):
    del small["split"]
    recipe = Recipe.from_dict(small)
    stored = Recipe.from_dict(recipe.canonical)
    before = stored.hash
    assert recipe.split.of(7) == stored.split.of(7)
    assert stored.hash == recipe.hash == before
    assert stored == recipe


def test_the_order_of_keys_does_not_enter_the_hash(small):
    assert Recipe.from_dict(dict(reversed(list(small.items())))).hash == Recipe.from_dict(small).hash


def test_a_law_replaced_by_a_number_leaves_the_other_draws_alone(small, changed):
    with_law = Recipe.from_dict(small).aggregate
    with_number = Recipe.from_dict(changed(small, "aggregate.fractal_dimension", 1.8)).aggregate
    assert [key for key, _ in with_law.slots] == [key for key, _ in with_number.slots]
    u = np.random.default_rng(3).random(len(with_law.slots))
    assert with_number.at(u) == with_law.at(u) | {"fractal_dimension": 1.8}


def test_shared_cluster_size_serves_the_species_that_state_none(small, changed):
    data = changed(small, "aggregate.species.1.mean_cluster_size", {"law": "uniform", "low": 3, "high": 5})
    laws = Recipe.from_dict(data).aggregate
    row = laws.parameters(np.full(len(laws.slots), 0.5)).columns()
    assert row["mean_cluster_size_TiO2"] == 2
    assert row["mean_cluster_size_WO3"] == 4
    assert row["fraction_TiO2"] + row["fraction_WO3"] == pytest.approx(1)


counts = st.integers(0, 60)


@settings(deadline=None)
@given(counts, counts, counts, counts)
def test_splits_are_exact_over_a_period_and_even_within_it(train, calibration, validation, test):
    wanted = (train, calibration, validation, test)
    if sum(wanted) == 0:
        return
    split = Split(train=train, calibration=calibration, validation=validation, test=test)
    pattern = split.pattern
    assert tuple(np.bincount(pattern, minlength=len(SPLITS))) == wanted
    assert [split.of(i + len(pattern)) for i in range(5)] == [split.of(i) for i in range(5)]
    for code, count in enumerate(wanted):
        expected = np.arange(1, len(pattern) + 1) * count / len(pattern)
        assert np.abs(np.cumsum(pattern == code) - expected).max() <= 2.5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("samples", "8"),
        ("samples", True),
        ("seed", 3.0),
        ("engine.band_mrad", "60"),
        ("engine.window_angstrom", False),
    ],
)
def test_text_and_truth_are_no_numbers(key, value):
    data = Recipe.load("windowed-30").model_dump(mode="json", exclude_unset=True)
    table = data["engine"] if key.startswith("engine.") else data
    table[key.split(".")[-1]] = value
    with pytest.raises(UserError, match=rf"{key} = .*should be a valid (number|integer)"):
        Recipe.from_dict(data)
