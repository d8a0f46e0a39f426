"""Fractal dimension and prefactor of N = kf (Rg / r_v)^Df: of an ensemble, and of one aggregate.

Ensembles give both reliably. Values of single aggregates scatter, and depend on the method (Chakrabarty et
al. 2011 for single images): read them beside their errors, and use `ensemble_law` wherever there are several
aggregates of one kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .aggregate import HeteroAggregate
from .correlations import covariance, volume_radius
from .errors import UserError

SMALLEST_PART = 4
"""Particles of the smallest part of an aggregate that `law_of_parts` takes into account."""
GROUPS = 10
"""Parts of an aggregate that the jackknife of `law_of_pairs` leaves out, one at a time."""
DISTANCES = 16


@dataclass(frozen=True)
class FractalLaw:
    """Fractal dimension Df and prefactor kf, with standard errors; `points` values went into the fit.

    NaN where there are too few particles.
    """

    dimension: float
    prefactor: float
    dimension_error: float
    prefactor_error: float
    points: int


UNDEFINED = FractalLaw(math.nan, math.nan, math.nan, math.nan, 0)


def ensemble_law(aggregates: Sequence[HeteroAggregate]) -> FractalLaw:
    """Df and kf of aggregates of different size: the regression of ln N on ln(Rg / r_v).

    Errors are those of the regression. UserError with fewer than three aggregates or equal sizes.
    """
    numbers = np.array([len(one) for one in aggregates], float)
    if len(numbers) < 3 or numbers.min() == numbers.max():
        raise UserError("the fractal law of an ensemble needs three aggregates or more, of different size")
    return fitted_law(numbers, np.array([one.radius_of_gyration / volume_radius(one) for one in aggregates]))


def fitted_law(numbers: np.ndarray, scaled_rg: np.ndarray) -> FractalLaw:
    """Least squares of ln N on ln(Rg / r_v), both (m,), m >= 3; the error of kf is kf times that of ln kf."""
    x, y = np.log(scaled_rg), np.log(numbers)
    spread = np.sum((x - x.mean()) ** 2)
    slope = float(np.sum((x - x.mean()) * (y - y.mean())) / spread)
    level = float(y.mean() - slope * x.mean())
    variance = float(np.sum((y - level - slope * x) ** 2)) / (len(x) - 2)
    prefactor = math.exp(level)
    of_level = math.sqrt(variance * (1 / len(x) + x.mean() ** 2 / spread))
    return FractalLaw(slope, prefactor, math.sqrt(variance / spread), prefactor * of_level, len(x))


def law_of_pairs(aggregate: HeteroAggregate) -> FractalLaw:
    """Df of one aggregate from its pair correlation, and the kf that puts it on N = kf (Rg / r_v)^Df.

    Fit of ln f(r) = a + (Df - 3) ln r - (r / x)^Df from 2 r_v to 2 Rg (cut-off of Mountain and Mulholland
    1988; the slope alone comes out 0.1 to 0.2 too low). The error is a jackknife over ten slabs of particles
    across the longest axis: two to three times the scatter between aggregates of equal parameters, and about
    the bias that a wide law of radii adds. NaN with fewer than 16 particles.
    """
    if len(aggregate) < 16:
        return UNDEFINED
    scale, rg = volume_radius(aggregate), aggregate.radius_of_gyration
    distances = np.geomspace(2 * scale, max(2 * rg, 4 * scale), DISTANCES)
    parts = covariance(aggregate, _slabs(aggregate), GROUPS, distances)
    total = parts.sum(axis=(0, 1))
    dimension = _pair_dimension(distances, total)
    left = [_pair_dimension(distances, total - 2 * parts[g].sum(axis=0) + parts[g, g]) for g in range(GROUPS)]
    error = math.sqrt((GROUPS - 1) * float(np.var(left)))
    prefactor = len(aggregate) / (rg / scale) ** dimension
    return FractalLaw(dimension, prefactor, error, prefactor * math.log(rg / scale) * error, DISTANCES)


def _slabs(aggregate: HeteroAggregate) -> np.ndarray:
    """(n,) the slab of each particle: `GROUPS` of equal numbers across the longest principal axis."""
    _, _, axes = np.linalg.svd(aggregate.centres - aggregate.centre_of_mass, full_matrices=False)
    slabs = np.empty(len(aggregate), np.int64)
    slabs[np.argsort(aggregate.centres @ axes[0], kind="stable")] = (
        np.arange(len(aggregate)) * GROUPS // len(aggregate)
    )
    return slabs


def _pair_dimension(distances: np.ndarray, correlation: np.ndarray) -> float:
    """Df of a pair correlation (b,), between 0.5 and 3.5."""
    from scipy.optimize import least_squares

    x, y = np.log(distances), np.log(np.maximum(correlation, 1e-12 * correlation.max()))

    def misfit(p: np.ndarray) -> np.ndarray:
        level, dimension, cutoff = p
        return level + (dimension - 3) * x - np.exp(dimension * (x - cutoff)) - y

    bounds = ((-np.inf, 0.5, x[0]), (np.inf, 3.5, x[-1] + 3))
    return float(least_squares(misfit, (y[0] + 1.2 * x[0], 1.8, x[-1]), bounds=bounds).x[1])


def law_of_parts(aggregate: HeteroAggregate) -> FractalLaw:
    """Df and kf of one aggregate from its own parts: the regression of ln N on ln(Rg / r_v) over them.

    Cutting a contact of a spanning tree leaves two parts; all parts of all cuts of at least four particles
    count, and the whole. N of a part is its mass over the mean mass of the particles. The error of the
    regression takes nested parts for independent: the scatter between aggregates is about twice as large.
    Aggregates of the tunable model obey the law in every part by construction; real ones need not. NaN
    with fewer than three such parts.
    """
    masses, squares = _parts(aggregate)
    if len(masses) < 3 or np.ptp(masses) <= 1e-9 * masses.max():
        return UNDEFINED
    return fitted_law(masses / np.mean(aggregate.masses), np.sqrt(squares) / volume_radius(aggregate))


def _parts(aggregate: HeteroAggregate) -> tuple[np.ndarray, np.ndarray]:
    """Masses (m,) nm³ and squared radii of gyration (m,) nm² of the parts and, last, of the whole."""
    order, parent = _spanning_tree(len(aggregate), aggregate.contacts())
    m = aggregate.masses
    places = aggregate.centres - aggregate.centre_of_mass
    squares = m * (np.sum(places**2, axis=1) + 0.6 * aggregate.radii**2)
    sums = np.column_stack((np.ones(len(m)), m, squares, m[:, None] * places))
    whole = sums.sum(axis=0)
    for child in order[:0:-1]:  # from the leaves to the root: sums over the branches
        sums[parent[child]] += sums[child]
    branches = sums[order[1:]]
    parts = np.concatenate((branches, whole - branches, whole[None]))
    parts = parts[parts[:, 0] >= SMALLEST_PART]
    return parts[:, 1], parts[:, 2] / parts[:, 1] - np.sum((parts[:, 3:] / parts[:, 1:2]) ** 2, axis=1)


def _spanning_tree(n: int, contacts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Particles in breadth-first order and the parent of each; UserError if not all connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    graph = coo_array((np.ones(len(contacts)), contacts.T), shape=(n, n)).tocsr()
    order, parent = breadth_first_order(graph, 0, directed=False)
    if len(order) < n:
        raise UserError(
            f"only {len(order)} of {n} particles are connected by contacts: this is not one aggregate"
        )
    return order, parent
