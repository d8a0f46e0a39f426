"""Pictures of textures, and of their two-point functions beside what the model expects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError, require
from ..projection import Field
from .measure import measured_two_point
from .models import TextureParameters, expected_volume_fraction, sample_texture, two_point
from .texture import Texture

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALONG, ACROSS = "#c2443f", "#2a78b5"
COLUMNS = 6


def draw_texture(ax: Axes, texture: Texture) -> None:
    """Phase 1 black on white, y downwards, with a scale bar in nm below."""
    draw_phase(ax, texture.phase, texture.field)


def draw_phase(ax: Axes, phase: np.ndarray, field: Field) -> None:
    """The same of a phase map (ny, nx) of zeros and ones."""
    left, right, bottom, top = field.extent_nm
    ax.imshow(phase, cmap="gray_r", vmin=0, vmax=1, extent=(left, right, bottom, top))
    ax.set_xticks([])
    ax.set_yticks([])
    width = right - left
    power = 10 ** math.floor(math.log10(width / 4))
    length = max(step * power for step in (1, 2, 5) if step * power <= width / 4)
    below = bottom + 0.035 * (bottom - top)
    ax.plot([left, left + length], [below, below], color="black", linewidth=2.5, clip_on=False)
    label = f"{length:g} nm"
    ax.text(left + length + 0.02 * width, below, label, fontsize=7, va="center", clip_on=False)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def draw_two_point(
    ax: Axes, parameters: TextureParameters, textures: Sequence[Texture], farthest_nm: float
) -> None:
    """S2 along x and y: the mean over textures with twice its standard error, and the model's as lines.

    Models without a two-point function show the textures' alone.
    """
    pixel = parameters.pixel_size_nm
    steps = np.unique(np.round(np.linspace(0, farthest_nm / pixel, 33)).astype(int))
    fine = np.linspace(0, farthest_nm, 400)
    for colour, marker, name, (i, j) in ((ACROSS, "o", "x", (1, 0)), (ALONG, "s", "y", (0, 1))):
        found = np.array([measured_two_point(one, i * steps, j * steps) for one in textures])
        error = 2 * found.std(axis=0, ddof=1) / math.sqrt(len(found))
        ax.errorbar(
            steps * pixel, found.mean(axis=0), error, fmt=marker, markersize=2.2, linewidth=0.8, color=colour,
            label=f"images, along {name}",
        )  # fmt: skip
        try:
            expected = two_point(parameters, i * fine, j * fine)
        except UserError:
            ax.text(0.97, 0.93, "no formula", transform=ax.transAxes, ha="right", va="top", fontsize=7)
        else:
            ax.plot(fine, expected, color=colour, linewidth=1.0, label=f"model, along {name}")
    fraction = expected_volume_fraction(parameters)
    ax.axhline(fraction**2, color="gray", linewidth=0.7, linestyle=":", zorder=0)
    ax.set_xlim(0, farthest_nm)
    ax.set_ylim(0, None)
    ax.tick_params(labelsize=7)


def draw_gallery(
    entries: Sequence[tuple[str, TextureParameters]], rng: np.random.Generator, textures: int = 200
) -> Figure:
    """One texture of each entry (words, parameters), below it S2 over `textures` of them and of the model."""
    figure_module = require("matplotlib.figure", extra="simulate")
    rows = -(-len(entries) // COLUMNS)
    figure = figure_module.Figure(figsize=(2.25 * COLUMNS, 4.3 * rows + 0.4), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05, wspace=0.01, hspace=0.01)
    axes = figure.subplots(2 * rows, COLUMNS, squeeze=False, height_ratios=(1.35, 1) * rows)
    for index, (title, parameters) in enumerate(entries):
        row, column = divmod(index, COLUMNS)
        drawn = [sample_texture(parameters, rng) for _ in range(textures)]
        above, below = axes[2 * row, column], axes[2 * row + 1, column]
        draw_texture(above, drawn[0])
        above.set_title(title, fontsize=8)
        draw_two_point(below, parameters, drawn, min(parameters.size_nm) * 0.3)
        below.set_xlabel("lag (nm)", fontsize=7, labelpad=1)
        if column == 0:
            below.set_ylabel("S2", fontsize=8)
    for ax in axes.ravel():
        if not ax.has_data():
            ax.set_axis_off()
    handles: dict[str, Artist] = {}
    for ax in axes[1::2].ravel():
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    words, marks = list(handles), list(handles.values())
    figure.legend(marks, words, loc="outside lower center", ncols=len(marks), fontsize=8, frameon=False)
    return figure
