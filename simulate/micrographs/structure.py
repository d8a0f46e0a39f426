"""All atoms of one drawn scene at rest, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.scene_truth import COLUMN_FIELDS, WALL_FIELDS
from stochgeom.errors import UserError
from stochgeom.projection import Field

if TYPE_CHECKING:
    from simulate.material import Material
    from simulate.micrographs.parameters import MicrographParameters

Region = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.uint8]]
"""Number of the phase, or domain, at points x (n,), y (n,) in nm: (n,) uint8, 255 where none is."""


@dataclass(frozen=True, eq=False)
class MicrographStructure:
    """One drawn scene. x and y count from the centre of the field, y downwards in the image; the beam runs
    along +z, enters at z = 0 and leaves at z = `thickness_nm`.

    numbers (n,) int64
        Atomic numbers.
    positions_nm (n, 3) float64
        Atoms at rest, in the field and a margin around it (`box_of`).
    crystal (n,) int64
        Which crystallite an atom belongs to: the domain, grain or phase region.
    material (n,) int64
        Whose Debye-Waller factors it has: index in `materials`.
    columns (m, 10), walls (k, 5) float64
        As `SceneTruth` has them, of field and margin; what lies outside the field is cut off later. Kinds of
        walls count in `WALL_KINDS`.
    phase_at, domain_at
        Number at points of the plane; maps are drawn with them.
    more
        The numbers named by `parameters.more_descriptors`.
    """

    parameters: MicrographParameters
    numbers: NDArray[np.int64]
    positions_nm: NDArray[np.float64]
    crystal: NDArray[np.int64]
    material: NDArray[np.int64]
    materials: tuple[Material, ...]
    thickness_nm: float
    columns: NDArray[np.float64]
    walls: NDArray[np.float64]
    phase_at: Region
    domain_at: Region
    more: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.numbers)
        model = getattr(self.parameters, "model", "scene")
        for name, array, shape in (
            ("positions_nm", self.positions_nm, (n, 3)),
            ("crystal", self.crystal, (n,)),
            ("material", self.material, (n,)),
            ("columns", self.columns, (len(self.columns), len(COLUMN_FIELDS))),
            ("walls", self.walls, (len(self.walls), len(WALL_FIELDS))),
        ):
            if array.shape != shape:
                raise UserError(f"{model}: {name} has the shape {array.shape}; {shape} is needed")
        if n and not (
            np.isfinite(self.positions_nm).all()
            and self.positions_nm[:, 2].min() >= 0
            and self.positions_nm[:, 2].max() <= self.thickness_nm
        ):
            raise UserError(f"{model}: an atom lies outside the heights 0 to {self.thickness_nm:g} nm")


def box_of(field: Field, margin_nm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners low (2,) and high (2,), x and y in nm, of a field with a margin around its pixels."""
    half = np.array(field.shape[::-1]) * field.pixel_size_nm / 2 + margin_nm
    centre = np.array(field.centre_nm)
    return centre - half, centre + half


def within(
    places: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which places (n, 2 or more; x and y come first) lie in a box: low (2,) does, high (2,) does not."""
    return np.asarray(((places[:, :2] >= low) & (places[:, :2] < high)).all(axis=1))


def columns_table(**fields: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Table (m, 10) of atomic columns from its fields (m,), or one number for all; fields that are not given
    are NaN. `x_nm` (m,) is needed. UserError for a field that there is none of.
    """
    unknown = sorted(set(fields) - set(COLUMN_FIELDS))
    if unknown:
        raise UserError(f"atomic columns have no {unknown[0]!r}; accepted: {', '.join(COLUMN_FIELDS)}")
    table = np.full((len(np.atleast_1d(fields["x_nm"])), len(COLUMN_FIELDS)), np.nan)
    for name, values in fields.items():
        table[:, COLUMN_FIELDS.index(name)] = values
    return table
