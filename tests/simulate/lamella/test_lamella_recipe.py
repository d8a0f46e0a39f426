"""Recipes of lamellae: what they accept, and sample i as a function of recipe and i alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from simulate.cli import calibration_settings
from simulate.imaging import material_nm, realise
from simulate.lamella.recipe import LamellaRecipe
from simulate.lamella.scene import LamellaScene
from simulate.preflight import check_recipe
from simulate.recipe import Recipe
from simulate.textures.realise import realise_texture
from stochgeom.errors import UserError


def of(data) -> LamellaRecipe:
    recipe = Recipe.from_dict(data)
    assert isinstance(recipe, LamellaRecipe)
    return recipe


def test_a_texture_with_a_lamella_is_imaged_and_comes_back_from_its_canonical_form(response):
    recipe = of(response)
    assert recipe.channel_names == ("HAADF",)
    assert recipe.descriptor_names[-1] == "lamella_thickness_nm"
    assert "volume_fraction" in recipe.descriptor_names
    again = of(json.loads(json.dumps(recipe.canonical)))
    assert again.hash == recipe.hash
    assert again.engine.table_sha256 is not None
    plain = {key: response[key] for key in response if key not in ("lamella", "engine")}
    assert Recipe.from_dict(plain).channel_names == ("phase",)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("lamella.thickness", 4, r"lamella.thickness: unknown key.*thickness_nm"),
        ("lamella.thickness_nm", -4, r"lamella.*thickness_nm = -4 should be above zero"),
        ("lamella.thickness_nm", "4", r"lamella.thickness_nm"),
        ("lamella.phases", ["vacuum", "vacuum"], r"at most one of them can be 'vacuum'"),
        ("lamella.phases", ["anatase"], r"lamella.phases"),
        ("lamella.phases", ["gamma-WO3", "anatas"], r"no material 'anatas'.*anatase"),
        ("lamella.phases", ["gamma-WO3", "vacuum"], r"orientations: vacuum has none"),
        ("lamella.subpixels", 2, r"subpixels = 2 should be odd"),
        ("lamella.orientations.0.zone_axis", [1, 0, 0.5], r"lamella.orientations\[0\].zone_axis\[2\] = 0.5"),
        ("lamella.orientations.1.zone_axis", [0, 0, 0], r"\[0, 0, 0\] is no direction"),
        ("lamella.orientations.0", {"mistilt_mrad": 3}, r"need a zone_axis"),
        ("engine", {"name": "respons"}, r"engine"),
        ("materials", {"rutile": {"cif": "no.cif"}}, r"materials.rutile: no such phase"),
        ("sampling", {"correlations": [["lamella.thickness_nm", "volume", 0.5]]}, r"no law at 'volume'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(response, changed, path, value, message):
    with pytest.raises(UserError, match=message) as caught:
        of(changed(response, path, value))
    assert "\n" not in str(caught.value)


def test_grains_need_a_texture_of_grains(response):
    response["texture"] = {"model": "lamellae", "shape": [16, 16], "period_nm": 8}
    with pytest.raises(UserError, match=r"grains = true, but texture.model = 'lamellae' has none"):
        of(response)


def test_an_engine_is_needed(response):
    del response["engine"]
    with pytest.raises(UserError, match="engine"):
        of(response)


def test_a_table_must_know_the_phases(response, changed):
    other = changed(response, "lamella.phases", ["gamma-WO3", "brookite"])
    other["lamella"]["orientations"] = [{}, {}]
    with pytest.raises(UserError, match="no phase 'brookite'"):
        check_recipe(of(other), 10)


def test_the_texture_is_that_of_a_recipe_without_a_lamella(response):
    """The thickness is drawn after the texture's numbers; finer pixels do not move a Voronoi grain."""
    plain = Recipe.from_dict({k: v for k, v in response.items() if k not in ("lamella", "engine", "realism")})
    recipe = of(response)
    for index in (0, 3):
        made, bare = realise(recipe, index), realise_texture(plain, index)
        assert_array_equal(made.phase, bare.texture.phase)
        assert made.texture.shape == (60, 81)
        assert made.field.shape == (20, 27)
        assert made.parameters == bare.parameters
        assert 5 <= made.thickness_nm == made.scene.thickness_nm <= 40


def test_samples_depend_on_their_number_alone(response):
    recipe = of(response)
    one, again = (realise(of(response), 2) for _ in range(2))
    assert isinstance(one.scene, LamellaScene)
    assert_array_equal(one.scene.crystallites.orientations, again.scene.crystallites.orientations)
    other = realise(recipe, 3)
    assert one.thickness_nm != other.thickness_nm
    assert one.scene.crystallites.orientations[-1] != pytest.approx(other.scene.crystallites.orientations[-1])


def test_thickness_may_be_correlated_with_the_texture(response):
    response["sampling"] = {"correlations": [["lamella.thickness_nm", "volume_fraction", 0.95]]}
    recipe = of(response)
    made = [realise(recipe, index) for index in range(60)]
    asked = [[one.thickness_nm, one.parameters.volume_fraction] for one in made]
    assert np.corrcoef(np.log(asked).T)[0, 1] > 0.8


def test_tables_are_calibrated_for_the_phases_of_a_recipe(response, tmp_path):
    """Also before the table that it names is there."""
    path = tmp_path / "lamellae.toml"
    path.write_text(
        'schema = 1\nname = "mine"\nkind = "texture"\nsamples = 1\n'
        '[texture]\nmodel = "lamellae"\nshape = [8, 8]\nperiod_nm = 4\n'
        '[lamella]\nphases = ["vacuum", "rutile"]\nthickness_nm = 5\n'
        '[engine]\nname = "response"\ntable = "mine.npz"\n'
    )
    found = calibration_settings(str(path), None)
    assert [material.name for material in found.materials] == ["rutile"]


def test_material_is_where_the_phase_is_no_hole(multislice):
    recipe = of(multislice)
    made = realise(recipe, 0)
    assert_array_equal(material_nm(made), 0.8 * made.phase)
    assert 0 < made.phase.mean() < 1
