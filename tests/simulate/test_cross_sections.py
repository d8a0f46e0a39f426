"""Independent-atom cross-sections against published factors and the experiment's reference figures."""

from __future__ import annotations

import abtem
import ase
import numpy as np
import pytest

from simulate.cross_sections import (
    cone_r_per_um,
    cross_section_angstrom2,
    grid_transfer,
    r_per_um,
    scattering_factor_angstrom,
    tail_factor,
)
from simulate.material import Material
from simulate.microscope import Detector, Microscope, wavelength_angstrom
from stochgeom.errors import UserError

SOFT = Microscope().detectors[0]
TOP_HAT = Detector(inner_mrad=62, outer_mrad=199)


@pytest.mark.parametrize(("symbol", "area"), [("Ti", 1.005e-3), ("W", 9.83e-3), ("O", 1.41e-4)])
def test_cross_sections_into_62_to_199_mrad_at_300_kv(symbol, area):
    assert cross_section_angstrom2(symbol, TOP_HAT, 300e3) == pytest.approx(area, rel=4e-3)


@pytest.mark.parametrize(
    ("name", "atoms_per_nm3", "energy_ev", "figure"),
    [
        ("anatase", 88.0, 300e3, 0.366), ("rutile", 96.1, 300e3, 0.400), ("gamma-WO3", 74.0, 300e3, 1.85),
        ("anatase", 88.0, 200e3, 0.685), ("rutile", 96.1, 200e3, 0.748), ("gamma-WO3", 74.0, 200e3, 3.38),
    ],
)  # fmt: skip
def test_r_of_the_soft_detector_agrees_with_the_reference(name, atoms_per_nm3, energy_ev, figure):
    """At the reference's atomic density, within 3.5 %: the curve is known at ten points only, linear between
    them."""
    material = Material.named(name)
    density = {
        s: n * atoms_per_nm3 / material.atoms_per_nm3 for s, n in material.element_densities_per_nm3.items()
    }
    assert r_per_um(density, SOFT, energy_ev) == pytest.approx(figure, rel=0.035)


@pytest.mark.parametrize("symbol", ["O", "Ti", "W"])
def test_scattering_factors_follow_rutherford_at_high_angles(symbol):
    """Mott-Bethe with an X-ray factor of zero: f = Z / (2 pi^2 a0 q^2), q = 1/d; within 6 % at q = 15 per
    Å."""
    from ase.data import atomic_numbers

    q = np.array([15.0])
    rutherford = atomic_numbers[symbol] / (2 * np.pi**2 * 0.529177 * q**2)
    assert scattering_factor_angstrom(symbol, q) == pytest.approx(rutherford, rel=0.06)


def test_a_narrow_cone_is_parallel_light_and_a_wide_one_scatters_more():
    density = Material.named("anatase").element_densities_per_nm3
    parallel = r_per_um(density, SOFT, 300e3)
    assert cone_r_per_um(density, SOFT, 300e3, 0.1) == pytest.approx(parallel, rel=2e-3)
    assert 1.07 < cone_r_per_um(density, SOFT, 300e3, 20.0) / parallel < 1.13


@pytest.mark.parametrize("sampling", [0.016, 0.032])
def test_the_loss_on_the_grid_is_abtems(sampling):
    """One titanium atom at random places between the grid points, first order in the potential."""
    gpts, rng = 400, np.random.default_rng(3)
    side = sampling * gpts
    frequency = np.fft.fftfreq(gpts, sampling)
    q = np.hypot(frequency[:, None], frequency[None])
    spectra = []
    for x, y in side / 2 + sampling * rng.random((24, 2)):
        atom = ase.Atoms("Ti", [(x, y, 1.0)], cell=[side, side, 2.0], pbc=True)
        potential = abtem.Potential(atom, gpts=gpts, slice_thickness=2.0).build(lazy=False)
        spectra.append(np.abs(np.fft.fft2(np.asarray(potential.array[0], float))) ** 2)
    point = scattering_factor_angstrom("Ti", q) ** 2
    kept = np.mean(spectra, axis=0) / point
    angles = np.array([20.0, 100.0, 190.0])
    rings = [abs(1e3 * wavelength_angstrom(300e3) * q - angle) < 4 for angle in angles]
    found = np.array([kept[ring].mean() for ring in rings]) / kept[q < 0.3].mean()
    # The random places leave a standard error of about 2 % at the largest angle.
    np.testing.assert_allclose(found, grid_transfer(angles, sampling, 300e3), rtol=0.06)


def test_rings_add_up_to_the_whole_and_the_tail_is_what_is_missing():
    whole = cross_section_angstrom2("Ti", SOFT, 300e3)
    within = cross_section_angstrom2("Ti", SOFT, 300e3, up_to_mrad=200)
    beyond = cross_section_angstrom2("Ti", SOFT, 300e3, beyond_mrad=200)
    assert within + beyond == pytest.approx(whole, rel=1e-6)
    assert tail_factor({"Ti": 5.0}, SOFT, 300e3, 200) == pytest.approx(whole / within, rel=1e-9)


@pytest.mark.parametrize("name", ["anatase", "rutile", "gamma-WO3"])
def test_the_tail_beyond_200_mrad_is_about_as_the_reference_says(name):
    factor = tail_factor(Material.named(name).element_densities_per_nm3, SOFT, 300e3, 200)
    assert 1.03 < factor < 1.042


@pytest.mark.parametrize(("symbol", "low", "high"), [("O", 0.99, 1.02), ("Ti", 0.96, 1.0), ("W", 0.75, 0.85)])
def test_the_first_born_approximation_overestimates_heavy_atoms(symbol, low, high):
    """Why WO3 scatters less in multislice than independent atoms: one atom as abTEM sees it, exp(i sigma V).

    Tungsten is no weak phase object: it sends a fifth less into the detector than the first order in V.
    """
    side, gpts = 12.8, 600
    atom = ase.Atoms(symbol, [(side / 2, side / 2, 1.0)], cell=[side, side, 2.0], pbc=True)
    potential = abtem.Potential(atom, gpts=gpts, slice_thickness=2.0).build(lazy=False)
    wave = np.asarray(potential.transmission_function(300e3).array[0])
    spectrum = np.abs(np.fft.fft2(wave)) ** 2 / gpts**4
    frequency = np.fft.fftfreq(gpts, side / gpts)
    angle = 1e3 * wavelength_angstrom(300e3) * np.hypot(frequency[:, None], frequency[None])
    seen = SOFT.weight(angle) * (angle < 200)
    area = float((spectrum * seen).sum()) * side**2
    assert low < area / cross_section_angstrom2(symbol, SOFT, 300e3, up_to_mrad=200) < high


def test_a_detector_within_the_grid_has_no_tail():
    assert tail_factor({"W": 1.0}, TOP_HAT, 300e3, 200) == 1.0


def test_errors():
    with pytest.raises(UserError, match="no scattering factor for element 'Xx'"):
        scattering_factor_angstrom("Xx", np.ones(1))
    with pytest.raises(UserError, match="beyond the grid"):
        tail_factor({"W": 1.0}, SOFT, 300e3, 40)
