"""Shapes of particles through recipes, corpora and engines, and their crystals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulate.corpus.reader import Corpus
from simulate.crystal_shapes import check_shapes, laue_class, wulff_shape
from simulate.engines.base import make_engine
from simulate.generate import generate
from simulate.material import Material
from simulate.realise import realise
from simulate.recipe import Recipe
from stochgeom import describe
from stochgeom.errors import UserError
from stochgeom.projection import chord_lengths

WULFF = {
    "kind": "wulff",
    "cell_angstrom": [3.7842, 3.7842, 9.5146],
    "laue_class": "4/mmm",
    "surface_energies": {"101": 0.44, "001": 0.90},
}
ELLIPSOID = {"kind": "ellipsoid", "axis_ratios": [1, 1, 2]}


@pytest.fixture
def shaped(small):
    """The small recipe with facets and ellipsoids."""
    first, second = small["aggregate"]["species"]
    first["phases"], second["shape"] = {"anatase": 0.5, "rutile": 0.5}, ELLIPSOID
    first["shapes"] = {"anatase": WULFF}
    return small


def test_shapes_survive_the_corpus(shaped, tmp_path):
    recipe = Recipe.from_dict(shaped)
    corpus = Corpus.open(generate(recipe, tmp_path / "c", samples=6, progress=False))
    for index in range(6):
        aggregate, made = corpus.aggregate(index), realise(recipe, index).aggregate
        assert aggregate.shape.tolist() == made.shape.tolist()
        assert "ellipsoid" in aggregate.shape
        np.testing.assert_allclose(aggregate.semi_axes, made.semi_axes, rtol=1e-6)
        row = dict(zip(corpus.descriptor_names, corpus.descriptors[index], strict=True))
        again = describe(aggregate)
        assert again["contacts"] == row["contacts"]
        assert again["extent_nm"] == pytest.approx(row["extent_nm"], rel=1e-5)
        assert again["radius_of_gyration_nm"] == pytest.approx(row["radius_of_gyration_nm"], rel=1e-5)
        field = corpus.field(index)
        before, after = (chord_lengths(one, field) for one in (made, aggregate))
        np.testing.assert_allclose(after, before, atol=0.02 * before.max())
    card = (tmp_path / "c" / "README.md").read_text()
    assert "anatase: shape" in card
    assert "kind ellipsoid" in card


def test_spheres_by_name_are_another_text_of_the_same_aggregates(small):
    plain = Recipe.from_dict(small)
    small["aggregate"]["species"][0]["shape"] = {"kind": "sphere"}
    named = Recipe.from_dict(small)
    first, second = (realise(one, 0).aggregate for one in (plain, named))
    assert first.centres.tobytes() == second.centres.tobytes()
    assert "shape" not in str(plain.aggregate.model_dump(exclude_defaults=True))  # nor in the hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"shape": {"kind": "cube"}},
            r"aggregate.species\[1\].shape: kind = 'cube': should be one of 'sphere'",
        ),
        ({"shape": {**ELLIPSOID, "axis_ratio": 1}}, r"aggregate.species\[1\].shape.*axis_ratio: unknown key"),
        ({"shape": {**ELLIPSOID, "axis_ratios": [1, 2, -1]}}, r"shape.*axis_ratios\[2\] = -1"),
        ({"shape": {**WULFF, "surface_energies": {"001": 1}}}, "enclose no body"),
        ({"shapes": {"brookite": WULFF}}, "names no phase of WO3: 'brookite'"),
    ],
)
def test_impossible_shapes_are_refused_with_their_path(shaped, change, message):
    shaped["aggregate"]["species"][1] |= change
    with pytest.raises(UserError, match=message):
        Recipe.from_dict(shaped)


def test_necks_of_bodies_are_refused(shaped):
    shaped["aggregate"]["overlap"] = {"law": "uniform", "low": 0.0, "high": 0.1}
    with pytest.raises(UserError, match="necks are for spheres"):
        Recipe.from_dict(shaped)


def test_the_response_engine_sees_the_chords_of_the_bodies(shaped):
    """With one coefficient and without scatter the image is 1 - exp(-R t)."""
    shaped["engine"] = {
        "name": "response",
        "coefficients_per_um": {"TiO2": 1.0, "WO3": 1.0},
        "oversampling": 1,
        "cone_rays": 1,
    }
    recipe = Recipe.from_dict(shaped)
    made = realise(recipe, 1)
    image = make_engine(recipe.engine_settings).image(made.scene, recipe.microscope)
    thickness = chord_lengths(made.aggregate, made.field).sum(axis=0)
    np.testing.assert_allclose(image[0], 1 - np.exp(-1e-3 * thickness), rtol=1e-5, atol=1e-9)


def test_wulff_shapes_take_cell_and_symmetry_of_a_material():
    shape = wulff_shape(Material.named("anatase"), {"101": 0.44, "001": 0.90})
    assert (shape.laue_class, shape.cell_angstrom) == ("4/mmm", (3.7842, 3.7842, 9.5146))
    assert laue_class(Material.named("rutile")) == "4/mmm"
    monoclinic = wulff_shape(Material.named("gamma-WO3"), {"100": 1, "010": 1, "001": 1})
    assert (monoclinic.laue_class, monoclinic.angles_deg) == ("2/m", (90, 90.881, 90))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"cell_angstrom": [4.593, 4.593, 2.959]},
            "facets of anatase are of another cell .* 3.7842, 3.7842, 9.5",
        ),
        ({"laue_class": "4/m"}, "facets of anatase have the Laue class 4/m, its crystal 4/mmm"),
    ],
)
def test_facets_of_another_crystal_are_refused_where_atoms_are_made(shaped, change, message):
    species = shaped["aggregate"]["species"]
    species[0]["shapes"] = {"anatase": WULFF}
    species[1]["phases"] = {"gamma-WO3": 1.0}
    shaped["engine"] = {"name": "multislice", "sampling_angstrom": 0.04}
    check_shapes(Recipe.from_dict(shaped))
    species[0]["shapes"] = {"anatase": {**WULFF, **change}}
    with pytest.raises(UserError, match=message):
        check_shapes(Recipe.from_dict(shaped))


def test_turned_cells_are_refused():
    material = Material.named("gamma-WO3")
    cell = material.cell.copy()
    cell.rotate(30, "z", rotate_cell=True)
    with pytest.raises(UserError, match="a along x"):
        wulff_shape(replace(material, structure=cell), {"100": 1})
