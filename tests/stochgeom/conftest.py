from __future__ import annotations

import numpy as np
import pytest

from stochgeom import HeteroAggregate


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def spheres():
    """Makes an aggregate of spheres from centres (n, 3), radii (n,) and species (n,), all A by default."""

    def make(centres, radii, species=None, names=("A", "B")) -> HeteroAggregate:
        n = len(radii)
        labels = np.zeros(n, int) if species is None else species
        return HeteroAggregate(
            centres=centres,
            radii=radii,
            species=labels,
            cluster=np.arange(n),
            orientations=[[0, 0, 0, 1]] * n,
            phase=labels,
            species_names=names,
            phase_names=names,
        )

    return make
