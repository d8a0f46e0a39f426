"""Autoencoders of patches from the command line, on own micrographs."""

import csv
import json

import numpy as np
import pytest

pytest.importorskip("torch")

from heterostem import run
from learn.micrographs.drawn import draw_micrograph
from learn.patch_analysis.angle_calibration import AngleCalibration
from learn.patch_analysis.cutting import PatchCutting
from learn.patch_analysis.told import classes_of, condition_of
from learn.patch_vae import PatchVAE
from stochgeom.errors import UserError

SMALL = "--task patch-vae --epochs 1 --batch-size 32 --width 8 --threads 1 --device cpu"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for seed in (0, 1):
        found = draw_micrograph("graphene", size_px=64, pixel_size_nm=0.04, seed=seed)
        np.save(folder / f"flake-{seed}.npy", found.image[0])
    return folder


@pytest.fixture(scope="module")
def model(images, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "turned"
    words = "--pixel-size-nm 0.04 --window-nm 0.4 --invariance rotation --symmetry-order 3 --seed 4"
    assert run(["train", str(images), "--out", str(out), *SMALL.split(), *words.split()]) == 0
    return out


def refused(capsys, words, said):
    capsys.readouterr()
    assert run([str(word) for word in words]) == 1
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_training_keeps_how_its_patches_were_cut(model):
    vae = PatchVAE.load(model)
    assert vae.window == (10, 10)
    assert vae.config.invariances == ("rotation",)
    assert (vae.config.seed, vae.config.symmetry_order, vae.config.epochs) == (4, 3, 1)
    cutting = PatchCutting.load(model)
    assert (cutting.window_nm, cutting.centres, cutting.normalise) == (0.4, "columns", "image")


def test_prediction_of_an_own_micrograph(model, images, tmp_path, capsys):
    AngleCalibration.fit(np.arange(30.0), np.arange(30.0) + 7, 60, "rotation", "other").save(
        tmp_path / "a.json"
    )
    out = tmp_path / "out"
    words = ["predict", model, images / "flake-0.npy", "--out", out, "--pixel-size-nm", "0.04"]
    assert run([str(word) for word in [*words, "--calibration", tmp_path / "a.json"]]) == 0
    table = list(csv.DictReader((out / "latents.csv").open()))
    arrays = np.load(out / "latents.npz")
    assert len(table) == len(arrays["z1"]) > 20
    assert {"x_px", "y_px", "z1", "z2", "angle_degrees", "unexplained"} <= set(table[0])
    assert {"maps-0.png", "rotation.png"} <= {path.name for path in out.iterdir()}
    assert "% of their scatter unexplained" in capsys.readouterr().out
    refused(capsys, [*words[:3], "--pixel-size-nm", "0.04"], "--out is needed")
    refused(capsys, [*words, "--limit", "3"], "--limit is for estimators")
    refused(capsys, [*words[:-1], "0.05"], "the model was trained on pixels of 0.04 nm")


def test_a_report_on_own_micrographs(model, images, tmp_path, capsys):
    out = tmp_path / "report"
    words = ["report", model, images, "--out", out, "--pixel-size-nm", "0.04", "--groups", "3"]
    assert run([str(word) for word in words]) == 0
    data = json.loads((out / "metrics.json").read_text())
    assert [one["name"] for one in data["micrographs"]] == ["flake-0.npy", "flake-1.npy"]
    assert data["models"][0]["groupings"][0]["groups"] == 3
    assert (out / "report.html").stat().st_size > 50_000
    refused(capsys, [*words, "--draws", "2"], "--draws is not for autoencoders of patches")
    refused(capsys, [*words, "--fit-on", images / "flake-0.npy"], "states no pixel size")
    refused(capsys, [*words, "--limit", "1"], "is no corpus")
    refused(capsys, [*words, "--fold", "0"], "--fold = 0")


def test_a_model_without_an_angle_takes_no_calibration_and_writes_nothing(images, tmp_path, capsys):
    words = "--pixel-size-nm 0.04 --window-nm 0.4 --decoder dense"
    plain = tmp_path / "plain"
    assert run(["train", str(images), "--out", str(plain), *SMALL.split(), *words.split()]) == 0
    assert PatchVAE.load(plain).config.decoder == "dense"
    AngleCalibration.fit(np.arange(30.0), np.arange(30.0) + 7, 60, "rotation", "other").save(
        tmp_path / "a.json"
    )
    words = ["predict", plain, images / "flake-0.npy", "--out", tmp_path / "out", "--pixel-size-nm", "0.04"]
    refused(capsys, [*words, "--calibration", tmp_path / "a.json"], "has no angle")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--task texture-vae --window-nm 1", "--window-nm belongs to --task patch-vae"),
        ("--window-nm 1", "--window-nm belongs to --task patch-vae"),
        ("--task patch-vae --alpha 3", "--alpha belongs to --task texture-vae"),
        ("--task patch-vae --network small", "--network belongs to --task estimator"),
        ("--task patch-vae --pixel-size-nm 0.04 --window-nm 0.1", "accepted: at least 0.2 nm"),
        ("--task patch-vae --pixel-size-nm 0.04 --window-nm 9", "no window of 225 x 225 pixels"),
        ("--task patch-vae --pixel-size-nm 0.04 --latent-size 0", "--latent-size = 0"),
        ("--task patch-vae --pixel-size-nm 0.04 --condition phase", "condition phase: not known of"),
        ("--task patch-vae --pixel-size-nm 0.04 --labels kind", "--labels kind: known of no patch"),
        ("--task patch-vae --pixel-size-nm 0.04 --bias-weight 3", "needs --bias"),
        ("--task patch-vae --pixel-size-nm 0.04 --bias tv --bias-weight -3", "--bias-weight = -3"),
        (
            "--task patch-vae --pixel-size-nm 0.04 --sample 0",
            "those of a corpus of scenes",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(images, tmp_path, capsys, words, said):
    refused(capsys, ["train", images, "--out", tmp_path / "no", *words.split()], said)
    assert not (tmp_path / "no").exists()


def test_what_a_model_is_told():
    drawn = [draw_micrograph("composite", size_px=96, pixel_size_nm=0.04, seed=seed) for seed in (0, 1)]
    patch_set = PatchCutting(window_nm=0.6, centres="grid", step_nm=0.3).cut(drawn)
    kind, phase = condition_of(patch_set, "phase")
    assert kind == "class"
    assert set(phase) == {0, 1}
    assert np.array_equal(condition_of(patch_set, "micrograph")[1], patch_set.source)
    kind, bright = condition_of(patch_set, "brightness")
    assert kind == "continuous"
    # Of windows whose middle is a pixel, the mean of the window itself, in units of its image.
    assert bright[:, 0] == pytest.approx(patch_set.patches.mean(axis=(1, 2, 3)), abs=0.1)
    assert condition_of(patch_set, "tilt")[1].shape == (len(patch_set), 2)
    with pytest.raises(UserError, match="condition polarization: not known"):
        condition_of(patch_set, "polarization")
    with pytest.raises(UserError, match="accepted: phase, domain"):
        condition_of(patch_set, "colour")
    assert (classes_of(patch_set, "kind") == -1).any()  # places of the grid between columns


def test_a_cutting_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"patches\.json is missing"):
        PatchCutting.load(tmp_path)
    (tmp_path / "patches.json").write_text('{"window_nm": -1}')
    with pytest.raises(UserError, match="window_nm = -1"):
        PatchCutting.load(tmp_path)


def test_scenes_are_no_corpus_for_an_estimator(finished_scenes, tmp_path, capsys):
    refused(capsys, ["train", finished_scenes, "--out", tmp_path / "model"], "--task patch-vae")
    assert not (tmp_path / "model").exists()
