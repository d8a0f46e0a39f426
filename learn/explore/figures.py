"""Still pictures of the page, which are also what it writes to files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from learn.explore.interactive import PICK
from learn.explore.session import Look
from learn.explore.shades import CYCLIC, Shade
from learn.micrographs.plots import LABEL_COLOURS, plot_image, plot_map
from learn.patch_analysis.latent_charts import show_patch
from learn.plots import GREY, INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 4000
MOST_MARKED = 400
PANEL = 1.5
"""Inches of a patch's panel."""
Images = NDArray[np.float32]


def picked_figure(look: Look, rows: NDArray[np.int64], across: NDArray, up: NDArray) -> Figure:
    """Picked patches, `rows` (r,) of a look: the patch (their mean), what the numbers tell of it, the mean of
    its cluster; its place on the image and among the numbers `across` and `up` (n,).

    Make it, as all here, inside `learn.plots.styled()`.
    """
    assert look.patches is not None
    channel = 0 if look.patches.channels == 1 else look.state.source.channel
    panels = _patch_panels(look, rows, channel)
    figure = new_figure(8.6, 2.75)
    outer = figure.add_gridspec(1, 3, width_ratios=(0.62 * len(panels), 1.0, 1.05))
    inner = outer[0, 0].subgridspec(1, len(panels))
    low = min(float(image.min()) for _, image in panels)
    high = max(float(image.max()) for _, image in panels)
    for place, (name, image) in enumerate(panels):
        axes = figure.add_subplot(inner[0, place])
        show_patch(axes, image, low, high)
        axes.set_aspect("equal")
        axes.set_title(name, fontsize=7.5, fontweight="normal", loc="center")
    _place_on_image(figure.add_subplot(outer[0, 1]), look, rows)
    _place_among(figure.add_subplot(outer[0, 2]), rows, across, up)
    return figure


def means_figure(look: Look) -> Figure:
    """Mean patch and share of each cluster."""
    assert look.groups is not None
    means, count = cluster_means(look), look.groups.count
    channel = 0 if means.shape[1] == 1 else look.state.source.channel
    titles = [f"{k + 1}: {share:.0%}" for k, share in enumerate(look.groups.shares)]
    figure, panels = _row_of_panels(count, means.shape[2:])
    held = look.groups.shares > 0
    low, high = float(means[held][:, channel].min()), float(means[held][:, channel].max())
    for k, axes in enumerate(panels):
        if held[k]:
            show_patch(axes, means[k, channel], low, high)
        else:
            axes.set_axis_off()
        axes.spines[:].set_color(LABEL_COLOURS[k % len(LABEL_COLOURS)])
        axes.spines[:].set_linewidth(2.2)
        axes.set_title(titles[k], fontsize=8, fontweight="normal", loc="center", pad=3)
    return figure


def components_figure(look: Look) -> Figure | None:
    """What each number of the descriptor weighs, with the share of the variance; None if a model decodes."""
    found = look.descriptor
    if found is None or found.pictures is None:
        return None
    pictures = found.pictures[:, 0 if found.pictures.shape[1] == 1 else look.state.source.channel]
    figure, panels = _row_of_panels(len(pictures), pictures.shape[1:])
    for k, axes in enumerate(panels):
        signed = pictures[k].min() < 0
        top = float(np.abs(pictures[k]).max())
        colours = "RdBu_r" if signed else "magma"
        show_patch(axes, pictures[k], -top if signed else 0.0, top, colours)
        share = "" if found.shares is None else f": {found.shares[k]:.1%}"
        axes.set_title(found.names[k] + share, fontsize=7.5, fontweight="normal", loc="center", pad=3)
    return figure


def choices_figure(choices: Sequence[tuple[int, float, float]], chosen: int) -> Figure:
    """BIC and ICL against the number of clusters; the dashed line is the number shown, dots are the best."""
    figure = new_figure(5.2, 3.0)
    axes = figure.add_subplot()
    counts = [choice[0] for choice in choices]
    for place, name, colour in ((1, "BIC", LABEL_COLOURS[0]), (2, "ICL", LABEL_COLOURS[1])):
        values = [choice[place] for choice in choices]
        best = int(np.argmin(values))
        axes.plot(counts, values, "o-", color=colour, markersize=3.5, linewidth=1.3, label=name)
        axes.plot(counts[best], values[best], "o", color=colour, markersize=9, markerfacecolor="none")
    axes.axvline(chosen, color=GREY, linestyle="--", linewidth=0.9)
    axes.set_xlabel("number of clusters")
    axes.set_ylabel("criterion per patch, nats (least is best)")
    axes.set_xticks(counts)
    axes.legend()
    return figure


def map_figure(look: Look, shade: Shade) -> Figure:
    """What colours the charts, as cells about the patches' middles, over the image."""
    assert look.patches is not None
    figure = new_figure(6.4, 5.4)
    axes = figure.add_subplot()
    if shade.groups is not None:
        known = np.isfinite(shade.values) & (shade.values >= 0)
        labels = np.where(known, shade.values, -1).astype(np.int64)
        present = [name for number, name in enumerate(shade.groups) if (labels == number).any()]
        names = (["unknown"] if (labels < 0).any() else []) + present
        plot_map(axes, look.patches, labels, opacity=0.6, names=names)
        return figure
    found = plot_map(
        axes, look.patches, shade.values, opacity=0.75, limits=shade.limits, cyclic=shade.name in CYCLIC
    )
    if found is not None:
        figure.colorbar(found, ax=axes, label=shade.name, fraction=0.046)
    return figure


def scatter_figure(across: NDArray, up: NDArray, names: tuple[str, str], shade: Shade) -> Figure:
    """Two numbers of each patch against each other."""
    figure = new_figure(6.0, 4.8)
    axes = figure.add_subplot()
    shown = _even_rows(len(across), POINTS)
    for name, colour, rows in shade.parts(shown):
        drawn: dict[str, Any] = {"color": colour, "label": name} if colour else {"c": shade.values[rows]}
        if colour is None:
            colours = "twilight" if shade.name in CYCLIC else "viridis"
            drawn |= {"cmap": colours, "vmin": shade.limits[0], "vmax": shade.limits[1]}
        found = axes.scatter(across[rows], up[rows], s=5, alpha=0.7, linewidths=0, **drawn)
        if colour is None:
            figure.colorbar(found, ax=axes, label=shade.name, fraction=0.046)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    if shade.groups is not None:
        axes.legend(title=shade.name, markerscale=2.5, fontsize=7.5, loc="best", frameon=True, framealpha=0.8)
    return figure


def manifold_of(look: Look, steps: int = 9) -> Figure | None:
    """What the model decodes from a grid over the numbers in the scatter; None without a model."""
    from learn.patch_analysis.latent_charts import manifold_figure
    from learn.patch_analysis.manifold import latent_manifold

    if look.descriptor is None or look.descriptor.model is None:
        return None
    latents, size = look.descriptor.chart, look.descriptor.chart.shape[1]
    across, up = (min(number, size) - 1 for number in (look.state.view.across, look.state.view.up))
    pair = (across,) if size == 1 else (across, up if up != across else (across + 1) % size)
    manifold = latent_manifold(look.descriptor.model, latents, pair, steps)
    channel = 0 if look.descriptor.model.channels == 1 else look.state.source.channel
    return manifold_figure(manifold, channel)


def cluster_means(look: Look) -> Images:
    """Mean patches (k, c, h, w); zeros for a cluster without patches."""
    assert look.patches is not None
    assert look.groups is not None
    labels, count = look.groups.labels, look.groups.count
    members = np.eye(count, dtype=np.float32)[labels]
    sums = np.tensordot(members, look.patches.patches, (0, 0))
    return sums / np.maximum(members.sum(axis=0), 1)[:, None, None, None]


def _patch_panels(look: Look, rows: NDArray[np.int64], channel: int) -> list[tuple[str, Images]]:
    assert look.patches is not None
    patches, one = look.patches.patches, len(rows) == 1
    panels = [("patch" if one else f"mean of {len(rows)}", patches[rows].mean(axis=0)[channel])]
    told = look.descriptor.rebuilt(patches, rows[:MOST_MARKED]) if look.descriptor else None
    if told is not None:
        panels.append(("as the numbers\ntell it", told.mean(axis=0)[channel]))
    if look.groups is not None and one:
        label = int(look.groups.labels[rows[0]])
        members = look.groups.labels == label
        panels.append((f"mean of\ncluster {label + 1}", patches[members].mean(axis=0)[channel]))
    return panels


def _place_on_image(axes: Axes, look: Look, rows: NDArray[np.int64]) -> None:
    """The image with the windows of a few picked patches, or dots for many."""
    from matplotlib.patches import Rectangle

    assert look.patches is not None
    assert look.micrograph is not None
    plot_image(axes, look.micrograph, look.state.source.channel)
    h, w = look.patches.window
    places = look.patches.centres_px[rows]
    if len(rows) <= 12:
        for y, x in places:
            corner = (x - w / 2, y - h / 2)
            axes.add_patch(Rectangle(corner, w, h, fill=False, edgecolor=PICK, linewidth=1.4))
    else:
        axes.plot(places[:, 1], places[:, 0], ".", color=PICK, markersize=2.5)
    axes.set_title("where", fontsize=7.5, fontweight="normal", loc="center")


def _place_among(axes: Axes, rows: NDArray[np.int64], across: NDArray, up: NDArray) -> None:
    shown = _even_rows(len(across), POINTS)
    axes.plot(across[shown], up[shown], ".", color="#c4c8cf", markersize=1.6)
    size = 7 if len(rows) <= 12 else 2.5
    axes.plot(across[rows], up[rows], "o", color=PICK, markersize=size, markeredgecolor="white", mew=0.4)
    axes.set_title("among the numbers", fontsize=7.5, fontweight="normal", loc="center")
    axes.tick_params(labelsize=6.5, colors=INK)


def _row_of_panels(count: int, shape: tuple[int, int]) -> tuple[Figure, list[Any]]:
    """Panels for pictures (h, w), eight to a row at most."""
    across = min(count, 8)
    down = -(-count // across)
    side = PANEL if across <= 5 else 1.15
    high = side * shape[0] / shape[1]
    figure = new_figure(across * side + 0.2, down * (high + 0.3) + 0.1)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, list(panels[:count])


def _even_rows(n: int, most: int) -> NDArray[np.int64]:
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)
