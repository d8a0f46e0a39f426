"""Errors of the two-point function over distance: over all directions, along the orientation, and across
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stochgeom.spatial_statistics import directional_cut, radial_mean

WAYS = ("radial", "along", "across")
"""Mean over all directions; along the true orientation (x where there is none), and across it (y)."""


@dataclass(frozen=True)
class Curve:
    """Over n images, at distances (p,) in pixels: root mean square and mean of S2' - S2, and of the true S2
    its mean and its standard deviation between images.
    """

    distance: np.ndarray
    rms_error: np.ndarray
    mean_error: np.ndarray
    true_mean: np.ndarray
    true_sd: np.ndarray


class CurveErrors:
    """Sums over blocks of maps of f, from which the curves come."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._reach = max(1, (min(shape) - 1) // 2)
        self._sums = {way: np.zeros((4, self._reach + 1)) for way in WAYS}
        self._n = 0

    def add(self, predicted: np.ndarray, true: np.ndarray, orientation_degrees: np.ndarray) -> None:
        """Maps of f (k, ny, nx), centred, and the true orientations (k,), NaN where there is none."""
        angles = np.nan_to_num(np.asarray(orientation_degrees, float))
        found, wanted = (self._curves(maps, angles) for maps in (predicted, true))
        for way in WAYS:
            error, s2 = (found[way] - wanted[way]).astype(float), wanted[way].astype(float)
            for row, values in enumerate((error**2, error, s2, s2**2)):
                self._sums[way][row] += values.sum(axis=0)
        self._n += len(angles)

    def curves(self) -> dict[str, Curve]:
        """By way. After at least one block."""
        found = {}
        for way in WAYS:
            square, error, s2, s2_square = self._sums[way] / self._n
            sd = np.sqrt(np.maximum(s2_square - s2**2, 0))
            found[way] = Curve(np.arange(self._reach + 1.0), np.sqrt(square), error, s2, sd)
        return found

    def _curves(self, maps: np.ndarray, angles: np.ndarray) -> dict[str, np.ndarray]:
        """(k, p) each: the radial mean, and cuts along and across the angles, a pixel apart."""
        length = self._reach + 1
        found = {way: np.empty((len(maps), length), np.float32) for way in WAYS}
        distance, radial = radial_mean(maps, largest_nm=float(self._reach))
        whole = np.arange(length)
        found["radial"] = np.stack([np.interp(whole, distance, one) for one in radial])
        for angle in np.unique(angles):
            rows = angles == angle
            for way, at in (("along", angle), ("across", (angle + 90) % 180)):
                _, cut = directional_cut(maps[rows], float(at), step_nm=1.0, largest_nm=float(self._reach))
                found[way][rows] = cut[:, :length]
        return found
