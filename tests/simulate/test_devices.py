"""Where waves are computed: which devices are accepted, who uses them, and what a corpus says of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import heterostem
import simulate.windowed.flights_torch as flights_torch
from simulate.corpus.provenance import devices
from simulate.corpus.reader import Corpus
from simulate.corpus.verify import made_alike, verify
from simulate.devices import device_for, facts, resolved
from simulate.engines.base import make_engine
from simulate.engines.windowed import WindowedEngine
from simulate.fft_plans import FILE
from simulate.generate import generate
from simulate.recipe import Recipe
from simulate.recipe_settings import WindowedSettings
from stochgeom.errors import UserError

torch = pytest.importorskip("torch")


@pytest.fixture
def windowed(tiny_multislice) -> dict[str, Any]:
    """A recipe of images of four blocks by the engine windowed."""
    engine = {"name": "windowed", "band_mrad": 28, "window_angstrom": 14, "block_pixels": 6}
    return tiny_multislice | {"samples": 2, "engine": engine}


@pytest.fixture
def no_cuda(monkeypatch):
    """Torch sees no CUDA device."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def pretended(monkeypatch) -> list[str]:
    """Two CUDA devices, whose waves are on the processor all the same; which ones were used."""
    used: list[str] = []
    for name, value in (("is_available", True), ("device_count", 2), ("current_device", 0)):
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Abacus of {device}")

    class Pretended(flights_torch.TorchFlyer):
        def __init__(self, device: str) -> None:
            used.append(device)
            super().__init__("cpu")

    monkeypatch.setattr(flights_torch, "TorchFlyer", Pretended)
    return used


def test_names_of_devices(pretended):
    assert [resolved(name) for name in ("cpu", "cuda", "cuda:1", "auto")] == [
        "cpu",
        "cuda:0",
        "cuda:1",
        "cuda:0",
    ]
    with pytest.raises(UserError, match="device = cuda:2: torch sees cuda:0 to cuda:1 here"):
        resolved("cuda:2")
    for name in ("abacus", "cuda:", "cuda:-1", "mps", ""):
        with pytest.raises(UserError, match="accepted are cpu, cuda, cuda:N and auto"):
            resolved(name)


def test_without_a_cuda_device_auto_is_the_processor(no_cuda, capsys, windowed, toml_file, tmp_path):
    assert resolved("auto") == "cpu"
    command = ["generate", str(toml_file(windowed)), "--out", str(tmp_path / "out"), "--device", "cuda"]
    assert heterostem.run(command) == 1
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("device = cuda: torch sees no CUDA device here; cpu is accepted")
    )
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="no CUDA device"):
        make_engine(WindowedSettings(), "cuda")


def test_only_recipes_with_the_engine_windowed_have_a_use_for_a_device(
    small, windowed, tiny_multislice, pretended
):
    assert device_for(Recipe.from_dict(windowed), "cuda:1") == "cuda:1"
    assert device_for(Recipe.from_dict(windowed), "auto", here=False) == "auto"
    assert device_for(Recipe.from_dict(small), "auto") == "cpu"
    with pytest.raises(UserError, match="this recipe's is multislice; cpu is accepted"):
        device_for(Recipe.from_dict(tiny_multislice), "cuda")
    with pytest.raises(UserError, match="accepted are"):
        device_for(Recipe.from_dict(windowed), "gpu", here=False)
    probed = small | {"validation": {"aggregates": 1, "engine": windowed["engine"]}}
    assert device_for(Recipe.from_dict(probed), "cuda") == "cuda:0"


def test_an_estimate_is_of_the_processor(windowed, toml_file, tmp_path, capsys):
    command = ["generate", str(toml_file(windowed)), "--out", str(tmp_path / "out"), "--estimate"]
    assert heterostem.run([*command, "--device", "auto"]) == 1
    assert "--estimate makes nothing" in capsys.readouterr().err


@pytest.mark.parametrize(("device", "workers"), [("cpu", 3), ("cuda", 1), ("auto", 1)])
def test_a_device_is_not_shared_unless_asked_for(
    device, workers, windowed, toml_file, tmp_path, pretended, monkeypatch, capsys
):
    def asked(recipe, out, **options):
        raise UserError(f"{options['device']} with {options['workers']} workers")

    monkeypatch.setattr("simulate.generate.generate", asked)
    monkeypatch.setattr("simulate.cli.processors", lambda: 3)
    command = ["generate", str(toml_file(windowed)), "--out", str(tmp_path), "--device", device]
    assert heterostem.run(command) == 1
    assert f"{device} with {workers} workers" in capsys.readouterr().err
    assert heterostem.run([*command, "--workers", "2"]) == 1
    assert f"{device} with 2 workers" in capsys.readouterr().err


def test_a_corpus_says_on_which_device_it_was_made(windowed, tmp_path, pretended):
    recipe = Recipe.from_dict(windowed)
    ours, theirs = (
        generate(recipe, tmp_path / device, device=device, progress=False) for device in ("cpu", "cuda:1")
    )
    assert pretended == ["cuda:1"]
    assert [(folder / FILE).exists() for folder in (ours, theirs)] == [True, False], (
        "plans are the processor's"
    )
    (run,) = json.loads((theirs / "provenance.json").read_text())["runs"]
    assert {key: run[key] for key in facts("cuda:1")} == facts("cuda:1")
    assert facts("cuda:1")["device_name"] == "Abacus of cuda:1"
    (run,) = json.loads((ours / "provenance.json").read_text())["runs"]
    assert run["device"] == "cpu"
    assert "device_name" not in run
    ours_made, theirs_made = (Corpus.open(folder).images[:] for folder in (ours, theirs))
    np.testing.assert_allclose(
        theirs_made, ours_made, rtol=1e-5, atol=1e-9
    )  # of the beam: far from the particle


def test_verify_asks_for_the_same_bits_only_of_the_processor(windowed, tmp_path, pretended):
    recipe = Recipe.from_dict(windowed)
    corpus = Corpus.open(generate(recipe, tmp_path / "one", samples=1, progress=False))
    assert made_alike(corpus)
    assert not made_alike(corpus, "cuda:0")
    found = verify(corpus, recompute=2, device="cuda")
    assert found.ok
    assert 0 <= found.largest_difference < 1e-5
    assert pretended == ["cuda:0"]
    folder = tmp_path / "two"
    other = Corpus.open(generate(recipe, folder, samples=1, device="auto", progress=False))
    assert devices(folder) == {"cuda:0"}
    assert not made_alike(other)
    assert verify(other, recompute=2).ok
    next((folder / "runs").iterdir()).write_text("[damaged")
    assert devices(folder) == {"unknown"}


def test_a_run_on_a_device_is_on_record_before_its_first_task(windowed, tmp_path, pretended, monkeypatch):
    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(WindowedEngine, "block_result", stops)
    with pytest.raises(KeyboardInterrupt):
        generate(Recipe.from_dict(windowed), tmp_path, device="cuda", progress=False)
    assert devices(tmp_path) == {"cuda:0"}


def test_plans_of_the_processor_mean_nothing_to_a_device(pretended, tmp_path):
    make_engine(WindowedSettings(), "cuda").use_plans(tmp_path / "none")  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="no FFT plans"):
        make_engine(WindowedSettings()).use_plans(tmp_path / "none")  # type: ignore[attr-defined]
