"""Reference probes: where they lie, what is stored, and what the summary says."""

from __future__ import annotations

import numpy as np
import pytest

from simulate.corpus.reader import Corpus
from simulate.corpus.verify import check_task, verify
from simulate.engines.base import make_engine
from simulate.generate import generate
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.validation import probe_points, probed_samples, summarise
from stochgeom.errors import UserError
from stochgeom.projection import chord_lengths_at


@pytest.fixture
def tiny(small):
    """Three particles of about a nanometre, and a detector that a coarse grid holds."""
    small["samples"] = 6
    small["samples_per_shard"] = 3
    small["aggregate"] |= {"n_particles": 3}
    for species, phase in zip(small["aggregate"]["species"], ("anatase", "gamma-WO3"), strict=True):
        species["radii"] = {"law": "constant", "radius_nm": 1.0}
        species["phases"] = {phase: 1.0}
    small["microscope"] = {"detectors": [{"name": "ADF", "inner_mrad": 40, "outer_mrad": 80}]}
    small["validation"] = {
        "aggregates": 2,
        "places": 3,
        "positions": 2,
        "min_thickness_nm": 0.8,
        "spread_nm": 0.1,
        "engine": {"name": "multislice", "sampling_angstrom": 0.079, "margin_angstrom": 4, "tail": "none"},
    }
    return small


def test_probes_lie_in_pixels_that_hold_material(tiny):
    recipe = Recipe.from_dict(tiny)
    chosen = probed_samples(recipe, 6)
    assert len(set(chosen.tolist())) == 2
    made = realise(recipe, int(chosen[0]))
    points, place = probe_points(made, recipe)
    assert points.shape == (6, 2)
    assert place.tolist() == [0, 0, 1, 1, 2, 2]
    pixels = np.rint(points)
    assert np.abs(points - pixels).max() <= 0.05 / made.field.pixel_size_nm + 1e-12
    assert len(np.unique(pixels, axis=0)) == 3
    centres = np.array(made.field.origin_nm) + pixels[:, ::-1] * made.field.pixel_size_nm
    assert chord_lengths_at(made.aggregate, centres).sum(axis=1).min() >= 0.8
    again, _ = probe_points(realise(Recipe.from_dict(recipe.canonical), int(chosen[0])), recipe)
    np.testing.assert_array_equal(points, again)


def test_probes_go_to_test_samples_where_there_are_enough(small):
    small["validation"] = {"aggregates": 3}
    recipe = Recipe.from_dict(small)
    assert all(recipe.split.of(int(i)) == 3 for i in probed_samples(recipe, 10))
    assert len(probed_samples(recipe, 4)) == 3
    with pytest.raises(UserError, match=r"validation.aggregates = 3: the corpus has only 2 samples"):
        probed_samples(recipe, 2)


def test_too_little_material_is_said(tiny):
    tiny["validation"]["min_thickness_nm"] = 50
    recipe = Recipe.from_dict(tiny)
    with pytest.raises(UserError, match=r"has only 0 pixels of at least validation.min_thickness_nm = 50"):
        probe_points(realise(recipe, 0), recipe)


def test_a_corpus_carries_multislice_probes_beside_its_own_intensities(tiny, tmp_path):
    recipe = Recipe.from_dict(tiny)
    generate(recipe, tmp_path, part=(1, 2), progress=False)
    assert Corpus.open(tmp_path).validation["sample"].shape == (6,)
    left = "the reference probes of 1 aggregates are not made yet"
    assert left in verify(Corpus.open(tmp_path), recompute=0).problems
    generate(recipe, tmp_path, progress=False)
    corpus = Corpus.open(tmp_path)
    assert [check_task(corpus, ("validation", k)) for k in (0, 1)] == [[], []]
    columns = corpus.validation
    assert columns["intensity"].shape == columns["response"].shape == (12, 1)
    assert sorted(set(columns["sample"].tolist())) == sorted(probed_samples(recipe, 6).tolist())
    assert columns["place"].tolist() == np.repeat(np.arange(6), 2).tolist()
    places = columns["intensity"].reshape(6, 2)
    np.testing.assert_allclose(
        columns["standard_error"].reshape(6, 2)[:, 0], places.std(axis=1, ddof=1) / np.sqrt(2)
    )
    for rows in (slice(0, 2), slice(8, 10)):  # both probes of a place share a cell of the reference
        made = realise(recipe, int(columns["sample"][rows][0]))
        pixels = np.stack([columns["x"][rows], columns["y"][rows]], axis=1)
        points = np.array(made.field.origin_nm) + pixels * made.field.pixel_size_nm
        for name, settings in (("response", recipe.engine_settings), ("intensity", recipe.validation.engine)):
            values = make_engine(settings).probes(made.scene, recipe.microscope, points)
            np.testing.assert_allclose(columns[name][rows], values, rtol=1e-5)
    assert "## Distance from the reference" in (tmp_path / "README.md").read_text()


def columns_of(response, reference, noise, aggregates=40, places=25, positions=4, seed=0):
    """Columns whose reference scatters by `noise` about a truth, and whose response is a function of the
    truth.
    """
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.01, 0.05, aggregates * places)
    probes = reference(truth)[:, None] + noise * rng.standard_normal((len(truth), positions))
    error = probes.std(axis=1, ddof=1) / np.sqrt(positions)
    count = len(truth) * positions
    return {
        "sample": np.repeat(np.arange(aggregates), places * positions),
        "place": np.repeat(np.arange(len(truth)), positions),
        "intensity": probes.reshape(count, 1),
        "standard_error": np.repeat(error, positions)[:, None],
        "response": np.repeat(response(truth), positions)[:, None],
    }


def test_a_perfect_response_has_ratio_one_and_only_the_references_scatter():
    summary = summarise(columns_of(lambda t: t, lambda t: t, noise=0.01))
    assert abs(summary["ratio"] - 1) < 4 * summary["ratio_standard_error"]
    assert summary["ratio_standard_error"] == pytest.approx(0.005 / 0.03 / np.sqrt(1000), rel=0.4)
    spread = 0.04**2 / 12
    assert summary["unexplained"] == pytest.approx(0.005**2 / (spread + 0.005**2), rel=0.15)
    assert abs(summary["unexplained_corrected"]) < 0.03
    assert (summary["aggregates"], summary["places"], summary["probes"]) == (40, 1000, 4000)


def test_a_response_ten_percent_high_is_told():
    summary = summarise(columns_of(lambda t: 1.1 * t, lambda t: t, noise=0.0))
    assert summary["ratio"] == pytest.approx(1.1)
    expected = 0.01 * np.mean(np.linspace(0.01, 0.05, 1001) ** 2) / (0.04**2 / 12)
    assert summary["unexplained"] == pytest.approx(expected, rel=0.15)
    assert summary["rmse_over_sd"] == pytest.approx(np.sqrt(summary["unexplained"]))
    assert summary["unexplained_corrected"] == pytest.approx(summary["unexplained"])
