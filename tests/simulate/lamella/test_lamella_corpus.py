"""Corpora of lamellae: written, read, verified, repaired; the same bytes whoever makes them."""

from __future__ import annotations

import hashlib
import re
import shutil

import numpy as np
import pytest
import zarr

from simulate.corpus.card import card, overview
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import verify
from simulate.engines.base import make_engine
from simulate.estimate import estimate
from simulate.generate import generate
from simulate.imaging import realise
from simulate.pictures import contact_sheet
from simulate.recipe import Recipe


def contents(folder):
    """Hash of every file of a store."""
    store = folder / "corpus.zarr"
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(f.relative_to(store)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_it_reads_as_images_and_phase_maps(finished_lamellae):
    corpus = Corpus.open(finished_lamellae)
    assert (corpus.kind, corpus.imaged, len(corpus)) == ("texture", True, 10)
    assert corpus.images.shape == (10, 1, 20, 27)
    assert corpus.images.dtype == np.float32
    phases = corpus.phases()
    assert phases.shape == (10, 20, 27)
    np.testing.assert_allclose(corpus.column("volume_fraction"), phases.mean(axis=(1, 2)))
    thickness = corpus.column("lamella_thickness_nm")
    assert ((thickness >= 5) & (thickness <= 40)).all()
    made = realise(corpus.recipe, 7)
    image = make_engine(corpus.imaged_recipe.engine_settings).image(
        made.scene, corpus.imaged_recipe.microscope
    )
    assert np.array_equal(corpus.clean(7), image)
    assert thickness[7] == made.thickness_nm
    turned = np.asarray(corpus.array("truth/orientations")[7])
    assert np.isnan(turned[0]).all(), "a crystal per grain"
    assert np.array_equal(turned[1], made.scene.crystallites.orientations[-1])
    assert not np.array_equal(corpus.noisy(7), corpus.clean(7))
    bright = [
        corpus.clean(i)[0][phases[i] == 0].mean() / corpus.clean(i)[0][phases[i] == 1].mean()
        for i in range(10)
    ]
    assert min(bright) > 1.3, "WO3 beside anatase"


def test_parts_of_a_job_array_make_the_same_bytes(finished_lamellae, tmp_path, response):
    recipe = Recipe.from_dict(response)
    for k in (2, 1):
        generate(recipe, tmp_path, part=(k, 2), progress=False)
    assert contents(tmp_path) == contents(finished_lamellae)


def test_verify_recomputes_bit_by_bit(finished_lamellae):
    found = verify(Corpus.open(finished_lamellae), recompute=4, seed=0)
    assert found.ok, found.problems
    assert len(found.recomputed) == 4
    assert found.largest_difference == 0


@pytest.mark.parametrize(
    ("name", "selection", "value", "message"),
    [
        ("images", (5, 0, 3, 3), 1.5, "images: .* outside 0 to 1"),
        ("images", (5, 0, 3, 3), np.nan, "images: not finite"),
        ("phase_bits", (5, 2, 1), 37, "volume_fraction is not that of the image"),
        ("descriptors", (5, -1), -2.0, "lamella_thickness_nm is not positive"),
        ("truth/orientations", (5, 1, 2), 3.0, "truth/orientations: no unit quaternions"),
    ],
)
def test_what_cannot_be_is_found_and_made_again(
    finished_lamellae, tmp_path, response, name, selection, value, message
):
    own = shutil.copytree(finished_lamellae, tmp_path / "own")
    stored = zarr.open_array(own / "corpus.zarr" / name, mode="r+")
    stored[selection] = value
    found = verify(Corpus.open(own), recompute=0)
    assert len(found.problems) >= 1
    assert any(re.search(message, problem) for problem in found.problems)
    assert found.damaged == [("shard", 1)]
    generate(Recipe.from_dict(response), own, repair=True, progress=False)
    assert contents(own) == contents(finished_lamellae)


def test_images_of_blocks_go_on_where_they_stopped(multislice, tmp_path, monkeypatch):
    recipe = Recipe.from_dict(multislice)
    whole = generate(recipe, tmp_path / "whole", progress=False)
    corpus = Corpus.open(whole)
    assert corpus.standard_error is not None
    assert corpus.standard_error.shape == corpus.images.shape == (2, 1, 8, 8)
    assert np.asarray(corpus.images[:]).max() > 1e-5
    from simulate.engines.multislice import MultisliceEngine

    made, calls = MultisliceEngine.block_result, []

    def stopping(self, scene, microscope, block):
        calls.append(block)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return made(self, scene, microscope, block)

    with monkeypatch.context() as patch:
        patch.setattr(MultisliceEngine, "block_result", stopping)
        with pytest.raises(KeyboardInterrupt):
            generate(recipe, tmp_path / "stopped", progress=False)
    assert list((tmp_path / "stopped" / "blocks").glob("*.npy"))
    again = generate(recipe, tmp_path / "stopped", progress=False)
    assert contents(again) == contents(whole)
    found = verify(Corpus.open(again), recompute=3, seed=1)
    assert found.ok, found.problems
    assert found.recomputed_blocks


def test_reference_probes_stand_beside_response(response, tmp_path):
    response |= {
        "samples": 4,
        "lamella": {"phases": ["anatase", "vacuum"], "thickness_nm": 3.0},
        "validation": {
            "aggregates": 1, "places": 2, "positions": 2,
            "engine": {"name": "windowed", "window_angstrom": 20},
        },
    }  # fmt: skip
    corpus = Corpus.open(generate(Recipe.from_dict(response), tmp_path, progress=False))
    columns = corpus.validation
    assert columns is not None
    assert (columns["response"] > 0).all(), "holes are not probed"
    ratio = columns["intensity"].mean() / columns["response"].mean()
    assert 0.6 < ratio < 1.6  # four probes in focus of a crystal's columns
    found = verify(corpus, recompute=1, seed=0)
    assert found.ok, found.problems


def test_card_overview_and_sheet_say_what_it_is(finished_lamellae, tmp_path):
    corpus = Corpus.open(finished_lamellae)
    text = card(corpus)
    for words in (
        "gamma-WO3, a crystal per grain, orientation at random",
        "anatase, one crystal, [0 0 1] along the beam, any turn about it, tilted by 5 mrad (rms)",
        "log-uniform in 5 to 40",
        "Engine `response`: table `tio2-wo3-300kv-axes`",
        "truth/orientations",
        "electrons_per_pixel",
    ):
        assert words in text, words
    assert "lamella_thickness_nm" in overview(corpus)
    assert (finished_lamellae / "response.npz").is_file()
    assert (finished_lamellae / "croissant.json").is_file()
    assert contact_sheet(corpus, tmp_path / "sheet.png", count=2).stat().st_size > 5000


def test_estimates_come_from_a_short_run(response):
    found = estimate(Recipe.from_dict(response), samples=1000)
    assert found.samples == 1000
    assert found.uncompressed_bytes > 1000 * 20 * 27 * 4
    assert found.total_s > 0
