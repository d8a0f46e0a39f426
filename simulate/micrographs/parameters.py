"""What the parameters of every model of a scene have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

from simulate.laws import Strict
from stochgeom.projection import Field

MARGIN_NM = 3.0
"""How far beyond the field's edges atoms are drawn: engines ask for the surroundings of each probe."""


class MicrographParameters(Strict):
    """Parameters of one model, plain numbers; a recipe may state a law for each. A model derives its own
    from this, with `model: Literal["its-name"]`, and says here what holds for all its scenes.

    material_names
        Materials (shipped, or of the recipe's `[materials]`) whose Debye-Waller factors its atoms have.
    kind_names, phase_names, domain_names
        Of the numbers in `SceneTruth`; all that a scene of the model can have.
    rotation_orders
        Of each phase: the order of its lattice's rotation about the beam, modulo which
        `rotation_degrees` is defined.
    more_descriptors
        Names of the numbers that the model itself gives beside what is read off the truth.
    """

    material_names: ClassVar[tuple[str, ...]] = ()
    kind_names: ClassVar[tuple[str, ...]] = ()
    phase_names: ClassVar[tuple[str, ...]] = ()
    domain_names: ClassVar[tuple[str, ...]] = ()
    rotation_orders: ClassVar[tuple[int, ...]] = ()
    more_descriptors: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def most_columns(self, field: Field) -> int:
        """Bound of the number of atomic columns in a field: slots of the stored table."""

    @abstractmethod
    def most_walls(self, field: Field) -> int:
        """Bound of the number of straight pieces of walls in a field."""

    @property
    @abstractmethod
    def most_thick_nm(self) -> float:
        """Upper bound of the thickness along the beam."""


def area_nm2(field: Field) -> float:
    """Area of a field of view."""
    ny, nx = field.shape
    return ny * nx * field.pixel_size_nm**2


def most_perovskite_columns(field: Field, edge_nm: float) -> int:
    """Bound of the columns of square cells with this edge, four in each, in a field and a rim around it."""
    side = sum(field.shape) * field.pixel_size_nm
    return math.ceil(4 / edge_nm**2 * (area_nm2(field) + side) + 16)
