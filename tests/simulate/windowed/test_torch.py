"""Windowed multislice by torch gives what the processor's path gives, on a CUDA device if there is one."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from simulate.atoms import AggregateAtoms
from simulate.engines.windowed import WindowedEngine
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import WindowedSettings
from simulate.scene import AggregateScene
from simulate.windowed import flights
from simulate.windowed.flights import tile_around
from simulate.windowed.flights_torch import TorchFlyer
from simulate.windowed.geometry import Geometry
from simulate.windowed.multislice_torch import TorchMultislice
from simulate.windowed.slices import SliceMemory, TileSlices
from simulate.windowed.slices_torch import DeviceSlices
from stochgeom.errors import UserError

from .conftest import scene

torch = pytest.importorskip("torch")

BRIGHT = Detector(name="BF", inner_mrad=0, outer_mrad=10)
ACROSS_THE_BAND = Detector(name="ADF", inner_mrad=22, outer_mrad=60)
BEYOND = Detector(name="HAADF", inner_mrad=60, outer_mrad=200)
SETTINGS = WindowedSettings(band_mrad=28, slice_thickness_angstrom=3, window_angstrom=14, reach_angstrom=4)
AGREEMENT = 1e-5
"""Relative; float32 leaves about 1e-6 after tens of slices."""


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return request.param


def small(phases, centres_nm, radii_nm) -> AggregateScene:
    """A field of 6 pixels."""
    return scene(phases, centres_nm, radii_nm, shape=(2, 3), pixel_nm=0.4)


TWO = small(["anatase", "gamma-WO3"], [[0, 0, -9], [0.3, 0.1, 10]], [1.0, 0.8])
"""Anatase, 17 nm of nothing, WO3."""
BESIDE = small(
    ["anatase", "gamma-WO3", "anatase"], [[-1.1, 0, -2], [0.9, 0.1, 1], [0.2, 0.2, 12]], [0.6, 0.6, 0.5]
)
"""Probes feel different slices."""


def images(aggregate: AggregateScene, microscope: Microscope, settings: WindowedSettings, flyer: TorchFlyer):
    """Image on the processor and by torch."""
    ours, theirs = WindowedEngine(settings), WindowedEngine(settings)
    theirs._flyer = flyer
    return ours.image(aggregate, microscope), theirs.image(aggregate, microscope)


@pytest.mark.parametrize(
    ("aggregate", "focus_nm", "detectors", "changes", "windows"),
    [
        (TWO, -9, (BRIGHT, BEYOND), {}, "wider"),
        (TWO, 10, (BRIGHT, BEYOND), {}, "narrower"),
        (TWO, 0, (BRIGHT, ACROSS_THE_BAND, BEYOND), {"spread_mrad": 200}, "wider"),
        (BESIDE, 14, (ACROSS_THE_BAND, BRIGHT), {"reach_angstrom": 0.5}, "narrower"),
        (BESIDE, 0, (BEYOND,), {"slice_thickness_angstrom": 6.0, "phonon_configurations": 2}, "wider"),
        (TWO, -9, (BRIGHT,), {"potential": "abtem"}, "wider"),
    ],
)
def test_torch_agrees_with_the_processor(
    aggregate, focus_nm, detectors, changes, windows, device, monkeypatch
):
    """Several windows, which grow or shrink; gaps; defocus; detectors in, across and beyond the band."""
    planned = []
    runs = flights.runs
    monkeypatch.setattr(flights, "runs", lambda *a: planned.append(runs(*a)) or planned[-1])
    microscope = Microscope(focus_nm=focus_nm, detectors=detectors)
    settings = SETTINGS.model_copy(update=changes)
    ours, theirs = images(aggregate, microscope, settings, TorchFlyer(device))
    steps = [b.size - a.size for plan in planned for a, b in pairwise(plan)]
    assert (max(steps) > 0) if windows == "wider" else (min(steps) < 0)
    assert ours.min() > 0
    np.testing.assert_allclose(theirs, ours, rtol=AGREEMENT)


def test_batches_do_not_matter(device):
    """One wave at a time, a few, all; and the probes in several flights."""
    microscope = Microscope(focus_nm=5, detectors=(BRIGHT, ACROSS_THE_BAND))
    found = []
    for waves, work in ((1e9, 1e9), (1e9, 1.5e6), (3e5, 1e5)):
        flyer = TorchFlyer(device)
        flyer.wave_bytes, flyer.work_bytes = waves, work
        ours, theirs = images(BESIDE, microscope, SETTINGS, flyer)
        np.testing.assert_allclose(theirs, ours, rtol=AGREEMENT)
        found.append(theirs)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-6)


def test_the_same_batches_give_the_same_bits(device):
    microscope = Microscope(detectors=(BRIGHT, BEYOND))
    again = [images(TWO, microscope, SETTINGS, TorchFlyer(device))[1] for _ in range(2)]
    assert again[0].tobytes() == again[1].tobytes()


def test_a_full_device_is_one_line(monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(TorchMultislice, "run", full)
    with pytest.raises(UserError, match=r"device = cpu: its memory is full; fewer workers"):
        images(BESIDE, Microscope(detectors=(BRIGHT,)), SETTINGS, TorchFlyer("cpu"))


def tile_of(aggregate: AggregateScene, *detectors: Detector, **settings) -> TileSlices:
    """The tile around the middle of the field."""
    chosen = SETTINGS.model_copy(update=settings)
    geometry = Geometry(chosen, Microscope(detectors=detectors), aggregate)
    tile = tile_around(geometry, AggregateAtoms(aggregate), np.zeros((1, 2)), 0)
    assert tile is not None
    return tile


@pytest.mark.parametrize("work_bytes", [1e9, 4e6, 1.0])
def test_slices_are_those_of_the_processor(device, work_bytes):
    tile = tile_of(TWO, BRIGHT, ACROSS_THE_BAND, BEYOND)
    assert tile.beyond.tolist() == [1, 2]
    assert any(n % 16 for n in tile.shape)
    slices = DeviceSlices(tile, device, work_bytes)
    (room,) = SliceMemory(0).slices(tile.shape, 2, 1)
    for k in range(0, len(tile), 4):
        made = tile.make(k, room)
        transmission, signal = (t.cpu().numpy() for t in slices.make(k))
        assert np.abs(made.factor - 1).max() > 0.1
        np.testing.assert_allclose(transmission, made.factor, rtol=0, atol=2e-5)
        np.testing.assert_allclose(signal, made.signal, rtol=0, atol=2e-5 * made.signal.max())


def test_slices_of_abtem_come_from_the_processor(device):
    tile = tile_of(TWO, BRIGHT, potential="abtem")
    (room,) = SliceMemory(0).slices(tile.shape, 0, 1)
    transmission, signal = DeviceSlices(tile, device, 1e9).make(3)
    assert (transmission.cpu().numpy() == tile.make(3, room).factor).all()
    assert len(signal) == 0


def test_far_from_atoms_a_slice_is_free_space(device):
    """Squares that no atom reaches transmit everything."""
    tile = tile_of(small(["gamma-WO3"], [[0, 0, 0]], [0.4]), BEYOND)
    transmission, signal = DeviceSlices(tile, device, 1e9).make(0)
    assert transmission[0, 0] == 1
    assert signal[0, 0, 0] == 0


def test_torch_is_imported_only_where_a_device_is_asked_for():
    modules = [TorchFlyer, TorchMultislice, DeviceSlices, WindowedEngine]
    code = "import sys\nfor name in sys.argv[1:]: __import__(name)\nprint('torch' in sys.modules)"
    names = [kind.__module__ for kind in modules]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
