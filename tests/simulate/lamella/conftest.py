"""Recipes of lamellae small enough for tests."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from simulate.recipe import Recipe

RESPONSE: dict[str, Any] = {
    "schema": 1,
    "name": "small-lamellae",
    "kind": "texture",
    "samples": 10,
    "samples_per_shard": 4,
    "seed": 3,
    "split": {"train": 2, "calibration": 1, "validation": 1, "test": 1},
    "texture": {
        "model": "voronoi",
        "shape": [20, 27],
        "pixel_size_nm": 1,
        "volume_fraction": {"law": "uniform", "low": 0.3, "high": 0.7},
        "grain_diameter_nm": 4,
    },
    "lamella": {
        "phases": ["gamma-WO3", "anatase"],
        "thickness_nm": {"law": "log-uniform", "low": 5, "high": 40},
        "orientations": [{"grains": True}, {"zone_axis": [0, 0, 1], "mistilt_mrad": 5}],
        "subpixels": 3,
    },
    "engine": {"name": "response", "table": "tio2-wo3-300kv-axes", "oversampling": 1},
    "realism": {"electrons_per_pixel": 2000},
}

MULTISLICE: dict[str, Any] = {
    "schema": 1,
    "name": "tiny-lamellae",
    "kind": "texture",
    "samples": 2,
    "samples_per_shard": 1,
    "seed": 4,
    "texture": {
        "model": "lines",
        "shape": [8, 8],
        "pixel_size_nm": 0.25,
        "count": [1, 1],
        "orientations": [90],
        "length_nm": [1, 1.5],
        "thickness_nm": [0.5, 0.5],
        "gap_nm": 0.25,
    },
    "lamella": {"phases": ["vacuum", "gamma-WO3"], "thickness_nm": 0.8},
    "microscope": {"detectors": [{"name": "ADF", "inner_mrad": 30, "outer_mrad": 50}]},
    "engine": {
        "name": "multislice",
        "sampling_angstrom": 0.12,
        "margin_angstrom": 2,
        "tail": "none",
        "tile_pixels": 2,
        "block_pixels": 4,
        "phonon_configurations": 2,
    },
}


@pytest.fixture
def response() -> dict[str, Any]:
    """A recipe by response, as a dictionary of one's own."""
    return copy.deepcopy(RESPONSE)


@pytest.fixture
def multislice() -> dict[str, Any]:
    """A recipe of images of four blocks, as a dictionary of one's own."""
    return copy.deepcopy(MULTISLICE)


@pytest.fixture(scope="session")
def finished_lamellae(tmp_path_factory):
    """Folder of a finished corpus of lamellae. Read only."""
    from simulate.generate import generate

    out = tmp_path_factory.mktemp("lamellae") / "response"
    return generate(Recipe.from_dict(copy.deepcopy(RESPONSE)), out, progress=False)
