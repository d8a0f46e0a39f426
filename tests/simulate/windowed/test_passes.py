"""Steps of a wave in two passes, against whole transforms by NumPy in double precision."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulate.windowed.fftw as fftw
from simulate.microscope import Detector, Microscope
from simulate.windowed.passes import (
    across_columns,
    across_rows,
    only_transforms,
    probe_columns,
    rows_to_frequencies,
    rows_to_space,
)
from simulate.windowed.plans import LINES, Planner, Plans
from simulate.windowed.wave_grids import BAND, band_columns, wave_grid
from stochgeom.errors import UserError

SAMPLING = 0.12
DETECTORS = (
    Detector(name="HAADF", inner_mrad=50, outer_mrad=190),
    Detector(name="ring", inner_mrad=30, outer_mrad=45),
    Detector(name="BF", inner_mrad=0, outer_mrad=15),
)
PLANNER = Planner()
CASES = st.tuples(st.sampled_from([64, 80, 112]), st.integers(0, 3), st.booleans(), st.integers(0, 2**32 - 1))


def plans_and_wave(size: int, rng: np.random.Generator) -> tuple[Plans, np.ndarray]:
    """Plans, and a wave (n, n; y, x) in space that ends within the band."""
    plans = PLANNER.plans(size, band_columns(size))
    frequency = np.abs(np.fft.fftfreq(size))
    inside = np.maximum(frequency[:, None], frequency[None]) < 0.5 * BAND
    wave = np.fft.fft2(rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size)))
    return plans, np.fft.ifft2(wave * inside)


def close(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6 * scale)


@settings(max_examples=30, deadline=None)
@given(CASES)
def test_a_slice(case):
    """From either form of the wave; what lies beyond the band in the work array does not count."""
    size, count, halfway, seed = case
    rng = np.random.default_rng(seed)
    plans, wave = plans_and_wave(size, rng)
    if halfway:
        plans.work[...] = np.fft.fft(wave, axis=1) / size
        plans.work[:, plans.kept : -plans.kept] = 7
    else:
        plans.work[...] = wave
    transmission = rng.standard_normal((2, size + 5, size + 3)).astype(np.float32)
    signal = rng.random((count, size + 5, size + 3)).astype(np.float32)
    y0, x0 = 3, 2
    sums, channels = np.ones(5), np.array([4, 0, 2])[:count]
    across_rows(
        plans.calls, plans.work, plans.rows, plans.kept, halfway, transmission, signal, y0, x0, sums, channels
    )
    window = (slice(y0, y0 + size), slice(x0, x0 + size))
    factor = transmission[0][window] + 1j * transmission[1][window]
    close(plans.work, np.fft.fft(wave * factor, axis=1))
    expected = np.ones(5)
    expected[channels] += [(np.abs(wave) ** 2 * kernel[window]).sum() / size**2 for kernel in signal]
    np.testing.assert_allclose(sums, expected, rtol=2e-5)


@settings(max_examples=30, deadline=None)
@given(CASES)
def test_free_space(case):
    size, count, exit_, seed = case
    rng = np.random.default_rng(seed)
    grid = wave_grid(size, SAMPLING, Microscope(detectors=DETECTORS[: max(count, 1)]).model_dump_json())
    plans = PLANNER.plans(size, grid.columns)
    transformed = rng.standard_normal((size, size)) + 1j * rng.standard_normal((size, size))
    plans.work[...] = np.fft.ifft(transformed, axis=0)
    before, along, sums = plans.work.copy(), grid.ramp(rng.uniform(2, 90), 0.0), np.zeros(max(count, 1))
    weights = grid.held if exit_ else grid.leaving
    kept, reach = (0, size // 2) if exit_ else (plans.kept, plans.whole_lines(grid.reach))
    across_columns(
        plans.calls, plans.work, plans.columns, kept, reach,
        grid.limit, along.real.copy(), along.imag.copy(), weights, sums,
    )  # fmt: skip
    x = np.arange(size)
    whole = np.minimum(x, size - x)
    expected = [(np.abs(transformed) ** 2 * w[whole].T).sum() / size**4 for w in weights] or np.zeros(1)
    np.testing.assert_allclose(sums, expected, rtol=2e-5)
    if exit_:
        np.testing.assert_array_equal(plans.work, before)
        return
    went_on = transformed * grid.limit[whole].T * np.outer(along, along)
    columns = np.r_[: plans.kept, size - plans.kept : size]
    close(plans.work[:, columns], size * np.fft.ifft(went_on, axis=0)[:, columns])
    assert (went_on[:, plans.kept : -plans.kept] == 0).all()


@pytest.mark.parametrize("size", [64, 80, 128])
def test_a_probe_enters_as_its_whole_transform_does(size):
    grid = wave_grid(size, SAMPLING, Microscope(aberrations={"C12": 30.0, "phi12": 0.4}).model_dump_json())
    plans = PLANNER.plans(size, grid.columns)
    along_x, along_y = grid.ramp(40.0, 1.3), grid.ramp(40.0, -0.4)
    plans.work[...] = 3
    probe_columns(plans.calls, plans.work, plans.columns, plans.kept, grid.probe, along_x, along_y)
    rows_to_space(plans.calls, plans.work, plans.rows, plans.kept)
    close(plans.work, size**2 * np.fft.ifft2(grid.probe.T * np.outer(along_y, along_x)))
    assert (np.abs(plans.work) ** 2).sum() == pytest.approx(size**2, rel=1e-4)


def test_rows_go_there_and_back():
    plans, wave = plans_and_wave(64, np.random.default_rng(3))
    plans.work[...] = wave
    rows_to_frequencies(plans.calls, plans.work, plans.rows)
    close(plans.work, np.fft.fft(wave, axis=1))
    rows_to_space(plans.calls, plans.work, plans.rows, 32)
    close(plans.work, 64 * wave)


def test_the_transforms_alone_are_those_of_a_step():
    """In space nothing is multiplied, in frequencies nothing: the wave comes back, n^2 times as large."""
    plans, wave = plans_and_wave(64, np.random.default_rng(4))
    halfway = np.fft.fft(wave, axis=1)
    plans.work[...] = halfway
    only_transforms(plans.calls, plans.work, plans.rows, plans.columns, plans.kept, plans.kept)
    close(plans.work, 64**2 * halfway)


def test_columns_that_no_detector_sees_are_left_out():
    def reach(*detectors: Detector, held_mrad: float = np.inf) -> int:
        microscope = Microscope(detectors=detectors)
        return wave_grid(128, SAMPLING, microscope.model_dump_json(), held_mrad).reach

    columns = band_columns(128)
    assert reach(DETECTORS[1], DETECTORS[2]) == columns
    assert reach(DETECTORS[0]) == 64
    assert reach(DETECTORS[0], held_mrad=80.0) == columns
    assert columns < reach(Detector(name="just beyond", inner_mrad=30, outer_mrad=62)) < 64
    assert Plans.whole_lines(columns) % LINES == 0


def test_no_plan_and_no_library_are_said(monkeypatch):
    room = np.zeros((8, 64), np.complex64)
    strange = 8 * 61 * 59  # nobody has wisdom of this
    with pytest.raises(UserError, match="FFTW has no plan"):
        fftw.Plan(strange, 1, (room, room), ((1, 64), (1, 64)), fftw.FORWARD, (("FFTW_WISDOM_ONLY",),))

    def nowhere(path):
        raise OSError("no such file")

    from simulate.windowed.fftw import library

    library.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", nowhere)
    with pytest.raises(UserError, match="engine windowed: FFTW is not to be reached through pyfftw"):
        library()


def test_kept_plans_are_found_whatever_was_planned_before(tmp_path, monkeypatch):
    """A plan of several threads, as abTEM may ask for, must not hide those of one."""
    pyfftw = pytest.importorskip("pyfftw")
    size, columns = 96, band_columns(96)
    Planner().save(tmp_path / "plans.json", [(size, columns)])
    estimates = []
    plan = fftw.Plan.__init__

    def noted(self, *arguments):
        *rest, efforts = arguments
        try:
            plan(self, *rest, tuple(effort for effort in efforts if "FFTW_WISDOM_ONLY" in effort))
        except UserError:
            estimates.append(arguments)
            plan(self, *arguments)

    monkeypatch.setattr(fftw.Plan, "__init__", noted)
    wave = pyfftw.empty_aligned((64, 64), np.complex64)
    for threads in (1, 2, 3):
        pyfftw.FFTW(wave, wave, axes=(0, 1), threads=threads)
        Planner.load(tmp_path / "plans.json").plans(size, columns)
    assert estimates == []
