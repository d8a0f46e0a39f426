"""A grid of image panels, and images and maps of the two-point function in them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from learn.plots import FRAME, bare_panel, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, GAP = 10.4, 0.06  # inches
LARGEST = 1.55  # inches: few images are not blown up


def image_grid(
    rows: int, columns: int, shape: tuple[int, int], *, left: float = 0.0, titled: Sequence[int] = ()
) -> tuple[Figure, np.ndarray]:
    """A figure and its panels (rows, columns) for images of shape (ny, nx), side by side in `WIDTH` inches.

    left: inches kept for words beside the first column; titled: the rows above which there is room for words.
    Placed by arithmetic: matplotlib's own layouts take seconds for a hundred panels.
    """
    side = min(LARGEST, (WIDTH - left - GAP * columns) / columns)
    high = side * shape[0] / shape[1]
    above = [GAP / 2 + (0.17 if row in titled else 0.0) + (high + GAP / 2) * (row > 0) for row in range(rows)]
    tops = np.cumsum(above)
    width, height = left + (side + GAP) * columns, float(tops[-1]) + high + GAP / 2
    figure = new_figure(width, height, layout=None)
    panels = np.empty((rows, columns), object)
    for row, column in np.ndindex(rows, columns):
        x, y = left + GAP / 2 + column * (side + GAP), height - float(tops[row]) - high
        panels[row, column] = figure.add_axes((x / width, y / height, side / width, high / height))
    return figure, panels


def name_row(axes: Axes, words: str, wrap: int = 16) -> None:
    """Words to the left of a panel."""
    text = "\n".join(line for part in words.split("\n") for line in textwrap.wrap(part, wrap))
    axes.set_ylabel(text, fontsize=7, rotation=0, ha="right", va="center", labelpad=4)


def title(axes: Axes, words: str, size: float = 7.2) -> None:
    """Words above a panel."""
    axes.set_title(words, fontsize=size, fontweight="normal", loc="left", pad=2)


def show_image(axes: Axes, image: np.ndarray) -> None:
    """An image (ny, nx) from 0, white, to 1, black."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    bare_panel(axes, FRAME)


def show_map(axes: Axes, values: np.ndarray, top: float) -> None:
    """A map of f (ny, nx) from 0 to `top`, by its square root."""
    from matplotlib.colors import PowerNorm

    norm = PowerNorm(0.5, vmin=0, vmax=max(top, 1e-12), clip=True)
    axes.imshow(values, cmap="magma", norm=norm, interpolation="nearest", aspect="auto")
    bare_panel(axes, FRAME)


def show_difference(axes: Axes, values: np.ndarray, limit: float) -> None:
    """A map of differences (ny, nx), blue below zero, red above."""
    limit = max(limit, 1e-12)
    axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")
    bare_panel(axes, FRAME)
