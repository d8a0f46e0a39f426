"""Atoms on a grid: conservation of electrons, known limits, and what the grid leaves to the detector."""

from __future__ import annotations

import numpy as np
import pytest

from simulate.cross_sections import cross_section_angstrom2 as born_angstrom2
from simulate.microscope import Detector, Microscope
from simulate.windowed.atomic import (
    STEP_ANGSTROM,
    amplitude,
    atom_table,
    cross_section_angstrom2,
    low_pass,
)
from stochgeom.errors import UserError

HAADF = Microscope().detectors[0]


@pytest.mark.parametrize("symbol", ["O", "Ti", "W"])
def test_the_optical_theorem_holds(symbol):
    # An atom that only shifts phases keeps all electrons: integral |T|^2 = -2 Re T(0).
    found = amplitude(symbol, 300e3, 25.0)
    k = found.frequency
    scattered = (np.abs(found.amplitude) ** 2 * 2 * np.pi * k * found.step).sum()
    assert scattered == pytest.approx(-2 * found.amplitude[0].real, rel=0.01)


def test_light_atoms_scatter_as_in_first_born_approximation_and_tungsten_less():
    ratios = {s: cross_section_angstrom2(s, HAADF, 300e3) / born_angstrom2(s, HAADF, 300e3) for s in "OW"}
    assert ratios["O"] == pytest.approx(1.0, abs=0.005)
    # Moliere's screening angle at alpha = Z / (137 beta) = 0.695 asks for about that at 60 mrad.
    assert 0.75 < ratios["W"] < 0.85


@pytest.mark.parametrize("symbol", ["O", "W"])
@pytest.mark.parametrize("sampling", [0.0938, 0.1094])
def test_an_atom_takes_from_the_wave_what_the_grid_does_not_hold(symbol, sampling):
    table = atom_table(symbol, 300e3, sampling, (HAADF,))
    found = amplitude(symbol, 300e3, 22.0)
    beyond = np.abs(found.amplitude) ** 2 * (1 - low_pass(found.frequency, 0.5 / sampling) ** 2)
    lost = (beyond * 2 * np.pi * found.frequency * found.step).sum()
    radius = np.arange(len(table.absorption)) * STEP_ANGSTROM
    taken = ((1 - np.exp(-2.0 * table.absorption)) * 2 * np.pi * radius * STEP_ANGSTROM).sum()
    assert taken == pytest.approx(lost, rel=0.01)


def test_the_signal_kernel_is_the_cross_section_beyond_the_grid_in_a_narrow_place():
    sampling = 0.1094
    kernel = atom_table("Ti", 300e3, sampling, (HAADF,)).signal[0]
    radius = np.arange(len(kernel)) * STEP_ANGSTROM
    ring = 2 * np.pi * radius * STEP_ANGSTROM
    found = amplitude("Ti", 300e3, 22.0)
    angle = 1e3 * Microscope().wavelength_angstrom * found.frequency
    beyond = 1 - low_pass(found.frequency, 0.5 / sampling) ** 2
    seen = np.abs(found.amplitude) ** 2 * beyond * HAADF.weight(angle) * 2 * np.pi * found.frequency
    assert (kernel * ring).sum() == pytest.approx((seen * found.step).sum(), rel=0.02)
    assert (kernel * ring)[radius < 0.25].sum() > 0.75 * (kernel * ring).sum()


def test_a_detector_within_the_grid_has_no_kernel():
    detectors = (Detector(name="BF", inner_mrad=0, outer_mrad=10), HAADF)
    signal = atom_table("O", 300e3, 0.1094, detectors).signal
    assert not signal[0].any()
    assert signal[1].any()


def test_an_element_without_factors_is_named():
    with pytest.raises(UserError, match="'Xx'"):
        amplitude("Xx", 300e3, 10.0)
