"""How rays cross the crystallites of a scene, and the optical depth that they meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from simulate.engines.response_kernels import add_depths, interpolate
from stochgeom.aggregate import HeteroAggregate
from stochgeom.projection import Beams, Field

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CrystalliteDepths:
    """What the crystallites of a scene do: optical depths (n, T, channel) at the thicknesses `knots` (T,) in
    nm; `broadening` (p, q, channel) by which each nm of phase p raises what phase q behind it scatters;
    `phase` (n,).
    """

    knots: Array
    depths: Array
    broadening: Array
    phase: NDArray[np.int64]


class Paths(Protocol):
    """Rays through a scene. `slope` (2,) is that of the rays against the beam, x and y; all cross the plane
    of the focus where they are asked for.
    """

    def depths(self, known: CrystalliteDepths, field: Field, slope: Array) -> Array:
        """Optical depth (channel, y, x) of rays through the points of `field`, of any field."""
        ...

    def depths_at(self, known: CrystalliteDepths, points_nm: Array, slope: Array) -> Array:
        """Optical depth (p, channel) of rays through points (p, 2), x and y."""
        ...


class ParticlePaths:
    """Rays through the particles of an aggregate, whose optical depths add up in the order along the beam:
    s = sum_k s_k(t_k) (1 + sum_j b_jk t_j), j running over the particles in front of k.
    """

    def __init__(self, aggregate: HeteroAggregate, centre_z_nm: float, focus_nm: float) -> None:
        self._beams = Beams(aggregate)
        self._drop = aggregate.centres[:, 2] - centre_z_nm - focus_nm
        self._order = np.argsort(self._drop, kind="stable")

    def depths(self, known: CrystalliteDepths, field: Field, slope: Array) -> Array:
        """As `Paths`."""
        depth = np.zeros((known.depths.shape[2], *field.shape))
        passed = np.zeros((len(known.broadening), *depth.shape))
        chords = self._beams.chords(field, shifts=self._drop[:, None] * -slope)
        patches = (chords.windows, chords.offsets, chords.lengths)
        add_depths(
            depth, passed, self._order, *patches, known.knots, known.depths, known.broadening, known.phase
        )
        return depth

    def depths_at(self, known: CrystalliteDepths, points_nm: Array, slope: Array) -> Array:
        """As `Paths`."""
        chords = self._beams.at(points_nm, shifts=self._drop[:, None] * -slope)
        depth = np.zeros((len(points_nm), known.depths.shape[2]))
        passed = np.zeros((len(known.broadening), *depth.shape))
        for k in self._order:
            own = [interpolate(known.knots, curve, chords[:, k]) for curve in known.depths[k].T]
            depth += np.stack(own, axis=1) * (1 + passed[known.phase[k]])
            passed += chords[None, :, k, None] * known.broadening[known.phase[k], :, None]
        return depth
