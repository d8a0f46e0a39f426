"""Detectors at abTEM's border: what a grid carries, what serves the channels, and the tail beyond."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.cross_sections import tail_factor
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from simulate.microscope import Detector, Microscope
    from simulate.recipe_settings import MultisliceSettings
    from simulate.scene import Scene

Composition = Mapping[str, float]
"""Atoms of each element, in any unit."""

LARGEST_TAIL = 1.1
"""At most a tenth of the signal may come from the independent-atom tail."""
RING_MRAD = 1.0
SOFT_EDGE = 0.97
"""Share of the band limit that passes undamped. abTEM's aperture falls off over the last 3 % of it
(`antialias.taper` is 0.01 of the sampling frequency, the limit a third), and acts anew in each slice.
"""
_PROBE_MARGIN = 1.2


class Detection:
    """The channels of a microscope on one grid: abTEM detectors, ring weights, tails, signal of vacuum.

    UserError when the grid is too coarse for a detector or for the probe.
    """

    def __init__(self, settings: MultisliceSettings, microscope: Microscope, scene: Scene) -> None:
        self.microscope = microscope
        grid = grid_angle_mrad(settings.sampling_angstrom, microscope.wavelength_angstrom)
        self.carried_mrad = SOFT_EDGE * grid * (1 + 1e-9)
        tails = settings.tail == "independent-atom"
        composition = scene_composition(scene)
        self._check(settings.sampling_angstrom, scene, tails)
        self.tails = np.array([self._tail(d, composition, tails) for d in microscope.detectors])
        self.vacuum = np.array([vacuum_signal(d, microscope.convergence_mrad) for d in microscope.detectors])

    def _tail(self, detector: Detector, composition: dict[str, float], tails: bool) -> float:
        if not tails:
            return 1.0
        return tail_factor(composition, detector, self.microscope.energy_ev, self._outer(detector))

    def _outer(self, detector: Detector) -> float:
        """Largest angle that is detected on the grid: the detector's own if the grid carries it."""
        edge = outer_edge_mrad(detector)
        return edge if edge <= self.carried_mrad else whole_rings_mrad(self.carried_mrad)

    def _check(self, sampling: float, scene: Scene, tails: bool) -> None:
        """Every material of the scene counts, so that what holds for one aggregate holds for all."""
        compositions = [material.element_densities_per_nm3 for material in scene.materials]
        for who, needed in self._needs(compositions, tails):
            if self.carried_mrad < needed:
                largest = 1e3 * self.microscope.wavelength_angstrom * SOFT_EDGE / (3 * needed)
                raise UserError(
                    f"engine.sampling_angstrom = {sampling:g} carries scattering up to "
                    f"{self.carried_mrad:.4g} mrad, {who} needs {needed:.4g} mrad: "
                    f"at most {math.floor(1e4 * largest) / 1e4:g} Å is accepted"
                )

    def _needs(self, compositions: Sequence[Composition], tails: bool) -> Iterator[tuple[str, float]]:
        """What the detectors and the probe ask of the grid, in mrad."""
        scope = self.microscope
        for detector in scope.detectors:
            angle = needed_angle_mrad(detector, compositions, scope.energy_ev, tails)
            yield f"detector {detector.name!r}", angle
        yield "the probe", _PROBE_MARGIN * scope.convergence_mrad

    def detectors(self) -> list[Any]:
        """abTEM detectors, one per channel: an annulus, or rings to be weighted by the sensitivity curve."""
        abtem = require("abtem", extra="simulate")
        return [
            abtem.AnnularDetector(inner=d.range_mrad[0], outer=self._outer(d))
            if d.sensitivity is None
            else abtem.FlexibleAnnularDetector(step_size=RING_MRAD, inner=0.0, outer=self._outer(d))
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
            rings = array.reshape(-1, round(self._outer(detector) / RING_MRAD))
            edges = np.arange(rings.shape[1] + 1) * RING_MRAD
            columns.append(rings @ detector.bin_weights(edges))
        return np.stack(columns, axis=1) * self.tails


def grid_angle_mrad(sampling_angstrom: float, wavelength_angstrom: float) -> float:
    """abTEM's band limit, two thirds of the Nyquist frequency: lambda / (3 sampling)."""
    return 1e3 * wavelength_angstrom / (3 * sampling_angstrom)


def whole_rings_mrad(angle_mrad: float) -> float:
    """The largest angle within `angle_mrad` at which a ring ends."""
    return float(math.floor(angle_mrad / RING_MRAD) * RING_MRAD)


def outer_edge_mrad(detector: Detector) -> float:
    """Where a detector ends on the grid: at its own outer angle, or with the ring that holds it."""
    outer = detector.range_mrad[1]
    return outer if detector.sensitivity is None else float(math.ceil(outer / RING_MRAD) * RING_MRAD)


def needed_angle_mrad(
    detector: Detector, compositions: Sequence[Composition], energy_ev: float, tails: bool
) -> float:
    """Angle that a grid must carry: the detector's outer edge, or the first ring end beyond which at most a
    tenth of the signal of each composition lies.
    """
    edge = outer_edge_mrad(detector)
    if not tails:
        return edge
    rings = range(math.floor(detector.range_mrad[0] / RING_MRAD) + 1, math.ceil(edge / RING_MRAD))

    def enough(ring: int) -> bool:
        angle = ring * RING_MRAD
        return all(tail_factor(c, detector, energy_ev, angle) <= LARGEST_TAIL for c in compositions)

    first = bisect_left(rings, True, key=enough)
    return rings[first] * RING_MRAD if first < len(rings) else edge


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
