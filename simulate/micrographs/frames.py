"""From a crystal that is neither turned, strained nor tilted to the image, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulate.micrographs.misfit_strain import Distortion
from simulate.micrographs.mistilt import Mistilt

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """Where the points of a crystal's plane come to lie: strained, then turned about the field's centre by
    `degrees` from x towards y. Columns lean with `mistilt`, in the image's axes, about the middle of
    `thickness_nm`.
    """

    degrees: float
    centre_nm: Array
    distortion: Distortion | None
    mistilt: Mistilt
    thickness_nm: float

    @property
    def _turn(self) -> Array:
        angle = np.radians(self.degrees)
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def turned(self, vectors: Array) -> Array:
        """Vectors (n, 2) of the crystal, in the image's axes."""
        return vectors @ self._turn.T

    def image(self, points: Array, away: Array | float = 0.0) -> Array:
        """Places (n, 2) in the image of points (n, 2), displaced by `away` in the strained crystal."""
        strained = points if self.distortion is None else self.distortion.place(points)
        return self.turned(strained + away) + self.centre_nm

    def crystal(self, x: Array, y: Array) -> Array:
        """The crystal's points (n, 2) at places x, y (n,) of the image."""
        strained = (np.column_stack([x, y]) - self.centre_nm) @ self._turn
        return strained if self.distortion is None else self.distortion.origin(strained)

    def rotation_degrees(self, points: Array) -> Array:
        """Rotation (n,) of the lattice at points of the crystal (n, 2)."""
        if self.distortion is None:
            return np.full(len(points), self.degrees)
        return self.degrees + self.distortion.rotation_degrees(points)

    def tilt_mrad(self, image: Array) -> Array:
        """Tilt (n, 2) at places in the image (n, 2)."""
        return self.mistilt.at(image - self.centre_nm)

    def leaned(self, image: Array, z: Array) -> Array:
        """Atoms (n, 3) at places (n, 2), at heights z (n,) above the entrance face."""
        tilt = 1e-3 * self.tilt_mrad(image)
        return np.column_stack([image + tilt * (z - self.thickness_nm / 2)[:, None], z])

    def lines(self, lines: Array) -> Array:
        """Lines (m, 4) x0, y0, x1, y1 of the crystal, in the image."""
        return np.hstack([self.image(lines[:, :2]), self.image(lines[:, 2:])])


def crystal_box(low_nm: Array, high_nm: Array, degrees: float) -> tuple[Array, Array]:
    """Corners low and high (2,), from its middle, of a rectangle in the crystal's axes around one in the
    image's.
    """
    angle = np.radians(degrees)
    half = (high_nm - low_nm) / 2
    c, s = abs(np.cos(angle)), abs(np.sin(angle))
    reach = np.array([c * half[0] + s * half[1], s * half[0] + c * half[1]])
    return -reach, reach
