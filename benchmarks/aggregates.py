"""Aggregates per second of one core: by number of particles, and on the reference task (processor time).

Run: python benchmarks/aggregates.py [--seconds S] [--seed K]
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from stochgeom import (
    AggregateParameters,
    InfeasibleParametersError,
    LognormalRadii,
    Species,
    describe,
    sample_aggregate,
)
from stochgeom.aggregation import _draw, _grow

SIZES = (64, 128, 256, 512, 1000, 2000, 5000)


def species(medians: list[float], fractions: list[float], sd: float, cluster: float) -> tuple[Species, ...]:
    return tuple(
        Species(
            name=f"S{k}",
            fraction=fraction,
            radii=LognormalRadii(median_nm=median, geometric_sd=sd),
            mean_cluster_size=cluster,
        )
        for k, (median, fraction) in enumerate(zip(medians, fractions, strict=True))
    )


def reference_draw(rng: np.random.Generator) -> AggregateParameters:
    """Parameters of the reference estimation task."""
    fraction = rng.uniform(0.2, 0.8)
    cluster = math.exp(rng.uniform(0, math.log(15)))
    both = [
        Species(
            name=name,
            fraction=share,
            radii=LognormalRadii(median_nm=rng.uniform(3, 9), geometric_sd=rng.uniform(1.1, 1.6)),
            mean_cluster_size=cluster,
        )
        for name, share in (("TiO2", fraction), ("WO3", 1 - fraction))
    ]
    n = math.floor(math.exp(rng.uniform(math.log(8), math.log(201))))
    return AggregateParameters(n_particles=n, species=tuple(both), fractal_dimension=rng.uniform(1.6, 2.2))


def rate(parameters: AggregateParameters, seconds: float, rng: np.random.Generator) -> float:
    sample_aggregate(parameters, rng)
    made, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        sample_aggregate(parameters, rng)
        made += 1
    return made / spent


def shares(parameters: AggregateParameters, repeats: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Microseconds per aggregate: drawing radii and clusters, growing the structure, everything else."""
    spent = np.zeros(3)
    for _ in range(repeats):
        times = [time.process_time()]
        drawn = _draw(parameters, rng)
        times.append(time.process_time())
        _grow(parameters, drawn, True, rng)
        times.append(time.process_time())
        sample_aggregate(parameters, rng)
        times.append(time.process_time())
        spent += np.diff(times)
    drawing, growing, whole = 1e6 * spent / repeats
    return drawing, growing, max(0.0, whole - drawing - growing)


def reference_task(seconds: float, rng: np.random.Generator) -> None:
    made = failed = 0
    worst_rg = worst_overlap = 0.0
    sampling, start = 0.0, time.process_time()
    while time.process_time() - start < seconds:
        parameters = reference_draw(rng)
        begin = time.process_time()
        try:
            aggregate = sample_aggregate(parameters, rng)
        except InfeasibleParametersError as error:
            failed += 1
            print("  infeasible:", error)
            continue
        finally:
            sampling += time.process_time() - begin
        made += 1
        row = describe(aggregate)
        n, df, kf = len(aggregate), parameters.fractal_dimension, parameters.fractal_prefactor
        target = np.mean(aggregate.radii**3) ** (1 / 3) * (n / kf) ** (1 / df)
        worst_rg = max(worst_rg, abs(row["radius_of_gyration_nm"] / target - 1))
        worst_overlap = max(worst_overlap, row["largest_overlap"])
    print(f"reference task: {made / sampling:8.0f} aggregates/s, {made} made, {failed} draws infeasible,")
    print(f"  largest relative deviation of Rg {worst_rg:.1e}, largest overlap {worst_overlap:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each line")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print("aggregates per second and core, kf 1.3, geometric SD 1.4")
    print(f"{'N':>22}" + "".join(f"{n:>8}" for n in SIZES))
    cases = [("one species", [5.0], [1.0], 1.0), ("two, clusters of 5", [5.0, 7.0], [0.5, 0.5], 5.0)]
    for name, medians, fractions, cluster in cases:
        for df in (1.8, 2.2):
            rates = [
                rate(
                    AggregateParameters(
                        n_particles=n, species=species(medians, fractions, 1.4, cluster), fractal_dimension=df
                    ),
                    options.seconds,
                    rng,
                )
                for n in SIZES
            ]
            print(f"{f'{name} Df {df}':>22}" + "".join(f"{r:8.0f}" for r in rates))
    print("where the time goes (µs per aggregate, one species, Df 1.8):")
    for n in SIZES:
        parameters = AggregateParameters(n_particles=n, species=species([5.0], [1.0], 1.4, 1.0))
        repeats = max(5, round(options.seconds * 1e5 / n))
        drawing, growing, rest = shares(parameters, repeats, rng)
        print(f"  N = {n:4}: radii {drawing:7.0f}, growth {growing:7.0f}, crystals and record {rest:7.0f}")
    reference_task(10 * options.seconds, rng)


if __name__ == "__main__":
    main()
