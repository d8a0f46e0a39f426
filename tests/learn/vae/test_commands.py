"""Autoencoders from the command line: on a corpus of textures, on one of lamellae, on own pictures."""

import json
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest

pytest.importorskip("torch")

from heterostem import run
from learn.vae import VAE
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.recipe import Recipe
from stochgeom.textures import LineTextureParameters, sample_texture

LINES = {
    "model": "lines",
    "shape": [40, 36],
    "pixel_size_nm": 1,
    "count": [1, 2],
    "length_nm": [18, 30],
    "thickness_nm": [3, 4],
    "gap_nm": 4,
}
RECIPE = {
    "schema": 1,
    "name": "small-lines",
    "kind": "texture",
    "samples": 240,
    "samples_per_shard": 60,
    "seed": 3,
    "split": {"train": 4, "calibration": 0, "validation": 1, "test": 1},
    "texture": LINES,
}
WORDS = "--task texture-vae --epochs 2 --epoch-images 64 --batch-size 16 --threads 1 --latent-size 3"


def textures(folder, **changes):
    return generate(Recipe.from_dict(RECIPE | changes), folder, progress=False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return textures(tmp_path_factory.mktemp("corpus") / "lines")


def trained(source, out, *more):
    assert run(["train", str(source), "--out", str(out), *WORDS.split(), *more]) == 0
    return out


@pytest.mark.slow
def test_training_two_seeds_and_a_report_of_both(corpus, tmp_path, capsys):
    models = [trained(corpus, tmp_path / f"seed-{seed}", "--seed", str(seed)) for seed in (0, 1)]
    pixels = trained(corpus, tmp_path / "pixels", "--loss", "pixels")
    assert VAE.load(models[0]).latent_size == 3
    also = [word for model in (models[1], pixels) for word in ("--also", str(model))]
    out = tmp_path / "report"
    assert (
        run(
            [
                "report",
                str(models[0]),
                str(corpus),
                "--out",
                str(out),
                "--limit",
                "30",
                "--refine",
                "3",
                *also,
            ]
        )
        == 0
    )
    found = json.loads((out / "metrics.json").read_text())
    members = [group["members"] for group in found["groups"]]
    assert [len(group) for group in members] == [2, 1, 2, 1]
    assert (out / "report.html").stat().st_size > 10_000
    assert "http://" not in (out / "report.html").read_text().replace("http://www.w3.org", "")
    refused(capsys, ["report", str(models[0]), str(corpus), "--limit", "0"], "--limit = 0", tmp_path)
    other = shutil.copytree(pixels, tmp_path / "other" / "seed-0")
    again = ["report", str(models[0]), str(corpus), "--also", str(other)]
    refused(capsys, again, "folders named seed-0", tmp_path)


def refused(capsys, words, said, tmp_path):
    """One line, and nothing written."""
    capsys.readouterr()
    assert run([*words, "--out", str(tmp_path / "no report")]) == 1
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert not (tmp_path / "no report").exists()


def test_a_report_on_images_of_another_size_is_refused(corpus, tmp_path, capsys):
    model = trained(corpus, tmp_path / "model")
    others = textures(tmp_path / "others", samples=24, texture=LINES | {"shape": [36, 40]})
    said = "is for images of 36 x 40 pixels"
    refused(capsys, ["report", str(model), str(others)], said, tmp_path)
    assert not (tmp_path / "no report").exists()


def test_sets_that_do_not_fit_leave_no_folder(corpus, tmp_path, capsys):
    words = ["train", str(corpus), "--task", "texture-vae", "--batch-size", "10000"]
    refused(capsys, words, "at least a batch", tmp_path)
    assert not (tmp_path / "no report").exists()


def test_images_without_phase_1_do_not_blow_up_the_metrics(tmp_path):
    discs = {
        "model": "boolean-discs",
        "shape": [40, 36],
        "volume_fraction": 0.02,
        "radii": {"law": "lognormal", "median_nm": 5, "geometric_sd": 1.1},
    }
    folder = textures(tmp_path / "discs", texture=discs)
    assert (Corpus.open(folder).column("volume_fraction") == 0).sum() > 20
    last = VAE.load(trained(folder, tmp_path / "model")).history[-1]
    assert 0 < last["validation_volume_fraction_difference"] < 1000


def test_a_corpus_of_lamellae_is_seen_through_its_micrographs(tmp_path):
    folder = textures(
        tmp_path / "plates",
        samples=72,
        lamella={"phases": ["gamma-WO3", "anatase"], "thickness_nm": 20},
        engine={"name": "response", "coefficients_per_um": {"gamma-WO3": 1.7, "anatase": 0.4}},
        realism={"electrons_per_pixel": 5000},
    )
    model = trained(folder, tmp_path / "model")
    assert VAE.load(model).shape == (40, 36)


def test_own_pictures(tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    parameters = LineTextureParameters(
        shape=(48, 240), count=(3, 5), length_nm=(60, 120), thickness_nm=(3, 5), gap_nm=4,
        orientations=("horizontal",),
    )  # fmt: skip
    for number in range(2):
        phase = sample_texture(parameters, np.random.default_rng(number)).phase
        plt.imsave(folder / f"{number}.png", 1 - phase, cmap="gray")
    model = trained(folder, tmp_path / "model", "--patch", "32", "--ink", "bright", "--threshold", "100")
    capsys.readouterr()
    words = [*WORDS.split(), "--patch", "32", "--ink", "dark", "--threshold", "100"]
    assert run(["train", str(folder), "--out", str(model), *words]) == 1
    assert "textures.ink was bright, is dark" in capsys.readouterr().err
    out = tmp_path / "report"
    assert run(["report", str(model), str(folder), "--out", str(out)]) == 0
    origin = json.loads((out / "metrics.json").read_text())["textures"]["test"]["origin"]
    assert (origin["ink"], origin["threshold"]) == ("bright", 100)  # as in the training
    assert (out / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--task texture-vae --target count", "--target belongs to --task estimator"),
        ("--latent-size 4", "--latent-size belongs to --task texture-vae"),
        ("--task texture-vae --latent-size 0", "--latent-size = 0"),
        ("--task texture-vae --alpha -1", "--alpha = -1"),
        ("--task texture-vae --patch 32", "--patch: for own pictures only"),
        ("--task texture-vae --ink dark --threshold 3", "--ink, --threshold: for own pictures only"),
    ],
)
def test_options_that_make_no_sense_are_one_line(corpus, tmp_path, capsys, words, said):
    assert run(["train", str(corpus), "--out", str(tmp_path / "model"), *words.split()]) != 0
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert not (tmp_path / "model" / "model.json").exists()


def test_sources_that_are_none(tmp_path, capsys):
    assert run(["train", str(tmp_path / "nothing"), "--out", str(tmp_path / "model"), *WORDS.split()]) != 0
    assert "no such file or folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run(["train", str(tmp_path / "empty"), "--out", str(tmp_path / "model"), *WORDS.split()]) != 0
    assert "holds no picture" in capsys.readouterr().err


def test_options_of_estimators_are_refused_for_an_autoencoder(corpus, tmp_path, capsys):
    model = trained(corpus, tmp_path / "model")
    for words in (["--draws", "3"], ["--workers", "2"], ["--cache", str(tmp_path / "cache")]):
        out = tmp_path / "report"
        assert run(["report", str(model), str(corpus), "--out", str(out), *words]) != 0
        assert f"{words[0]} is for estimators" in capsys.readouterr().err
        assert not out.exists()
