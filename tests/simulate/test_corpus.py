"""The corpus on disk: layout, writer, reader, and what happens when it is damaged or not ours."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray
import zarr

from simulate.corpus import layout
from simulate.corpus.reader import Corpus
from simulate.corpus.writer import CorpusWriter, prepare_store
from simulate.engines.base import make_engine
from simulate.generate import generate
from simulate.realise import render
from simulate.realism import Realism
from simulate.recipe import Recipe
from simulate.recipe_settings import SPLITS
from stochgeom.descriptors import describe
from stochgeom.errors import UserError


def test_layout_is_sharded_checked_and_named(finished):
    group = zarr.open_group(finished / "corpus.zarr", mode="r")
    images = group["images"]
    assert images.shape == (10, 1, 20, 24)
    assert images.chunks == (1, 1, 20, 24)
    assert images.shards == (4, 1, 20, 24)
    assert images.metadata.dimension_names == ("sample", "channel", "y", "x")
    for name, array in group.arrays():
        text = json.loads((finished / "corpus.zarr" / name / "zarr.json").read_text())
        codecs = text["codecs"]
        inner = codecs[0]["configuration"]["codecs"] if codecs[0]["name"] == "sharding_indexed" else codecs
        assert inner[-1]["name"] == "crc32c", name
        borders = (array.shards or array.chunks)[0]
        assert borders == (1 if name == "status" else 4)
    attributes = dict(group.attrs)
    assert attributes["schema_version"] == layout.SCHEMA_VERSION
    assert attributes["recipe_hash"] == Recipe.from_dict(attributes["recipe"]).hash
    assert attributes["units"]["radius_of_gyration_nm"] == "nm"
    assert attributes["units"]["hetero_contact_area_nm2"] == "nm²"
    assert attributes["units"]["mixing_index"] == "1"


def test_xarray_opens_it(finished):
    with xarray.open_zarr(finished / "corpus.zarr", consolidated=False) as data:
        assert data["images"].dims == ("sample", "channel", "y", "x")
        assert data["descriptors"].dims == ("sample", "descriptor")
        assert np.isfinite(data["images"].values).all()


def test_what_is_read_is_what_was_rendered(finished, recipe):
    corpus = Corpus.open(finished)
    sample = render(recipe, 7, make_engine(recipe.engine_settings))
    np.testing.assert_array_equal(corpus.clean(7), sample.image)
    np.testing.assert_array_equal(corpus.parameters[7], sample.parameters)
    np.testing.assert_array_equal(corpus.descriptors[7], sample.descriptors)
    assert corpus.pixel_size[7] == sample.pixel_size_nm
    assert (
        corpus.column("fractal_dimension")[7]
        == sample.parameters[recipe.parameter_names.index("fractal_dimension")]
    )
    assert corpus.array("truth/cropped")[7] == 0
    particles = np.asarray(corpus.particles[7])
    count = int(corpus.n_particles[7])
    np.testing.assert_array_equal(particles[:count], sample.particles)
    assert np.isnan(particles[count:]).all()
    assert corpus.recipe.hash == recipe.hash


def test_stored_particles_rebuild_the_aggregate(finished):
    corpus = Corpus.open(finished)
    for index in range(len(corpus)):
        row = dict(zip(corpus.descriptor_names, corpus.descriptors[index], strict=True))
        again = describe(corpus.aggregate(index))
        for name in ("count", "contacts", "hetero_contacts", "coordination"):
            assert again[name] == row[name]
        assert again["radius_of_gyration_nm"] == pytest.approx(row["radius_of_gyration_nm"], rel=1e-5)
        assert corpus.field(index).shape == (20, 24)


def test_splits_hold_what_the_recipe_says(finished):
    corpus = Corpus.open(finished)
    parts = [corpus.indices(name) for name in SPLITS]
    assert [len(part) for part in parts] == [5, 1, 1, 3]
    assert sorted(np.concatenate(parts).tolist()) == list(range(10)) == corpus.indices().tolist()
    with pytest.raises(UserError, match="no split 'dev'; accepted: train, calibration, validation, test"):
        corpus.indices("dev")
    with pytest.raises(UserError, match=r"no column 'mixing_indx'; did you mean 'mixing_index'\?"):
        corpus.column("mixing_indx")


def test_noise_is_fixed_per_sample_and_fresh_per_draw(finished):
    corpus = Corpus.open(finished)
    np.testing.assert_array_equal(corpus.noisy(4), Corpus.open(finished).noisy(4))
    assert not np.array_equal(corpus.noisy(4), corpus.noisy(4, draw=1))
    assert not np.array_equal(corpus.noisy(4, draw=1), corpus.noisy(4, draw=2))
    np.testing.assert_array_equal(corpus.noisy(4, realism=Realism()), corpus.clean(4))
    louder = corpus.recipe.realism.model_copy(update={"gain": 7.0, "electrons_per_pixel": 0.0})
    np.testing.assert_allclose(corpus.noisy(4, realism=louder), 7 * corpus.clean(4), rtol=1e-6)


def test_an_unfinished_corpus_lists_what_is_finished(tmp_path, recipe):
    prepare_store(tmp_path, recipe, 10)
    corpus = Corpus.open(tmp_path)
    assert corpus.indices().tolist() == []
    engine = make_engine(recipe.engine_settings)
    CorpusWriter(tmp_path, recipe).write_shard(1, [render(recipe, i, engine) for i in range(4, 8)])
    assert corpus.indices().tolist() == [4, 5, 6, 7]
    assert corpus.clean(5).max() > 0
    with pytest.raises(UserError, match=r"sample 2 is not made yet \(shard 0 is not finished\)"):
        corpus.clean(2)
    with pytest.raises(IndexError):
        corpus.clean(10)


def test_the_writer_takes_whole_shards_only(tmp_path, recipe):
    prepare_store(tmp_path, recipe, 10)
    engine = make_engine(recipe.engine_settings)
    samples = [render(recipe, i, engine) for i in range(3)]
    with pytest.raises(ValueError, match="shard 0 needs the samples 0 to 3, in order"):
        CorpusWriter(tmp_path, recipe).write_shard(0, samples)
    assert not Corpus.open(tmp_path).finished.any()


class Interleaved:
    """A task that writes part of a shard as zarr does: it reads the shard, changes it, writes it back."""

    def __init__(self, path, rows, value):
        self.path, self.rows, self.value = path, rows, value

    def read(self):
        self.seen = self.path.read_bytes()

    def write(self, scratch):
        """What zarr writes when the shard was still as `read` saw it."""
        scratch.write_bytes(self.seen)
        zarr.open_array(scratch.parents[4], mode="r+")[self.rows] = self.value
        shutil.copyfile(scratch, self.path)


def test_naive_parallel_writes_of_parts_of_a_shard_lose_data_and_whole_shards_do_not(tmp_path, recipe):
    array = zarr.create_array(
        tmp_path / "naive", shape=(4, 1, 20, 24), dtype="f4", chunks=(1, 1, 20, 24), shards=(4, 1, 20, 24)
    )
    array[:] = 1
    shard = tmp_path / "naive" / "c" / "0" / "0" / "0" / "0"
    first, second = (Interleaved(shard, slice(k, k + 2), 5) for k in (0, 2))
    for task in (first, second):
        task.read()
    for name, task in (("a", first), ("b", second)):
        scratch = shutil.copytree(tmp_path / "naive", tmp_path / name) / "c" / "0" / "0" / "0" / "0"
        task.write(scratch)
    lost = [k for k in range(4) if array[k].max() != 5]
    assert lost == [0, 1], "the second task put the first one's half back as it was"

    prepare_store(tmp_path / "owned", recipe, 10)
    engine = make_engine(recipe.engine_settings)
    writers = [CorpusWriter(tmp_path / "owned", recipe) for _ in range(3)]
    batches = [[render(recipe, i, engine) for i in range(4 * k, min(4 * k + 4, 10))] for k in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda k: writers[k].write_shard(k, batches[k]), range(3)))
    corpus = Corpus.open(tmp_path / "owned")
    assert corpus.finished.all()
    for i in range(10):
        np.testing.assert_array_equal(corpus.clean(i), batches[i // 4][i % 4].image)


def shard_file(folder, name):
    return sorted(path for path in (folder / "corpus.zarr" / name / "c").rglob("*") if path.is_file())[1]


def test_a_truncated_shard_is_named(own):
    path = shard_file(own, "images")
    path.write_bytes(path.read_bytes()[:300])
    corpus = Corpus.open(own)
    assert corpus.clean(1).max() > 0
    with pytest.raises(UserError, match=r"array images, sample 5 \(shard 1\) is damaged") as caught:
        corpus.clean(5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["images", "descriptors"])
def test_a_flipped_bit_fails_the_checksum(own, name):
    path = shard_file(own, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)
    corpus = Corpus.open(own)
    with pytest.raises(UserError, match=rf"array {name}, samples 4 on \(shard 1 on\) is damaged"):
        corpus.array(name)[4:8]


def test_a_shard_that_vanished_does_not_read_as_zeros(own):
    shard_file(own, "images").unlink()
    with pytest.raises(UserError, match=r"array images, sample 6 \(shard 1\) is missing or not finite"):
        Corpus.open(own).clean(6)


def test_what_is_no_corpus_and_other_versions_are_refused(own, tmp_path):
    with pytest.raises(UserError, match="no corpus at"):
        Corpus.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is not a corpus"):
        Corpus.open(tmp_path / "empty")
    zarr.create_group(tmp_path / "other" / "corpus.zarr")
    with pytest.raises(UserError, match="is a Zarr store, but not a heterostem corpus"):
        Corpus.open(tmp_path / "other")
    zarr.open_group(own / "corpus.zarr", mode="r+").attrs["schema_version"] = 99
    with pytest.raises(UserError, match=r"has schema_version 99; this heterostem reads version 1"):
        Corpus.open(own)


def test_an_existing_store_is_continued_only_by_its_own_recipe(own, small, changed, recipe):
    before = (own / "corpus.zarr" / "zarr.json").stat().st_mtime_ns
    with pytest.raises(UserError, match=r"was made with another recipe \(small, hash"):
        prepare_store(own, Recipe.from_dict(changed(small, "seed", 99)), 10)
    with pytest.raises(UserError, match="holds 10 samples, not 12"):
        prepare_store(own, recipe, 12)
    assert prepare_store(own, recipe, 10) == own / "corpus.zarr"
    assert (own / "corpus.zarr" / "zarr.json").stat().st_mtime_ns == before


def test_overwriting_replaces_a_corpus_and_nothing_else(own, small, changed, tmp_path):
    other = Recipe.from_dict(changed(small, "seed", 99))
    prepare_store(own, other, 10, overwrite=True)
    corpus = Corpus.open(own)
    assert corpus.recipe.seed == 99
    assert not corpus.finished.any()
    assert [path.name for path in own.iterdir() if path.name.startswith(".")] == []
    (tmp_path / "papers" / "corpus.zarr").mkdir(parents=True)
    (tmp_path / "papers" / "corpus.zarr" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not a corpus and will not be replaced"):
        prepare_store(tmp_path / "papers", other, 10, overwrite=True)
    assert (tmp_path / "papers" / "corpus.zarr" / "thesis.txt").read_text() == "years of work"


def test_a_store_is_there_whole_or_not_at_all(tmp_path, recipe, monkeypatch):
    def fails(self, group):
        if self.name == "split":
            raise OSError(28, "No space left on device")
        return create(self, group)

    create = layout.ArraySpec.create
    monkeypatch.setattr(layout.ArraySpec, "create", fails)
    with pytest.raises(UserError, match=r"cannot write to .*: No space left on device"):
        prepare_store(tmp_path / "out", recipe, 10)
    assert list((tmp_path / "out").iterdir()) == []


def test_card_and_croissant_say_what_it_is(finished):
    card = (finished / "README.md").read_text()
    for text in (
        "# small",
        "uniform in 3 to 9",
        "10 (5 train, 1 calibration",
        "0.0 % of the parameter draws",
    ):
        assert text in card
    croissant = json.loads((finished / "croissant.json").read_text())
    assert croissant["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    fields = {field["name"] for field in croissant["recordSet"][0]["field"]}
    assert {"samples/images", "samples/descriptors"} <= fields
    for path in (*finished.glob("*.*"), *finished.glob("runs/*"), finished / "corpus.zarr" / "zarr.json"):
        if path.is_file():
            assert str(finished.parent) not in path.read_text()


def test_no_pickle_and_no_object_arrays(finished):
    for path in (finished / "corpus.zarr").rglob("zarr.json"):
        text = path.read_text()
        assert "pickle" not in text
        assert "object" not in json.loads(text).get("data_type", "")


def test_generating_a_finished_corpus_again_touches_nothing(own, recipe):
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (own / "corpus.zarr").rglob("*")
    }
    generate(recipe, own, progress=False)
    after = {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (own / "corpus.zarr").rglob("*")
    }
    assert after == before
