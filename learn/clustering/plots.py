"""Figures of clusters: maps, means, what the descriptors are, criteria over a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learn.clustering.analysis import ClusterAnalysis
from learn.clustering.scan import ScanRow, best_row, comparable
from learn.micrographs.neighbours import neighbour_graph
from learn.micrographs.plots import (
    label_colour,
    patch_montage,
    plot_image,
    plot_map,
    plot_true_walls,
    plot_walls,
)
from learn.plots import GREY, INK, condition_colour, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 4000
MARKERS = "os^Dv"


def map_figure(analysis: ClusterAnalysis, micrograph: int = 0) -> Figure:
    """One micrograph, its clusters with the walls between them, how certain they are, and its truth."""
    patches, found = analysis.patch_set, analysis.clustering
    image = patches.micrographs[micrograph]
    known = analysis.truth is not None and image.truth is not None
    columns = 4 if known else 3
    ny, nx = image.shape
    regions = len(analysis.region_places()) if known else 0
    legend = 0.2 * max(-(-found.settings.clusters // 4), -(-regions // 2))
    figure = new_figure(3.1 * columns, 3.1 * min(2.0, ny / nx) + 0.55 + legend)
    panels = figure.subplots(1, columns)
    for axes in panels:
        axes.set_anchor("N")  # what the figure has to spare is below, where the legends are
    plot_image(panels[0], image)
    panels[0].set_title("micrograph")
    names = [f"cluster {k + 1}" for k in range(found.settings.clusters)]
    plot_map(panels[1], patches, found.labels, micrograph, names=names)
    plot_walls(panels[1], patches, found.labels, micrograph, graph=neighbour_graph(patches), colour=INK)
    panels[1].set_title("clusters")
    sure = plot_map(
        panels[2], patches, found.probabilities.max(axis=1), micrograph, limits=(0.5, 1.0), colours="magma"
    )
    panels[2].set_title("probability of the cluster")
    if sure is not None:
        bar = panels[2].inset_axes((0.15, -0.06, 0.7, 0.03))
        figure.colorbar(sure, cax=bar, orientation="horizontal")
    if known:
        assert analysis.truth is not None
        places = analysis.region_places()
        numbers = np.array([places.get(int(region), -1) for region in analysis.truth.region])
        names = [""] * (max(places.values()) + 1)
        for region, place in places.items():
            names[place] = analysis.region_names[region]
        plot_map(panels[3], patches, numbers, micrograph, names=names)
        plot_true_walls(panels[3], image, colour=INK)
        panels[3].set_title("truth")
    return figure


def means_figure(analysis: ClusterAnalysis) -> Figure:
    """Mean patch of each cluster, and how it differs from the mean of all."""
    found = analysis.clustering
    sizes = np.bincount(found.labels, minlength=len(found.means))
    k, channels = found.means.shape[:2]
    figure = new_figure(max(3.0, 1.35 * k), 2.75 * channels + 0.5)
    grid = figure.subplots(2 * channels, k, squeeze=False)
    middle = np.tensordot(sizes / sizes.sum(), found.means, axes=1)
    away = found.means - middle
    for channel in range(channels):
        levels = np.percentile(found.means[:, channel], (0.2, 99.8))
        most = max(float(np.abs(away[:, channel]).max()), 1e-12)
        for one in range(k):
            _tile(grid[2 * channel, one], found.means[one, channel], "gray", *levels)
            _tile(grid[2 * channel + 1, one], away[one, channel], "RdBu_r", -most, most)
            if channel == 0:
                grid[0, one].set_title(
                    f"{one + 1}: {sizes[one]:,}", color=label_colour(one), fontsize=8.5, loc="center"
                )
        which = f"\nchannel {channel}" if channels > 1 else ""
        grid[2 * channel, 0].set_ylabel(f"mean{which}", fontsize=8)
        grid[2 * channel + 1, 0].set_ylabel(f"less mean of all{which}", fontsize=8)
    return figure


def components_figure(analysis: ClusterAnalysis, most: int = 16) -> Figure | None:
    """Principal or non-negative components as patches, with the share of the variance; None of raw pixels."""
    described = analysis.clustering.descriptors
    if described.components is None or described.explained is None:
        return None
    shown = described.components[:most]
    columns = min(8, len(shown))
    lines = -(-len(shown) // columns) * shown.shape[1]
    figure = new_figure(1.25 * columns, 1.5 * lines)
    titles = [f"{share:.1%}" for share in described.explained[:most]]
    patch_montage(figure, shown, titles, columns=columns, alike=False)
    return figure


def scatter_figure(analysis: ClusterAnalysis) -> Figure:
    """The first two descriptors, or principal components of raw pixels, of each patch by cluster."""
    found = analysis.clustering
    values, names = _plane(analysis)
    rows = np.random.default_rng(0).permutation(len(values))[:MOST_POINTS]
    panels = 2 if analysis.truth is not None else 1
    figure = new_figure(4.2 * panels, 3.7)
    row = figure.subplots(1, panels, squeeze=False, sharex=True, sharey=True)[0]
    colours = [label_colour(int(label)) for label in found.labels[rows]]
    row[0].scatter(*values[rows].T, s=6, c=colours, linewidths=0, alpha=0.7)
    row[0].set_title("by cluster")
    row[0].set_ylabel(names[1])
    if analysis.truth is not None:
        place = analysis.region_places()
        colours = [label_colour(place.get(int(region), -1)) for region in analysis.truth.region[rows]]
        row[1].scatter(*values[rows].T, s=6, c=colours, linewidths=0, alpha=0.7)
        row[1].set_title("by true region")
        for region, k in place.items():
            row[1].scatter([], [], s=14, color=label_colour(k), label=analysis.region_names[region])
        row[1].legend(fontsize=7, loc="best", handletextpad=0.2)
    for axes in row:
        axes.set_xlabel(names[0])
    return figure


def scan_figure(rows: tuple[ScanRow, ...]) -> Figure:
    """BIC and ICL over the number of clusters, by covariance, one column of panels for each window and
    descriptor; below, scores against truth where there are any.
    """
    groups = comparable(rows)
    scored = any(row.scores for row in rows)
    figure = new_figure(max(5.2, 3.6 * len(groups)), 4.6 if scored else 2.9)
    panels = figure.subplots(2 if scored else 1, len(groups), squeeze=False, sharex="col")
    for column, group in enumerate(groups):
        _criteria_panel(panels[0, column], group)
        if scored:
            _scores_panel(panels[1, column], group)
        panels[-1, column].set_xlabel("clusters")
        panels[-1, column].set_xticks(sorted({row.settings.clusters for row in group}))
    panels[0, 0].set_ylabel("criterion per patch,\nabove the least (nats)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    if scored:
        panels[1, 0].set_ylabel("score")
        more = panels[1, 0].get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7.5)
    return figure


def _criteria_panel(axes: Axes, group: list[ScanRow]) -> None:
    window, described = group[0].settings.window_px, group[0].settings.descriptor
    least = min(min(row.bic, row.icl) for row in group)
    for k, (covariance, line) in enumerate(_lines(group).items()):
        x = [row.settings.clusters for row in line]
        patches = _patches(line)
        for name, style in (("bic", (0, (4, 2))), ("icl", "-")):
            y = [(getattr(row, name) - least) / patches for row in line]
            axes.plot(
                x, y, MARKERS[k % 5], ls=style, ms=4, lw=1.4, color=condition_colour(k),
                mfc="white" if name == "bic" else None, label=f"{name.upper()}, {covariance}",
            )  # fmt: skip
    best = best_row(group)
    at = best.settings.clusters, (best.icl - least) / _patches(group)
    axes.plot(*at, "*", ms=11, color=INK, zorder=3, ls="none", label="least ICL")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=-0.3)
    axes.set_title(f"{described}, {'whole patch' if window is None else f'window {window}'}")


def _scores_panel(axes: Axes, group: list[ScanRow]) -> None:
    best = best_row(group).settings.covariance
    line = _lines(group)[best]
    x = [row.settings.clusters for row in line]
    for k, (name, label) in enumerate(
        (("ari_phase", "ARI phases"), ("ari_region", "ARI regions"), ("wall_f1", "wall F1"))
    ):
        y = np.array([row.scores.get(name, np.nan) for row in line])
        if np.isfinite(y).any():
            axes.plot(x, y, MARKERS[k], ls="-", ms=4, lw=1.2, color=label_colour(k + 4), label=label)
    axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.02)
    axes.text(0.98, 0.04, f"{best} covariance", transform=axes.transAxes, ha="right", fontsize=7, color=GREY)


def _lines(group: list[ScanRow]) -> dict[str, list[ScanRow]]:
    lines: dict[str, list[ScanRow]] = {}
    for row in sorted(group, key=lambda one: one.settings.clusters):
        lines.setdefault(row.settings.covariance, []).append(row)
    return lines


def _patches(group: list[ScanRow]) -> int:
    return group[0].patches


def _plane(analysis: ClusterAnalysis) -> tuple[NDArray[np.float64], tuple[str, str]]:
    found = analysis.clustering
    values = found.descriptors.values
    if found.settings.descriptor == "raw":
        from sklearn.decomposition import PCA

        values = PCA(min(2, *values.shape), random_state=0).fit_transform(values)
    if values.shape[1] == 1:
        values = np.hstack([values, np.zeros_like(values)])
    name = "NMF component" if found.settings.descriptor == "nmf" else "principal component"
    return values[:, :2], (f"{name} 1", f"{name} 2")


def _tile(axes: Axes, tile: NDArray[np.floating], colours: str, low: float, high: float) -> None:
    axes.imshow(tile, cmap=colours, vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
