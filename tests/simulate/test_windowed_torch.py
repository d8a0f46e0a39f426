"""Windowed multislice by torch gives what the processor's path gives, on a CUDA device if there is one."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from numpy.random import SeedSequence

from simulate.engines.windowed import WindowedEngine
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import WindowedSettings
from simulate.scene import Scene
from simulate.windowed import flights
from simulate.windowed.flights_torch import TorchFlyer
from simulate.windowed.multislice_torch import TorchMultislice
from simulate.windowed.slices import SliceMemory
from simulate.windowed.slices_torch import DeviceSlices
from stochgeom.aggregate import HeteroAggregate
from stochgeom.projection import Field

torch = pytest.importorskip("torch")

BRIGHT = Detector(name="BF", inner_mrad=0, outer_mrad=10)
ACROSS_THE_BAND = Detector(name="ADF", inner_mrad=22, outer_mrad=60)
BEYOND = Detector(name="HAADF", inner_mrad=60, outer_mrad=200)
SETTINGS = WindowedSettings(band_mrad=28, slice_thickness_angstrom=3, window_angstrom=14)
AGREEMENT = 1e-5
"""Relative; float32 leaves about 1e-6 after tens of slices."""


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return request.param


def make_scene(*particles: tuple[float, float, float, float, int]) -> Scene:
    """Particles (x, y, z, radius in nm, phase) in a field of 6 pixels."""
    x, y, z, radii, phases = (np.array(column) for column in zip(*particles, strict=True))
    q = np.random.default_rng(5).normal(size=(len(x), 4))
    aggregate = HeteroAggregate(
        centres=np.stack([x, y, z], axis=1), radii=radii, species=phases, cluster=np.arange(len(x)),
        orientations=q / np.linalg.norm(q, axis=1, keepdims=True), phase=phases,
        species_names=("TiO2", "WO3"), phase_names=("anatase", "gamma-WO3"),
    )  # fmt: skip
    materials = (Material.named("anatase"), Material.named("gamma-WO3"))
    seeds = (SeedSequence(1, spawn_key=(0, stage)) for stage in (2, 3))
    return Scene(aggregate, materials, Field((2, 3), 0.4), *seeds)


TWO = make_scene((0, 0, -9, 1.0, 0), (0.3, 0.1, 10, 0.8, 1))
"""Anatase, 17 nm of nothing, WO3."""
BESIDE = make_scene((-1.1, 0, -2, 0.6, 0), (0.9, 0.1, 1, 0.6, 1), (0.2, 0.2, 12, 0.5, 0))
"""Probes feel different slices."""


def images(scene: Scene, microscope: Microscope, settings: WindowedSettings, flyer: TorchFlyer):
    """Image on the processor and by torch."""
    ours, theirs = WindowedEngine(settings), WindowedEngine(settings)
    theirs._flyer = flyer
    return ours.image(scene, microscope), theirs.image(scene, microscope)


@pytest.mark.parametrize(
    ("scene", "focus_nm", "detectors", "changes", "windows"),
    [
        (TWO, -9, (BRIGHT, BEYOND), {}, "wider"),
        (TWO, 10, (BRIGHT, BEYOND), {}, "narrower"),
        (TWO, 0, (BRIGHT, ACROSS_THE_BAND, BEYOND), {"spread_mrad": 200}, "wider"),
        (BESIDE, 14, (ACROSS_THE_BAND, BRIGHT), {"reach_angstrom": 0.5}, "narrower"),
        (BESIDE, 0, (BEYOND,), {"slice_thickness_angstrom": 6.0, "phonon_configurations": 2}, "wider"),
    ],
)
def test_torch_agrees_with_the_processor(scene, focus_nm, detectors, changes, windows, device, monkeypatch):
    """Several windows, which grow or shrink; gaps; defocus; detectors in, across and beyond the band."""
    planned = []
    runs = flights.runs
    monkeypatch.setattr(flights, "runs", lambda *a: planned.append(runs(*a)) or planned[-1])
    microscope = Microscope(focus_nm=focus_nm, detectors=detectors)
    settings = SETTINGS.model_copy(update=changes)
    ours, theirs = images(scene, microscope, settings, TorchFlyer(device))
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


def tile_of(scene: Scene, detectors, monkeypatch):
    """The tile whose probes the scene's image asks for."""
    seen = []
    build = TorchFlyer._multislice
    monkeypatch.setattr(TorchFlyer, "_multislice", lambda *a: seen.append(a[2]) or build(*a))
    images(scene, Microscope(detectors=detectors), SETTINGS, TorchFlyer("cpu"))
    return seen[0]


@pytest.mark.parametrize("work_bytes", [1e9, 4e6, 1.0])
def test_slices_are_those_of_the_processor(device, work_bytes, monkeypatch):
    tile = tile_of(TWO, (BRIGHT, ACROSS_THE_BAND, BEYOND), monkeypatch)
    assert tile.beyond.tolist() == [1, 2]
    assert any(n % 16 for n in tile.shape)
    slices = DeviceSlices(tile, device, work_bytes)
    (room,) = SliceMemory(0).slices(tile.shape, 2, 1)
    for k in range(0, len(tile), 4):
        made = tile.make(k, room)
        transmission, signal = (t.cpu().numpy() for t in slices.make(k))
        assert np.abs(made.transmission - 1).max() > 0.1
        np.testing.assert_allclose(transmission, made.transmission, rtol=0, atol=2e-5)
        np.testing.assert_allclose(signal, made.signal, rtol=0, atol=2e-5 * made.signal.max())


def test_slices_without_tables_come_from_the_tile(device, monkeypatch):
    """As those of abTEM's potentials."""
    tile = tile_of(TWO, (BRIGHT,), monkeypatch)
    tile.tables = {}
    monkeypatch.setattr(type(tile), "make", lambda self, k, made: made.transmission.fill(k) or made)
    transmission, signal = DeviceSlices(tile, device, 1e9).make(3)
    assert transmission.shape == tile.shape
    assert bool((transmission == 3).all())
    assert len(signal) == 0


def test_a_tile_without_atoms_in_reach_of_its_corner_is_free_space(device, monkeypatch):
    """Squares that no atom reaches transmit everything."""
    tile = tile_of(make_scene((0, 0, 0, 0.4, 1)), (BEYOND,), monkeypatch)
    transmission, signal = DeviceSlices(tile, device, 1e9).make(0)
    assert transmission[0, 0] == 1
    assert signal[0, 0, 0] == 0


def test_torch_is_imported_only_where_a_device_is_asked_for():
    modules = [TorchFlyer, TorchMultislice, DeviceSlices, WindowedEngine]
    code = "import sys\nfor name in sys.argv[1:]: __import__(name)\nprint('torch' in sys.modules)"
    names = [kind.__module__ for kind in modules]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
