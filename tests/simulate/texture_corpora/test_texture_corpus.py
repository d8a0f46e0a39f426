"""Corpora of textures: the same bytes however they are made, read as images, damage found and repaired."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import heterostem
import simulate.generate as making
from simulate.corpus.card import card, overview
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.estimate import estimate
from simulate.generate import generate, missing_tasks
from simulate.recipe import Recipe
from simulate.textures.arrays import chunk_samples
from simulate.textures.bits import packed, row_bytes, unpacked
from simulate.textures.realise import realise_texture, render_texture
from simulate.work import run_task
from stochgeom.errors import UserError


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file of a store."""
    store = folder / "corpus.zarr"
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(f.relative_to(store)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@settings(deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        arrays.array_shapes(min_dims=2, max_dims=4, max_side=19),
        elements=st.integers(0, 1),
    )
)
def test_bits_hold_every_width_and_nothing_beyond(phase):
    bits = packed(phase)
    assert bits.shape == (*phase.shape[:-1], row_bytes(phase.shape[-1]))
    assert np.array_equal(unpacked(bits, phase.shape[-1]), phase)
    assert not unpacked(bits, 8 * bits.shape[-1])[..., phase.shape[-1] :].any()


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(2, 600), st.integers(2, 600))
def test_chunks_divide_shards(per_shard, ny, nx):
    chunk = chunk_samples(per_shard, (ny, nx))
    assert per_shard % chunk == 0
    assert chunk_samples(1000, (224, 224)) == 250


def test_any_order_of_the_tasks_gives_the_same_bytes(finished_textures, fibre_recipe, tmp_path):
    making.prepare_store(tmp_path, fibre_recipe, 22)
    tasks = missing_tasks(tmp_path)
    assert tasks == [("shard", 0), ("shard", 1), ("shard", 2)]
    for task in reversed(tasks):
        run_task(json.dumps(fibre_recipe.canonical), str(tmp_path), task)
    assert contents(tmp_path) == contents(finished_textures)


@pytest.mark.distributed
@pytest.mark.slow
def test_workers_give_the_same_bytes(finished_textures, fibre_recipe, tmp_path):
    generate(fibre_recipe, tmp_path, workers=2, progress=False)
    assert contents(tmp_path) == contents(finished_textures)


def test_parts_of_a_job_array_fill_one_corpus(finished_textures, fibre_recipe, tmp_path):
    generate(fibre_recipe, tmp_path, part=(2, 2), progress=False)
    assert Corpus.open(tmp_path).finished.tolist() == [False, True, False]
    generate(fibre_recipe, tmp_path, part=(1, 2), progress=False)
    assert contents(tmp_path) == contents(finished_textures)


def test_stopping_keeps_what_is_finished(finished_textures, fibre_recipe, tmp_path, monkeypatch):
    write = making.CorpusWriter.write_shard

    def stops(self, shard, samples):
        if shard == 1:
            raise KeyboardInterrupt
        write(self, shard, samples)

    with monkeypatch.context() as patch:
        patch.setattr(making.CorpusWriter, "write_shard", stops)
        with pytest.raises(KeyboardInterrupt):
            generate(fibre_recipe, tmp_path, progress=False)
    corpus = Corpus.open(tmp_path)
    assert corpus.indices().tolist() == list(range(8))
    assert corpus.phases().shape == (8, 11, 13)
    with pytest.raises(UserError, match=r"sample 9 is not made yet \(shard 1 is not finished\)"):
        corpus.phases(np.array([3, 9]))
    generate(fibre_recipe, tmp_path, progress=False)
    assert contents(tmp_path) == contents(finished_textures)


def test_fewer_samples_and_other_shards_hold_the_same_textures(finished_textures, fibres, changed, tmp_path):
    other = Recipe.from_dict(changed(fibres, "samples_per_shard", 5))
    generate(other, tmp_path, samples=13, progress=False)
    ours, theirs = Corpus.open(tmp_path), Corpus.open(finished_textures)
    for name in ("phase_bits", "parameters", "descriptors", "split", "pixel_size", "draws"):
        assert ours.array(name)[:].tobytes() == theirs.array(name)[:13].tobytes()


def test_the_reader_gives_images_phases_and_columns(finished_textures, fibre_recipe):
    corpus = Corpus.open(finished_textures)
    made = [realise_texture(fibre_recipe, index) for index in range(22)]
    phase = np.stack([one.texture.phase for one in made])
    assert corpus.images.shape == (22, 1, 11, 13)
    assert corpus.images.dtype == corpus.images[3].dtype == np.uint8
    assert np.array_equal(corpus.images, phase[:, None])
    assert np.array_equal(corpus.phases(), phase)
    assert np.array_equal(corpus.phase_bits(np.array([2, 3, 20])), np.packbits(phase[[2, 3, 20]], axis=-1))
    clean = corpus.clean(4)
    assert clean.dtype == np.float32
    assert np.array_equal(clean, phase[4][None])
    assert np.array_equal(corpus.noisy(4), clean)  # no realism in the recipe
    fractions = [one.texture.truth["volume_fraction"] for one in made]
    assert corpus.column("volume_fraction").tolist() == fractions
    assert corpus.column("volume_fraction").tolist() == phase.mean(axis=(1, 2)).tolist()
    assert corpus.column("asked_volume_fraction").tolist() == [one.parameters.volume_fraction for one in made]
    double = 2 * np.radians(corpus.column("orientation_degrees"))
    assert np.allclose(corpus.column("orientation_cos2"), np.cos(double), equal_nan=True)
    assert np.isnan(double).any()
    assert np.isfinite(double).any()
    sizes = [one.parameters.pixel_size_nm for one in made]
    assert corpus.pixel_size[:].tolist() == sizes
    assert corpus.field(5).shape == (11, 13)
    assert corpus.field(5).pixel_size_nm == sizes[5]


SELECTIONS = [
    3,
    -1,
    slice(None),
    slice(5, 15),
    slice(20, 2, -3),
    [7, 2, 21, 2],
    np.array([1, 9, 17]),
    (3, 0),
    (slice(2, 6), 0, slice(None, 4), 5),
    ([4, 12], slice(None), 3),
    ...,
    (..., 4),
    (slice(9, 9), 0),
]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
def test_images_are_indexed_like_an_array(finished_textures, selection):
    images = Corpus.open(finished_textures).images
    whole = np.asarray(images[:])
    assert np.array_equal(images[selection], whole[selection])
    assert np.asarray(images[selection]).shape == whole[selection].shape
    with pytest.raises(IndexError):
        images[22]


def test_a_boolean_mask_selects(finished_textures):
    images = Corpus.open(finished_textures).images
    mask = np.arange(22) % 5 == 0
    assert np.array_equal(images[mask], np.asarray(images)[mask])


def test_there_are_no_aggregates_in_it(finished_textures, finished):
    corpus = Corpus.open(finished_textures)
    for ask in (
        lambda: corpus.particles,
        lambda: corpus.n_particles,
        lambda: corpus.aggregate(0),
        lambda: corpus.aggregate_recipe,
    ):
        with pytest.raises(UserError, match=r"a corpus of kind texture holds no aggregates$"):
            ask()
    with pytest.raises(UserError, match=r"a corpus of kind aggregate holds no phase maps$"):
        Corpus.open(finished).phases()


def test_zarr_alone_reads_the_bits(finished_textures, fibre_recipe):
    store = zarr.open_group(finished_textures / "corpus.zarr", mode="r")
    phase = np.unpackbits(store["phase_bits"][:], axis=-1, count=13)
    assert np.array_equal(phase[7], realise_texture(fibre_recipe, 7).texture.phase)
    assert np.array_equal(store["phase_bits"][7], render_texture(fibre_recipe, 7).bits)
    assert store.attrs["kind"] == "texture"
    assert store["phase_bits"].metadata.dimension_names == ("sample", "y", "byte")


def test_realism_is_applied_to_phase_maps_where_the_recipe_has_some(fibres, tmp_path):
    fibres["realism"] = {"electrons_per_pixel": 50, "gain": 2}
    corpus = Corpus.open(generate(Recipe.from_dict(fibres), tmp_path, samples=3, progress=False))
    noisy, clean = corpus.noisy(1), corpus.clean(1)
    assert (noisy[clean == 0] == 0).all()
    assert noisy[clean == 1].std() > 0.1
    assert noisy[clean == 1].mean() == pytest.approx(2, abs=0.4)
    assert "electrons_per_pixel" in card(corpus)


def test_a_good_corpus_verifies_and_is_recomputed_bit_by_bit(finished_textures):
    found = verify(Corpus.open(finished_textures), recompute=5, seed=1)
    assert found.problems == []
    assert len(found.recomputed) == 5
    assert found.largest_difference == 0


def test_a_texture_of_another_recipe_is_found_by_recomputing(own_textures):
    path = own_textures / "corpus.zarr" / "zarr.json"
    text = json.loads(path.read_text())
    text["attributes"]["recipe"]["seed"] += 1
    path.write_text(json.dumps(text))
    found = verify(Corpus.open(own_textures), recompute=2, seed=1)
    assert any("phase_bits differs by" in problem for problem in found.problems)


def rewritten(folder: Path, name: str, change) -> None:
    """Change the rows of an array in place; checksums are then those of what is wrong."""
    array = zarr.open_group(folder / "corpus.zarr", mode="r+")[name]
    values = array[8:16]
    change(values)
    array[8:16] = values


def test_flipped_bits_of_a_file_are_found_and_repaired(own_textures, finished_textures):
    file = next(path for path in (own_textures / "corpus.zarr/phase_bits/c/1").rglob("*") if path.is_file())
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 4
    file.write_bytes(content)
    corpus = Corpus.open(own_textures)
    found = verify(corpus)
    assert found.damaged == [("shard", 1)]
    assert "array phase_bits" in found.problems[0]
    with pytest.raises(UserError, match=r"array phase_bits, samples? .* is damaged"):
        corpus.phases(np.array([9]))
    generate(Recipe.load(own_textures), own_textures, repair=True, progress=False)
    assert contents(own_textures) == contents(finished_textures)


WRONG = [
    (
        "phase_bits",
        lambda v: v.__setitem__((2, 3, 0), v[2, 3, 0] ^ 16),
        "volume_fraction is not that of the image",
    ),
    (
        "phase_bits",
        lambda v: v.__setitem__((2, 3, 1), v[2, 3, 1] | 1),
        "not zero beyond the last pixel of a row",
    ),
    ("descriptors", lambda v: v.__setitem__((1, 2), 0.5), "the orientation and its double differ"),
    ("descriptors", lambda v: v.__setitem__((1, 4), 1.5), "count is not a whole number"),
    ("parameters", lambda v: v.__setitem__((1, 1), np.nan), "parameters: not finite"),
    ("pixel_size", lambda v: v.__setitem__(1, 0), "pixel_size: not positive"),
    ("split", lambda v: v.__setitem__(1, 9), "split: not the recipe's"),
    ("draws", lambda v: v.__setitem__(1, 0), "draws: below 1"),
]


@pytest.mark.parametrize(("name", "change", "problem"), WRONG, ids=[words for _, _, words in WRONG])
def test_values_that_do_not_fit_each_other_are_found(own_textures, finished_textures, name, change, problem):
    rewritten(own_textures, name, change)
    found = verify(Corpus.open(own_textures), recompute=0)
    assert found.damaged == [("shard", 1)]
    assert any(problem in line for line in found.problems)
    generate(Recipe.load(own_textures), own_textures, repair=True, progress=False)
    assert contents(own_textures) == contents(finished_textures)


def test_card_and_overview_say_what_it_is(finished_textures):
    corpus = Corpus.open(finished_textures)
    text = (finished_textures / "README.md").read_text()
    assert text == card(corpus)
    for words in (
        "| model | boolean-fibres |",
        "| volume_fraction | uniform in 0.2 to 0.6 |",
        "| length_nm | log-uniform in 4 to 8 |",
        "| `phase_bits` | (22, 11, 2) | uint8 |",
        "numpy.unpackbits(bits, axis=-1, count=13)",
    ):
        assert words in text
    assert "particles" not in text
    assert "Realism" not in text
    assert "11 x 13 pixels" in overview(corpus)
    croissant = json.loads((finished_textures / "croissant.json").read_text())
    assert {field["name"] for field in croissant["recordSet"][0]["field"]} >= {"samples/phase_bits"}
    assert corpus.attributes["units"]["orientation_degrees"] == "°"
    assert corpus.attributes["units"]["intensity_per_nm2"] == "1/nm²"


def test_a_picture_shows_them(finished_textures, tmp_path, capsys):
    picture = tmp_path / "sheet.png"
    assert heterostem.run(["info", str(finished_textures), "--picture", str(picture)]) == 0
    assert picture.stat().st_size > 10_000
    assert "small-fibres, 3 of 3 shards finished" in capsys.readouterr().out


def test_commands_generate_verify_and_refuse_a_device(fibres, toml_file, tmp_path, capsys):
    file, out = str(toml_file(fibres)), str(tmp_path / "corpus")
    assert heterostem.run(["generate", file, "--out", out, "--samples", "9", "--workers", "1"]) == 0
    assert heterostem.run(["verify", out]) == 0
    assert "9 of 9 samples, all in order" in capsys.readouterr().out
    assert heterostem.run(["verify", out, "--device", "cuda"]) == 1
    assert "this recipe's is none; cpu is accepted" in capsys.readouterr().err
    assert heterostem.run(["calibrate", "--recipe", file, "--out", str(tmp_path / "table.npz")]) == 1
    assert "kind = 'texture': should be 'aggregate'" in capsys.readouterr().err


def test_an_estimate_of_disk_is_close_to_a_corpus(fibre_recipe, finished_textures):
    found = estimate(fibre_recipe)
    names = ("phase_bits", "parameters", "descriptors", "pixel_size", "split", "draws")
    folders = [finished_textures / "corpus.zarr" / name / "c" for name in names]
    stored = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    assert found.stored_bytes == pytest.approx(stored, rel=0.5)
    assert found.sample_s > 0
    assert "22 samples" in found.text()
