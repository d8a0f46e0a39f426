"""The commands generate, info, verify and calibrate: what they print and how they end."""

from __future__ import annotations

import numpy as np
import pytest

import heterostem
from simulate.cli import calibration_settings, parse_part
from simulate.corpus.reader import Corpus
from simulate.pictures import contact_sheet, round_length
from stochgeom.errors import UserError


def test_generate_verify_and_info(small, toml_file, tmp_path, capsys):
    recipe, out = str(toml_file(small)), str(tmp_path / "out")
    assert heterostem.run(["generate", recipe, "--out", out, "--samples", "5", "--workers", "1"]) == 0
    assert "complete" in capsys.readouterr().out
    assert heterostem.run(["verify", out, "--recompute", "2"]) == 0
    assert "5 of 5 samples, all in order; samples" in capsys.readouterr().out
    sheet = tmp_path / "sheet.png"
    assert heterostem.run(["info", out, "--picture", str(sheet)]) == 0
    text = capsys.readouterr().out
    assert "small, 2 of 2 shards finished" in text
    assert "uniform in 3 to 9" in text
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_parts_say_what_is_left(small, toml_file, tmp_path, capsys):
    command = ["generate", str(toml_file(small)), "--out", str(tmp_path / "out"), "--part"]
    assert heterostem.run([*command, "1/2"]) == 0
    assert "1 tasks left to other parts" in capsys.readouterr().out
    assert heterostem.run([*command, "2/2"]) == 0
    assert "complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampels": 3}, "sampels: unknown key; did you mean 'samples'?"),
        ({"samples": -1}, "samples = -1: should be greater than 0"),
    ],
)
def test_a_bad_recipe_is_one_line_and_exit_code_1(small, toml_file, tmp_path, capsys, change, message):
    path = toml_file(small | change)
    assert heterostem.run(["generate", str(path), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error == f"heterostem: {path}: {message}\n"
    assert not (tmp_path / "out").exists()


def test_wrong_use_is_exit_code_2(capsys):
    assert heterostem.run(["generate", "reference"]) == 2
    assert heterostem.run(["verify", "--no-such-option"]) == 2


def test_a_damaged_corpus_fails_verification(own, capsys):
    path = own / "corpus.zarr" / "images" / "c" / "1" / "0" / "0" / "0"
    path.write_bytes(path.read_bytes()[:50])
    assert heterostem.run(["verify", str(own)]) == 1
    captured = capsys.readouterr()
    assert "array images" in captured.out
    assert captured.err.strip().endswith("1 problem found")


def test_commands_on_what_is_no_corpus(tmp_path, capsys):
    for command in ("info", "verify"):
        assert heterostem.run([command, str(tmp_path / "nothing")]) == 1
        assert capsys.readouterr().err == f"heterostem: no corpus at {tmp_path / 'nothing'}\n"


@pytest.mark.parametrize("text", ["3", "a/b", "1/2/3", "-1/2", "/2"])
def test_parts_have_two_numbers(text):
    with pytest.raises(UserError, match=r"should be K/N, for example 3/16"):
        parse_part(text)
    assert parse_part("3/16") == (3, 16)


def test_calibration_takes_materials_and_microscope_from_a_recipe_whose_table_is_not_there_yet(
    small, toml_file
):
    small["engine"] = {"name": "response", "table": "to-come.npz"}
    small["microscope"] = {"energy_ev": 200e3}
    for species, phase in zip(small["aggregate"]["species"], ("anatase", "gamma-WO3"), strict=True):
        species["phases"] = {phase: 1.0}
    settings = calibration_settings(str(toml_file(small)), None, directions=3, seed=5)
    assert [material.name for material in settings.materials] == ["anatase", "gamma-WO3"]
    assert settings.microscope.energy_ev == 200e3
    assert (settings.directions, settings.seed) == (3, 5)
    with pytest.raises(UserError, match="directions = 1: should be greater than or equal to 2"):
        calibration_settings(None, ["anatase"], directions=1)
    with pytest.raises(UserError, match="either --recipe or --material"):
        calibration_settings("reference", ["anatase"])


def test_scale_bars_have_round_lengths():
    assert [round_length(x) for x in (0.7, 1.0, 3.9, 7.3, 26.0, 50.0)] == [0.5, 1, 2, 5, 20, 50]


def test_a_contact_sheet_needs_a_finished_sample_and_a_place(own, tmp_path):
    corpus = Corpus.open(own)
    with pytest.raises(UserError, match="cannot write"):
        contact_sheet(corpus, tmp_path / "no" / "folder" / "sheet.png")
    for status in (own / "corpus.zarr" / "status" / "c").iterdir():
        status.unlink()
    assert np.all(~corpus.finished)
    with pytest.raises(UserError, match="no sample is finished yet"):
        contact_sheet(corpus, tmp_path / "sheet.png")
