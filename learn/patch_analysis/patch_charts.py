"""Pictures of patches beside their reconstructions, and charts of angles against truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from learn.micrographs.plots import label_colour
from learn.plots import INK, condition_colour, new_figure
from learn.texture_analysis.image_grid import image_grid, name_row, title
from learn.texture_analysis.loss_plots import STYLES, loss_terms

from .arrays import Array, Images
from .circular import wrapped
from .latent_charts import show_patch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

TERMS = 6
APART = ("seconds", "images", "patches", "learning_rate")
"""What lines of a history tell beside the loss."""


def reconstructions_figure(
    originals: Images, reconstructions: Images, names: Sequence[str], channel: int = 0
) -> Figure:
    """A column for each patch of (m, channel, h, w): the original, its reconstruction on the same grey scale,
    and the difference, blue below zero, on one scale for all. `names` (m,) stand above.
    """
    first, second = originals[:, channel], reconstructions[:, channel]
    figure, panels = image_grid(3, len(first), first.shape[1:], left=0.95, titled=(0,))
    both = np.concatenate([first, second])
    low, high = np.quantile(both, (0.001, 0.999))
    limit = float(np.abs(second - first).max())
    for k in range(len(first)):
        show_patch(panels[0, k], first[k], low, high)
        show_patch(panels[1, k], second[k], low, high)
        show_patch(panels[2, k], second[k] - first[k], -limit, limit, "RdBu_r")
        title(panels[0, k], names[k], 6.5)
    for row, name in enumerate(("patch", "decoded", f"difference, ±{limit:.2g}")):
        name_row(panels[row, 0], name)
    return figure


def angle_figure(
    found_degrees: Array,
    true_degrees: Array,
    period: float,
    quantity: str = "rotation",
    groups: NDArray[np.int64] | None = None,
) -> Figure:
    """Calibrated angles (n,) against the truth, and the distribution of their circular errors.

    `groups` (n,) colours the points, by the numbers of the patches' domains for example; below 0 is grey.
    """
    known = np.isfinite(found_degrees) & np.isfinite(true_degrees)
    found, true = np.mod(found_degrees[known], period), np.mod(true_degrees[known], period)
    figure = new_figure(8.2, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    shades = np.zeros(len(found), int) if groups is None else np.asarray(groups, int)[known]
    colours = [label_colour(int(k)) for k in shades]
    left.scatter(true, found, c=colours, s=7, alpha=0.45, lw=0, rasterized=True)
    for shift in (-period, 0, period):
        left.plot([0, period], [shift, period + shift], color=INK, lw=0.8, ls=":")
    left.set(xlim=(0, period), ylim=(0, period), aspect="equal")
    ticks = np.linspace(0, period, 5)
    left.set_xticks(ticks)
    left.set_yticks(ticks)
    words = {"rotation": "rotation of the lattice", "polarization": "direction of the polarization"}
    left.set_xlabel(f"true {words.get(quantity, quantity)} (°)")
    left.set_ylabel("from the model's angle (°)")
    errors = wrapped(found - true, period)
    edges = np.linspace(-period / 2, period / 2, 73)
    right.hist(errors, edges, color=condition_colour(0), alpha=0.8)
    median = float(np.median(np.abs(errors)))
    p90 = float(np.quantile(np.abs(errors), 0.9))
    for value, style in ((median, "-"), (p90, "--")):
        for sign in (-1, 1):
            right.axvline(sign * value, color=INK, lw=0.9, ls=style)
    right.set_title(f"median {median:.3g}°, 90 % within {p90:.3g}°", fontweight="normal", fontsize=8.5)
    right.set_xlabel(f"difference, modulo {period:g}° (°)")
    right.set_ylabel("patches")
    right.set_xlim(-period / 2, period / 2)
    return figure


def history_figure(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """A panel for each term of the loss over the epochs: training dotted, validation full; None for none."""
    terms = dict(list(loss_terms(_split_named(history)).items())[:TERMS])
    if not terms:
        return None
    columns = min(3, len(terms))
    rows = -(-len(terms) // columns)
    figure = new_figure(3.4 * columns, 2.4 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (term, splits) in zip(panels, terms.items(), strict=False):
        for split, (epochs, values) in splits.items():
            axes.plot(epochs, values, color=condition_colour(0), label=split, **STYLES[split])
        axes.set_title(term.replace("_", " "))
        axes.set_xlabel("epoch")
    for axes in panels[len(terms) :]:
        axes.set_axis_off()
    splits_shown = {split for found in terms.values() for split in found}
    if len(splits_shown) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _split_named(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Terms that name no split, in lines where none does, are the training's."""
    splits = ("train", "training", "validation")
    if any(key.split("_")[0] in splits for line in history for key in line):
        return list(history)
    return [
        {key if key == "epoch" else f"train_{key}": value for key, value in line.items() if key not in APART}
        for line in history
    ]
