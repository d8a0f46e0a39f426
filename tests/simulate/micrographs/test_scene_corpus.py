"""Corpora of scenes: written, read, verified; the same bytes whoever makes them; truth and image agree."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
import zarr

from simulate.corpus.card import card, overview
from simulate.corpus.reader import Corpus
from simulate.corpus.scene_truth import SceneTruth
from simulate.corpus.verify import verify
from simulate.engines.base import make_engine
from simulate.generate import generate
from simulate.imaging import realise
from simulate.micrographs.truth import descriptors_of
from simulate.pictures import contact_sheet
from simulate.recipe import Recipe
from stochgeom.errors import UserError


def contents(folder):
    """Hash of every file of a store."""
    store = folder / "corpus.zarr"
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(f.relative_to(store)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_it_reads_as_images_with_their_truth(finished_scenes):
    corpus = Corpus.open(finished_scenes)
    assert (corpus.kind, corpus.imaged, len(corpus)) == ("scene", True, 3)
    assert corpus.images.shape == (3, 1, 16, 20)
    for index in range(3):
        truth, made = corpus.scene_truth(index), realise(corpus.recipe, index)
        assert isinstance(truth, SceneTruth)
        assert np.array_equal(truth.columns, made.truth.columns, equal_nan=True)
        assert np.array_equal(truth.walls, made.truth.walls)
        assert np.array_equal(truth.domain, made.truth.domain)
        assert truth.kind_names == ("C", "Si threefold", "Si fourfold", "vacancy", "divacancy")
        found = descriptors_of(truth)
        row = dict(zip(corpus.descriptor_names, np.asarray(corpus.descriptors[index]), strict=True))
        assert {key: row[key] for key in found} == pytest.approx(found, nan_ok=True)
        assert row["thickness_nm"] == made.structure.thickness_nm
        assert corpus.column("asked_grains")[index] == made.parameters.grains
        assert float(corpus.pixel_size[index]) == made.field.pixel_size_nm
    assert len({float(corpus.pixel_size[k]) for k in range(3)}) == 3
    assert not np.array_equal(corpus.noisy(0), corpus.clean(0))


def test_columns_lie_where_the_image_is_bright(finished_scenes):
    """Atoms are displaced by heat by 0.06 to 0.08 Å, a ninth to a sixth of a pixel."""
    corpus = Corpus.open(finished_scenes)
    made = realise(corpus.recipe, 0)
    engine = make_engine(corpus.imaged_recipe.engine_settings)
    scope = corpus.imaged_recipe.microscope
    truth, field = corpus.scene_truth(0), corpus.field(0)
    image = corpus.clean(0)[0]
    pixel = np.stack([truth.positions_nm[:, 0] - field.x_nm[0], truth.positions_nm[:, 1] - field.y_nm[0]])
    i, j = np.round(pixel / field.pixel_size_nm).astype(int)
    inner = (i > 0) & (i < 19) & (j > 0) & (j < 15)
    kind = truth.column("kind")
    at = image[np.clip(j, 0, 15), np.clip(i, 0, 19)]
    carbon, silicon = at[inner & (kind == 0)], at[inner & np.isin(kind, (1, 2))]
    assert carbon.mean() > 1.3 * image.mean()
    assert len(silicon)
    assert silicon.min() > 1.5 * carbon.mean()
    assert at[inner & (kind >= 3)].max(initial=0) < 0.8 * carbon.mean()
    # Probes around silicon: the middle of what is brightest lies within a third of a pixel of it.
    steps = np.stack(np.meshgrid(*[np.linspace(-0.06, 0.06, 5)] * 2), axis=-1).reshape(-1, 2)
    for at_nm in truth.positions_nm[inner & np.isin(kind, (1, 2))][:2]:
        bright = engine.probes(made.scene, scope, at_nm + steps)[:, 0]
        weight = np.clip(bright - 0.5 * bright.max(), 0, None)
        off = (weight[:, None] * steps).sum(axis=0) / weight.sum()
        assert np.abs(off).max() < field.pixel_size_nm / 3


def test_parts_make_the_same_bytes(finished_scenes, tmp_path, tiny_scenes):
    recipe = Recipe.from_dict(tiny_scenes)
    for k in (2, 1):
        generate(recipe, tmp_path, part=(k, 2), progress=False)
    assert contents(tmp_path) == contents(finished_scenes)


def test_a_sample_does_not_depend_on_how_many_there_are(finished_scenes, tmp_path, tiny_scenes):
    generate(Recipe.from_dict(tiny_scenes), tmp_path, samples=1, progress=False)
    one, all_three = Corpus.open(tmp_path), Corpus.open(finished_scenes)
    assert np.array_equal(one.clean(0), all_three.clean(0))
    assert np.array_equal(one.scene_truth(0).columns, all_three.scene_truth(0).columns, equal_nan=True)


def test_it_verifies_and_recomputes(finished_scenes):
    found = verify(Corpus.open(finished_scenes), recompute=3, seed=0)
    assert found.ok, found.problems
    assert len(found.recomputed_blocks) == 3
    assert found.largest_difference == 0


@pytest.mark.parametrize(
    ("array", "value", "message"),
    [
        ("truth/domain", 77, "truth/domain: an unknown domain"),
        ("truth/n_columns", 3, "truth/columns: filled rows differ from truth/n_columns"),
        ("truth/columns", 3.0, "truth/columns: "),
        ("descriptors", 0.25, "descriptors: not those of the truth"),
    ],
)
def test_damage_is_found(finished_scenes, tmp_path, array, value, message):
    shutil.copytree(finished_scenes, tmp_path / "copy")
    stored = zarr.open_group(tmp_path / "copy" / "corpus.zarr", mode="r+")[array]
    row = np.array(stored[0])
    if row.ndim:
        row.flat[:2] = value
    else:
        row = np.array(value, stored.dtype)
    stored[0] = row
    corpus = Corpus.open(tmp_path / "copy")
    problems = verify(corpus, recompute=0).problems
    assert any(message in problem for problem in problems), problems


def test_card_overview_and_picture_say_what_the_truth_is(finished_scenes, tmp_path):
    corpus = Corpus.open(finished_scenes)
    text = card(corpus)
    for words in ("`truth/columns`", "1 Si threefold", "modulo 60° in graphene", "one of 1, 2", "grain 16"):
        assert words in text
    assert "grain_boundary_length_nm" in overview(corpus)
    assert (finished_scenes / "README.md").read_text() == text
    path = contact_sheet(corpus, tmp_path / "sheet.png", count=2)
    from matplotlib.image import imread

    picture = imread(path)
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.1


def test_truth_of_another_kind_is_refused(tmp_path, tiny_scenes):
    texture = {
        "schema": 1, "name": "lines", "kind": "texture", "samples": 1,
        "texture": {"model": "voronoi", "shape": [16, 16], "pixel_size_nm": 1, "grain_diameter_nm": 3},
    }  # fmt: skip
    corpus = Corpus.open(generate(Recipe.from_dict(texture), tmp_path / "texture", progress=False))
    with pytest.raises(UserError, match="a corpus of kind texture holds no truth of scenes"):
        corpus.scene_truth(0)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scene.model", "grafene", r"scene.model = 'grafene': should be one of graphene"),
        ("scene.grains", 0, r"scene.grains = 0: should be greater than or equal to 1"),
        ("scene.grains", 1.5, r"scene.grains = 1.5: should be a whole number"),
        ("scene.grain", 2, r"scene.grain: unknown key; did you mean 'grains'"),
        (
            "scene.silicon_per_nm2",
            {"law": "uniform", "low": 0, "high": 2},
            r"silicon_per_nm2 = 1.9+8: should",
        ),
        ("field.pixel_size_nm", 0, r"field: pixel_size_nm = 0 should be above zero"),
        ("field.pixel_size_nm", 3.0, r"20 pixels of 3 nm are 60 nm; at most 40 nm are accepted"),
        ("field.fit", 1.1, r"field.fit: unknown key"),
        ("engine.margin_angstrom", 40, r"engine.margin_angstrom = 40: .* at most 25 Å are accepted"),
        (
            "engine",
            {"name": "response", "table": "x"},
            r"engine: name = 'response': should be one",
        ),
        ("sampling", {"correlations": [["scene.grains", "scene.foo", 0.5]]}, r"no law at 'scene.foo'"),
        ("materials", {"iron": {"cif": "x.cif"}}, r"materials.iron: no such phase"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_in_one_line(tiny_scenes, key, value, message):
    *path, last = key.split(".")
    place = tiny_scenes
    for name in path:
        place = place[name]
    place[last] = value
    with pytest.raises(UserError, match=message) as caught:
        Recipe.from_dict(tiny_scenes)
    assert "\n" not in str(caught.value)


def test_shipped_recipes_of_scenes_load():
    recipe = Recipe.load("graphene-small")
    assert recipe.kind == "scene"
    assert Recipe.from_dict(recipe.canonical).hash == recipe.hash
