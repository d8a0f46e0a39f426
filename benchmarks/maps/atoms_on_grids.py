"""What a multislice grid does to the scattering of one atom.

python benchmarks/maps/atoms_on_grids.py

A potential that ends at the grid's band limit before it is exponentiated, as in usual multislice, scatters
otherwise than the atom. For several grid steps: its cross-section into the default detector, up to 190 mrad,
over that of the atom to all orders of its phase; and the atom's over the first Born approximation.
"""

from __future__ import annotations

import numpy as np
from scipy.special import j0

from simulate.cross_sections import cross_section_angstrom2 as born_angstrom2
from simulate.cross_sections import scattering_factor_angstrom
from simulate.microscope import Microscope, relativistic_gamma
from simulate.windowed.atomic import amplitude, cross_section_angstrom2

MICROSCOPE = Microscope()
STEPS_ANGSTROM = (0.0328, 0.0246, 0.0164, 0.0082)
LARGEST_MRAD = 190.0


def band_limited(symbol: str, step: float, k: np.ndarray) -> np.ndarray:
    """Amplitude at the frequencies k of exp(i phase) - 1, the phase being limited to 1 / (3 step)."""
    wavelength, energy = MICROSCOPE.wavelength_angstrom, MICROSCOPE.energy_ev
    frequency = np.linspace(0, 1 / (3 * step), 4000)
    factor = scattering_factor_angstrom(symbol, frequency) * wavelength * relativistic_gamma(energy)
    weight = factor * 2 * np.pi * frequency * frequency[1]
    radius = np.concatenate([np.linspace(0, 1, 800), np.linspace(1, 12, 1200)[1:]])
    phase = np.array([(weight * j0(2 * np.pi * r * frequency)).sum() for r in radius])
    ring = (np.exp(1j * phase) - 1) * 2 * np.pi * radius * np.gradient(radius)
    return np.array([(ring * j0(2 * np.pi * q * radius)).sum() for q in k])


def main() -> None:
    detector = MICROSCOPE.detectors[0]
    for symbol in ("O", "Ti", "W"):
        found = amplitude(symbol, MICROSCOPE.energy_ev, 10.0)
        k = found.frequency
        angle = 1e3 * MICROSCOPE.wavelength_angstrom * k
        seen = detector.weight(angle) * (angle < LARGEST_MRAD) * k
        whole = (np.abs(found.amplitude) ** 2 * seen).sum()
        ratios = [(np.abs(band_limited(symbol, s, k)) ** 2 * seen).sum() / whole for s in STEPS_ANGSTROM]
        born = cross_section_angstrom2(symbol, detector, MICROSCOPE.energy_ev) / born_angstrom2(
            symbol, detector, MICROSCOPE.energy_ev
        )
        steps = ", ".join(f"{s} Å {r:.3f}" for s, r in zip(STEPS_ANGSTROM, ratios, strict=True))
        print(f"{symbol}: grid over atom {steps}; atom over first Born approximation {born:.3f}")


if __name__ == "__main__":
    main()
