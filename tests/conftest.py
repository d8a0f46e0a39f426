"""Hypothesis says the same on every run, so that a red suite can be repeated; a small corpus of scenes.

`HYPOTHESIS_PROFILE=explore` draws new examples; what it finds becomes an @example.
"""

from __future__ import annotations

import copy
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeat", derandomize=True, **QUIET)
settings.register_profile("explore", max_examples=1000, **QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: the end of a run on two cores does not wait for one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


TINY_SCENES: dict[str, Any] = {
    "schema": 1,
    "name": "tiny-graphene",
    "kind": "scene",
    "samples": 3,
    "samples_per_shard": 2,
    "seed": 8,
    "split": {"train": 1, "calibration": 0, "validation": 1, "test": 1},
    "scene": {
        "model": "graphene",
        "grains": {"law": "choice", "values": [1, 2]},
        "silicon_per_nm2": {"law": "uniform", "low": 0.8, "high": 1.0},
        "vacancies_per_nm2": 0.3,
        "ripple_nm": 0.01,
    },
    "field": {"shape": [16, 20], "pixel_size_nm": {"law": "uniform", "low": 0.05, "high": 0.06}},
    "microscope": {
        "energy_ev": 60e3,
        "convergence_mrad": 30,
        "focus_nm": 0.1,
        "detectors": [{"name": "MAADF", "inner_mrad": 60, "outer_mrad": 90}],
    },
    "engine": {
        "name": "multislice",
        "sampling_angstrom": 0.16,
        "margin_angstrom": 4,
        "tail": "none",
        "tile_pixels": 10,
        "block_pixels": 10,
    },
    "realism": {"electrons_per_pixel": 20000},
}


@pytest.fixture
def tiny_scenes() -> dict[str, Any]:
    """A recipe of scenes small enough for tests, as a dictionary of one's own."""
    return copy.deepcopy(TINY_SCENES)


@pytest.fixture(scope="session")
def finished_scenes(tmp_path_factory):
    """Folder of a finished corpus of scenes. Read only."""
    pytest.importorskip("abtem")
    from simulate.generate import generate
    from simulate.recipe import Recipe

    out = tmp_path_factory.mktemp("scenes") / "tiny"
    return generate(Recipe.from_dict(copy.deepcopy(TINY_SCENES)), out, progress=False)
