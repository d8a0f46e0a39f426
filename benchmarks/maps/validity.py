"""Where the aggregate model does what it is asked: a map over fractal dimension, prefactor, radii and size.

Run: python benchmarks/maps/validity.py [--quick] [--out TABLE.md]
                                             [--picture docs/pictures/aggregate-validity.png]

Per cell: the share of draws that give a structure, the largest deviation of Rg from the law, the largest
overlap, and the slope of the pair correlation f(r) of the material (centres weighted by volume).
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numba import njit

from stochgeom import (
    AggregateParameters,
    InfeasibleParametersError,
    LognormalRadii,
    Species,
    sample_aggregate,
)

DIMENSIONS = (1.6, 1.8, 2.0, 2.2, 2.35, 2.5)
PREFACTORS = (0.8, 1.0, 1.3, 1.6, 2.0)
DEVIATIONS = (1.0, 1.4, 2.0)
SIZES = (8, 32, 128, 500, 1000, 2000)
BINS = 40
WINDOW = 3.0, 0.6  # slope: from 3 mass-weighted mean radii to 0.6 Rg
WIDE = 1.5  # with the cut-off fitted beside it: to 1.5 Rg
SHORTEST = 1.8  # the window's ends must differ by this factor
LARGE = 1000  # the size at which slopes are measured
ENSEMBLE = 200  # aggregates behind a slope
HOPELESS = 3  # failures at the start after which a cell is given up


@dataclass
class Cell:
    """What was found for one set of parameters; the slopes are NaN where they were not measured."""

    n: int
    dimension: float
    prefactor: float
    geometric_sd: float
    draws: int = 0
    made: int = 0
    worst_rg: float = 0.0
    worst_overlap: float = 0.0
    slope: float = math.nan
    inner_slope: float = math.nan
    error: float = math.nan

    @property
    def parameters(self) -> AggregateParameters:
        radii = LognormalRadii(median_nm=5, geometric_sd=self.geometric_sd)
        return AggregateParameters(
            n_particles=self.n,
            species=(Species(name="A", fraction=1, radii=radii),),
            fractal_dimension=self.dimension,
            fractal_prefactor=self.prefactor,
        )

    @property
    def success(self) -> float:
        return self.made / self.draws

    @property
    def gyration(self) -> float:
        """Rg asked for, in units of r_v."""
        return (self.n / self.prefactor) ** (1 / self.dimension)

    @property
    def lower(self) -> float:
        """Where the slope's window begins, in units of r_v.

        Mass-weighted mean radius over r_v of the lognormal law: exp((3.5 - 1.5) ln² sd).
        """
        return WINDOW[0] * math.exp(2.0 * math.log(self.geometric_sd) ** 2)


@njit
def add_pairs(centres, masses, smallest, largest, counts):
    """Add m_i m_j of all pairs to equal bins of log distance, from `smallest` to `largest`."""
    per_log = 0.5 * counts.size / np.log(largest / smallest)
    for i in range(len(masses)):
        for j in range(i):
            x, y, z = (
                centres[i, 0] - centres[j, 0],
                centres[i, 1] - centres[j, 1],
                centres[i, 2] - centres[j, 2],
            )
            square = x * x + y * y + z * z
            if smallest * smallest < square < largest * largest:
                k = int(np.log(square / (smallest * smallest)) * per_log)
                counts[min(k, counts.size - 1)] += masses[i] * masses[j]


def slopes(counts: np.ndarray, edges: np.ndarray, cell: Cell) -> tuple[float, float]:
    """Fractal dimension from f(r): in the window, and with a Gaussian cut-off at the size of the aggregate.

    log f = a + (D - 3) log r, and log f = a + (D - 3) log r - c (r / Rg)².
    """
    middle = np.sqrt(edges[1:] * edges[:-1])
    with np.errstate(divide="ignore"):
        log_f = np.log(counts / np.diff(edges**3))
    found = []
    for upper, columns in ((WINDOW[1], 2), (WIDE, 3)):
        inside = (middle > cell.lower) & (middle < upper * cell.gyration) & (counts > 0)
        terms = [np.ones(BINS), np.log(middle), (middle / cell.gyration) ** 2][:columns]
        matrix = np.stack(terms, axis=1)[inside]
        found.append(3.0 + np.linalg.lstsq(matrix, log_f[inside], rcond=None)[0][1])
    return found[0], found[1]


def measure(cell: Cell, draws: int, rng: np.random.Generator) -> None:
    """Fill a cell from `draws` draws; the slope and its standard error from ten batches of them."""
    wide = cell.n == LARGE and WINDOW[1] * cell.gyration > SHORTEST * cell.lower
    edges = np.geomspace(cell.lower, WIDE * cell.gyration, BINS + 1) if wide else np.ones(BINS + 1)
    batches = np.zeros((10, BINS))
    for k in range(draws):
        cell.draws += 1
        try:
            aggregate = sample_aggregate(cell.parameters, rng)
        except InfeasibleParametersError:
            if cell.made == 0 and cell.draws == HOPELESS:
                return
            continue
        cell.made += 1
        unit = float(np.mean(aggregate.radii**3)) ** (1 / 3)
        miss = abs(aggregate.radius_of_gyration / (unit * cell.gyration) - 1)
        cell.worst_rg = max(cell.worst_rg, miss)
        i, j = aggregate.contacts().T
        gaps = np.linalg.norm(aggregate.centres[i] - aggregate.centres[j], axis=1)
        overlap = float(np.max(1 - gaps / (aggregate.radii[i] + aggregate.radii[j])))
        cell.worst_overlap = max(cell.worst_overlap, overlap)
        if wide:
            masses = (aggregate.radii / unit) ** 3
            add_pairs(aggregate.centres / unit, masses, edges[0], edges[-1], batches[k % 10])
    if wide and cell.made >= ENSEMBLE:
        cell.slope, cell.inner_slope = slopes(batches.sum(axis=0), edges, cell)
        each = [slopes(batch, edges, cell)[0] for batch in batches]
        cell.error = float(np.std(each, ddof=1) / math.sqrt(len(each)))


def table(cells: list[Cell]) -> str:
    """Markdown: one row per radius law, prefactor and dimension, over all sizes."""
    lines = [
        "| geometric SD | kf | Df | success at N = " + " / ".join(map(str, SIZES)) + " | largest error of Rg "
        "| largest overlap | Df from f(r) | with cut-off |",
        "|---" * 8 + "|",
    ]
    for sd, kf, df in product(DEVIATIONS, PREFACTORS, DIMENSIONS):
        own = [c for c in cells if (c.geometric_sd, c.prefactor, c.dimension) == (sd, kf, df)]
        shares = " / ".join(f"{100 * c.success:.0f}" for c in own)
        slope = [c for c in own if not math.isnan(c.slope)]
        found = f"{slope[0].slope:.2f} ± {slope[0].error:.2f} | {slope[0].inner_slope:.2f}" if slope else "|"
        miss, overlap = max(c.worst_rg for c in own), max(c.worst_overlap for c in own)
        lines.append(f"| {sd} | {kf} | {df} | {shares} % | {100 * miss:.2f} % | {overlap:.0e} | {found} |")
    return "\n".join(lines) + "\n"


def save_picture(cells: list[Cell], path: Path) -> None:
    """Success at every size, and the slope's error, over prefactor and dimension; a row per radius law."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.3 * (len(SIZES) + 1), 2.2 * len(DEVIATIONS) + 0.6), layout="constrained")
    axes = figure.subplots(len(DEVIATIONS), len(SIZES) + 1, sharex=True, sharey=True)
    for row, sd in zip(axes, DEVIATIONS, strict=True):
        for ax, n in zip(row, (*SIZES, None), strict=True):
            chosen = [c for c in cells if c.geometric_sd == sd and c.n == (n or LARGE)]
            values = {(c.dimension, c.prefactor): c.success if n else c.slope - c.dimension for c in chosen}
            grid = np.array([[values[df, kf] for kf in PREFACTORS] for df in DIMENSIONS])
            colours, low, high = ("viridis", 0, 1) if n else ("RdBu", -0.3, 0.3)
            image = ax.imshow(grid, origin="lower", aspect="auto", cmap=colours, vmin=low, vmax=high)
            for (y, x), value in np.ndenumerate(grid):
                text = "" if math.isnan(value) else f"{100 * value:.0f}" if n else f"{value:+.2f}"
                dark = value < 0.6 if n else abs(value) > 0.2
                ax.text(x, y, text, ha="center", va="center", fontsize=6, color="white" if dark else "black")
            ax.set_xticks(range(len(PREFACTORS)), PREFACTORS)
            ax.set_yticks(range(len(DIMENSIONS)), DIMENSIONS)
            ax.set_title(f"N = {n}, success (%)" if n else "Df of f(r), less Df asked", fontsize=8)
            ax.tick_params(labelsize=7)
        row[0].set_ylabel(f"geometric SD {sd}\nDf", fontsize=8)
        figure.colorbar(image, ax=row[-1])
    for ax in axes[-1]:
        ax.set_xlabel("kf", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few draws and no slopes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("aggregate-validity.md"))
    parser.add_argument("--picture", type=Path, default=Path("aggregate-validity.png"))
    options = parser.parse_args()
    cells, start = [], time.process_time()
    for n, sd, kf, df in product(SIZES, DEVIATIONS, PREFACTORS, DIMENSIONS):
        cell = Cell(n, df, kf, sd)
        draws = 5 if options.quick else ENSEMBLE if n == LARGE else 10 if n > LARGE else 40
        measure(cell, draws, np.random.default_rng((options.seed, len(cells))))
        cells.append(cell)
        if len(cells) % 30 == 0:
            print(f"{len(cells)} cells, {time.process_time() - start:.0f} s", flush=True)
    options.out.write_text(table(cells), encoding="utf-8")
    save_picture(cells, options.picture)
    sure = [c for c in cells if c.success == 1]
    off = [abs(c.slope - c.dimension) for c in sure if not math.isnan(c.slope)]
    print(f"{len(sure)} of {len(cells)} cells always succeed")
    near = sum(o < 0.15 for o in off)
    print(f"slopes within 0.15: {near} of {len(off)}, largest deviation {max(off, default=math.nan):.2f}")
    print(f"largest error of Rg: {max(c.worst_rg for c in cells):.1e}", end="")
    print(f"; largest overlap: {max(c.worst_overlap for c in cells):.1e}")


if __name__ == "__main__":
    main()
