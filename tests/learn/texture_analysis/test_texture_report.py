"""The whole analysis and its report, of autoencoders that are quick to make and really reconstruct."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from learn.texture_analysis import (
    TextureAnalysis,
    TextureSet,
    analyse_textures,
    corpus_textures,
    draw_textures,
    report,
    textures_of_arrays,
    write_analysis,
    write_texture_report,
)
from learn.texture_analysis.image_grid import image_grid
from learn.texture_analysis.latents import latent_use, read_samples
from learn.texture_analysis.loss_plots import loss_terms
from learn.texture_analysis.pictures import interpolation_pairs
from learn.texture_analysis.published import PublishedFigures
from learn.texture_analysis.report_data import metrics
from learn.texture_analysis.scores import RAW, Bootstrap
from learn.texture_analysis.statistics_vectors import VectorBlocks
from learn.texture_analysis.verdicts import verdicts
from learn.texture_analysis.words import in_unit, spread, summary
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.recipe import Recipe
from stochgeom.errors import UserError
from stochgeom.textures import GaussianFieldParameters, LineTextureParameters

from .stand_ins import Copyist, LinearVAE

SMALL = LineTextureParameters(shape=(64, 64), length_nm=(30, 60), thickness_nm=(4, 6), gap_nm=8, count=(1, 3))
QUICK = {"samples": 24, "reference_images": 80, "rounds": 60}


@pytest.fixture(scope="module")
def sets() -> tuple[TextureSet, TextureSet]:
    return draw_textures(SMALL, 120, 1, "lines <i>small</i>"), draw_textures(
        SMALL, 40, 2, "lines <i>small</i>"
    )


@pytest.fixture(scope="module")
def analysis(sets) -> TextureAnalysis:
    train, test = sets
    images = train.pictures()
    models = {
        'linear <b>code</b> & "more"': [LinearVAE(images[k : k + 90], 20, unused=3) for k in (0, 30)],
        "copyist": Copyist(images[:50], (5, -9)),
    }
    published = PublishedFigures.load("lines-1-4")
    return analyse_textures(models, train, test, published=published, **QUICK)


@pytest.fixture(scope="module")
def folder(analysis, tmp_path_factory):
    return write_analysis(analysis, tmp_path_factory.mktemp("out") / "deep").parent


class Page(HTMLParser):
    """What a page loads and says, and whether its elements close."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.targets: set[str] = set()
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given[key] for key in ("src", "href") if given.get(key)]
        self.targets |= {given["id"]} if "id" in given else set()
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_needs_nothing_else_and_escapes_names(folder):
    text = (folder / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside <= page.targets
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert not re.search(r"https?://|@import|url\(", text.replace("http-equiv", ""))
    assert "<b>code</b>" not in text
    assert "<i>small</i>" not in text
    assert "<b>bold</b>" not in text  # of a model's settings
    words = "".join(page.text)
    assert 'linear <b>code</b> & "more"' in words
    assert "nan" not in re.findall(r"[a-z]+", words.lower())
    assert "Undefined" not in words


def test_metrics_are_plain_json_and_agree_with_the_analysis(folder, analysis):
    data = json.loads((folder / "metrics.json").read_text())
    assert data["textures"]["test"]["images"] == 40
    labels = [one["label"] for one in data["methods"]]
    assert labels[-5:] == [
        "all white", "class mean of f", "PCA of f, 20 components", "nearest of 80", "nearest of 120",
    ]  # fmt: skip
    assert labels == [one.label for one in analysis.methods]
    for one, method in zip(data["methods"], analysis.methods, strict=True):
        wanted = float(method.scores[RAW].f_mse.mean())
        assert one["figures"]["raw"]["f_mse_mean"]["value"] == pytest.approx(wanted)
    assert data["latents"][data["headline"]]["of"] == 20
    assert data["latents"][data["headline"]]["active"] == 17
    assert data["published"]["figures"]["statistics"]["count_kept"] == 0.63
    assert data["models"]["copyist"]["settings"]["loss"] == "pixels"


def test_predictions_hold_every_image_of_every_method(folder, analysis):
    rows = list(csv.DictReader((folder / "predictions.csv").read_text().splitlines()))
    readings = sum(len(one.scores) for one in analysis.methods)
    assert len(rows) == 40 * readings
    of = [row for row in rows if row["method"] == "copyist" and row["reading"] == "raw"]
    assert [int(row["image"]) for row in of] == list(range(40))
    assert {float(row["true_count"]) for row in of} == {1, 2, 3}
    assert all(float(row["f_mse"]) < 1e-9 for row in of)
    means = [row for row in rows if row["method"] == "class mean of f"]
    assert all(row["count"] == "" and float(row["f_mse"]) > 0 for row in means)


def test_a_copy_moved_on_the_torus_is_perfect_in_statistics_and_not_in_pixels(analysis):
    copyist = analysis.method("copyist")
    assert np.all(copyist.scores[RAW].f_mse < 1e-9)
    assert np.all(copyist.scores[RAW].data_mse > 0)
    assert np.all(copyist.curves["radial"].rms_error < 1e-5)
    against = next(one for one in analysis.comparisons if one.other == "copyist")
    assert against.nearer is False
    assert against.f_mse_ratio.value > 100


def test_the_control_reads_the_truth(analysis):
    control = analysis.control.scores[RAW]
    assert np.all(control.orientation_kept == 1)
    assert np.all(control.count_kept == 1)
    assert analysis.originals.like_originals.mean() > 0.8


def test_several_runs_are_put_together(analysis):
    group = analysis.groups[0]
    runs = [analysis.method(label) for label in group.members]
    assert len(runs) == 2
    means = [one.scores[RAW].f_mse.mean() for one in runs]
    assert group.figures["f_mse_mean"] == pytest.approx(np.mean(means))
    assert group.spread["f_mse_mean"] == pytest.approx((min(means), max(means)))
    columns = [one.scores[RAW].f_mse for one in runs]
    assert group.columns["f_mse"] == pytest.approx(np.mean(columns, axis=0))
    white = next(one for one in analysis.comparisons if one.other == "all white")
    wanted = np.mean(means) / analysis.method("all white").scores[RAW].f_mse.mean()
    assert white.f_mse_ratio.value == pytest.approx(wanted)


def test_verdicts_say_by_how_much(analysis):
    found = {one.target: one for one in verdicts(analysis)}
    white = found["nearer in f than “all white”"]
    assert white.met
    assert f"{100 * white.value:.0f} % of" in white.statement
    copyist = found["nearer in f than “copyist”"]
    assert not copyist.met
    assert "times" in copyist.statement
    count = found["line count kept as published"]
    figures = analysis.groups[0].figures
    assert count.value == figures["count_kept"]
    assert count.met == (figures["count_kept"] >= 0.63)
    assert f"{100 * abs(figures['count_kept'] - 0.63):.1f} points" in count.statement
    mse = found["mean f-space MSE as published"]
    assert mse.met == (figures["f_mse_mean"] <= 2.91e-5)


def test_words_name_what_was_found(analysis):
    text = " ".join(summary(metrics(analysis)))
    assert "40 test textures" in text
    assert "mean of 2 runs" in text
    assert "17 of its 20 latent numbers are in use" in text
    assert "of the 5 published figures" in text.lower()


def test_what_the_prior_gives_is_judged_by_the_originals(analysis):
    for one in analysis.samples.values():
        assert one.like_originals.mean() < 0.5  # sums of components are no lines
        assert np.median(one.nearest) > np.median(analysis.originals.nearest)
        assert len(one.straightness) == 24
        assert one.line_texture is not None
    assert np.all(analysis.originals.line_texture)


def test_tapered_lines_are_line_textures_and_grids_are_none(sets):
    train, test = sets
    vectors, cut = VectorBlocks(train), test.pictures()
    originals = read_samples(cut, vectors, True, 0.5, None)
    y, x = np.mgrid[:64, :64]
    lens = (((x - 32) / 28) ** 2 + ((y - 20) / 3.2) ** 2 < 1).astype(np.float32)
    two = np.maximum(lens, np.roll(lens, 25, axis=0))
    grid = np.maximum(two, two.T)
    five = ((y % 12 < 4) & (x > 4) & (x < 60)).astype(np.float32)
    samples = np.stack([lens, two, two.T, grid, five, 0 * grid, *cut[:6]])
    found = read_samples(samples, vectors, True, 0.5, originals)
    assert found.line_texture is not None
    assert found.line_texture.tolist() == [True, True, True, False, False, False, *[True] * 6]
    assert not found.like_originals[:6].any()
    assert found.like_originals[6:].all()
    assert read_samples(cut, vectors, False, 0.5, None).line_texture is None


def test_textures_without_lines_are_not_counted(tmp_path):
    parameters = GaussianFieldParameters(shape=(40, 56))
    train, test = draw_textures(parameters, 80, 1), draw_textures(parameters, 24, 2)
    path = write_texture_report(
        {"linear": LinearVAE(train.pictures(), 12)},
        (train, test),
        tmp_path,
        whole_training_set=False,
        **QUICK,
    )
    data = json.loads((tmp_path / "metrics.json").read_text())
    figures = data["methods"][0]["figures"]["raw"]
    assert figures["count_kept"]["value"] is None
    assert figures["orientation_kept"]["value"] is None
    assert figures["coherence_mean"]["value"] is not None
    assert data["published"] is None
    assert all("published" not in one["target"] for one in data["verdicts"])
    assert [one["label"] for one in data["methods"]][-1] == "nearest of 80"
    words = "".join(Page(path.read_text()).text)
    assert "line count" not in words
    assert "coherence" in words


def test_test_images_that_are_training_images_have_a_nearest_one_without_error(sets, tmp_path):
    train = sets[0]
    pair = (train, train.part(slice(0, 10)))
    path = write_texture_report({"linear": LinearVAE(train.pictures(), 4)}, pair, tmp_path, **QUICK)
    nearest = json.loads((tmp_path / "metrics.json").read_text())["comparisons"][-1]
    assert nearest["f_mse_ratio"]["value"] is None
    assert "no finite multiple of" in "".join(Page(path.read_text()).text)


def test_a_model_without_history_or_settings_and_with_no_latents_in_use(sets, tmp_path):
    vae = LinearVAE(sets[0].pictures(), 4, unused=4)
    vae.history, vae.settings = [], None
    text = write_texture_report({"nothing": vae}, sets, tmp_path, **QUICK).read_text()
    assert 'id="training"' not in text
    assert "latent traversals" not in text
    data = json.loads((tmp_path / "metrics.json").read_text())
    assert data["latents"]["nothing"]["active"] == 0
    assert data["latents"]["nothing"]["total_kl_nats"]["value"] == pytest.approx(0, abs=1e-9)


def test_latents_that_hold_the_truth_correlate_with_it(sets):
    class Telling(LinearVAE):
        def encode(self, images):
            share = images.mean(axis=(1, 2))
            return np.stack([share, -share], axis=1) * 10, np.full((len(images), 2), 0.5)

    use = latent_use("telling", Telling(sets[0].pictures(), 2), sets[1], Bootstrap(40, rounds=20))
    assert use.truth_correlation["volume fraction"] == pytest.approx([1, -1])
    assert np.all(np.abs(use.truth_correlation["vertical, not horizontal"]) < 0.6)
    assert use.kl_nats.shape == (2,)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda vae: setattr(vae, "reconstruct", lambda images: images[:, :-1]), "shape"),
        (lambda vae: setattr(vae, "reconstruct", lambda images: images * 255), "outside 0 to 1"),
        (lambda vae: setattr(vae, "reconstruct", lambda images: images * np.nan), "outside 0 to 1"),
        (lambda vae: setattr(vae, "sample", lambda n, seed: np.zeros((n, 3, 3))), "shape"),
        (lambda vae: setattr(vae, "kl", lambda images: np.zeros((len(images), 1))), "latent kl"),
    ],
)
def test_a_model_that_breaks_its_contract_is_named(sets, break_it, words):
    vae = LinearVAE(sets[0].pictures(), 3)
    break_it(vae)
    with pytest.raises(UserError, match=f"“broken”.*{words}"):
        analyse_textures({"broken": vae}, *sets, **QUICK)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": {}}, "no models"), ({"models": {"none": []}}, "holds no model"),
        ({"threshold": 1.0}, "threshold = 1"), ({"samples": 2}, "3 of each"),
    ],
)  # fmt: skip
def test_what_cannot_be_analysed_is_refused(sets, change, words):
    train, test = sets
    given = {"models": {"linear": LinearVAE(train.pictures(slice(0, 20)), 3)}, **QUICK, **change}
    models = given.pop("models")
    with pytest.raises(UserError, match=words):
        analyse_textures(models, train, test, **given)


def test_sets_of_unlike_images_are_refused(sets):
    other = draw_textures(GaussianFieldParameters(shape=(32, 32)), 5, 0)
    with pytest.raises(UserError, match="one size is needed"):
        analyse_textures({"linear": LinearVAE(other.pictures(), 2)}, sets[0], other)


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(sets, tmp_path):
    (tmp_path / "file").write_text("")

    class Never(LinearVAE):
        def reconstruct(self, images):
            raise AssertionError

    vae = Never(sets[0].pictures(slice(0, 20)), 2)
    with pytest.raises(UserError, match="cannot be written"):
        write_texture_report({"never": vae}, sets, tmp_path / "file" / "out")


def lines_corpus(folder, **texture) -> Corpus:
    recipe = Recipe.load("lines-1-4").canonical
    recipe |= {"name": "small-lines", "samples": 90, "samples_per_shard": 30}
    recipe["split"] = {"train": 5, "calibration": 0, "validation": 0, "test": 4}
    recipe["texture"] = texture or recipe["texture"] | SMALL.model_dump(mode="json")
    return Corpus.open(generate(Recipe.from_dict(recipe), folder, workers=0, progress=False))


def test_a_corpus_is_read_by_its_splits(tmp_path, monkeypatch):
    corpus = lines_corpus(tmp_path / "corpus")
    train, test = corpus_textures(corpus, "train"), corpus_textures(corpus, "test")
    assert (len(train), len(test), test.name) == (50, 40, "small-lines")
    rows = np.sort(corpus.indices("test"))
    assert np.array_equal(test.pictures([3, 7]), corpus.phases(rows[[3, 7]]))
    assert np.array_equal(test.count, corpus.column("count")[rows])
    assert np.array_equal(test.orientation_degrees, corpus.column("orientation_degrees")[rows])
    monkeypatch.setattr(report, "render", lambda analysis, data: "a page")  # the longest part, tested above
    vae = LinearVAE(train.pictures(), 5)
    path = write_texture_report({"linear": vae}, corpus, tmp_path / "out", **(QUICK | {"samples": 8}))
    assert path.read_text() == "a page"
    data = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert data["textures"]["test"]["origin"]["recipe_hash"] == corpus.recipe.hash
    assert [data["textures"][one]["images"] for one in ("train", "test")] == [50, 40]


def test_only_lines_of_a_corpus_are_counted(tmp_path):
    discs = lines_corpus(tmp_path / "discs", model="boolean-discs", shape=[40, 40])
    found = corpus_textures(discs, "test")
    assert np.all(np.isnan(found.count))
    assert found.volume_fraction == pytest.approx(found.pictures().mean(axis=(1, 2)), abs=1e-6)
    with pytest.raises(UserError, match="holds no samples"):
        corpus_textures(discs, "validation")


def test_published_figures_are_found_for_the_shipped_recipes():
    for name in ("lines-1-4", "lines-3-7"):
        texture = Recipe.load(name).canonical["texture"]
        assert PublishedFigures.of_texture(texture) == PublishedFigures.load(name)


def test_published_figures_belong_to_their_set():
    hard = LineTextureParameters(count=(3, 7)).model_dump(mode="json")
    found = PublishedFigures.of_texture(hard)
    assert found is not None
    assert found.figures["statistics"]["f_mse_mean"] == 6.31e-5
    turned = hard | {"orientations": ["vertical", "horizontal"]}
    assert PublishedFigures.of_texture(turned) == found
    assert PublishedFigures.of_texture(hard | {"count": [3, 6]}) is None
    assert PublishedFigures.of_texture(hard | {"count": {"law": "choice", "values": [3]}}) is None
    assert PublishedFigures.of_texture({"model": "voronoi"}) is None
    assert PublishedFigures.of_texture(None) is None
    assert set(found.regenerated) <= set(found.methods) == set(found.labels)
    with pytest.raises(UserError, match="accepted: lines-1-4, lines-3-7"):
        PublishedFigures.load("lines-9")


def test_texture_sets_check_what_they_are_given(sets):
    train, _ = sets
    assert train.pictures([5, 2, 5]).shape == (3, 64, 64)
    assert np.array_equal(train.pictures([5, 2, 5])[0], train.pictures(slice(5, 6))[0])
    part = train.part(np.array([4, 9]))
    assert np.array_equal(part.pictures(), train.pictures([4, 9]))
    grey = textures_of_arrays(np.full((2, 4, 5), 0.25))
    assert grey.volume_fraction == pytest.approx([0.25, 0.25])
    assert np.all(np.isnan(grey.count))
    with pytest.raises(UserError, match="outside 0 to 1"):
        textures_of_arrays(np.full((2, 4, 4), 1.5)).pictures()
    with pytest.raises(UserError, match=r"\(2,\)"):
        textures_of_arrays(np.zeros((2, 4, 4)), count=np.zeros(3))
    with pytest.raises(UserError, match="ny, nx"):
        textures_of_arrays(np.zeros((4, 4)))


def test_drawn_textures_depend_on_seed_and_index_alone():
    few, more = draw_textures(SMALL, 3, 5), draw_textures(SMALL, 6, 5)
    assert np.array_equal(few.pictures(), more.pictures(slice(0, 3)))
    assert not np.array_equal(few.pictures(), draw_textures(SMALL, 3, 6).pictures())


def test_loss_terms_are_found_nested_or_flat():
    history = [
        {"epoch": 1, "images": 5, "seconds": 2.0, "train": {"loss": 3.0, "kl": 1.0}, "validation_loss": 4.0},
        {
            "epoch": 2,
            "training_loss": 2.0,
            "train": {"kl": float("nan")},
            "validation_loss": 3.0,
            "note": "x",
        },
        {"validation_loss": 9.0},
    ]
    found = loss_terms(history)
    assert found["loss"] == {"train": ([1, 2], [3, 2]), "validation": ([1, 2], [4, 3])}
    assert found["kl"] == {"train": ([1], [1])}
    assert set(found) == {"loss", "kl"}


def test_interpolations_go_between_unlike_textures(sets):
    test = sets[1]
    (few, many), (one, other) = interpolation_pairs(test)
    assert test.count[few] == 1
    assert test.count[many] == 3
    assert test.orientation_degrees[few] == test.orientation_degrees[many]
    assert test.orientation_degrees[one] != test.orientation_degrees[other]


def test_numbers_are_written_in_the_unit_of_their_column():
    assert in_unit(2.914e-5, "f_mse") == "2.91"
    assert in_unit(0.6312, "percent") == "63.1"
    assert in_unit(None, "percent") == "–"
    assert spread({"low": 0.03, "high": 0.055}, "percent") == "3.0 … 5.5"
    assert spread({"low": 0.03, "high": 0.55}, "percent") == "3 … 55"
    assert spread({"low": None, "high": None}, "data") == ""


@pytest.mark.parametrize(("rows", "columns", "shape"), [(3, 5, (4, 6)), (1, 2, (8, 3)), (4, 11, (16, 16))])
def test_panels_of_images_have_their_shape_and_do_not_meet(rows, columns, shape):
    figure, panels = image_grid(rows, columns, shape, left=0.7, titled=(0, 2))
    width, height = figure.get_size_inches()
    boxes = [panel.get_position() for panel in panels.ravel()]
    for box in boxes:
        assert (box.height * height) / (box.width * width) == pytest.approx(shape[0] / shape[1])
        assert 0 < box.x0 < box.x1 < 1
        assert 0 < box.y0 < box.y1 < 1
    for k, one in enumerate(boxes):
        for other in boxes[:k]:
            apart_x = one.x1 < other.x0 or other.x1 < one.x0
            assert apart_x or one.y1 < other.y0 or other.y1 < one.y0


def test_grey_samples_are_told_from_two_phases(analysis):
    assert np.all(analysis.originals.greyness == 0)
    assert all(np.all(one.greyness > 0.05) for one in analysis.samples.values())
