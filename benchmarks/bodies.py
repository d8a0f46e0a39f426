"""Aggregates of faceted crystals and ellipsoids: radius of gyration against the law, and processor time.

Run: python benchmarks/bodies.py [--aggregates M] [--seed K]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from stochgeom import (
    AggregateParameters,
    InfeasibleParametersError,
    LognormalRadii,
    Species,
    sample_aggregate,
)
from stochgeom.bodies import EllipsoidShape, Shape, WulffShape

SIZES = (29, 100, 400)
ANATASE = WulffShape(
    cell_angstrom=(3.7842, 3.7842, 9.5146), laue_class="4/mmm", surface_energies={"101": 0.44, "001": 0.90}
)
CUBE = WulffShape(cell_angstrom=(4, 4, 4), laue_class="m-3m", surface_energies={"100": 1})
ELLIPSOID = EllipsoidShape(axis_ratios=(1, 1.3, 2))


def of_shape(shape: Shape, n: int) -> AggregateParameters:
    """Df 1.8, kf 1.3, lognormal radii of geometric SD 1.4, clusters of four."""
    radii = LognormalRadii(median_nm=5, geometric_sd=1.4)
    species = [
        Species(name=name, fraction=0.5, radii=radii, shape=shape, mean_cluster_size=4) for name in ("A", "B")
    ]
    return AggregateParameters(n_particles=n, species=tuple(species))


def measure(parameters: AggregateParameters, count: int, rng: np.random.Generator) -> str:
    law = (parameters.n_particles / parameters.fractal_prefactor) ** (1 / parameters.fractal_dimension)
    ratios, extra, start = [], 0, time.process_time()
    for _ in range(count):
        try:
            made = sample_aggregate(parameters, rng)
        except InfeasibleParametersError:
            continue
        ratios.append(made.radius_of_gyration / (law * np.mean(made.radii**3) ** (1 / 3)))
        extra += len(made.contacts()) - len(made) + 1
    spent = 1e3 * (time.process_time() - start) / count
    off = np.array(ratios) - 1
    return (
        f"Rg off the law by {off.mean():+.2%} in the mean, {np.abs(off).max():.2%} at most; "
        f"{extra} contacts beside the trees'; {count - len(off)} infeasible; {spent:.1f} ms each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aggregates", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    for name, shape in (("anatase", ANATASE), ("cubes", CUBE), ("ellipsoids", ELLIPSOID)):
        sample_aggregate(of_shape(shape, 10), rng)  # compiled
        for n in SIZES:
            count = max(5, chosen.aggregates * SIZES[0] // n)
            print(f"{name}, {n} particles, {count} aggregates: {measure(of_shape(shape, n), count, rng)}")


if __name__ == "__main__":
    main()
