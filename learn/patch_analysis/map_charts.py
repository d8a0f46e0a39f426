"""Latent numbers, angles, shifts, scales and groups of patches, drawn where the patches lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from learn.micrographs import PatchSet
from learn.micrographs.plots import plot_map
from learn.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from learn.patch_vae import Encoding

Look = Literal["number", "signed", "cyclic", "group"]
WIDTH = 10.4


@dataclass(frozen=True, eq=False)
class PatchMap:
    """Values (n,) of patches to draw where they lie: of a number, one about zero, a direction that repeats
    after `period`, or the numbers of groups, below zero for none, whose names may be given.
    """

    title: str
    values: NDArray
    look: Look = "number"
    period: float = 360.0
    names: Sequence[str] = ()


def latent_maps(encoding: Encoding, symmetry_order: int = 1) -> list[PatchMap]:
    """Everything that a model says of patches, one map each."""
    period = 360 / symmetry_order
    maps = [PatchMap(f"z{k + 1}", values) for k, values in enumerate(np.asarray(encoding.mean).T)]
    if encoding.angle_degrees is not None:
        maps.append(PatchMap(f"angle (°, modulo {period:g}°)", encoding.angle_degrees, "cyclic", period))
    if encoding.shift_px is not None:
        y, x = np.asarray(encoding.shift_px).T
        maps += [PatchMap("shift along x (px)", x, "signed"), PatchMap("shift along y (px)", y, "signed")]
    if encoding.scale is not None:
        maps.append(PatchMap("scale", encoding.scale))
    if encoding.class_probabilities is not None:
        maps.append(PatchMap("likeliest class", encoding.class_probabilities.argmax(axis=1), "group"))
    return maps


def maps_figure(patch_set: PatchSet, maps: Sequence[PatchMap], source: int = 0, columns: int = 3) -> Figure:
    """A panel for each map on one micrograph of the set. Make it inside `learn.plots.styled()`."""
    columns = min(columns, len(maps))
    rows = -(-len(maps) // columns)
    ny, nx = patch_set.micrographs[source].shape
    side = min(4.2, WIDTH / columns)
    figure = new_figure(side * columns, rows * (min(1.6, max(0.35, ny / nx)) * (side - 0.7) + 0.45))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, one in zip(panels, maps, strict=False):
        draw_map(axes, patch_set, one, source)
    for axes in panels[len(maps) :]:
        axes.set_axis_off()
    return figure


def draw_map(axes: Axes, patch_set: PatchSet, one: PatchMap, source: int = 0) -> None:
    """One map in one micrograph, with its colour bar or, of groups, the names that were given."""
    values = np.asarray(one.values)
    if one.look == "group":
        plot_map(axes, patch_set, values.astype(np.int64), source, names=one.names or None)
        axes.set_title(one.title, fontsize=8.5)
        return
    look: dict[str, Any] = {}
    if one.look == "cyclic":
        look = {"cyclic": True, "limits": (0.0, one.period)}
    elif one.look == "signed":
        known = values[np.isfinite(values)]
        limit = max(float(np.quantile(np.abs(known), 0.98)) if len(known) else 0.0, 1e-9)
        look = {"colours": "RdBu_r", "limits": (-limit, limit)}
    drawn = plot_map(axes, patch_set, values.astype(np.float64), source, **look)
    axes.set_title(one.title, fontsize=8.5)
    if drawn is not None:
        bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02)
        bar.outline.set_visible(False)  # type: ignore[operator]
