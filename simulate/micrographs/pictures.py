"""Pictures of micrographs with their truth: atomic columns by kind, walls, domains, polarization."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simulate.corpus.scene_truth import NO_REGION, WALL_KINDS, SceneTruth
from stochgeom.errors import UserError, require
from stochgeom.projection import Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulate.corpus.reader import Corpus

COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#f0e442", "#0072b2", "#999999")
"""Of kinds and of regions (Okabe and Ito): told apart by most eyes."""
_WALL_STYLES = dict(zip(WALL_KINDS, ("-", "--", ":"), strict=True))
_WALL_COLOUR = "#ffd400"
_MOST_ARROWS = 900
_ROW_INCHES = 4.2
_MOST_ROWS = 6


def scene_sheet(corpus: Corpus, path: str | Path, count: int = 3, noisy: bool = True) -> Path:
    """Write a PNG with finished samples spread over the corpus, at most six: a row of each, the image, its
    columns and walls, its domains. `noisy` shows the image as recorded.

    UserError if no sample is finished or the file cannot be written.
    """
    require("matplotlib", extra="simulate")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    indices = corpus.indices()
    if len(indices) == 0:
        raise UserError(f"{corpus.path}: no sample is finished yet")
    rows = min(count, len(indices), _MOST_ROWS)
    chosen = indices[np.unique(np.linspace(0, len(indices) - 1, rows).astype(int))]
    ny, nx = corpus.recipe.image_shape
    size = (3 * _ROW_INCHES * max(nx / ny, 0.6) + 1.6, _ROW_INCHES * len(chosen))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, index in zip(figure.subplots(len(chosen), 3, squeeze=False), chosen, strict=True):
        draw_row(list(axes), corpus, int(index), noisy)
    try:
        figure.savefig(path, dpi=110, bbox_inches="tight", pad_inches=0.08)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return Path(path)


def draw_row(axes: list[Axes], corpus: Corpus, index: int, noisy: bool) -> None:
    """One sample in three panels."""
    image = corpus.noisy(index)[-1] if noisy else corpus.clean(index)[-1]
    truth, field = corpus.scene_truth(index), corpus.field(index)
    name = corpus.channel_names[-1]
    draw_image(axes[0], image, field)
    axes[0].set_title(f"sample {index}: {name}, {'as recorded' if noisy else 'clean'}", fontsize=9)
    draw_image(axes[1], corpus.clean(index)[-1], field)
    draw_columns(axes[1], truth)
    draw_walls(axes[1], truth)
    axes[1].set_title(f"{len(truth.columns)} columns, walls of {truth.wall_length_nm:.3g} nm", fontsize=9)
    _legend(axes[1])
    draw_regions(axes[2], truth, field)
    draw_walls(axes[2], truth, colour="black")
    axes[2].set_title(draw_arrows(axes[2], truth), fontsize=9)
    _legend(axes[2])
    for axis in axes:
        axis.set_xlabel("x / nm", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("y / nm", fontsize=8)


def _legend(axis: Axes) -> None:
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7, frameon=False, handlelength=1.4)


def draw_image(axis: Axes, image: NDArray[np.floating], field: Field) -> None:
    """Grey image (y, x), y downwards, in nm; the brightest 0.2 % are cut."""
    low, high = np.quantile(image, (0.001, 0.998))
    axis.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), extent=field.extent_nm)


def draw_columns(axis: Axes, truth: SceneTruth) -> None:
    """Rings at the atomic columns, a colour for each kind; rare kinds are larger."""
    kinds = truth.column("kind")
    span = np.ptp(axis.get_xlim()) or 1.0
    base = float(np.clip(3000 / span**2, 2, 60))
    for k, name in enumerate(truth.kind_names):
        own = truth.positions_nm[kinds == k]
        if not len(own):
            continue
        rare = len(own) < 0.1 * len(kinds)
        colour, width = COLOURS[k % len(COLOURS)], 1.4 if rare else 0.7
        axis.scatter(
            own[:, 0], own[:, 1], s=base * (3 if rare else 1), facecolors="none", edgecolors=colour,
            linewidths=width, label=f"{name} ({len(own)})",
        )  # fmt: skip


def draw_walls(axis: Axes, truth: SceneTruth, colour: str = _WALL_COLOUR) -> None:
    """Walls as lines, a style for each kind."""
    for k, name in enumerate(WALL_KINDS):
        own = truth.walls[truth.walls[:, 4] == k]
        for place, (x0, y0, x1, y1, _) in enumerate(own):
            label = name if place == 0 else None
            axis.plot([x0, x1], [y0, y1], _WALL_STYLES[name], color=colour, linewidth=1.6, label=label)


def draw_regions(axis: Axes, truth: SceneTruth, field: Field) -> None:
    """Domains as flat colours; pixels of none stay white."""
    from matplotlib.colors import to_rgb

    picture = np.ones((*truth.domain.shape, 3))
    for k in np.unique(truth.domain[truth.domain != NO_REGION]):
        colour = 0.45 * np.array(to_rgb(COLOURS[int(k) % len(COLOURS)])) + 0.55
        picture[truth.domain == k] = colour
        axis.plot([], [], "s", color=tuple(colour), label=truth.domain_names[int(k)])
    axis.imshow(picture, extent=field.extent_nm)


def draw_arrows(axis: Axes, truth: SceneTruth) -> str:
    """Polar displacements as arrows; where there are none, tilts. Returns what is drawn, in words."""
    for fields, unit, what in (
        (("polarization_x_pm", "polarization_y_pm"), "pm", "polar displacement"),
        (("tilt_x_mrad", "tilt_y_mrad"), "mrad", "tilt"),
    ):
        u, v = (truth.column(field) for field in fields)
        known = np.flatnonzero(np.isfinite(u) & np.isfinite(v))
        longest = float(np.hypot(u[known], v[known]).max(initial=0.0))
        if longest > 0:
            known = known[:: -(-len(known) // _MOST_ARROWS)]
            spacing = np.ptp(axis.get_xlim()) / 28
            axis.quiver(
                *truth.positions_nm[known].T, u[known], v[known], angles="xy", scale_units="xy",
                scale=longest / (1.6 * spacing), width=0.003, color="black",
            )  # fmt: skip
            return f"domains; arrows: {what}, up to {longest:.3g} {unit}"
    return "domains"
