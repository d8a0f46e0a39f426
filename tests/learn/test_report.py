"""The whole analysis and its report, of an estimator that knows the truth up to an error of known size."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from learn import report_words
from learn.conditions import Condition
from learn.descriptor_cache import corpus_descriptors
from learn.error_analysis import analyse
from learn.estimator import Prediction
from learn.example_plots import nearest_in_extent, places_of_probes, probes_figure, seen_extent
from learn.intervals import NORMAL_90
from learn.labels import formula, label
from learn.plots import png, styled
from learn.reference import ReferenceFigures
from learn.report import training_lines, write_report
from learn.report_data import metrics, plain
from learn.steps import Steps
from learn.targets import TargetSet, column_values, default_targets
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.realism import Realism
from simulate.recipe import Recipe
from stochgeom.errors import UserError

ESTIMATED = (
    "count", "number_fraction_TiO2", "radius_geometric_mean_nm_TiO2", "fractal_dimension",
    "hetero_coordination", "mixing_index",
)  # fmt: skip


def small_recipe(samples: int = 240, name: str = "reference", largest: int = 24) -> Recipe:
    """The reference task with small aggregates and coarse images."""
    data = Recipe.load("reference").canonical
    data |= {"name": name, "samples": samples, "samples_per_shard": 60, "description": "<b>small</b> & quick"}
    data["split"] = {"train": 3, "calibration": 1, "validation": 0, "test": 2}
    data["aggregate"]["n_particles"] = {"law": "log-uniform", "low": 8, "high": largest}
    data["field"]["shape"] = [32, 32]
    return Recipe.from_dict(data)


def small_corpus(folder: Path, **changes: Any) -> Corpus:
    """Such a corpus in `folder`."""
    recipe = small_recipe(**changes)
    return Corpus.open(generate(recipe, folder, workers=0, progress=False))


class Oracle:
    """Predicts truth plus a normal error of `error` prior deviations, and states `stated` of them.

    It finds a sample by its pixel size, which is a real number of its own for every sample.
    """

    def __init__(
        self, corpus: Corpus, error: float = 0.3, stated: float | None = None, seed: int = 0
    ) -> None:
        targets = [target for target in default_targets(corpus) if target.name in ESTIMATED]
        values = column_values(corpus, [target.name for target in targets])
        self.targets = TargetSet.fit(targets, values[corpus.indices("train")])
        self.factors = np.full(len(targets), NORMAL_90)
        self.about: dict[str, Any] = {"corpus": corpus.recipe.name, "training_config": {"gain": "recipe"}}
        self.config = SimpleNamespace(network="oracle")
        self._pixel = np.asarray(corpus.pixel_size[:])
        truth = self.targets.encode(values).astype(np.float64)
        truth = np.where(np.isfinite(truth), truth, 0.0)
        noise = np.random.default_rng(seed).standard_normal(truth.shape)
        # Shrunk as a posterior mean is: prior variance 1, error variance e^2.
        weight = 1 / (1 + error**2)
        self._z = weight * (truth + error * noise)
        self._sd = np.sqrt(weight) * error if stated is None else stated

    def predict(self, images: np.ndarray, pixel_size_nm: np.ndarray, symmetries: bool = True) -> Prediction:
        rows = [int(np.argmin(np.abs(self._pixel - size))) for size in pixel_size_nm]
        z = self._z[rows]
        sd = np.full_like(z, self._sd)
        return Prediction(
            value=self.targets.decode(z),
            sd=self.targets.decode_sd(z, sd),
            lower=self.targets.decode(z - NORMAL_90 * sd),
            upper=self.targets.decode(z + NORMAL_90 * sd),
            unlike=np.zeros(len(z), bool),
            strangeness=np.zeros(len(z)),
            names=self.targets.names,
            units=self.targets.units,
            z=z,
            z_sd=sd,
        )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory):
    return small_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def made(corpus, tmp_path_factory):
    """A report of two conditions, one with a label that is no HTML, and its folder."""
    out = tmp_path_factory.mktemp("report") / "deep"
    run = tmp_path_factory.mktemp("run")
    lines = [{"epoch": k, "validation_loss": 1 / k, "r2": {"count": 1 - 1 / k}} for k in (1, 2, 3)]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"epoch": 4, "vali'
    (run / "metrics.jsonl").write_text(text)
    two = {
        'known <b>gain</b> & "more"': Condition("", Oracle(corpus, 0.3), folder=run),
        "unknown gain": Condition(
            "", Oracle(corpus, 30.0), Realism(gain={"law": "log-uniform", "low": 0.1, "high": 10})
        ),
    }
    with pytest.MonkeyPatch.context() as patch:  # the small task is not the one that was published
        patch.setattr(ReferenceFigures, "of_recipe", lambda recipe: ReferenceFigures.load())
        analysis = analyse(two, corpus, draws=3, rounds=200)
    return analysis, write_report(analysis, out)


def test_an_oracle_scores_what_it_must_and_beats_the_baselines(made, corpus) -> None:
    analysis = made[0]
    good, blind = analysis.conditions
    n = len(analysis.samples)
    assert n == len(corpus.indices("test")) == 80
    oracle = good.tested.condition.estimator
    truth = oracle.targets.encode(column_values(corpus, oracle.targets.names)[analysis.samples])
    variances = np.nanvar(truth, axis=0).tolist()  # of these 80 truths in units of the training's
    for target, variance in zip(good.targets, variances, strict=True):
        # A posterior mean w (t + e noise), w = 1 / (1 + e^2), misses t by (1 - w) t and by w e noise.
        weight, error = 1 / 1.09, 0.3
        lost = ((1 - weight) ** 2 * variance + (weight * error) ** 2) / variance
        # The mean of 80 squares has a relative standard error of sqrt(2 / 80).
        assert target.direct_scaled.r2.value == pytest.approx(1 - lost, abs=4 * lost * 0.158), target.name
        assert target.coverage.low <= 0.9 <= target.coverage.high + 0.03, target.name
        assert target.direct_gain["mean"].beats
        assert target.verdict == "determined"
        assert sum(b.scores.n for b in target.by_size) == target.direct.n
    for target, variance in zip(blind.targets, variances, strict=True):
        assert target.verdict in ("undetermined", "missed")
        assert target.stated_over_prior == pytest.approx(variance**-0.5, rel=0.02)
    count = good.target("count")
    assert count is not None
    assert count.through_scaled is not None
    assert count.through_scaled.r2.value > 0.75
    assert set(count.baselines) == {"mean", "gradient boosting"}
    hetero = good.target("hetero_coordination")
    assert hetero is not None
    assert set(hetero.baselines) == {"mean", "gradient boosting", "composition", "composition, recalibrated"}
    assert hetero.baselines["composition, recalibrated"].r2.value > hetero.baselines["composition"].r2.value
    assert good.target("fractal_dimension").through is None
    assert good.target("no such target") is None


def test_too_small_a_corpus_is_refused(corpus) -> None:
    with pytest.raises(UserError, match="at least 10 are needed"):
        analyse(Oracle(corpus), corpus, limit=5)
    with pytest.raises(UserError, match="no estimator"):
        analyse({}, corpus)


class Page(HTMLParser):
    """Collects tags, the attributes that could load something, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_no_network_and_runs_nothing(made) -> None:
    text = made[1].read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert "iframe" not in page.tags
    assert page.links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in page.links)
    assert not re.search(r"url\(|@import|https?://|//cdn", re.sub(r"data:image/png;base64,[^\"]+", "", text))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(re.findall(r'id="([^"]+)"', text))


def test_the_page_says_what_was_tested_and_escapes_what_it_is_given(made) -> None:
    text = made[1].read_text(encoding="utf-8")
    assert "<b>" not in text
    page = Page()
    page.feed(text)
    assert 'known <b>gain</b> & "more"' in page.text
    assert "80 aggregates of the corpus “reference”" in page.text
    assert "holds no multislice probes" in page.text
    assert "TiO₂ radius (geometric mean)" in page.text
    assert "published with the project's reference task" in page.text
    assert made[0].corpus.recipe.hash in page.text
    for section in (
        "headline",
        "baselines",
        "coverage",
        "dependence",
        "examples",
        "targets",
        "training",
        "provenance",
    ):
        assert f'id="{section}"' in text


def test_metrics_are_strict_json_with_the_same_figures(made) -> None:
    analysis, path = made

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    data = json.loads((path.parent / "metrics.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert data == json.loads(json.dumps(metrics(analysis)))
    assert [c["label"] for c in data["conditions"]] == [c.label for c in analysis.conditions]
    assert data["conditions"][1]["realism"]["gain"] == {"law": "log-uniform", "low": 0.1, "high": 10.0}
    first = data["conditions"][0]
    assert first["through_model"]["draws_per_image"] == 3
    assert (
        first["through_model"]["parameter_sets"]
        == first["through_model"]["aggregates"] + first["through_model"]["infeasible"]
    )
    count = next(t for t in first["targets"] if t["name"] == "count")
    assert count["r2"]["low"] <= count["r2"]["value"] <= count["r2"]["high"]
    assert count["published_r2"]["small_cnn_24k"] == 0.96
    assert count["baselines"]["mean"]["r2_gain_direct"]["beats"] is True
    assert data["response_against_multislice"] is None
    dimension = next(t for t in first["targets"] if t["name"] == "fractal_dimension")
    assert dimension["through_model"] is None


def test_predictions_give_back_the_scores(made) -> None:
    analysis, path = made
    with (path.parent / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(analysis.samples)
    second = [row for row in rows if row["condition"] == "unknown gain"]
    truth, value = (np.log([float(row[f"count.{part}"]) for row in second]) for part in ("true", "predicted"))
    expected = analysis.conditions[1].target("count").direct_scaled.r2.value
    assert 1 - np.sum((value - truth) ** 2) / np.sum((truth - truth.mean()) ** 2) == pytest.approx(
        expected, abs=1e-5
    )
    assert second[0]["fractal_dimension.through_model"] == ""
    for row in second:
        assert float(row["count.lower"]) <= float(row["count.predicted"]) <= float(row["count.upper"])


def test_a_report_that_cannot_be_written_says_so_in_one_line(made, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match="cannot be written") as error:
        write_report(made[0], blocked / "report")
    assert "\n" not in str(error.value)


def test_training_lines_skip_what_is_cut_off(made, tmp_path: Path) -> None:
    lines = training_lines(made[0].conditions[0].tested.condition)
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert (
        training_lines(Condition("x", made[0].conditions[0].tested.condition.estimator, folder=tmp_path))
        == []
    )


def test_several_processes_describe_the_same(corpus) -> None:
    rows = np.arange(130)
    told: list[int] = []
    one, names = corpus_descriptors(corpus, rows, progress=told.append)
    two, same = corpus_descriptors(corpus, rows, workers=2)
    assert names == same
    assert np.array_equal(one, two, equal_nan=True)
    assert told == [100, 130]


def test_progress_is_a_line_for_each_finished_step_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with Steps(stream) as steps:
        for done in (1, 2, 3):
            steps("predicting", done, 3)
        steps("redrawing", 5, 10)
    assert re.fullmatch(r"predicting: 3 in \d+ s\n", stream.getvalue())


def test_not_finite_numbers_become_null() -> None:
    data = {
        "a": np.float64(np.nan),
        "b": [np.inf, 1, np.int64(2)],
        "c": (np.array([0.5, np.nan]), None, True),
    }
    assert plain(data) == {"a": None, "b": [None, 1, 2], "c": [[0.5, None], None, True]}


def probes() -> dict[str, np.ndarray]:
    """Four places on two aggregates, two probes each; the response is 10 % high."""
    place = np.repeat(np.arange(4), 2)
    reference = np.array([0.01, 0.03, 0.02, 0.02, 0.04, 0.06, 0.05, 0.03])
    return {
        "sample": np.repeat([7, 9], 4),
        "place": place,
        "intensity": reference[:, None],
        "standard_error": np.repeat([0.01, 0.0, 0.01, 0.01], 2)[:, None],
        "response": 1.1 * reference[:, None],
    }


def test_probes_are_averaged_by_place_and_drawn() -> None:
    places = places_of_probes(probes())
    assert places["reference"] == pytest.approx([0.02, 0.02, 0.05, 0.04])
    assert places["response"] == pytest.approx(1.1 * places["reference"])
    assert list(places["sample"]) == [7, 7, 9, 9]
    with styled():
        assert png(probes_figure(probes())).startswith(b"\x89PNG")


def test_examples_are_the_redrawn_structures_of_nearest_extent() -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    image = 0.05 * (np.hypot(x, y) < 20) + np.random.default_rng(0).normal(0, 1e-3, (64, 64))
    extent = seen_extent(image, 0.5)
    assert 20 <= extent <= 23  # smoothing moves a sharp edge outwards by up to three pixels of 0.5 nm
    lines = [
        SimpleNamespace(centres=np.array([[0, 0, 0], [length, 0, 50]], float), radii=np.ones(2))
        for length in (40.0, 17.0, 5.0)
    ]
    assert [one.centres[1, 0] for one in nearest_in_extent(lines, extent)] == [17.0, 40.0, 5.0]
    assert nearest_in_extent(lines, np.nan) == lines
    assert np.isnan(seen_extent(np.zeros((64, 64)), 0.5))


def test_the_summary_states_the_distance_from_multislice() -> None:
    check = {
        "aggregates": 8.0,
        "places": 56.0,
        "probes": 224.0,
        "ratio": 1.034,
        "ratio_standard_error": 0.021,
    }
    check |= {"rmse_over_sd": 0.3, "unexplained": 0.09, "unexplained_corrected": 0.031}
    words = report_words._response(
        {"response_against_multislice": {"HAADF": check}, "corpus": {"engine": "response"}}
    )
    for part in (
        "224 multislice probes",
        "3.4 % more signal",
        "error 2.1 %",
        "9.0 % of the variance",
        "3.1 % once",
    ):
        assert part in words


def test_the_summary_lists_what_the_image_does_not_determine() -> None:
    def target(name: str, r2: float, verdict: str) -> dict[str, Any]:
        return {"name": name, "r2": {"value": r2}, "verdict": verdict}

    some = [target("count", 0.9, "determined"), target("mixing_index", 0.4, "narrowed")]
    words = report_words._undetermined({"label": "x", "targets": some}, several=False)
    assert words.startswith(
        "The image says something about every target; least about, by R²: mixing index 0.40"
    )
    some += [target("radius_geometric_sd_TiO2", 0.02, "undetermined"), target("contacts", 0.0, "missed")]
    words = report_words._undetermined({"label": "x", "targets": some}, several=True)
    assert words.startswith("With “x”, the image does not determine: TiO₂ radius, geometric SD (neither")
    assert words.endswith("The estimator misses what others find about: contacts.")


def test_reference_figures_cover_the_reference_task(corpus) -> None:
    figures = ReferenceFigures.load()
    assert {target.name for target in default_targets(corpus)} <= set(figures.rows)
    assert figures.rows["count"]["gradient_boosting_12k"] == 0.91
    assert figures.rows["hetero_coordination"]["perfect_projection"] == 0.81
    (best,) = figures.estimator_r2("mixing_index").values()
    assert (best.value, best.low) == (0.49, pytest.approx(0.4508))
    assert figures.estimator_r2("extent_nm") == {}


def test_published_figures_belong_to_laws_not_to_names() -> None:
    reference = Recipe.load("reference")
    longer = Recipe.from_dict({**reference.canonical, "samples": 30000, "seed": 5, "name": "mine"})
    for recipe in (reference, longer):
        assert ReferenceFigures.of_recipe(recipe) == ReferenceFigures.load()
    for recipe in (small_recipe(), Recipe.load("demo")):
        assert ReferenceFigures.of_recipe(recipe) is None


def test_words() -> None:
    assert formula("TiO2") == "TiO₂"
    assert formula("C60-Al2O3") == "C₆₀-Al₂O₃"
    assert label("mean_cluster_size_WO3", shared_cluster_size=True) == "mean cluster size"
    assert label("hetero_coordination_WO3") == "hetero-coordination of WO₃"
    assert report_words.number(-0.001) == "0.00"
    assert report_words.number(-1.5, 1) == "−1.5"
    assert report_words.percent(None) == "–"
    assert [report_words.significant(v, 2) for v in (0.1, 19.0, -0.0123, 12345.0)] == [
        "0.10",
        "19",
        "−0.012",
        "12,345",
    ]
