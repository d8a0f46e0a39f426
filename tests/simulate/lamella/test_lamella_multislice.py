"""Multislice of lamellae: against the response table, and as every block and tile sees them."""

from __future__ import annotations

import numpy as np
import pytest

from simulate.engines.base import make_engine, whole_image
from simulate.engines.tables import ResponseTable
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import MultisliceSettings, ResponseSettings, WindowedSettings
from stochgeom.projection import Field

from .cases import ANNULUS, HALVES, lamella_of, texture_of

COARSE = MultisliceSettings(sampling_angstrom=0.07, margin_angstrom=4, tail="none")


@pytest.fixture(scope="module")
def scope() -> Microscope:
    """The table's, 25 nm out of focus: a probe of 1 nm sees many columns of atoms at once."""
    made = ResponseTable.load("tio2-wo3-300kv").metadata["detectors"]
    return Microscope(detectors=tuple(Detector(**d) for d in made), focus_nm=25)


@pytest.mark.parametrize(
    ("settings", "probes", "tolerance"),
    [
        (WindowedSettings(), 6, 0.08),
        (MultisliceSettings(sampling_angstrom=0.025, margin_angstrom=4), 1, 0.12),
    ],
    ids=["windowed", "multislice"],
)
def test_both_phases_are_as_bright_as_the_table_says(scope, settings, probes, tolerance):
    """Tolerances: 5 % of a table between its directions, 3 % of displacements and columns over the root of
    the number of probes, and for abTEM's grid what its placing of atoms loses, 8 % for TiO2 at 0.025 Å.
    """
    scene = lamella_of(texture_of([[0, 0, 1, 1]] * 4, 2.0), 5.0)
    spread = np.random.default_rng(0).uniform(-0.5, 0.5, (probes, 2))
    points = np.stack([spread - np.array([2.0, 0.0]), spread + np.array([2.0, 0.0])]).reshape(-1, 2)
    expected = make_engine(ResponseSettings(table="tio2-wo3-300kv")).probes(scene, scope, points)[:, 0]
    found = make_engine(settings).probes(scene, scope, points)[:, 0]
    means = [values.reshape(2, -1).mean(axis=1) for values in (found, expected)]
    np.testing.assert_allclose(means[0], means[1], rtol=tolerance)
    assert means[0][1] > 2.5 * means[0][0]


def test_blocks_and_tiles_see_the_same_lamella():
    scene = lamella_of(HALVES, 1.0, field=Field((4, 4), 0.4))
    whole, parts = (
        whole_image(make_engine(COARSE.model_copy(update=changes)), scene, ANNULUS).intensity
        for changes in ({"tile_pixels": 2}, {"tile_pixels": 2, "block_pixels": 2})
    )
    assert np.array_equal(whole, parts)
    assert whole.min() > 0


@pytest.mark.parametrize("settings", [COARSE, WindowedSettings()], ids=["multislice", "windowed"])
def test_holes_are_dark_and_cost_nothing(settings):
    hole = texture_of([[1, 0, 0, 0, 0, 0, 0, 1]] * 2, 3.0)
    scene = lamella_of(hole, 1.0, names=("vacuum", "gamma-WO3"), field=Field((1, 2), 16.5, (2.25, 0.1)))
    engine = make_engine(settings)
    middle = engine.probes(scene, ANNULUS, np.array([[0.0, 0.0]]))
    assert middle.tolist() == [[0.0]]
    assert engine.probes_work(scene, ANNULUS, np.array([[0.0, 0.0]])) == 0
    assert engine.probes_work(scene, ANNULUS, np.array([[10.5, 0.1]])) > 0
    assert engine.probes(scene, ANNULUS, np.array([[10.5, 0.1]]))[0, 0] > 1e-6
    assert engine.memory_bytes(scene, ANNULUS) > 1e7


def test_focus_counts_from_the_middle_downstream():
    """Columns of a thin lamella are brightest with the crossover in its middle."""
    scene = lamella_of(texture_of(np.ones((2, 2)), 3.0), 0.8, zone_axis=[0, 0, 1], in_plane_degrees=0)
    engine = make_engine(COARSE.model_copy(update={"tile_pixels": 1}))
    y = np.arange(9) * 0.045
    points = np.stack(np.meshgrid(y, y), -1).reshape(-1, 2)
    brightest = {
        focus: engine.probes(scene, ANNULUS.model_copy(update={"focus_nm": focus}), points).max()
        for focus in (-8.0, 0.0, 8.0)
    }
    assert brightest[0.0] > 1.5 * max(brightest[-8.0], brightest[8.0])
