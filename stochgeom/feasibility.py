"""Which fractal laws touching spheres can meet at all, and how a law that is missed is reported."""

from __future__ import annotations

import math

from .errors import InfeasibleParametersError
from .parameters import AggregateParameters

SMALL = 8  # below this many particles the nearest radius of gyration that contact permits is accepted
DENSEST = math.pi / math.sqrt(18)  # share of space that equal spheres can fill
USUAL_PREFACTORS = (0.3, 3.0)  # within these, an infeasible pair is blamed on the fractal dimension


def check_feasible(parameters: AggregateParameters) -> None:
    """Refuse a law that no set of touching spheres meets; raises InfeasibleParametersError.

    Bounds in units of r_v. Longest: a straight chain of equal spheres, or, for other radii, all mass at the
    ends of one (its length is at most 2 N r_v). Most compact: a ball of all the material, at most DENSEST
    full for equal spheres.
    """
    n = parameters.n_particles
    if n < SMALL:
        return
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
