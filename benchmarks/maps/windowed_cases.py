"""Scenes of a few spheres, probes and errors, shared by the accuracy studies of the engine `windowed`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import SeedSequence, default_rng

from simulate.engines.windowed import WindowedEngine
from simulate.material import Material
from simulate.microscope import Microscope
from simulate.recipe_settings import WindowedSettings
from simulate.scene import AggregateScene
from stochgeom.aggregate import HeteroAggregate
from stochgeom.projection import Field

WEAK = 0.05
"""Probes with less than this share of the largest signal are compared with the mean signal."""


@dataclass(frozen=True)
class Errors:
    """Errors as shares: of probes with signal, relative to the signal of each: mean of the absolute values,
    the largest, and the bias of the sum of all signals. `weak`: the largest error of the weak probes over
    the mean signal, NaN where there are none.
    """

    mean: float
    worst: float
    bias: float
    weak: float

    def __str__(self) -> str:
        text = (
            f"mean {100 * self.mean:5.2f} %, worst {100 * self.worst:5.2f} %, bias {100 * self.bias:+5.2f} %"
        )
        return text if np.isnan(self.weak) else f"{text}, weak {100 * self.weak:5.2f} %"


def errors(found: np.ndarray, reference: np.ndarray) -> Errors:
    """Of signals (probe,) against others."""
    strong = reference >= WEAK * reference.max()
    relative = np.abs(found / reference - 1)[strong]
    absolute = np.abs(found - reference)[~strong] / reference.mean()
    return Errors(
        mean=float(relative.mean()),
        worst=float(relative.max()),
        bias=float(found.sum() / reference.sum() - 1),
        weak=float(absolute.max()) if len(absolute) else float("nan"),
    )


def spheres(phases: list[str], centres_nm: list[list[float]], radii_nm: list[float]) -> AggregateScene:
    """Spheres of shipped materials, each with an orientation of its own, the same in each run."""
    count, names = len(phases), tuple(dict.fromkeys(phases))
    phase = np.array([names.index(name) for name in phases])
    turned = default_rng(1).standard_normal((count, 4))
    aggregate = HeteroAggregate(
        centres=np.array(centres_nm, float),
        radii=np.array(radii_nm, float),
        species=phase,
        cluster=np.arange(count),
        orientations=turned / np.linalg.norm(turned, axis=1)[:, None],
        phase=phase,
        species_names=names,
        phase_names=names,
    )
    materials = tuple(Material.named(name) for name in names)
    return AggregateScene(aggregate, materials, Field((1, 1), 0.5), SeedSequence(1), SeedSequence(2))


def on_disc(centre_nm: list[float], low_nm: float, high_nm: float, count: int, seed: int) -> np.ndarray:
    """Points (count, 2) nm at random in a ring from `low_nm` to `high_nm` around a centre (x, y, ...)."""
    rng = default_rng(seed)
    radius = np.sqrt(rng.uniform(low_nm**2, high_nm**2, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    return np.array(centre_nm[:2]) + np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What `work` gives, and the seconds of one core that it took."""
    begin = time.process_time()
    return work(), time.process_time() - begin


def windowed(
    scene: AggregateScene, microscope: Microscope, points_nm: np.ndarray, **settings: object
) -> tuple[np.ndarray, float]:
    """Signals (probe,) of the first detector by the engine `windowed`, and seconds of one core."""
    engine = WindowedEngine(WindowedSettings.model_validate(settings))
    return timed(lambda: engine.probes(scene, microscope, points_nm)[:, 0])
