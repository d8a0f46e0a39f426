"""A recipe small enough to make whole corpora in tests."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from simulate.recipe import Recipe

SMALL: dict[str, Any] = {
    "schema": 1,
    "name": "small",
    "description": "Small aggregates for tests.",
    "samples": 10,
    "samples_per_shard": 4,
    "seed": 11,
    "split": {"train": 5, "calibration": 1, "validation": 1, "test": 3},
    "aggregate": {
        "n_particles": {"law": "uniform", "low": 3, "high": 9},
        "fractal_dimension": {"law": "uniform", "low": 1.7, "high": 1.9},
        "mean_cluster_size": 2,
        "species": [
            {
                "name": "TiO2",
                "fraction": {"law": "uniform", "low": 0.3, "high": 0.7},
                "radii": {"law": "lognormal", "median_nm": 4, "geometric_sd": 1.2},
            },
            {
                "name": "WO3",
                "fraction": "remainder",
                "radii": {"law": "constant", "radius_nm": {"law": "uniform", "low": 3, "high": 5}},
            },
        ],
    },
    "field": {"shape": [20, 24], "fit": {"law": "uniform", "low": 1.1, "high": 1.2}},
    "engine": {"name": "response", "coefficients_per_um": {"TiO2": 0.5, "WO3": 1.69}, "jitter": 0.3},
    "realism": {"electrons_per_pixel": 2000, "gain": {"law": "uniform", "low": 0.8, "high": 1.2}},
}


TINY_MULTISLICE: dict[str, Any] = {
    "schema": 1,
    "name": "tiny-multislice",
    "samples": 3,
    "samples_per_shard": 2,
    "seed": 5,
    "aggregate": {
        "n_particles": 2,
        "species": [
            {
                "name": name,
                "fraction": 0.5,
                "radii": {"law": "constant", "radius_nm": 0.4},
                "phases": {phase: 1},
            }
            for name, phase in (("TiO2", "anatase"), ("WO3", "gamma-WO3"))
        ],
    },
    "microscope": {"detectors": [{"name": "ADF", "inner_mrad": 30, "outer_mrad": 50}]},
    # A field much wider than the aggregate, so that some blocks have nothing to compute.
    "field": {"shape": [12, 12], "fit": 1.8},
    "engine": {
        "name": "multislice",
        "sampling_angstrom": 0.12,
        "margin_angstrom": 2,
        "tail": "none",
        "phonon_configurations": 2,
        "block_pixels": 4,
    },
}


@pytest.fixture
def tiny_multislice() -> dict[str, Any]:
    """A recipe of images of nine blocks, some of them empty, as a dictionary of one's own."""
    return copy.deepcopy(TINY_MULTISLICE)


@pytest.fixture
def small() -> dict[str, Any]:
    """The small recipe as a dictionary of one's own."""
    return copy.deepcopy(SMALL)


@pytest.fixture
def recipe() -> Recipe:
    """The small recipe."""
    return Recipe.from_dict(copy.deepcopy(SMALL))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """Folder of a finished small corpus. Read only: copy it before changing anything."""
    from simulate.generate import generate

    out = tmp_path_factory.mktemp("corpora") / "small"
    return generate(Recipe.from_dict(copy.deepcopy(SMALL)), out, progress=False)


@pytest.fixture(scope="session")
def finished_multislice(tmp_path_factory) -> Path:
    """Folder of a finished corpus of multislice images with standard errors. Read only."""
    from simulate.generate import generate

    out = tmp_path_factory.mktemp("corpora") / "multislice"
    return generate(Recipe.from_dict(copy.deepcopy(TINY_MULTISLICE)), out, progress=False)


@pytest.fixture(scope="module")
def few_slabs():
    """Calibrations measure how a slab widens the beam, at which no test of them looks, on few slabs."""
    from simulate.calibration import broadening

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broadening, "_SLABS", 2)
        yield


@pytest.fixture
def own(finished, tmp_path) -> Path:
    """A copy of the finished small corpus to damage."""
    return Path(shutil.copytree(finished, tmp_path / "own"))


def inline(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def toml_file(tmp_path):
    """A function (data): the recipe file that holds it."""

    def write(data: dict[str, Any], name: str = "recipe.toml") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"{key} = {inline(value)}\n" for key, value in data.items()))
        return path

    return write


@pytest.fixture
def changed():
    """A function (data, dotted path, value): a copy of nested data with one value replaced."""

    def replace(data: Any, path: str, value: Any) -> Any:
        data = copy.deepcopy(data)
        *folders, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        inner = data
        for key in folders:
            inner = inner[key]
        inner[last] = value
        return data

    return replace
