"""Draws the first picture of docs/physical-bias.md: lengths of walls on a neighbour graph, and scale.

Run: python docs/make_physical_bias.py [--out docs/pictures]
"""

from __future__ import annotations

import argparse
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from PIL import Image
from scipy.spatial import Voronoi

from learn.patch_vae.bias import BiasSettings, LatentPenalty
from learn.patch_vae.bias.edges import total_variation
from learn.patch_vae.bias.graph import PatchGraph
from learn.patch_vae.bias.modica_mortola import quartic_length
from stochgeom.pictures import COLOURS

SIDE, RADIUS_NM, SIZE_NM = 48, 7.0, 20.0


@dataclass(frozen=True)
class Cells:
    """Voronoi cells of scattered patches: centres (n, 2) x, y in nm, and what a graph of them has."""

    centres: np.ndarray
    voronoi: Voronoi
    edges: np.ndarray
    lengths_nm: np.ndarray
    wall_share_nm: np.ndarray
    ends: np.ndarray  # (m, 2, 2) of the border of each edge

    @classmethod
    def scattered(cls, side: int, rng: np.random.Generator) -> Cells:
        """side² patches, each somewhere in its own square."""
        step = SIZE_NM / side
        y, x = np.divmod(np.arange(side**2), side)
        centres = (np.stack([x, y], axis=1) + 0.5 + rng.uniform(-0.42, 0.42, (side**2, 2))) * step
        voronoi = Voronoi(centres)
        ridges = np.array(voronoi.ridge_vertices)
        closed = (ridges >= 0).all(axis=1)
        ends = voronoi.vertices[ridges[closed]]
        share = np.hypot(*(ends[:, 0] - ends[:, 1]).T)
        kept = share < 2 * step
        edges = voronoi.ridge_points[closed][kept].astype(np.int64)
        lengths = np.hypot(*(centres[edges[:, 0]] - centres[edges[:, 1]]).T)
        return cls(centres, voronoi, edges, lengths, share[kept], ends[kept])

    @property
    def graph(self) -> PatchGraph:
        return PatchGraph.of(self, len(self.centres))

    @property
    def distance_nm(self) -> torch.Tensor:
        """(n, 1): how far inside the circle."""
        return torch.from_numpy(RADIUS_NM - np.hypot(*(self.centres - SIZE_NM / 2).T))[:, None].float()


def draw_cells(axes: Axes, cells: Cells, values: np.ndarray) -> None:
    """Values of the cells in grey, the circle, and the borders that are wall."""
    regions = [cells.voronoi.regions[k] for k in cells.voronoi.point_region]
    whole = [k for k, region in enumerate(regions) if region and min(region) >= 0]
    polygons = PolyCollection(
        [cells.voronoi.vertices[regions[k]] for k in whole],
        array=values[whole],
        cmap="Greys",
        clim=(-1.2, 3.2),
        edgecolors="white",
        linewidths=0.4,
    )
    axes.add_collection(polygons)
    inside = cells.distance_nm[:, 0].numpy() > 0
    wall = inside[cells.edges[:, 0]] != inside[cells.edges[:, 1]]
    axes.add_collection(LineCollection(cells.ends[wall], colors=COLOURS[4], linewidths=2.0))
    turn = np.linspace(0, 2 * math.pi, 200)
    axes.plot(*(RADIUS_NM * np.array([np.cos(turn), np.sin(turn)]) + SIZE_NM / 2), color=COLOURS[0], lw=1.6)
    axes.set(xlim=(2, 18), ylim=(18, 2), aspect="equal", xlabel="x (nm)", ylabel="y (nm)")


def draw_lengths(axes: Axes, cells: list[Cells]) -> None:
    """Found over true length against the width of the wall, of both penalties."""
    true = 2 * math.pi * RADIUS_NM
    spacing = float(np.mean([c.graph.spacing_nm for c in cells]))
    widths = np.geomspace(0.3, 4.0, 16)
    graphs = [(c.graph, c.distance_nm) for c in cells]
    phase = [
        [float(quartic_length(torch.tanh(d / (w * spacing)), g, w * spacing)) for g, d in graphs]
        for w in widths
    ]
    variation = [
        [float(total_variation(torch.tanh(d / (w * spacing)), g)) / 2 for g, d in graphs] for w in widths
    ]
    for lengths, colour, label in (
        (variation, COLOURS[4], "total variation / jump"),
        (phase, COLOURS[2], "Modica-Mortola / σ"),
    ):
        ratio = np.array(lengths) / true
        axes.fill_between(widths, ratio.min(axis=1), ratio.max(axis=1), color=colour, alpha=0.25, lw=0)
        axes.plot(widths, ratio.mean(axis=1), color=colour, label=label)
    axes.axhline(1, color="0.4", lw=0.8)
    axes.axhline(4 / math.pi, color="0.4", lw=0.8, ls=":")
    axes.text(3.9, 4 / math.pi + 0.01, "4/π", ha="right", va="bottom", color="0.3")
    axes.set(xscale="log", xlabel="ε / distance of neighbours", ylabel="found / true length", ylim=(0.8, 1.5))
    axes.set_xticks([0.3, 0.5, 1, 2, 4], ["0.3", "0.5", "1", "2", "4"])
    axes.minorticks_off()
    axes.legend(frameon=False, loc="upper right")


def draw_scale(axes: Axes, cells: Cells, rng: np.random.Generator) -> None:
    """The penalty of noisy two-valued maps while they are shrunk, with the scale held and without."""
    graph = cells.graph
    map_ = torch.sign(cells.distance_nm) + 0.3 * torch.from_numpy(rng.standard_normal((graph.n, 1))).float()
    factors = np.geomspace(0.03, 3, 25)
    held = LatentPenalty(graph, BiasSettings())
    plain = [float(total_variation(f * map_, graph)) / graph.border_nm / 2 for f in factors]
    fixed = [float(held.of_latents(f * map_, graph)) for f in factors]
    axes.loglog(factors, plain, color="0.55", label="jumps as they are")
    axes.loglog(factors, fixed, color=COLOURS[4], label="jumps over 2 sd of the map")
    axes.set(xlabel="latent numbers multiplied by", ylabel="share of borders that is wall")
    axes.legend(frameon=False, loc="lower right")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    rng = np.random.default_rng(2)
    torch.set_num_threads(1)
    figure = Figure(figsize=(13.2, 4.1), layout="constrained")
    a, b, c = figure.subplots(1, 3)
    coarse = Cells.scattered(24, rng)
    draw_cells(a, coarse, np.sign(coarse.distance_nm[:, 0].numpy()))
    a.set_title("a wall follows the borders of the cells")
    draw_lengths(b, [Cells.scattered(SIDE, rng) for _ in range(6)])
    b.set_title("a circle's length, wall of width ε")
    draw_scale(c, coarse, rng)
    c.set_title("shrinking moves no wall")
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    options.out.mkdir(parents=True, exist_ok=True)
    image = Image.open(data).convert("RGB").quantize(128)
    image.save(options.out / "physical-bias.png", optimize=True)
    print(options.out / "physical-bias.png")


if __name__ == "__main__":
    main()
