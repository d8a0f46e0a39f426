"""What one atom does to a wave on a grid that ends below the detector.

An atom multiplies the wave by 1 + T, T(r) = exp(i sigma v(r)) - 1, with v its projected potential (Lobato and
Van Dyck's factors, as abTEM has them) and sigma the interaction parameter. T(k) is the amplitude of
scattering by the angle lambda k, to all orders of the phase: for tungsten at 300 kV it sends a fifth less
beyond 50 mrad than the first Born approximation (`cross_section_angstrom2`), as Moliere's theory has it.

A grid holds T up to its Nyquist frequency. There the atom is 1 + T_low, a function whose modulus is below one
near the nucleus: what it takes from the wave is what T sends to higher angles. Its logarithm u, with
1 + T_low = exp(i u), adds up over atoms. What the detector sees of the part beyond the grid is the signal
kernel m: its integral is the cross-section for that, its shape the width over which the intensity |psi|^2 is
read (the kernel of two incoming waves k' and k'' taken at their mean direction; Ishizuka 2002).

Real atoms vibrate: positions are displaced, so kernels are those of atoms at rest (frozen phonons).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from simulate.microscope import Detector, wavelength_angstrom
from stochgeom.errors import UserError, require

Array = NDArray[np.float64]

REACH_ANGSTROM = 3.0
"""Where the phase of an atom is made to end; beyond it less than 0.002 rad are left (300 kV)."""
STEP_ANGSTROM = 0.004
"""Distance of the tabulated radii."""
_LOSS_FROM, _LOSS_TO = 1.0, 2.0  # Å: absorption ends here; further out only ringing of the low pass is left
_TAPER = 0.9  # of the Nyquist frequency: there the low pass begins to fall


@dataclass(frozen=True, eq=False)
class AtomTable:
    """One element on one grid, against the distance from the nucleus in steps of STEP_ANGSTROM.

    phase, absorption (r,): real and imaginary part of u, dimensionless: abs(exp(i u)) = exp(-absorption);
    signal (channel, r): the kernel m, dimensionless: Å^2 of cross-section per Å^2. Zero beyond the last
    entry.
    """

    phase: NDArray[np.float32]
    absorption: NDArray[np.float32]
    signal: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Amplitude:
    """Amplitude T(k) of one atom at one energy: k (n,) in 1/Å, evenly spaced from 0; T (n,) in Å^2."""

    frequency: Array
    amplitude: NDArray[np.complex128]

    @property
    def step(self) -> float:
        return float(self.frequency[1])

    def at(self, k: Array) -> NDArray[np.complex128]:
        """T at any frequencies, 0 beyond the table."""
        real, imaginary = (
            np.interp(k, self.frequency, part, right=0.0)
            for part in (self.amplitude.real, self.amplitude.imag)
        )
        return real + 1j * imaginary


@lru_cache(maxsize=64)
def amplitude(symbol: str, energy_ev: float, up_to_per_angstrom: float) -> Amplitude:
    """T(k) = 2 pi integral (exp(i sigma v(r)) - 1) J0(2 pi k r) r dr, radii being dense near the nucleus."""
    parametrization = require("abtem.parametrizations", extra="simulate").LobatoParametrization()
    if symbol not in parametrization.parameters:
        raise UserError(f"no scattering factor for element {symbol!r}; the Lobato table covers H to Lr")
    from abtem.core.energy import energy2sigma

    log_radius = np.linspace(np.log(1e-6), np.log(12.0), 6000)
    radius = np.exp(log_radius)
    phase = energy2sigma(energy_ev) * np.asarray(parametrization.projected_potential(symbol)(radius))
    weight = (np.exp(1j * phase) - 1) * 2 * np.pi * radius**2 * (log_radius[1] - log_radius[0])
    frequency = np.linspace(0.0, up_to_per_angstrom, round(60 * up_to_per_angstrom) + 1)
    values = np.array([(weight * j0(2 * np.pi * k * radius)).sum() for k in frequency])
    return Amplitude(frequency, values)


def cross_section_angstrom2(symbol: str, detector: Detector, energy_ev: float) -> float:
    """Cross-section into a detector in Å^2, to all orders of the phase, for parallel light."""
    wavelength = wavelength_angstrom(energy_ev)
    found = amplitude(symbol, energy_ev, _highest(detector.range_mrad[1], wavelength))
    k = found.frequency
    seen = detector.weight(1e3 * wavelength * k)
    return float((np.abs(found.amplitude) ** 2 * seen * 2 * np.pi * k * found.step).sum())


def _highest(outer_mrad: float, wavelength: float) -> float:
    """Frequency up to which amplitudes are tabulated: detector, and the shift of a kernel."""
    return float(np.ceil(1e-3 * outer_mrad / wavelength + 6.0))


def low_pass(k: Any, nyquist: float) -> Any:
    """1 up to 0.9 of the Nyquist frequency, 0 from it on, half a cosine between."""
    part = np.clip((k / nyquist - _TAPER) / (1 - _TAPER), 0, 1)
    return 0.5 * (1 + np.cos(np.pi * part))


@lru_cache(maxsize=64)
def atom_table(
    symbol: str, energy_ev: float, sampling_angstrom: float, detectors: tuple[Detector, ...]
) -> AtomTable:
    """Tables of an element for a grid and some detectors. UserError for an element without factors."""
    wavelength, nyquist = wavelength_angstrom(energy_ev), 0.5 / sampling_angstrom
    outer = max([d.range_mrad[1] for d in detectors] + [1e3 * wavelength * nyquist])
    found = amplitude(symbol, energy_ev, _highest(outer, wavelength))
    low = low_pass(found.frequency, nyquist)
    phase, absorption = _logarithm(found, low)
    signal = np.stack([_signal(found, d, wavelength, nyquist) for d in detectors])
    absorption = absorption[: round(_LOSS_TO / STEP_ANGSTROM) + 2]
    return AtomTable(*(np.ascontiguousarray(a, np.float32) for a in (phase, absorption, signal)))


def _radii(reach: float = REACH_ANGSTROM) -> Array:
    return np.arange(round(reach / STEP_ANGSTROM) + 1, dtype=float) * STEP_ANGSTROM


def _back(frequency: Array, values: NDArray, radii: Array) -> NDArray:
    """The radial function whose two-dimensional Fourier transform is `values`."""
    weight = values * 2 * np.pi * frequency * frequency[1]
    return np.concatenate(
        [j0(2 * np.pi * part[:, None] * frequency[None]) @ weight for part in np.array_split(radii, 20)]
    )


def _logarithm(found: Amplitude, low: Array) -> tuple[Array, Array]:
    """u of 1 + T_low against the radius, ending smoothly at REACH_ANGSTROM."""
    radii = _radii()
    t = 1 + _back(found.frequency, found.amplitude * low, radii)
    phase = np.unwrap(np.angle(t)[::-1])[::-1]
    absorption = -np.log(np.abs(t)) * _falling(radii, _LOSS_FROM, _LOSS_TO)
    phase = phase * _falling(radii, REACH_ANGSTROM - 1.0, REACH_ANGSTROM)
    return phase, _balanced(absorption, radii, found, low)


def _falling(radii: Array, begin: float, end: float) -> Array:
    return 0.5 * (1 + np.cos(np.pi * np.clip((radii - begin) / (end - begin), 0, 1)))


def _balanced(absorption: Array, radii: Array, found: Amplitude, low: Array) -> Array:
    """The absorption, scaled so that the atom takes from a parallel wave what lies beyond the low pass."""
    k = found.frequency
    lost = (np.abs(found.amplitude) ** 2 * (1 - low**2) * 2 * np.pi * k * found.step).sum()
    ring = 2 * np.pi * radii * STEP_ANGSTROM
    for _ in range(4):
        absorption = absorption * lost / ((1 - np.exp(-2 * absorption)) * ring).sum()
    return absorption


def _signal(found: Amplitude, detector: Detector, wavelength: float, nyquist: float) -> Array:
    """Kernel m against the radius, for what the detector sees beyond the low pass."""
    reach = np.arange(0, 0.4 / nyquist * 12, STEP_ANGSTROM)
    if detector.range_mrad[1] <= 1e3 * wavelength * nyquist * _TAPER:
        return np.zeros(len(reach))
    shift = np.linspace(0, 4 / 3 * nyquist, 24)
    kernel = np.array([_overlap(found, detector, wavelength, nyquist, q) for q in shift])
    fine = np.linspace(0, shift[-1], 400)
    smooth = np.interp(fine, shift, kernel) * low_pass(fine, shift[-1])
    m = _back(fine, smooth, reach) * _falling(reach, 0.7 * reach[-1], reach[-1])
    return m * kernel[0] / (m * 2 * np.pi * reach * STEP_ANGSTROM).sum()


def _overlap(found: Amplitude, detector: Detector, wavelength: float, nyquist: float, q: float) -> float:
    """Integral of D(k) H*(k + q/2) H(k - q/2) over k, with H what the low pass cuts from T, in Å^2."""
    outer = 1e-3 * detector.range_mrad[1] / wavelength
    edges = np.linspace(-outer, outer, 301)
    kx = 0.5 * (edges[1:] + edges[:-1])
    ky = kx[len(kx) // 2 :]
    x, y = kx[:, None], ky[None]
    seen = detector.weight(1e3 * wavelength * np.hypot(x, y))

    def beyond(k: Array) -> NDArray[np.complex128]:
        return found.at(k) * np.sqrt(1 - low_pass(k, nyquist) ** 2)

    product = np.conj(beyond(np.hypot(x + q / 2, y))) * beyond(np.hypot(x - q / 2, y))
    return float(2 * (seen * product.real).sum() * (edges[1] - edges[0]) ** 2)
