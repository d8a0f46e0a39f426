"""The microscope's records: wavelengths, sensitivity curves, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from simulate.microscope import SOFT_HAADF, Detector, Microscope, relativistic_gamma, wavelength_angstrom


@pytest.mark.parametrize(("kilovolt", "picometre"), [(100, 3.7014), (200, 2.5079), (300, 1.9687)])
def test_wavelengths_are_those_of_the_textbooks(kilovolt, picometre):
    assert 100 * wavelength_angstrom(1e3 * kilovolt) == pytest.approx(picometre, rel=1e-4)


def test_gamma_doubles_at_the_rest_energy():
    assert relativistic_gamma(510998.95) == pytest.approx(2.0, rel=1e-6)


def test_the_default_detector_is_the_soft_annulus_of_the_experiment():
    detector = Microscope().detectors[0]
    assert detector.range_mrad == (50.0, 300.0)
    angles, values = np.array(SOFT_HAADF).T
    assert detector.weight(angles) == pytest.approx(values)
    assert detector.weight(np.array([0.0, 49.0, 301.0])).tolist() == [0, 0, 0]


@given(inner=st.floats(0, 50), width=st.floats(1, 100), step=st.floats(0.2, 5))
def test_ring_weights_keep_the_area_of_an_annulus(inner, width, step):
    outer = inner + width
    edges = np.arange(0, outer + step, step)
    weights = Detector(inner_mrad=inner, outer_mrad=outer).bin_weights(edges)
    area, expected = (weights * np.diff(edges**2)).sum(), outer**2 - inner**2
    assert area == pytest.approx(expected, abs=2 * step * outer / 10)  # rings are sampled at 20 radii
    assert ((weights >= 0) & (weights <= 1)).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"inner_mrad": 50}, "needs either"),
        ({"inner_mrad": 50, "outer_mrad": 40}, "is not below"),
        ({"sensitivity": [[50, 0], [40, 1]]}, "must rise"),
        ({"sensitivity": [[50, 0], [60, -1]]}, "not negative"),
        ({"sensitivity": SOFT_HAADF, "inner_mrad": 3, "outer_mrad": 4}, "needs either"),
        ({"inner_mrad": 50, "outer_mrad": 60, "gain": 3}, "gain"),
    ],
)
def test_a_senseless_detector_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Detector(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"energy_ev": -1}, "energy_ev"),
        ({"detectors": [{"inner_mrad": 1, "outer_mrad": 2}] * 2}, "different names"),
        ({"aberrations": {"defocus": 10}}, "focus_nm"),
        ({"aberrations": {"Cs": 10}}, "'Cs' is none of C12"),
        ({"detectors": []}, "detectors"),
    ],
)
def test_a_senseless_microscope_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        Microscope(**wrong)


def test_it_comes_back_from_json_unchanged():
    microscope = Microscope(focus_nm=3.0, aberrations={"C30": 1e4})
    assert Microscope.model_validate_json(microscope.model_dump_json()) == microscope
