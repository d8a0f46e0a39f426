"""The table and the picture of physical_bias.py: means and spreads over seeds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from learn.micrographs.patch_set import PatchSet
from learn.micrographs.plots import plot_image, plot_map, plot_true_walls
from stochgeom.pictures import COLOURS

Rows = list[dict[str, Any]]
Best = dict[str, tuple[float, int]]
"""By method: the weight, and how many clusters more than regions."""
MEASURES = (
    ("ari_region", "ARI of regions"),
    ("ari_phase", "ARI of phases"),
    ("f1", "F1 of walls"),
    ("ratio", "found / true length of walls"),
)


def scored(rows: Rows, best: Best) -> dict[str, dict[str, np.ndarray]]:
    """By method, in the order of the rows, and by measure: the values (seeds,) on the scored scenes,
    means of those that are read one by one.

    `ratio` is the found length over that of the borders between patches of unlike true regions, which zigzag
    as found ones do.
    """
    found: dict[str, dict[str, dict[int, list[float]]]] = {}
    for row in rows:
        if row["part"] == "score" and best.get(row["method"]) == (row["weight"], row["more"]):
            mine = found.setdefault(row["method"], {name: {} for name, _ in MEASURES})
            for name, _ in MEASURES:
                value = row["found_nm"] / row["borders_nm"] if name == "ratio" else row[name]
                mine[name].setdefault(row["seed"], []).append(np.nan if value is None else value)
    return {
        method: {name: np.array([np.mean(v) for v in seeds.values()]) for name, seeds in by.items()}
        for method, by in found.items()
    }


def table(rows: Rows, best: Best) -> str:
    """Markdown: mean and standard deviation over the seeds of every method, and the gain of each bias."""
    found = scored(rows, best)
    lines = [
        "| method | weight | clusters more | seeds | " + " | ".join(title for _, title in MEASURES) + " |"
    ]
    lines.append("|---|" + "---|" * (len(MEASURES) + 3))
    for method, values in found.items():
        cells = [f"{v.mean():.3f} ± {spread(v):.3f}" for v in values.values()]
        weight, more = best[method]
        shown = f"{weight:g}" if weight else ""
        lines.append(f"| {method} | {shown} | {more} | {len(values['f1'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + "\n".join(verdicts(found)) + "\n"


def verdicts(found: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """A line for each bias: what it gains over the same model without it, and the spread of the two."""
    lines = []
    for method, values in found.items():
        plain = found.get(method.partition(" ")[0])
        if plain is None or plain is values:
            continue
        parts = []
        for name, title in MEASURES:
            gain = values[name].mean() - plain[name].mean()
            parts.append(f"{title} {gain:+.3f} (spread {max(spread(values[name]), spread(plain[name])):.3f})")
        lines.append(f"- {method}: " + "; ".join(parts))
    return lines


def spread(values: np.ndarray) -> float:
    """Standard deviation over seeds; 0 of a single one."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def draw(rows: Rows, best: Best, path: Path) -> None:
    """One panel for each measure: a point for each seed, a bar for the mean of each method."""
    found = scored(rows, best)
    if not found:
        return
    methods = list(found)
    # Scenes of one phase have no agreement of phases to show.
    measures = [pair for pair in MEASURES if any(np.isfinite(found[m][pair[0]]).any() for m in methods)]
    figure = Figure(
        figsize=(3.1 * len(measures) + 1.6, 0.36 * len(methods) + 1.3),
        layout="constrained",
    )
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, (name, title) in zip(panels, measures, strict=True):
        for place, method in enumerate(methods):
            values = found[method][name]
            colour = COLOURS[4] if " " in method and "GMM" not in method else COLOURS[0]
            colour = COLOURS[5] if "GMM" in method or "elbo" in method else colour
            axes.barh(place, values.mean(), color=colour, alpha=0.35, height=0.7)
            axes.plot(values, np.full(len(values), place), "o", ms=3.5, color=colour)
        if name == "ratio":
            axes.axvline(1, color="0.3", lw=0.8)
        axes.set(title=title)
        axes.set_xlim(left=min(0, axes.get_xlim()[0]))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(methods)), methods)
    panels[0].invert_yaxis()
    _save(figure, path)


def draw_clusters(patches: PatchSet, panels: list[tuple[str, np.ndarray]], path: Path) -> None:
    """The first micrograph, and maps of labels (n,) with its true walls."""
    figure = Figure(figsize=(3.2 * (len(panels) + 1), 3.5), layout="constrained")
    axes = figure.subplots(1, len(panels) + 1)
    plot_image(axes[0], patches.micrographs[0])
    axes[0].set_title("micrograph")
    for one, (title, labels) in zip(axes[1:], panels, strict=True):
        plot_map(one, patches, labels)
        plot_true_walls(one, patches.micrographs[0])
        one.set_title(title)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    Image.open(data).convert("RGB").quantize(128).save(path, optimize=True)
