"""A picture of a search: rewards of all representations, and rewards beside the scores against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from learn.micrographs.plots import label_colour
from learn.plots import INK, new_figure

from .rows import Row
from .verdict import verdicts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vP*X"
TITLES = {
    "ari_phase": "adjusted Rand index, phases",
    "ari_region": "adjusted Rand index, domains",
    "ari_kind": "adjusted Rand index, kinds of column",
    "wall_f1": "F1 of walls",
}


def search_figure(rows: Sequence[Row]) -> Figure:
    """Left, the reward over the number of clusters, a line for each representation, coloured by invariances,
    marked by latent size, broad for larger windows; then a panel for each score. Inside `styled()`.
    """
    found = verdicts(rows)
    figure = new_figure(4.6 + 3.1 * len(found), 4.0)
    ratios = [1.35, *([1.0] * len(found))]
    panels = figure.subplots(1, 1 + len(found), width_ratios=ratios, squeeze=False)[0]
    _rewards(panels[0], rows)
    for axes, one in zip(panels[1:], found, strict=True):
        for row in rows:
            if one.score in row.scores:
                axes.plot(row.reward, row.scores[one.score], **_look(row, rows), ls="", ms=4.5, alpha=0.75)
        best = max(rows, key=lambda row: row.reward)
        if one.score in best.scores:
            axes.plot(
                best.reward, best.scores[one.score], "o", ms=12, mfc="none", mec=INK, mew=1.2, label="chosen"
            )
            axes.legend(loc="best")
        axes.set_title(f"rank correlation {one.rank_correlation:+.2f}", fontweight="normal", fontsize=8.5)
        axes.set_xlabel("reward (nats per patch and feature)")
        axes.set_ylabel(TITLES.get(one.score, one.score))
    _legend(figure, rows)
    return figure


def _rewards(axes: Axes, rows: Sequence[Row]) -> None:
    windows = sorted({row.window_nm for row in rows})
    lines: dict[tuple, list[Row]] = {}
    for row in rows:
        lines.setdefault((row.window_nm, row.latent_size, row.invariances, row.features), []).append(row)
    for line in lines.values():
        line = sorted(line, key=lambda row: row.clusters)
        width = 0.7 + 1.1 * windows.index(line[0].window_nm) / max(1, len(windows) - 1)
        clusters, values = [row.clusters for row in line], [row.reward for row in line]
        axes.plot(clusters, values, **_look(line[0], rows), lw=width, ms=4, alpha=0.8)
    axes.set_xticks(sorted({row.clusters for row in rows}))
    axes.set_xlabel("clusters")
    axes.set_ylabel("reward (nats per patch and feature)")
    axes.axhline(0, color=INK, lw=0.8, ls=":")


def _look(row: Row, rows: Sequence[Row]) -> dict:
    kinds = list(dict.fromkeys((one.invariances, one.features) for one in rows))
    sizes = sorted({one.latent_size for one in rows})
    return {
        "color": label_colour(kinds.index((row.invariances, row.features))),
        "marker": MARKERS[sizes.index(row.latent_size) % len(MARKERS)],
    }


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    from matplotlib.lines import Line2D

    kinds = list(dict.fromkeys((one.invariances, one.features) for one in rows))
    sizes = sorted({one.latent_size for one in rows})
    windows = sorted({row.window_nm for row in rows})
    handles = [
        Line2D([], [], color=label_colour(k), label=name if part == "latents" else f"{name}, {part}")
        for k, (name, part) in enumerate(kinds)
    ]
    handles += [
        Line2D([], [], color=INK, ls="", marker=MARKERS[k % len(MARKERS)], label=f"{size} latent")
        for k, size in enumerate(sizes)
    ]
    for k, window in enumerate(windows if len(windows) > 1 else ()):
        width = float(0.7 + 1.1 * k / (len(windows) - 1))
        handles.append(Line2D([], [], color=INK, lw=width, label=f"{window:g} nm"))
    figure.legend(handles=handles, loc="outside lower center", ncols=int(np.clip(len(handles), 1, 6)))
