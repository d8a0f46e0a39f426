"""A corpus of textures small enough to make whole in tests: 13 pixels wide, so that bytes are not full."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest

from simulate.recipe import Recipe

FIBRES: dict[str, Any] = {
    "schema": 1,
    "name": "small-fibres",
    "kind": "texture",
    "description": "Small fibres for tests.",
    "samples": 22,
    "samples_per_shard": 8,
    "seed": 5,
    "split": {"train": 6, "calibration": 1, "validation": 1, "test": 3},
    "texture": {
        "model": "boolean-fibres",
        "shape": [11, 13],
        "pixel_size_nm": {"law": "uniform", "low": 0.8, "high": 1.2},
        "volume_fraction": {"law": "uniform", "low": 0.2, "high": 0.6},
        "length_nm": {"law": "log-uniform", "low": 4, "high": 8},
        "width_nm": 2,
        "orientation_spread_degrees": {"law": "choice", "values": [0, 30, 90]},
    },
}


@pytest.fixture
def fibres() -> dict[str, Any]:
    """The small recipe as a dictionary of one's own."""
    return copy.deepcopy(FIBRES)


@pytest.fixture
def fibre_recipe(fibres) -> Recipe:
    """The small recipe."""
    return Recipe.from_dict(fibres)


@pytest.fixture(scope="session")
def finished_textures(tmp_path_factory) -> Path:
    """Folder of a finished corpus of textures. Read only: copy it before changing anything."""
    from simulate.generate import generate

    out = tmp_path_factory.mktemp("corpora") / "fibres"
    return generate(Recipe.from_dict(copy.deepcopy(FIBRES)), out, progress=False)


@pytest.fixture
def own_textures(finished_textures, tmp_path) -> Path:
    """A copy of the finished corpus to damage."""
    return Path(shutil.copytree(finished_textures, tmp_path / "own"))
