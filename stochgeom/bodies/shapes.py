"""Shapes of primary particles as parameters: spheres, ellipsoids, Wulff shapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, field_validator, model_validator

from ..errors import UserError
from ..radius_laws import Frozen
from .polytope import Polytope
from .wulff import LaueClass, miller_indices, wulff_polytope


class SphereShape(Frozen):
    """Spheres."""

    kind: Literal["sphere"] = "sphere"


LONGEST = 50.0  # times the shortest axis; beyond, contacts are no longer found to rounding


class EllipsoidShape(Frozen):
    """Ellipsoids whose semi-axes along x, y, z of the crystal frame stand in the ratios `axis_ratios`."""

    kind: Literal["ellipsoid"] = "ellipsoid"
    axis_ratios: tuple[PositiveFloat, PositiveFloat, PositiveFloat]

    @field_validator("axis_ratios")
    @classmethod
    def _not_needles(cls, ratios: tuple[float, float, float]) -> tuple[float, float, float]:
        if max(ratios) > LONGEST * min(ratios):
            raise ValueError(f"the longest axis may be {LONGEST:g} times the shortest, not more")
        return ratios

    @property
    def unit_axes(self) -> np.ndarray:
        """(3,) semi-axes in volume-equivalent radii."""
        axes = np.array(self.axis_ratios)
        return axes / np.cbrt(axes.prod())


class WulffShape(Frozen):
    """Faceted crystals: the Wulff shape of surface energies by family of planes.

    `cell_angstrom` a, b, c and `angles_deg` alpha, beta, gamma of the conventional cell, `laue_class` its
    symmetry (with inversion), `surface_energies` J/m² by Miller indices: {"101" = 0.44, "0 0 1" = 0.90}.
    Facets turn with the crystal.
    """

    kind: Literal["wulff"] = "wulff"
    cell_angstrom: tuple[PositiveFloat, PositiveFloat, PositiveFloat]
    angles_deg: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (90.0, 90.0, 90.0)
    laue_class: LaueClass
    surface_energies: dict[str, PositiveFloat] = Field(min_length=1)

    @model_validator(mode="after")
    def _encloses_a_body(self) -> WulffShape:
        for family in self.surface_energies:
            miller_indices(family)
        try:
            self.polytope  # noqa: B018  made once, kept
        except UserError as error:  # pydantic turns ValueError alone into a ValidationError
            raise ValueError(f"surface_energies of {', '.join(self.surface_energies)}: {error}") from None
        return self

    @property
    def polytope(self) -> Polytope:
        """The body, in volume-equivalent radii."""
        energies = tuple(self.surface_energies.items())
        return _polytope(self.cell_angstrom, self.angles_deg, self.laue_class, energies)


Shape = Annotated[SphereShape | EllipsoidShape | WulffShape, Field(discriminator="kind")]


@lru_cache(maxsize=64)
def _polytope(cell: tuple, angles: tuple, laue_class: str, energies: tuple) -> Polytope:
    return wulff_polytope(cell, angles, laue_class, dict(energies))


def shape_arrays(
    shapes: Sequence[SphereShape | EllipsoidShape | WulffShape], phase: np.ndarray, radii: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[Polytope | None, ...]]:
    """`shape` (n,), `semi_axes` (n, 3) nm and `polytopes` (by phase) of a record, from a shape per phase.

    phase (n,) index into `shapes`; radii (n,) volume-equivalent, nm.
    """
    kinds = {"sphere": "sphere", "ellipsoid": "ellipsoid", "wulff": "polytope"}
    names = np.array([kinds[one.kind] for one in shapes], "<U16")
    axes = np.array([one.unit_axes if isinstance(one, EllipsoidShape) else np.ones(3) for one in shapes])
    polytopes = tuple(one.polytope if isinstance(one, WulffShape) else None for one in shapes)
    return names[phase], radii[:, None] * axes[phase], polytopes
