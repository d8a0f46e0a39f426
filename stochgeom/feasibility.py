"""Which fractal laws touching spheres can meet at all, and how a law that is missed is reported."""

from __future__ import annotations

import math

import numpy as np

from .errors import InfeasibleParametersError
from .parameters import AggregateParameters

SMALL = 8  # below this many particles the nearest radius of gyration that contact permits is accepted
DENSEST = math.pi / math.sqrt(18)  # share of space that equal spheres can fill
USUAL_PREFACTORS = (0.3, 3.0)  # within these, an infeasible pair is blamed on the fractal dimension

# Largest fractal dimensions of the tunable kernel, measured (docs/validation.md) for one species with
# lognormal radii: a table for each of SIZES, rows by geometric SD, columns by prefactor. Up to SURE every
# draw succeeded, from HOPELESS on none did; 3.05: no bound. Aggregates smaller than the first size are
# bounded by geometry alone, larger ones than the last as the last.
SIZES = np.array([64, 250, 1000])
DEVIATIONS = np.array([1.0, 1.4, 2.0])
PREFACTORS = np.array([0.3, 0.6, 1.0, 1.4, 2.0, 2.8])
SURE = np.array(
    [
        [
            [3.0, 3.0, 2.7, 2.5, 2.25, 2.05],
            [3.0, 3.0, 2.8, 2.6, 2.35, 2.1],
            [3.0, 3.0, 2.95, 2.65, 2.5, 2.2],
        ],
        [
            [3.0, 2.8, 2.6, 2.5, 2.3, 2.15],
            [3.0, 2.85, 2.65, 2.55, 2.35, 2.15],
            [3.0, 3.0, 2.75, 2.6, 2.45, 2.3],
        ],
        [
            [3.0, 2.7, 2.6, 2.5, 2.35, 2.2],
            [3.0, 2.7, 2.55, 2.5, 2.35, 2.25],
            [3.0, 2.8, 2.65, 2.55, 2.4, 2.3],
        ],
    ]
)
HOPELESS = np.array(
    [
        [
            [3.05, 3.05, 2.8, 2.6, 2.35, 2.15],
            [3.05, 3.05, 2.85, 2.7, 2.45, 2.2],
            [3.05, 3.05, 3.05, 2.9, 2.6, 2.3],
        ],
        [
            [3.05, 2.9, 2.75, 2.55, 2.4, 2.2],
            [3.05, 2.95, 2.75, 2.6, 2.4, 2.25],
            [3.05, 3.05, 2.9, 2.7, 2.55, 2.4],
        ],
        [
            [3.05, 2.8, 2.65, 2.55, 2.4, 2.3],
            [3.05, 2.8, 2.65, 2.55, 2.45, 2.3],
            [3.05, 2.9, 2.75, 2.65, 2.5, 2.35],
        ],
    ]
)
LOWEST = float(HOPELESS.min())


def check_feasible(parameters: AggregateParameters) -> None:
    """Refuse a law that no aggregate meets; raises InfeasibleParametersError.

    What the kernel was measured to reach, then geometry, in units of r_v. Longest: a straight chain of equal
    spheres, or, for other radii, all mass at the ends of one (its length is at most 2 N r_v). Most compact: a
    ball of all the material, at most DENSEST full for equal spheres.
    """
    n = parameters.n_particles
    if n < SMALL:
        return
    if n >= SIZES[0] and parameters.fractal_dimension >= LOWEST:
        _check_measured(parameters)
    present = [s.radii for s in parameters.species if s.fraction > 0]
    equal = all(r.geometric_sd == 1 for r in present) and len({r.median_nm for r in present}) == 1
    keep = 1 - parameters.overlap
    chain = math.sqrt(keep**2 * (n * n - 1) / 3 + 0.6) if equal else n
    ball = keep * math.sqrt(0.6) * (n / (DENSEST if equal else 1.0)) ** (1 / 3)
    gyration = (n / parameters.fractal_prefactor) ** (1 / parameters.fractal_dimension)
    if gyration > chain:
        raise unmet(parameters, chain, "the aggregate would be longer than a straight chain")
    if gyration < ball:
        raise unmet(parameters, ball, "the aggregate would be denser than the densest packing")


def _check_measured(parameters: AggregateParameters) -> None:
    """Refuse what the kernel was never seen to reach; the nearest value offered is one it always reached."""
    df, kf = parameters.fractal_dimension, parameters.fractal_prefactor
    everywhere = np.interp(math.log(kf), np.log(PREFACTORS), HOPELESS.min(axis=(0, 1)))
    if df < everywhere or df < largest_dimension(parameters, HOPELESS):  # the first is a quick look
        return
    reason = "clusters that join by single contacts do not get so dense"
    sure = largest_dimension(parameters, SURE)
    if kf <= USUAL_PREFACTORS[1]:
        where = f"{parameters.n_particles} particles, fractal_prefactor {kf:g}"
        raise InfeasibleParametersError("fractal_dimension", df, sure, f"{reason} ({where})")
    where = f"{parameters.n_particles} particles, fractal_dimension {df:g}"
    lower = [k for k in np.geomspace(kf, PREFACTORS[0], 200) if _reached(parameters, float(k))]
    raise InfeasibleParametersError("fractal_prefactor", kf, max(lower, default=None), f"{reason} ({where})")


def _reached(parameters: AggregateParameters, prefactor: float) -> bool:
    other = parameters.model_copy(update={"fractal_prefactor": prefactor})
    return parameters.fractal_dimension <= largest_dimension(other, SURE)


def largest_dimension(parameters: AggregateParameters, bounds: np.ndarray) -> float:
    """Largest fractal dimension by one of the tables SURE and HOPELESS, interpolated.

    Species count as one with the spread of all radii. Necks shorten all distances by 1 - C, which a larger
    prefactor kf (1 - C)^Df makes up for.
    """
    share = np.array(parameters.number_fractions)
    logs = np.log([s.radii.median_nm for s in parameters.species])
    spreads = np.log([s.radii.geometric_sd for s in parameters.species])
    spread = math.sqrt(share @ (spreads**2 + (logs - share @ logs) ** 2))
    keep = (1 - parameters.overlap) ** parameters.fractal_dimension
    prefactor = math.log(parameters.fractal_prefactor * keep)
    at_sizes = []
    for by_deviation in bounds:
        at_deviations = [np.interp(prefactor, np.log(PREFACTORS), row) for row in by_deviation]
        at_sizes.append(np.interp(spread, np.log(DEVIATIONS), at_deviations))
    return float(np.interp(math.log(parameters.n_particles), np.log(SIZES), at_sizes))


def unmet(parameters: AggregateParameters, gyration: float, reason: str) -> InfeasibleParametersError:
    """The error for a law of which only the radius of gyration `gyration` (in units of r_v) can be reached.

    Names the fractal dimension if another one would do at this prefactor, else the prefactor.
    """
    n, df, kf = parameters.n_particles, parameters.fractal_dimension, parameters.fractal_prefactor
    nearest = math.log(n / kf) / math.log(gyration) if n > kf and gyration > 1 else math.nan
    if USUAL_PREFACTORS[0] <= kf <= USUAL_PREFACTORS[1] and 1 <= nearest <= 3:
        where = f"{n} particles, fractal_prefactor {kf:g}"
        return InfeasibleParametersError("fractal_dimension", df, nearest, f"{reason} ({where})")
    where = f"{n} particles, fractal_dimension {df:g}"
    prefactor = n / gyration**df if gyration > 0 else None  # 0: not even a cluster was found
    return InfeasibleParametersError("fractal_prefactor", kf, prefactor, f"{reason} ({where})")
