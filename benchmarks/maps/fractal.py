"""How far the fractal dimension of one aggregate is from the one asked for: bias and scatter of two methods.

Run: python benchmarks/maps/fractal.py [--aggregates N] [--seed K]
"""

from __future__ import annotations

import argparse

import numpy as np

from stochgeom import AggregateParameters, LognormalRadii, Species, sample_aggregate
from stochgeom.fractal import FractalLaw, ensemble_law, law_of_pairs, law_of_parts

SIZES, DIMENSIONS, SDS = (32, 128, 512), (1.6, 1.8, 2.0, 2.2), (1.0, 1.4)


def parameters(n: int, dimension: float, sd: float) -> AggregateParameters:
    species = (Species(name="A", fraction=1, radii=LognormalRadii(median_nm=5, geometric_sd=sd)),)
    return AggregateParameters(n_particles=n, species=species, fractal_dimension=dimension)


def summary(laws: list[FractalLaw], asked: float) -> str:
    found = np.array([law.dimension for law in laws])
    errors = np.median([law.dimension_error for law in laws])
    return f"{np.mean(found) - asked:+.2f} ± {np.std(found, ddof=1):.2f} ({errors:.2f})"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--aggregates", type=int, default=30, help="for each line")
    options.add_argument("--seed", type=int, default=0)
    arguments = options.parse_args()
    rng = np.random.default_rng(arguments.seed)
    print("Df of one aggregate: bias ± scatter between aggregates (median of the stated errors)")
    print(f"{'geometric SD':>12}{'N':>5}{'Df':>5}   {'pair correlation':<22}{'parts':<22}")
    for sd in SDS:
        for n in SIZES:
            for dimension in DIMENSIONS:
                some = [
                    sample_aggregate(parameters(n, dimension, sd), rng) for _ in range(arguments.aggregates)
                ]
                pairs = summary([law_of_pairs(one) for one in some], dimension)
                parts = summary([law_of_parts(one) for one in some], dimension)
                print(f"{sd:12.1f}{n:5d}{dimension:5.1f}   {pairs:<22}{parts:<22}")
    print("Ensembles of 30 aggregates, N 16 to 256, geometric SD 1.4, kf 1.3:")
    for dimension in DIMENSIONS:
        several = [
            sample_aggregate(parameters(n, dimension, 1.4), rng)
            for n in np.geomspace(16, 256, 30).astype(int)
        ]
        law = ensemble_law(several)
        print(
            f"  Df {dimension}: {law.dimension:.3f} ± {law.dimension_error:.3f}, "
            f"kf {law.prefactor:.3f} ± {law.prefactor_error:.3f}"
        )


if __name__ == "__main__":
    main()
