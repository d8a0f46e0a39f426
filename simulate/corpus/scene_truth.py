"""What is true of a micrograph whose scene was drawn: maps of its pixels, its atomic columns, its walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stochgeom.errors import UserError

COLUMN_FIELDS = (
    "x_nm",
    "y_nm",
    "kind",
    "phase",
    "domain",
    "rotation_degrees",
    "polarization_x_pm",
    "polarization_y_pm",
    "tilt_x_mrad",
    "tilt_y_mrad",
)
"""Columns of the table of atomic columns, one row each; numbers of kinds, phases and domains are floats."""
WALL_FIELDS = ("x0_nm", "y0_nm", "x1_nm", "y1_nm", "kind")
"""Columns of the table of walls, one row for each straight piece."""
WALL_KINDS = ("phase boundary", "domain wall", "grain boundary")
NO_REGION = 255
"""Of `phase` and `domain`: a pixel, or a column, that belongs to none (vacuum)."""


@dataclass(frozen=True, eq=False)
class SceneTruth:
    """Truth of one micrograph (ny, nx). Positions in nm, x to the right and y downwards along the image's
    axes, from the centre of the field.

    phase, domain (ny, nx) uint8
        Number of the crystalline phase and of the domain or grain at each pixel's centre; 255 where none is.
    columns (n, 10) float64
        Atomic columns, fields `COLUMN_FIELDS`: position at mid-height; number of the kind (in `kind_names`),
        phase and domain; `rotation_degrees` of the lattice about the beam, from x towards y, defined modulo
        the symmetry of its phase in projection; displacement of the polar sublattice in projection, pm (NaN
        where the phase is not polar); tilt of the crystal away from the beam, mrad.
    walls (m, 5) float64
        Straight pieces of the borders between regions, fields `WALL_FIELDS`; `kind` counts in `WALL_KINDS`.
    """

    phase: NDArray[np.uint8]
    domain: NDArray[np.uint8]
    columns: NDArray[np.float64]
    walls: NDArray[np.float64]
    kind_names: tuple[str, ...]
    phase_names: tuple[str, ...]
    domain_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.phase.ndim != 2 or self.phase.shape != self.domain.shape:
            raise UserError(
                f"maps of phases {self.phase.shape} and domains {self.domain.shape} should be (y, x), alike"
            )
        for name, table, fields in (
            ("columns", self.columns, COLUMN_FIELDS),
            ("walls", self.walls, WALL_FIELDS),
        ):
            if table.ndim != 2 or table.shape[1] != len(fields):
                raise UserError(f"truth: {name} has the shape {table.shape}; (n, {len(fields)}) is needed")

    def column(self, field: str) -> NDArray[np.float64]:
        """One field (n,) of all atomic columns. UserError for a name that is none of `COLUMN_FIELDS`."""
        if field not in COLUMN_FIELDS:
            raise UserError(f"atomic columns have no {field!r}; accepted: {', '.join(COLUMN_FIELDS)}")
        return self.columns[:, COLUMN_FIELDS.index(field)]

    @property
    def positions_nm(self) -> NDArray[np.float64]:
        """(n, 2): x and y of the atomic columns."""
        return self.columns[:, :2]

    @property
    def wall_length_nm(self) -> float:
        """Total length of all walls."""
        return float(np.hypot(*(self.walls[:, 2:4] - self.walls[:, :2]).T).sum())
