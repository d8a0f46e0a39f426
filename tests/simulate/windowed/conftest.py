"""Small scenes for tests of windowed multislice."""

from __future__ import annotations

import numpy as np
from numpy.random import SeedSequence

from simulate.engines.windowed import WindowedEngine
from simulate.material import Material
from simulate.recipe_settings import WindowedSettings
from simulate.scene import AggregateScene
from stochgeom.aggregate import HeteroAggregate
from stochgeom.projection import Field


def scene(phases, centres_nm, radii_nm, shape=(6, 6), pixel_nm=0.3) -> AggregateScene:
    """Spheres of shipped materials."""
    count, names = len(phases), tuple(dict.fromkeys(phases))
    phase = np.array([names.index(name) for name in phases])
    turned = np.random.default_rng(1).standard_normal((count, 4))
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
    return AggregateScene(aggregate, materials, Field(shape, pixel_nm), SeedSequence(1), SeedSequence(2))


def one() -> AggregateScene:
    return scene(["gamma-WO3"], [[0, 0, 0]], [0.9])


def stack(gap_nm: float = 12.0) -> AggregateScene:
    """Two particles above each other, of two materials, with a gap between."""
    half = gap_nm / 2 + 1.0
    return scene(["anatase", "gamma-WO3"], [[0, 0, -half], [0.3, 0.1, half]], [1.0, 1.0])


def engine(**settings) -> WindowedEngine:
    return WindowedEngine(WindowedSettings(**settings))
