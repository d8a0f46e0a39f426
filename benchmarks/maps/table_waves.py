"""What the waves of a calibration leave out: its two rounds against waves to 160 mrad in slices of 2 Å.

python benchmarks/maps/table_waves.py [--probes 3] [--focus]

Zone axes and other directions of anatase and WO3, at 10 and 20 nm; deviation of the signal in per cent. Each
calculation has slabs of its own, so each figure is uncertain by about a per cent (printed).

--focus instead: one direction of each phase at 300 kV with the crossover at several heights, the mean signal
and the scatter from probe to probe. A mean over positions does not depend on the crossover.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numpy.random import SeedSequence

from simulate.calibration.calibrate import CalibrationSettings
from simulate.calibration.slabs import measure_direction
from simulate.material import Material
from simulate.microscope import Microscope

BAND_MRAD = {80e3: 80.0, 200e3: 60.0, 300e3: 60.0}
AXES = {
    "[001]": (0.0, 0.0, 1.0),
    "40 mrad off [001]": (0.0, 0.04, 1.0),
    "[011]": (0.0, 1.0, 1.0),
    "no axis": (0.3, 0.5, 0.81),
}


def signals(
    settings: CalibrationSettings, material: Material, axis: np.ndarray, probes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (T,) and its standard error."""
    found = np.array(
        [measure_direction(settings, material, axis, SeedSequence(k))[:, 0] for k in range(probes)]
    )
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(probes)


def main(probes: int) -> None:
    print(f"{'':44s}" + "".join(f"{name:>36s}" for name in ("first round", "second round")))
    for energy, band in BAND_MRAD.items():
        settings = CalibrationSettings(
            microscope=Microscope(energy_ev=energy),
            thicknesses_nm=(10.0, 20.0),
            crossover_nm=40.0,  # so that the disc is wider than a cell, and few probes do
            band_mrad=band,
        )
        reference = settings.model_copy(update={"band_mrad": 160.0, "slice_thickness_angstrom": 2.0})
        for phase in ("anatase", "gamma-WO3"):
            material = Material.named(phase)
            for name, indices in AXES.items():
                axis = np.array(indices) @ np.asarray(material.cell.cell.array)
                axis /= np.linalg.norm(axis)
                exact, its_error = signals(reference, material, axis, probes)
                words = []
                for waves in (settings, settings.fine):
                    mean, error = signals(waves, material, axis, probes)
                    apart = 100 * (mean / exact - 1)
                    sure = 100 * np.hypot(error / mean, its_error / exact)
                    words.append(", ".join(f"{a:+5.1f} ± {s:3.1f}" for a, s in zip(apart, sure, strict=True)))
                print(
                    f"{energy / 1e3:3.0f} kV {phase:10s} {name:18s}" + "".join(f"{w:>36s}" for w in words),
                    flush=True,
                )


def focus(probes: int) -> None:
    thicknesses = (1.0, 10.0, 40.0)
    print("signal ± its error (scatter of single probes)".ljust(50), *(f"{t:>23g} nm" for t in thicknesses))
    direction = np.array(AXES["no axis"]) / np.linalg.norm(AXES["no axis"])
    for phase in ("anatase", "gamma-WO3"):
        for crossover in (0.0, 20.0, -40.0, None):
            settings = CalibrationSettings(thicknesses_nm=thicknesses, crossover_nm=crossover)
            mean, error = signals(settings, Material.named(phase), direction, probes)
            scatter = 100 * error * np.sqrt(probes) / mean
            words = [
                f"{100 * m:.4f} ± {100 * e:.4f} % ({s:3.0f} %)"
                for m, e, s in zip(mean, error, scatter, strict=True)
            ]
            height = settings.focus_angstrom / 10
            place = f"{phase}, crossover {height:+.0f} nm from the entrance"
            print(place.ljust(50) + "".join(f"{w:>27s}" for w in words), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--probes", type=int, default=3)
    parser.add_argument("--focus", action="store_true")
    arguments = parser.parse_args()
    (focus if arguments.focus else main)(arguments.probes)
