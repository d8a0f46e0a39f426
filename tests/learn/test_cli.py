"""The commands on a small corpus of the real generator: train, predict on it and on files, refuse."""

import csv
import json

import numpy as np
import pytest

pytest.importorskip("torch")

from heterostem import run
from simulate.corpus.reader import Corpus
from simulate.generate import generate
from simulate.recipe import Recipe

RECIPE = {
    "schema": 1,
    "name": "tiny",
    "samples": 90,
    "samples_per_shard": 30,
    "seed": 5,
    "split": {"train": 6, "calibration": 1, "validation": 1, "test": 1},
    "aggregate": {
        "n_particles": {"law": "log-uniform", "low": 3, "high": 30},
        "species": [
            {
                "name": "TiO2",
                "fraction": 0.5,
                "radii": {"law": "lognormal", "median_nm": 5, "geometric_sd": 1.2},
            },
            {
                "name": "WO3",
                "fraction": "remainder",
                "radii": {"law": "lognormal", "median_nm": 5, "geometric_sd": 1.2},
            },
        ],
        "mean_cluster_size": 2,
    },
    "field": {"shape": [32, 32], "fit": 1.2},
    "engine": {"name": "response", "coefficients_per_um": {"TiO2": 0.5, "WO3": 1.69}, "jitter": 0.1},
    "realism": {"electrons_per_pixel": 2000},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return generate(Recipe.from_dict(RECIPE), tmp_path_factory.mktemp("corpus") / "tiny", progress=False)


@pytest.fixture(scope="module")
def model(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "run"
    words = "--epochs 12 --batch-size 16 --threads 1 --target count --target hetero_coordination"
    assert run(["train", str(corpus), "--out", str(out), *words.split()]) == 0
    return out


def test_training_learns_and_writes_what_it_says(model):
    names = {path.name for path in model.iterdir()}
    assert names == {"model.safetensors", "model.json", "metrics.jsonl", "checkpoint.safetensors"}
    lines = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    assert {"learning_rate", "training_loss", "validation_loss", "r2", "seconds"} <= set(lines[0])
    assert max(line["r2"]["count"] for line in lines[-3:]) > max(0.3, lines[0]["r2"]["count"])
    description = json.loads((model / "model.json").read_text())
    assert description["about"]["corpus"] == "tiny"
    assert description["about"]["species_names"] == ["TiO2", "WO3"]
    assert [target["transform"] for target in description["targets"]] == ["log", "identity"]


def test_running_again_loads_the_finished_run(corpus, model, capsys):
    words = "--epochs 12 --batch-size 16 --threads 1 --target count --target hetero_coordination"
    assert run(["train", str(corpus), "--out", str(model), *words.split()]) == 0
    assert "epoch" not in capsys.readouterr().out


def test_predicting_a_split(corpus, model, tmp_path, capsys):
    assert (
        run(["predict", str(model), str(corpus), "--split", "test", "--out", str(tmp_path), "--pictures"])
        == 0
    )
    assert "90 %" in capsys.readouterr().out
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    opened = Corpus.open(corpus)
    samples = opened.indices("test")
    assert [row["image"] for row in rows] == [f"sample-{i}" for i in samples]
    truth = opened.column("count")[samples]
    assert [float(row["count_true"]) for row in rows] == truth.tolist()
    for row in rows:
        assert float(row["count_lower"]) <= float(row["count"]) <= float(row["count_upper"])
    error = np.log([float(row["count"]) for row in rows]) - np.log(truth)
    assert np.sqrt(np.mean(error**2)) < np.std(np.log(truth))
    assert len(list(tmp_path.glob("*.png"))) == len(rows)
    assert len(json.loads((tmp_path / "predictions.json").read_text())["images"]) == len(rows)


def test_a_file_gives_what_the_corpus_gives(corpus, model, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    opened = Corpus.open(corpus)
    index = int(opened.indices("test")[0])
    image, pixel = opened.noisy(index)[0], float(opened.pixel_size[index])
    np.save(tmp_path / "image.npy", image)
    tifffile.imwrite(
        tmp_path / "image.tif", image, imagej=True, resolution=(1 / pixel,) * 2, metadata={"unit": "nm"}
    )
    outputs = []
    for arguments in (
        [str(corpus), "--limit", "1"],
        [str(tmp_path / "image.npy"), "--pixel-size-nm", repr(pixel)],
        [str(tmp_path / "image.tif")],
    ):
        out = tmp_path / f"out{len(outputs)}"
        assert run(["predict", str(model), *arguments, "--out", str(out)]) == 0
        outputs.append(json.loads((out / "predictions.json").read_text())["images"][0])
    for output in outputs[1:]:
        assert output["count"] == pytest.approx(outputs[0]["count"], rel=1e-5)


def test_strange_images_are_flagged(corpus, model, tmp_path):
    opened = Corpus.open(corpus)
    image = opened.noisy(int(opened.indices("test")[0]))[0]
    rng = np.random.default_rng(0)
    strange = {
        "noise": rng.random((32, 32)),
        "blank": np.zeros((32, 32)),
        "inverted": 1 - image,
        "stripes": np.tile(np.repeat([0.0, 0.3], 2), 8)[None].repeat(32, 0),
    }
    for name, pixels in strange.items():
        np.save(tmp_path / f"{name}.npy", pixels)
    files = [str(tmp_path / f"{name}.npy") for name in strange]
    assert run(["predict", str(model), *files, "--pixel-size-nm", "1", "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "predictions.json").read_text())["images"]
    assert [row["unlike_training"] for row in found] == [True] * 4


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["predict", "{model}", "{tmp}/plain.npy"], "--pixel-size-nm"),
        (["predict", "{model}", "{tmp}/holes.npy", "--pixel-size-nm", "1"], "not finite"),
        (["predict", "{model}", "{tmp}/three.npy", "--pixel-size-nm", "1"], "channels"),
        (["predict", "{model}", "{tmp}/plain.npy", "--pixel-size-nm", "-1"], "pixel size"),
        (["predict", "{model}", "{tmp}/missing.npy", "--pixel-size-nm", "1"], "no such file"),
        (["predict", "{tmp}/none", "{tmp}/plain.npy"], "no model"),
        (["predict", "{model}", "{tmp}/plain.npy", "--pictures"], "--out"),
        (["train", "{tmp}/none", "--out", "{tmp}/run"], "no corpus"),
        (["train", "{corpus}", "--out", "{tmp}/run", "--target", "cuont"], "no such column"),
        (["train", "{corpus}", "--out", "{tmp}/run", "--network", "resnet99"], "resnet18"),
        (["train", "{corpus}", "--out", "{tmp}/run", "--epochs", "0"], "--epochs = 0"),
        (["train", "{corpus}", "--out", "{tmp}/plain.npy/run"], "cannot be written"),
        (["train", "{corpus}", "--out", "{tmp}/run", "--init", "{tmp}/none"], "no model"),
    ],
)
def test_what_is_refused_says_why_in_one_line(corpus, model, tmp_path, capsys, arguments, text):
    plain = np.full((32, 32), 0.01)
    np.save(tmp_path / "plain.npy", plain)
    np.save(tmp_path / "holes.npy", np.where(np.eye(32), np.nan, plain))
    np.save(tmp_path / "three.npy", np.stack([plain] * 3))
    filled = [word.format(model=model, corpus=corpus, tmp=tmp_path) for word in arguments]
    assert run(filled) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert text in said[0]


@pytest.mark.parametrize("command", ["train", "predict", "report"])
def test_every_command_has_help(command, capsys):
    assert run([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out
