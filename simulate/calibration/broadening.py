"""How much a material raises what others behind it send to the detectors.

Scattering to small angles widens the beam, and electrons that come at an angle theta need less to reach the
detector: an atom's cross-section into it grows by a gain g(theta), 1.2 at 20 mrad and 1.5 to 1.7 at 30 mrad
for the default detector at 300 kV. So behind a slab that leaves the beam with the diffraction pattern P, a
phase scatters more by the mean of g over P, over its mean over the cone of the beam. To first order in the
slab's thickness that is a number per nm, for each pair of phases and each detector.

Two approximations nearly cancel: electrons beyond the band count nothing here, though some are still there,
and those that the detector sees already are not said to leave it. Against slabs behind slabs
(`benchmarks/maps/broadening.py`) the numbers hold within the errors of these, 5 to 15 %.
"""

from __future__ import annotations

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from simulate.calibration.settings import CalibrationSettings
from simulate.calibration.slabs import measure_slab
from simulate.material import Material
from simulate.microscope import Detector
from simulate.windowed.atomic import amplitude
from simulate.windowed.wave_grids import SOFT_EDGE

_THICKNESS_NM = 20.0
_SLABS = 32  # of random orientations
_STEPS = 16  # of angles for which the gain is computed
_CELLS = 400  # across the plane of scattering angles
_SCALE = 0.02  # sensitivities are far below 1


def tilted_gain(
    material: Material,
    detector: Detector,
    energy_ev: float,
    wavelength: float,
    angles_mrad: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cross-section of a material's atoms into a detector for electrons at an angle (n,), over that at 0.

    Independent atoms, to all orders of their phase; wavelength in Å.
    """
    outer = 1e-3 * detector.range_mrad[1] / wavelength
    highest = float(np.ceil(outer + 1e-3 * angles_mrad.max() / wavelength))
    step = 2 * outer / _CELLS
    k = (np.arange(_CELLS) + 0.5) * step - outer
    x, y = k[:, None], k[None, _CELLS // 2 :]
    seen = detector.weight(1e3 * wavelength * np.hypot(x, y))
    found = np.zeros(len(angles_mrad))
    for symbol, density in material.element_densities_per_nm3.items():
        atom = amplitude(symbol, energy_ev, highest)
        for n, angle in enumerate(angles_mrad):
            scattered = np.abs(atom.at(np.hypot(x - 1e-3 * angle / wavelength, y))) ** 2
            found[n] += density * (seen * scattered).sum()
    return found / found[0]


def broadening_per_nm(settings: CalibrationSettings, phase: int) -> NDArray[np.float64]:
    """Rise (phase, channel) per nm of what each phase of `settings` sends to its detectors behind `phase`."""
    scope, materials = settings.microscope, settings.resolved()
    alpha = scope.convergence_mrad
    angles = np.linspace(0.0, SOFT_EDGE * settings.band_mrad, _STEPS)
    inside = np.linspace(0.0, alpha, 200)
    virtual, cone = [], []
    for behind in materials:
        for detector in scope.detectors:
            gain = tilted_gain(behind, detector, scope.energy_ev, scope.wavelength_angstrom, angles)
            # An electron that the detector sees already gains nothing by another scattering.
            weight = _SCALE * (1 + (gain - 1) * np.clip(1 - detector.weight(angles), 0, 1))
            curve = (*zip(angles.tolist(), weight.tolist(), strict=True), (float(angles[-1]) + 0.1, 0.0))
            virtual.append(Detector(name=f"{behind.name} {detector.name}", sensitivity=curve))
            cone.append((np.interp(inside, angles, weight) * inside).sum() / inside.sum())
    measured = settings.model_copy(
        update={
            "microscope": scope.model_copy(update={"detectors": tuple(virtual)}),
            "thicknesses_nm": (_THICKNESS_NM,),
        }
    )
    rng = default_rng(SeedSequence(settings.seed, spawn_key=(phase, 2)))
    signals = [
        measure_slab(measured, materials[phase], Rotation.random(rng=rng).as_matrix(), rng)[0]
        for _ in range(_SLABS)
    ]
    rise = (np.mean(signals, axis=0) / cone - 1) / _THICKNESS_NM
    return rise.reshape(len(materials), len(scope.detectors))
