"""The [aggregate] table: measured radius laws, kinds of fractions, laws of cluster sizes."""

from __future__ import annotations

import numpy as np
import pytest

from simulate.realise import realise
from simulate.recipe import Recipe
from stochgeom import HistogramRadii, ScipyRadii
from stochgeom.errors import UserError


@pytest.fixture
def measured(small):
    first, second = small["aggregate"]["species"]
    first |= {
        "radii": {"law": "histogram", "edges_nm": [3, 4, 5, 7], "counts": [3, 10, 4]},
        "cluster_sizes": "poisson",
        "density_g_cm3": 3.9,
    }
    shape = {"law": "uniform", "low": 8, "high": 12}
    second |= {
        "radii": {"law": "scipy", "distribution": "gamma", "a": shape, "scale_nm": 0.5},
        "density_g_cm3": 7.2,
    }
    small["aggregate"]["fractions"] = "mass"
    return small


def test_measured_laws_reach_the_aggregate(measured):
    recipe = Recipe.from_dict(measured)
    assert Recipe.from_dict(recipe.canonical).hash == recipe.hash
    slots = dict(recipe.aggregate.slots)
    assert "species.WO3.radii.a" in slots
    assert "species.TiO2.radii.edges_nm" not in slots
    shapes = set()
    for index in range(4):
        made = realise(recipe, index)
        first, second = made.parameters.species
        assert first.radii == HistogramRadii(edges_nm=(3, 4, 5, 7), counts=(3, 10, 4))
        assert first.cluster_sizes == "poisson"
        assert isinstance(second.radii, ScipyRadii)
        shapes.add(second.radii.a)
        own = made.aggregate.radii[made.aggregate.species == 0]
        assert np.all((own >= 3) & (own <= 7))
        weights = [s.fraction / (s.density_g_cm3 * s.radii.mean_cube_nm3) for s in (first, second)]
        assert made.parameters.number_fractions[0] == pytest.approx(weights[0] / sum(weights))
    assert len(shapes) == 4
    assert all(8 <= shape <= 12 for shape in shapes)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("aggregate.fractions", "weight", "aggregate.fractions = 'weight'"),
        ("aggregate.species.0.radii.counts", [3, 10], "2 counts need 3 edges_nm"),
        ("aggregate.species.0.cluster_sizes", "uniform", "cluster_sizes"),
        ("aggregate.species.1.density_g_cm3", None, "density_g_cm3 of WO3"),
        ("aggregate.species.1.radii.distribution", "gama", "accepted: gamma"),
    ],
)
def test_what_is_wrong_is_named(measured, changed, path, value, where):
    with pytest.raises(UserError, match=where):
        Recipe.from_dict(changed(measured, path, value))


@pytest.mark.parametrize("value", ["10", True])
def test_numbers_are_not_text_nor_truths(small, changed, value):
    for path in (
        "aggregate.n_particles",
        "aggregate.fractal_dimension",
        "aggregate.species.0.radii.geometric_sd",
    ):
        with pytest.raises(UserError, match=path.rsplit(".", 1)[-1]):
            Recipe.from_dict(changed(small, path, value))
