"""What a response table is made from: materials, microscope, directions, waves."""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulate.material import Material
from simulate.microscope import Microscope
from simulate.windowed.wave_grids import BAND, SOFT_EDGE, window_size
from stochgeom.errors import UserError

DEFAULT_THICKNESSES_NM = (
    1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 21.0, 25.0, 30.0, 35.0, 40.0,
)  # fmt: skip
_LEAST_RADIUS_ANGSTROM = 3.0  # of the beam, at the exit of the thickest slab
_PROBE_MARGIN = 1.2  # of the convergence angle, which the band must hold


Count = Annotated[int, Field(ge=2)]


class CalibrationSettings(BaseModel):
    """What a response table is made from. `materials` are shipped names, or `Material` records.

    directions: for each of the materials, or one number for all. The beam's crossover lies `crossover_nm`
    behind the entrance surface, or where `focus_angstrom` says. The strongest `fine_share` of the directions,
    those near zone axes, are measured once more with waves to `fine_band_mrad` in slices of half the
    thickness, because there scattering beyond the band interferes from atom to atom.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    materials: Annotated[tuple[str | Material, ...], Field(min_length=1)] = ("anatase", "rutile", "gamma-WO3")
    microscope: Microscope = Microscope()
    directions: Count | tuple[Count, ...] = 256
    probes: Annotated[int, Field(ge=1)] = 1
    thicknesses_nm: Annotated[tuple[float, ...], Field(min_length=1)] = DEFAULT_THICKNESSES_NM
    crossover_nm: float | None = None
    margin_angstrom: Annotated[float, Field(ge=2)] = 8.0
    band_mrad: Annotated[float, Field(ge=10)] = 60.0
    slice_thickness_angstrom: Annotated[float, Field(gt=0, le=10)] = 5.0
    fine_share: Annotated[float, Field(ge=0, le=1)] = 0.08
    fine_band_mrad: Annotated[float, Field(ge=10)] = 120.0
    seed: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _feasible(self) -> Self:
        scope = self.microscope
        if scope.aberrations:
            raise ValueError(
                "calibrate: a mean over positions does not depend on aberrations, and the response engine "
                "knows none; leave them out"
            )
        if self.band_mrad * SOFT_EDGE < _PROBE_MARGIN * scope.convergence_mrad:
            raise ValueError(
                f"calibrate: band_mrad = {self.band_mrad:g} does not hold a probe of "
                f"{scope.convergence_mrad:g} mrad"
            )
        for detector in scope.detectors:
            if detector.weight(np.linspace(0, scope.convergence_mrad, 200, endpoint=False)).any():
                raise ValueError(
                    f"calibrate: detector {detector.name!r} sees the beam's cone of "
                    f"{scope.convergence_mrad:g} mrad; the response engine serves dark-field detectors only"
                )
        if not isinstance(self.directions, int) and len(self.directions) != len(self.materials):
            raise ValueError(
                "calibrate: directions should be one number, or one for each of "
                f"{len(self.materials)} materials"
            )
        names = [m.name if isinstance(m, Material) else m for m in self.materials]
        if len(set(names)) < len(names):
            raise ValueError(f"calibrate: materials {', '.join(names)}: each should be named once")
        try:
            self.window_points, self.fine.window_points  # noqa: B018  before any work
        except UserError as error:
            raise ValueError(
                f"calibrate: band_mrad = {self.band_mrad:g} ({self.fine.band_mrad:g} near zone axes) with "
                f"slabs of {self.thicknesses_nm[-1]:g} nm: {str(error).split(':')[0]}"
            ) from None
        steps = np.array(self.thicknesses_nm) * 10 / self.slice_thickness_angstrom
        if (abs(steps - steps.round()) > 1e-6).any() or (np.diff((0.0, *steps)) <= 0).any():
            raise ValueError(
                f"calibrate: thicknesses_nm must rise in whole slices of {self.slice_thickness_angstrom:g} Å"
            )
        return self

    @property
    def sampling_angstrom(self) -> float:
        """Step of the wave's grid: the band is two thirds of what it holds."""
        return BAND * 0.5 * self.microscope.wavelength_angstrom / (1e-3 * self.band_mrad)

    @property
    def focus_angstrom(self) -> float:
        """Height of the crossover over the entrance surface, positive downstream.

        Unless `crossover_nm` says otherwise it lies so far behind the thickest slab that the beam is a disc
        of 3 Å radius or more everywhere: one probe then takes the mean over about a unit cell by itself.
        """
        if self.crossover_nm is not None:
            return 10 * self.crossover_nm
        alpha = 1e-3 * self.microscope.convergence_mrad
        return 10 * self.thicknesses_nm[-1] + _LEAST_RADIUS_ANGSTROM / alpha

    @property
    def window_points(self) -> int:
        """Grid points along the wave's window: the widest cone, and `margin_angstrom`.

        Waves that leave it come back on the other side, so that what is scattered goes on through matter.
        """
        depth = 10 * self.thicknesses_nm[-1]
        away = max(abs(self.focus_angstrom), abs(depth - self.focus_angstrom))
        wide = self.margin_angstrom + 2e-3 * self.microscope.convergence_mrad * away
        return window_size(wide / self.sampling_angstrom)

    @property
    def slices_to(self) -> tuple[int, ...]:
        """Number of slices in front of each reading."""
        return tuple(math.floor(10 * t / self.slice_thickness_angstrom + 0.5) for t in self.thicknesses_nm)

    @property
    def fine(self) -> CalibrationSettings:
        """The same with the waves and slices that directions near zone axes ask for."""
        half = self.slice_thickness_angstrom / 2
        band = max(self.band_mrad, self.fine_band_mrad)
        return self.model_copy(update={"band_mrad": band, "slice_thickness_angstrom": half})

    def directions_of(self, phase: int) -> int:
        """Number of beam directions of the material with this index."""
        return self.directions if isinstance(self.directions, int) else self.directions[phase]

    def resolved(self) -> tuple[Material, ...]:
        return tuple(m if isinstance(m, Material) else Material.named(m) for m in self.materials)
