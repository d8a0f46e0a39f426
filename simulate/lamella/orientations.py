"""How the crystals of a lamella lie: at random, or with a zone axis along the beam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.spatial.transform import Rotation

from simulate.exact_numbers import FiniteFloat, Integer, Switch
from simulate.laws import Strict
from stochgeom.rotations import random_quaternions

if TYPE_CHECKING:
    from simulate.material import Material


class CrystalOrientation(Strict):
    """How the crystals of one phase lie.

    zone_axis
        [u, v, w], the direction u a + v b + w c of the unit cell that lies along the beam; None: every
        orientation is as likely as any other.
    in_plane_degrees
        By how much the crystal is turned about the beam, from +x towards +y, once its zone axis has been
        brought onto the beam the shortest way; None draws it, all equally likely.
    mistilt_mrad
        Root mean square angle between zone axis and beam; both of its components are Gaussian.
    grains
        Each grain of the texture is a crystal of its own; otherwise all of the phase is one crystal.
    """

    zone_axis: tuple[Integer, Integer, Integer] | None = None
    in_plane_degrees: FiniteFloat | None = Field(default=None, ge=-360, le=360)
    mistilt_mrad: FiniteFloat = Field(default=0.0, ge=0, le=500)
    grains: Switch = False

    @model_validator(mode="after")
    def _needs_axis(self) -> CrystalOrientation:
        if self.zone_axis == (0, 0, 0):
            raise ValueError("zone_axis = [0, 0, 0] is no direction")
        if self.zone_axis is None and (self.in_plane_degrees is not None or self.mistilt_mrad > 0):
            raise ValueError("in_plane_degrees and mistilt_mrad need a zone_axis, e.g. [0, 0, 1]")
        return self

    def draw(self, material: Material | None, rng: np.random.Generator) -> NDArray[np.float64]:
        """Unit quaternion (4,) of one crystal, (x, y, z, w), active, crystal to laboratory.

        `material` is needed only for its cell, where there is a zone axis.
        """
        if self.zone_axis is None:
            return random_quaternions(1, rng)[0]
        if material is None:
            raise ValueError("a zone axis needs a material")
        axis = np.array(self.zone_axis, float) @ np.asarray(material.cell.cell.array)
        turn = 360 * rng.random() if self.in_plane_degrees is None else self.in_plane_degrees
        tilt = 1e-3 * self.mistilt_mrad / np.sqrt(2) * rng.standard_normal(2)
        about_beam = Rotation.from_rotvec([0, 0, np.radians(turn)])
        return (Rotation.from_rotvec([*tilt, 0.0]) * about_beam * onto_beam(axis)).as_quat()


def onto_beam(direction: NDArray[np.float64]) -> Rotation:
    """The smallest rotation that brings a direction (3,) onto +z; about x where any would do."""
    unit = direction / np.linalg.norm(direction)
    normal = np.array([unit[1], -unit[0], 0.0])
    sine = float(np.linalg.norm(normal))
    if sine < 1e-12:
        return Rotation.from_rotvec([0.0 if unit[2] > 0 else np.pi, 0.0, 0.0])
    return Rotation.from_rotvec(normal / sine * np.arctan2(sine, unit[2]))
