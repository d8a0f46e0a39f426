"""Which mixing can be reached at fixed composition: M over mean cluster size and hetero_affinity.

    python benchmarks/maps/mixing.py [--picture docs/pictures/mixing-map.png] [--aggregates 60]

Prints a table (mean of the mixing index, standard error in the last column) and draws the map. Two species,
100 particles, Df 1.8, kf 1.3, lognormal radii of geometric SD 1.4.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stochgeom import AggregateParameters, LognormalRadii, Species, describe, sample_aggregate

AFFINITIES = (-8, -4, -2, -1, 0, 1, 2, 4, 8)
CLUSTERS = (1, 2, 5, 10, 20, 100)
FRACTIONS = (0.5, 0.2)
N = 100


def mixing(fraction: float, cluster: float, affinity: float, aggregates: int, seed: int) -> np.ndarray:
    """Mixing indices (aggregates,)."""
    one = {
        "radii": LognormalRadii(median_nm=5, geometric_sd=1.4),
        "mean_cluster_size": cluster,
        "cluster_sizes": "constant",
    }
    parameters = AggregateParameters(
        n_particles=N,
        species=[Species(name=name, fraction=f, **one) for name, f in (("A", fraction), ("B", 1 - fraction))],
        hetero_affinity=affinity,
    )
    rng = np.random.default_rng(seed)
    return np.array([describe(sample_aggregate(parameters, rng))["mixing_index"] for _ in range(aggregates)])


def table(aggregates: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors (fraction, cluster, affinity) of M."""
    found = [
        [[mixing(f, c, a, aggregates, seed=k) for k, a in enumerate(AFFINITIES)] for c in CLUSTERS]
        for f in FRACTIONS
    ]
    values = np.array(found)
    return values.mean(axis=3), values.std(axis=3, ddof=1) / np.sqrt(aggregates)


def show(means: np.ndarray, errors: np.ndarray) -> None:
    """The table as Markdown."""
    for f, fraction in enumerate(FRACTIONS):
        worst = errors[f].max()
        print(f"\n{100 * fraction:g} % of A: mean M of {N} particles, standard errors below {worst:.2f}\n")
        print("| mean cluster size | " + " | ".join(f"{a:+d}" for a in AFFINITIES) + " |")
        print("|---|" + "---|" * len(AFFINITIES))
        for c, cluster in enumerate(CLUSTERS):
            print(f"| {cluster} | " + " | ".join(f"{m:.2f}" for m in means[f, c]) + " |")


def draw(means: np.ndarray, path: Path) -> None:
    """The map as a picture: one curve for each cluster size."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(FRACTIONS), figsize=(9, 3.6), sharey=True, layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(CLUSTERS)))
    for f, axis in enumerate(axes):
        for c, cluster in enumerate(CLUSTERS):
            axis.plot(AFFINITIES, means[f, c], "o-", ms=3.5, color=colours[c], label=f"{cluster}")
        axis.axhline(1, color="0.6", lw=0.8, ls="--")
        axis.set(xlabel="hetero_affinity", title=f"{100 * FRACTIONS[f]:g} % of A")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("mixing index M\n(0 segregated, 1 random labels)")
    axes[0].set_ylim(0, None)
    axes[-1].legend(title="mean cluster size", frameon=False, fontsize=8, title_fontsize=8)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--aggregates", type=int, default=60)
    parser.add_argument("--picture", type=Path, default=None)
    options = parser.parse_args()
    means, errors = table(options.aggregates)
    show(means, errors)
    if options.picture is not None:
        draw(means, options.picture)


if __name__ == "__main__":
    main()
