"""The microscope: beam, probe-forming aberrations and detectors, as validated records."""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

# Sensitivity of the soft-edged annular detector behind the open TiO2/WO3 data of Gerken et al. (mrad: value).
SOFT_HAADF: tuple[tuple[float, float], ...] = (
    (50.0, 0.0), (60.6, 0.44), (71.0, 0.79), (81.0, 0.86), (102.0, 0.95), (144.0, 1.02), (166.0, 1.02),
    (201.0, 0.92), (236.0, 0.43), (300.0, 0.0),
)  # fmt: skip

ABERRATIONS = (
    "C12", "phi12", "C21", "phi21", "C23", "phi23", "C30", "C32", "phi32", "C34", "phi34", "C41", "phi41",
    "C43", "phi43", "C45", "phi45", "C50", "C52", "phi52", "C54", "phi54", "C56", "phi56",
)  # fmt: skip

_PLANCK = 6.62607015e-34  # J s
_ELECTRON_MASS = 9.1093837015e-31  # kg
_CHARGE = 1.602176634e-19  # C
_LIGHT = 299792458.0  # m / s


def wavelength_angstrom(energy_ev: float) -> float:
    """Relativistic wavelength of an electron in Å: h c / sqrt(E (E + 2 m c^2))."""
    energy, rest = energy_ev * _CHARGE, _ELECTRON_MASS * _LIGHT**2
    return 1e10 * _PLANCK * _LIGHT / math.sqrt(energy * (energy + 2 * rest))


def relativistic_gamma(energy_ev: float) -> float:
    """Lorentz factor 1 + E / (m c^2)."""
    return 1.0 + energy_ev * _CHARGE / (_ELECTRON_MASS * _LIGHT**2)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Detector(_Record):
    """An annular detector, with hard edges (`inner_mrad`, `outer_mrad`) or a `sensitivity` curve.

    The curve is a list of [angle in mrad, value]; between its points it is linear, outside them it is zero.
    """

    name: str = "HAADF"
    inner_mrad: Annotated[float, Field(ge=0)] | None = None
    outer_mrad: Annotated[float, Field(gt=0)] | None = None
    sensitivity: tuple[tuple[float, float], ...] | None = None

    @model_validator(mode="after")
    def _one_description(self) -> Self:
        edges = self.inner_mrad is not None and self.outer_mrad is not None
        if edges == (self.sensitivity is not None) or (self.inner_mrad is None) != (self.outer_mrad is None):
            raise ValueError(f"detector {self.name!r} needs either inner_mrad and outer_mrad, or sensitivity")
        if self.inner_mrad is not None and self.outer_mrad is not None and self.inner_mrad >= self.outer_mrad:
            raise ValueError(
                f"detector {self.name!r}: inner_mrad = {self.inner_mrad:g} is not below "
                f"outer_mrad = {self.outer_mrad:g}"
            )
        if self.sensitivity is not None:
            _check_curve(self.name, self.sensitivity)
        return self

    @property
    def range_mrad(self) -> tuple[float, float]:
        """Smallest and largest angle at which the detector sees anything."""
        if self.sensitivity is None:
            assert self.inner_mrad is not None
            assert self.outer_mrad is not None
            return self.inner_mrad, self.outer_mrad
        angle, value = np.array(self.sensitivity).T
        seen = np.flatnonzero(value > 0)
        return float(angle[max(seen[0] - 1, 0)]), float(angle[min(seen[-1] + 1, len(angle) - 1)])

    def weight(self, angle_mrad: np.ndarray) -> np.ndarray:
        """Sensitivity at each angle: float64, the shape of `angle_mrad`."""
        angle = np.asarray(angle_mrad, dtype=float)
        if self.sensitivity is None:
            return ((angle >= self.inner_mrad) & (angle < self.outer_mrad)).astype(float)
        points, values = np.array(self.sensitivity).T
        return np.interp(angle, points, values, left=0.0, right=0.0)

    def bin_weights(self, edges_mrad: np.ndarray) -> np.ndarray:
        """Mean sensitivity of each ring between neighbouring edges (e,), by solid angle: (e - 1,)."""
        edges = np.asarray(edges_mrad, dtype=float)
        fine = edges[:-1, None] + (np.arange(20) + 0.5) / 20 * np.diff(edges)[:, None]
        return (self.weight(fine) * fine).sum(axis=1) / fine.sum(axis=1)


def _check_curve(name: str, curve: tuple[tuple[float, float], ...]) -> None:
    angle, value = np.array(curve, dtype=float).T
    if len(angle) < 2 or (np.diff(angle) <= 0).any() or angle[0] < 0:
        raise ValueError(
            f"detector {name!r}: the angles of sensitivity must rise from 0 or above, at least two"
        )
    if (value < 0).any() or not (value > 0).any() or not np.isfinite(value).all():
        raise ValueError(
            f"detector {name!r}: the values of sensitivity must be finite, not negative, not all zero"
        )


class Microscope(_Record):
    """A probe-forming microscope.

    `focus_nm` is the height of the crossover from the aggregate's centre, positive downstream (along +z).
    `aberrations` are abTEM's polar coefficients by name (Å and rad), for example {"C30": 1e4}; the defocus is
    set by `focus_nm` and not accepted there.
    """

    energy_ev: Annotated[float, Field(ge=1e3, le=3e6)] = 300e3
    convergence_mrad: Annotated[float, Field(gt=0, le=100)] = 20.0
    focus_nm: Annotated[float, Field(ge=-1e4, le=1e4)] = 0.0
    aberrations: dict[str, float] = {}
    detectors: Annotated[tuple[Detector, ...], Field(min_length=1)] = (Detector(sensitivity=SOFT_HAADF),)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        channels = [d.name for d in self.detectors]
        if len(set(channels)) != len(channels):
            raise ValueError(f"detectors need different names, got {channels}")
        if "C10" in self.aberrations or "defocus" in self.aberrations:
            raise ValueError("aberrations: set the defocus by focus_nm, not by C10 or defocus")
        unknown = sorted(set(self.aberrations) - set(ABERRATIONS))
        if unknown:
            raise ValueError(f"aberrations: {unknown[0]!r} is none of {', '.join(ABERRATIONS)}")
        return self

    @property
    def wavelength_angstrom(self) -> float:
        return wavelength_angstrom(self.energy_ev)

    @property
    def channel_names(self) -> tuple[str, ...]:
        return tuple(d.name for d in self.detectors)
