"""Independent-atom elastic cross-sections through a detector: the theory of thin, disordered matter.

d(sigma)/d(Omega) = gamma^2 |f_e(q)|^2 with q = theta / lambda, first Born approximation and Lobato & Van
Dyck's scattering factors (Acta Cryst. A 70, 636, 2014) as abTEM ships them. The angle is measured as in
abTEM: theta = lambda q, so that the solid angle is 2 pi theta d(theta), which is what a multislice grid also
does.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulate.microscope import Detector, relativistic_gamma, wavelength_angstrom
from stochgeom.errors import UserError, require

_STEP_MRAD = 0.05


def scattering_factor_angstrom(symbol: str, frequency_per_angstrom: np.ndarray) -> np.ndarray:
    """Electron scattering factor f_e in Å at the spatial frequencies q = theta / lambda in 1/Å."""
    parametrization = require("abtem.parametrizations", extra="simulate").LobatoParametrization()
    if symbol not in parametrization.parameters:
        raise UserError(f"no scattering factor for element {symbol!r}; the Lobato table covers H to Lr")
    f = parametrization.scattering_factor(symbol)
    return np.asarray(f(np.asarray(frequency_per_angstrom, dtype=float) ** 2), dtype=float)


def cross_section_angstrom2(
    symbol: str, detector: Detector, energy_ev: float, beyond_mrad: float = 0.0, up_to_mrad: float = np.inf
) -> float:
    """Cross-section of one atom in Å^2, weighted by the detector's sensitivity between the two angles."""
    inner, outer = detector.range_mrad
    low, high = max(inner, beyond_mrad), min(outer, up_to_mrad)
    if high <= low:
        return 0.0
    edges = np.linspace(low, high, max(2, int(np.ceil((high - low) / _STEP_MRAD)) + 1))
    theta = 0.5 * (edges[1:] + edges[:-1])
    f = scattering_factor_angstrom(symbol, 1e-3 * theta / wavelength_angstrom(energy_ev))
    density = relativistic_gamma(energy_ev) ** 2 * f**2 * detector.weight(theta)
    return float(np.sum(density * 2 * np.pi * 1e-6 * theta * np.diff(edges)))


def r_per_um(
    atoms_per_nm3: Mapping[str, float], detector: Detector, energy_ev: float, up_to_mrad: float = np.inf
) -> float:
    """R = -ln(1 - I) / thickness per µm of matter with the given number density of each element (1/nm^3)."""
    area_nm2 = {
        symbol: 1e-2 * cross_section_angstrom2(symbol, detector, energy_ev, up_to_mrad=up_to_mrad)
        for symbol in atoms_per_nm3
    }
    return 1e3 * sum(density * area_nm2[symbol] for symbol, density in atoms_per_nm3.items())


def cone_r_per_um(
    atoms_per_nm3: Mapping[str, float],
    detector: Detector,
    energy_ev: float,
    convergence_mrad: float,
    up_to_mrad: float = np.inf,
    sampling_angstrom: float | None = None,
) -> float:
    """R per µm of independent atoms in a convergent beam: the directions of incidence fill the cone evenly.

    Only final angles below `up_to_mrad` are detected. With `sampling_angstrom` the loss on abTEM's grid is
    included. A cone sends more into an annulus than parallel light: a part of it needs a smaller deflection.
    """
    radii = convergence_mrad * np.sqrt((np.arange(16) + 0.5) / 16)
    turns = np.pi * (np.arange(24) + 0.5) / 24
    x, y = np.outer(radii, np.cos(turns)).ravel(), np.outer(radii, np.sin(turns)).ravel()
    theta = np.arange(0.25, detector.range_mrad[1] + convergence_mrad, 0.5)
    final = np.hypot(theta[:, None] + x, y)
    seen = np.where(final < up_to_mrad, detector.weight(final), 0.0).mean(axis=1)
    if sampling_angstrom is not None:
        seen = seen * grid_transfer(theta, sampling_angstrom, energy_ev)
    ring = 2 * np.pi * 1e-6 * theta * 0.5 * seen * relativistic_gamma(energy_ev) ** 2
    frequency = 1e-3 * theta / wavelength_angstrom(energy_ev)
    areas = {s: float(ring @ scattering_factor_angstrom(s, frequency) ** 2) for s in atoms_per_nm3}
    return 1e3 * sum(1e-2 * density * areas[s] for s, density in atoms_per_nm3.items())


def grid_transfer(angle_mrad: np.ndarray, sampling_angstrom: float, energy_ev: float) -> np.ndarray:
    """Share of an atom's scattering by an angle that abTEM's `projection="infinite"` keeps on its grid.

    abTEM shares an atom between four grid points in proportion to its distance, which damps high frequencies,
    and divides by sin(q s) / (q s). Mean over positions between the points and over azimuths, q = angle /
    lambda.
    """
    q = (
        np.asarray(angle_mrad, dtype=float)[:, None]
        * 1e-3
        / wavelength_angstrom(energy_ev)
        * sampling_angstrom
    )
    azimuth = np.pi / 2 * (np.arange(64) + 0.5) / 64
    across, along = (1 - (1 - np.cos(2 * np.pi * q * f)) / 3 for f in (np.cos(azimuth), np.sin(azimuth)))
    return (across * along).mean(axis=1) / np.sinc(q[:, 0] / np.pi) ** 2


def tail_factor(
    composition: Mapping[str, float], detector: Detector, energy_ev: float, grid_mrad: float
) -> float:
    """Signal with the tail beyond the grid over the signal within it, for independent atoms of a composition.

    1 when the detector ends within the grid. `composition` counts atoms per element in any unit.
    """
    if detector.range_mrad[1] <= grid_mrad:
        return 1.0
    within = r_per_um(composition, detector, energy_ev, up_to_mrad=grid_mrad)
    if within <= 0:
        raise UserError(
            f"detector {detector.name!r} begins at {detector.range_mrad[0]:g} mrad, "
            f"beyond the grid's {grid_mrad:.4g} mrad"
        )
    return r_per_um(composition, detector, energy_ev) / within
