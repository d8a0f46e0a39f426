"""Aggregates of ellipsoids and faceted crystals: spheres are grown, and the bodies take their places.

Bodies of the spheres' volumes reach further in most directions, so they touch further apart and the radius of
gyration grows, by a few per cent. The tunable kernel grows again, to a target smaller by what dressing added.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import ConvexHull

from ..aggregate import HeteroAggregate
from ..contacts import contact_pairs
from ..feasibility import SMALL, unmet
from ..poses import rolled_pose
from ..rotations import random_quaternions
from .bodies import surface_points
from .kernels import dress
from .shapes import shape_arrays

if TYPE_CHECKING:
    from ..parameters import AggregateParameters

ROUNDS = 40  # structures grown and dressed
CLOSE = 0.015  # relative deviation of Rg that is accepted

Grow = Callable[["AggregateParameters", np.random.Generator], tuple[Any, np.ndarray]]


class Crystals(NamedTuple):
    """Phase (n,) and orientation (n, 4) of each particle."""

    phase: np.ndarray
    orientations: np.ndarray


def sample_bodies(
    parameters: AggregateParameters,
    grow: Grow,
    phase: np.ndarray,
    rng: np.random.Generator,
    crystal_rng: np.random.Generator,
) -> HeteroAggregate:
    """An aggregate of bodies in contact; the contacts of the spheres that `grow` gives stay.

    grow(parameters, rng) returns radii, species and clusters of spheres, and their centres (n, 3). phase
    (n,); crystal_rng draws the orientations. With the tunable kernel Rg meets the law within 1.5 % from eight
    particles on; below, the nearest of ROUNDS structures is taken. InfeasibleParametersError if none is near.
    """
    crystals = Crystals(phase, random_quaternions(parameters.n_particles, crystal_rng))
    gains: list[float] = []
    best, miss = None, math.inf
    for _ in range(ROUNDS):
        stretch = math.exp(-sum(gains) / len(gains)) if gains else 1.0
        drawn, centres = grow(_stretched(parameters, stretch), rng)
        aggregate = _dressed(parameters, drawn, centres, crystals, rng)
        if aggregate is None:
            continue
        ratio = aggregate.radius_of_gyration / _asked(parameters, drawn.radii)
        gains.append(math.log(ratio / stretch))
        if abs(math.log(ratio)) < miss:
            best, miss = aggregate, abs(math.log(ratio))
        if miss < CLOSE or parameters.n_particles < 3 or parameters.kernel != "tunable":
            break
    far = parameters.kernel == "tunable" and parameters.n_particles >= SMALL and miss >= CLOSE
    if best is None or far:
        reached = 1.0 if best is None else best.radius_of_gyration / _mean_radius(best.radii)
        raise unmet(parameters, reached, "no structure of such bodies was found")
    return _posed(parameters, best, rng)


def _stretched(parameters: AggregateParameters, stretch: float) -> AggregateParameters:
    """Parameters whose law asks for `stretch` times the radius of gyration."""
    prefactor = parameters.fractal_prefactor * stretch**-parameters.fractal_dimension
    return parameters.model_copy(update={"fractal_prefactor": prefactor})


def _asked(parameters: AggregateParameters, radii: np.ndarray) -> float:
    """Radius of gyration of the law, nm."""
    law = (parameters.n_particles / parameters.fractal_prefactor) ** (1 / parameters.fractal_dimension)
    return law * _mean_radius(radii)


def _mean_radius(radii: np.ndarray) -> float:
    return float(np.mean(radii**3)) ** (1 / 3)


def _dressed(
    parameters: AggregateParameters,
    drawn: Any,
    centres: np.ndarray,
    crystals: Crystals,
    rng: np.random.Generator,
) -> HeteroAggregate | None:
    """Bodies in the places of spheres at `centres` (n, 3); None if some body finds no free place."""
    shape, semi_axes, polytopes = shape_arrays(parameters.phase_shapes, crystals.phase, drawn.radii)
    aggregate = HeteroAggregate(
        centres, drawn.radii, drawn.species, drawn.cluster, crystals.orientations, crystals.phase,
        parameters.species_names, parameters.phase_names, shape, semi_axes, polytopes,
    )  # fmt: skip
    order, parents = contact_tree(centres, drawn.radii)
    placed, complete = dress(aggregate.bodies, centres, order, parents, rng)
    if not complete:
        return None
    return aggregate.moved(placed - drawn.radii**3 @ placed / (drawn.radii**3).sum())


def contact_tree(centres: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Particles (n,) in order of contacts, from the one nearest to the centre of mass on; parents (n,)."""
    n, pairs = len(radii), contact_pairs(centres, radii)
    middle = radii**3 @ centres / (radii**3).sum()
    root = int(np.argmin(np.sum((centres - middle) ** 2, axis=1)))
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n)).tocsr()
    order, parents = breadth_first_order(graph, root, directed=False)
    return order.astype(np.int64), parents.astype(np.int64)


def _posed(
    parameters: AggregateParameters, aggregate: HeteroAggregate, rng: np.random.Generator
) -> HeteroAggregate:
    """Turned to a stable pose on a film if that was asked for; curved surfaces stand as their points."""
    if parameters.pose != "resting":
        return aggregate
    points, _ = surface_points(aggregate.bodies, aggregate.centres)
    corners = points[ConvexHull(points).vertices]
    return aggregate.rotated(rolled_pose(corners, np.zeros(len(corners)), rng))
