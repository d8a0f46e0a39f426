"""What a response table is made from: materials, microscope, directions, grid."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulate.engines.detection import SOFT_EDGE, grid_angle_mrad, whole_rings_mrad
from simulate.material import Material
from simulate.microscope import Microscope

DEFAULT_THICKNESSES_NM = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 21.0, 25.0, 30.0)


class CalibrationSettings(BaseModel):
    """What a response table is made from. `materials` are shipped names, or `Material` records."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    materials: Annotated[tuple[str | Material, ...], Field(min_length=1)] = ("anatase", "rutile", "gamma-WO3")
    microscope: Microscope = Microscope()
    directions: Annotated[int, Field(ge=2)] = 64
    probes: Annotated[int, Field(ge=2)] = 8
    thicknesses_nm: Annotated[tuple[float, ...], Field(min_length=1)] = DEFAULT_THICKNESSES_NM
    window_angstrom: Annotated[float, Field(ge=10)] = 25.6
    probe_area_angstrom: Annotated[float, Field(gt=0)] = 6.0
    gpts: Annotated[int, Field(ge=64)] = 800
    slice_thickness_angstrom: Annotated[float, Field(gt=0, le=5)] = 2.0
    seed: Annotated[int, Field(ge=0)] = 1

    @model_validator(mode="after")
    def _feasible(self) -> Self:
        if self.microscope.focus_nm or self.microscope.aberrations:
            raise ValueError(
                "calibrate: the crossover lies in the entrance surface; leave focus_nm and aberrations out"
            )
        if self.probe_area_angstrom > 0.5 * self.window_angstrom:
            raise ValueError("calibrate: probe_area_angstrom must be at most half of window_angstrom")
        steps = np.array(self.thicknesses_nm) * 10 / self.slice_thickness_angstrom
        if (abs(steps - steps.round()) > 1e-6).any() or (np.diff((0.0, *steps)) <= 0).any():
            raise ValueError(
                f"calibrate: thicknesses_nm must rise in whole slices of {self.slice_thickness_angstrom:g} Å"
            )
        outer = max(d.range_mrad[0] for d in self.microscope.detectors)
        if self.grid_mrad <= outer:
            raise ValueError(
                f"calibrate: the grid holds {self.grid_mrad:.4g} mrad, a detector begins at {outer:g}"
            )
        return self

    @property
    def sampling_angstrom(self) -> float:
        return self.window_angstrom / self.gpts

    @property
    def grid_mrad(self) -> float:
        """Whole milliradians that abTEM's grid carries undamped."""
        limit = grid_angle_mrad(self.sampling_angstrom, self.microscope.wavelength_angstrom)
        return whole_rings_mrad(SOFT_EDGE * limit)

    @property
    def exit_slices(self) -> tuple[int, ...]:
        """Index of the last slice in front of each reading."""
        return tuple(round(10 * t / self.slice_thickness_angstrom) - 1 for t in self.thicknesses_nm)

    def resolved(self) -> tuple[Material, ...]:
        return tuple(m if isinstance(m, Material) else Material.named(m) for m in self.materials)
