"""Detectors at abTEM's border: what serves the channels, and the tail beyond the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.cross_sections import tail_factor
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from simulate.microscope import Detector, Microscope
    from simulate.recipe import MultisliceSettings
    from simulate.scene import Scene

LARGEST_TAIL = 1.1
"""At most a tenth of the signal may come from the independent-atom tail."""
_RING_MRAD = 1.0
_SOFT_EDGE = 0.98  # abTEM's band limit falls off over its last hundredths


class Detection:
    """The channels of a microscope on one grid: abTEM detectors, ring weights, tails, signal of vacuum.

    UserError when the grid is too coarse for a detector or for the probe.
    """

    def __init__(self, settings: MultisliceSettings, microscope: Microscope, scene: Scene) -> None:
        self.microscope = microscope
        self.grid_mrad = grid_angle_mrad(settings.sampling_angstrom, microscope.wavelength_angstrom)
        composition = scene_composition(scene)
        tails = settings.tail == "independent-atom"
        for detector in microscope.detectors:
            self._check(settings.sampling_angstrom, detector, composition, tails)
        self.tails = np.array([self._tail(d, composition, tails) for d in microscope.detectors])
        self.vacuum = np.array([vacuum_signal(d, microscope.convergence_mrad) for d in microscope.detectors])

    def _tail(self, detector: Detector, composition: dict[str, float], tails: bool) -> float:
        if not tails:
            return 1.0
        return tail_factor(composition, detector, self.microscope.energy_ev, self._outer(detector))

    def _outer(self, detector: Detector) -> float:
        """Largest angle that is detected on the grid: the detector's own if the grid holds it."""
        outer = detector.range_mrad[1]
        whole = np.floor(_SOFT_EDGE * self.grid_mrad / _RING_MRAD) * _RING_MRAD
        if detector.sensitivity is not None:
            return float(min(np.ceil(outer / _RING_MRAD) * _RING_MRAD, whole))
        return outer if outer <= self.grid_mrad else float(whole)

    def _check(self, sampling: float, detector: Detector, composition: dict[str, float], tails: bool) -> None:
        needed = max(
            needed_angle_mrad(detector, composition, self.microscope.energy_ev, tails),
            1.2 * self.microscope.convergence_mrad,
        )
        if self.grid_mrad < needed * (1 - 1e-9):
            largest = 1e3 * self.microscope.wavelength_angstrom / (3 * needed)
            raise UserError(
                f"engine.sampling_angstrom = {sampling:g} holds scattering up to {self.grid_mrad:.4g} mrad, "
                f"detector {detector.name!r} needs {needed:.4g} mrad: "
                f"at most {np.floor(1e4 * largest) / 1e4:g} Å is accepted"
            )

    def detectors(self) -> list[Any]:
        """abTEM detectors, one per channel: an annulus, or rings to be weighted by the sensitivity curve."""
        abtem = require("abtem", extra="simulate")
        return [
            abtem.AnnularDetector(inner=d.range_mrad[0], outer=self._outer(d))
            if d.sensitivity is None
            else abtem.FlexibleAnnularDetector(step_size=_RING_MRAD, inner=0.0, outer=self._outer(d))
            for d in self.microscope.detectors
        ]

    def values(self, measurements: list[Any]) -> NDArray[np.float64]:
        """Intensity (p, channel) from abTEM's measurements, the tail included."""
        columns = []
        for detector, measured in zip(self.microscope.detectors, measurements, strict=True):
            array = np.asarray(measured.array, dtype=np.float64)
            if detector.sensitivity is None:
                columns.append(array.reshape(-1))
                continue
            rings = array.reshape(-1, round(self._outer(detector) / _RING_MRAD))
            edges = np.arange(rings.shape[1] + 1) * _RING_MRAD
            columns.append(rings @ detector.bin_weights(edges))
        return np.stack(columns, axis=1) * self.tails


def grid_angle_mrad(sampling_angstrom: float, wavelength_angstrom: float) -> float:
    """Largest angle on abTEM's grid, two thirds of the Nyquist frequency: lambda / (3 sampling)."""
    return 1e3 * wavelength_angstrom / (3 * sampling_angstrom)


def needed_angle_mrad(
    detector: Detector, composition: dict[str, float], energy_ev: float, tails: bool
) -> float:
    """Angle that a grid must hold: the detector's outer one, or less by a tail of at most a tenth."""
    inner, outer = detector.range_mrad
    if not tails:
        return outer
    low, high = inner, outer
    while high - low > 0.1:
        middle = (low + high) / 2
        enough = middle > inner and tail_factor(composition, detector, energy_ev, middle) <= LARGEST_TAIL
        low, high = (low, middle) if enough else (middle, high)
    return min(high / _SOFT_EDGE, outer)


def vacuum_signal(detector: Detector, convergence_mrad: float) -> float:
    """Signal without material: the share of the evenly filled cone that the detector sees."""
    if detector.range_mrad[0] >= convergence_mrad:
        return 0.0
    edges = np.linspace(0, convergence_mrad, 2001)
    weights = detector.bin_weights(edges)
    return float((weights * np.diff(edges**2)).sum() / convergence_mrad**2)


def scene_composition(scene: Scene) -> dict[str, float]:
    """Relative numbers of atoms of each element in a scene, from the particles' volumes."""
    total: dict[str, float] = {}
    for k, radius in enumerate(scene.aggregate.radii):
        for symbol, density in scene.material_of(k).element_densities_per_nm3.items():
            total[symbol] = total.get(symbol, 0.0) + density * float(radius) ** 3
    return total
