"""Charts of latent numbers: how they are distributed, singly and in pairs, and what decodes from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from learn.micrographs.plots import label_colour
from learn.plots import FRAME, GREY, INK, bare_panel, new_figure

from .arrays import Array, Images
from .density import density_of_one, density_of_two, levels_holding, span
from .manifold import Manifold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SHOWN = 5
"""Latent numbers in a chart of pairs."""
POINTS = 4000
GAP = 1
"""Pixels between decoded patches."""
Groups = tuple["NDArray[np.int64]", Sequence[str]]
"""Number of the group of each patch, below zero for none; the groups' names."""


def distributions_figure(
    latents: Array, groups: Groups | None = None, names: Sequence[str] | None = None
) -> Figure:
    """Latent means (n, l): each alone with its density beside the prior's, each pair as points with contours
    that hold 30, 60 and 90 % of the density. More than five: those of the largest spread.

    Make it inside `learn.plots.styled()`.
    """
    chosen = [int(k) for k in np.sort(np.argsort(-latents.std(axis=0), kind="stable")[:SHOWN])]
    names = [f"z{k + 1}" for k in range(latents.shape[1])] if names is None else names
    size = len(chosen)
    side = {1: 3.6, 2: 2.7}.get(size, 10.4 / size)
    figure = new_figure(side * size + 0.6, side * size + (0.5 if groups else 0.2))
    panels = figure.subplots(size, size, squeeze=False)
    for row, column in product(range(size), range(size)):
        axes: Any = panels[row, column]
        across, up = latents[:, chosen[column]], latents[:, chosen[row]]
        if column > row:
            axes.set_axis_off()
        elif column == row:
            _one(axes, across, groups)
        else:
            _two(axes, across, up, groups)
        axes.set_xlabel(names[chosen[column]] if row == size - 1 else "")
        axes.set_ylabel(names[chosen[row]] if column == 0 and row > 0 else "")
    _legend(figure, groups)
    return figure


def _one(axes: Axes, values: Array, groups: Groups | None) -> None:
    low, high = span(values)
    edges = np.linspace(low, high, 41)
    counts = [np.histogram(part, edges)[0] for _, part in _parts(values, groups)]
    unit = len(values) * (edges[1] - edges[0])
    below = np.zeros(40)
    for (k, _), count in zip(_parts(values, groups), counts, strict=True):
        look: dict[str, Any] = {"color": label_colour(k), "alpha": 0.45}
        axes.stairs((below + count) / unit, edges, baseline=below / unit, fill=True, **look)
        below = below + count
    found = density_of_one(values)
    if found is not None:
        axes.plot(*found, color=INK, lw=1.2)
    grid = np.linspace(low, high, 200)
    axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=GREY, lw=1, ls=":")
    axes.set_xlim(low, high)
    axes.set_yticks([])
    axes.grid(visible=False)


def _two(axes: Axes, across: Array, up: Array, groups: Groups | None) -> None:
    some = np.arange(len(across))
    if len(some) > POINTS:
        some = np.random.default_rng(0).choice(len(some), POINTS, replace=False)
    shades = ["#b9bec8"] * len(across) if groups is None else [label_colour(int(k)) for k in groups[0]]
    axes.scatter(across[some], up[some], c=[shades[k] for k in some], s=5, alpha=0.5, lw=0, rasterized=True)
    density = density_of_two(across, up)
    if density is not None and density.max() > 0:
        grid = [np.linspace(*span(one), len(density)) for one in (across, up)]
        axes.contour(*grid, density, levels=levels_holding(density), colors=INK, linewidths=0.8)
    axes.set_xlim(*span(across))
    axes.set_ylim(*span(up))


def _parts(values: Array, groups: Groups | None) -> list[tuple[int, Array]]:
    if groups is None:
        return [(0, values)]
    return [(int(k), values[groups[0] == k]) for k in np.unique(groups[0])]


def _legend(figure: Figure, groups: Groups | None) -> None:
    from matplotlib.lines import Line2D

    looks: list[tuple[str, dict[str, Any]]] = []
    if groups is not None:
        present = [int(k) for k in np.unique(groups[0])]
        marks = {"marker": "o", "ls": ""}
        looks += [("none" if k < 0 else groups[1][k], {"color": label_colour(k), **marks}) for k in present]
    looks += [("density", {"color": INK, "lw": 1.2}), ("prior", {"color": GREY, "lw": 1, "ls": ":"})]
    handles = [Line2D([], [], **look) for _, look in looks]
    figure.legend(handles, [name for name, _ in looks], loc="outside lower center", ncols=min(6, len(looks)))


def manifold_figure(manifold: Manifold, channel: int = 0) -> Figure:
    """The decoded grid, one grey scale for all, the values of its latent numbers along two sides."""
    two = len(manifold.pair) == 2
    across = f"z{manifold.pair[0] + 1}"
    up = f"z{manifold.pair[1] + 1}" if two else ""
    rows = [_short(value) for value in manifold.up] if two else [""]
    return _mosaic(manifold.images[:, :, channel], across, [_short(x) for x in manifold.across], up, rows)


def traversals_figure(images: Images, ways: Array, names: Sequence[str], channel: int = 0) -> Figure:
    """A row for each latent number of images (l, steps, channel, h, w), as `manifold.traversals` has them."""
    heads = [""] * images.shape[1]
    figure = _mosaic(images[:, :, channel], "from low to high", heads, "", list(names))
    axes = figure.axes[0]
    h, w = images.shape[3:]
    for row, column in product(range(len(ways)), range(ways.shape[1])):
        place = column * (w + GAP) + 0.03 * w, row * (h + GAP) + 0.14 * h
        axes.text(*place, _short(ways[row, column]), fontsize=6, color="#ffe08a")
    return figure


def _mosaic(images: Images, across: str, columns: list[str], up: str, rows: list[str]) -> Figure:
    """Images (rows, columns, h, w) in one panel, apart by white lines: far sooner drawn than a panel each."""
    many, count, h, w = images.shape
    canvas = np.full((many * (h + GAP) - GAP, count * (w + GAP) - GAP), np.nan)
    for row, column in product(range(many), range(count)):
        top, left = row * (h + GAP), column * (w + GAP)
        canvas[top : top + h, left : left + w] = images[row, column]
    side = min(0.95, 8.5 / count)
    figure = new_figure(side * count + 0.7, side * many * h / w + 0.55)
    axes = figure.subplots()
    top_value = max(float(images.max()), float(images.min()) + 1e-9)
    axes.imshow(canvas, cmap="gray", vmin=float(images.min()), vmax=top_value, interpolation="nearest")
    axes.set_xticks([k * (w + GAP) + (w - 1) / 2 for k in range(count)], columns, fontsize=7)
    axes.set_yticks([k * (h + GAP) + (h - 1) / 2 for k in range(many)], rows, fontsize=7)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure


def show_patch(axes: Any, image: Array | Images, low: float, high: float, cmap: str = "gray") -> None:
    """A patch (h, w) in a bare panel."""
    top = high if high > low else low + 1e-9
    axes.imshow(image, cmap=cmap, vmin=low, vmax=top, interpolation="nearest", aspect="auto")
    bare_panel(axes, FRAME)


def _short(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
