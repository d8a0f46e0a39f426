"""Charts of what latent numbers are used for, and of what the prior gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learn.plots import INK, condition_colour, new_figure

from .analysis import TextureAnalysis
from .latents import SampleReadings
from .plots import BASELINE, legend_labels, model_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

LATENTS = 20  # drawn


def latent_chart(analysis: TextureAnalysis) -> Canvas:
    """Divergence of each latent number from its prior, and its rank correlation with what is true."""
    use = analysis.latents[analysis.headline]
    order = np.argsort(use.kl_nats)[::-1][:LATENTS]
    names = list(use.truth_correlation)
    figure = new_figure(3.2 + 0.46 * len(order), 2.2 + 0.34 * len(names))
    ratios = (1.5, max(0.6, 0.36 * len(names)))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
    colours = [condition_colour(0) if use.active[k] else BASELINE for k in order]
    top.bar(range(len(order)), use.kl_nats[order], color=colours, width=0.7)
    top.set_ylabel("KL (nats)")
    top.grid(axis="x", visible=False)
    table = np.array([use.truth_correlation[name][order] for name in names]).reshape(len(names), len(order))
    bottom.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for y, x in np.ndindex(table.shape):
        if np.isfinite(table[y, x]):
            shade = "white" if abs(table[y, x]) > 0.6 else INK
            bottom.text(
                x,
                y,
                f"{table[y, x]:.2f}".replace("-", "−"),
                ha="center",
                va="center",
                fontsize=6.5,
                color=shade,
            )
    bottom.set_yticks(range(len(names)), names)
    bottom.set_xticks(range(len(order)), [str(k + 1) for k in order])
    bottom.set_xlabel("latent number, by its divergence (grey: not in use)")
    bottom.grid(visible=False)
    return figure


def samples_chart(analysis: TextureAnalysis) -> Canvas:
    """What images from the prior show, beside the originals: shares of images."""
    originals = analysis.originals
    lines = bool(np.isfinite(originals.readings.count).any())
    columns: list[tuple[str, Any, bool]] = [
        ("volume fraction", lambda one: one.readings.volume_fraction, False),
        ("orientation (degrees)", _orientation, False),
        ("coherence", lambda one: one.readings.coherence, False),
        ("interface (sides per pixel)", lambda one: one.interface, False),
    ]
    if lines:
        columns.insert(0, ("number of lines", lambda one: one.readings.count, True))
        columns.append(("straightness", lambda one: one.straightness, False))
    columns.append(("log₁₀ f-space MSE to the nearest training texture", _log_nearest, False))
    figure = new_figure(3.4 * 3, 2.5 * -(-len(columns) // 3) + 0.3)
    panels = figure.subplots(-(-len(columns) // 3), 3, squeeze=False).ravel()
    colours, names = model_colours(analysis), legend_labels(analysis)
    for axes, (title, of, discrete) in zip(panels, columns, strict=False):
        sets = {label: of(one) for label, one in analysis.samples.items()}
        own = of(originals)
        everything = np.concatenate([own, *sets.values()])
        known = everything[np.isfinite(everything)]
        if len(known) == 0:
            axes.set_axis_off()
            continue
        edges = (
            np.arange(known.max() + 2) - 0.5 if discrete else np.linspace(known.min(), known.max() + 1e-9, 31)
        )
        axes.stairs(_shares(own, edges), edges, fill=True, color="#dfe3ea", label="originals")
        for label, values in sets.items():
            axes.stairs(_shares(values, edges), edges, color=colours[label], lw=1.4, label=names[label])
        axes.set_xlabel(title, fontsize=7.6)
        axes.set_ylabel("share")
    for axes in panels[len(columns) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return figure


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    known = values[np.isfinite(values)]
    return np.histogram(known, bins=edges)[0] / max(1, len(values))


def _log_nearest(one: SampleReadings) -> np.ndarray:
    return np.log10(np.maximum(one.nearest, 1e-9))


def _orientation(one: SampleReadings) -> np.ndarray:
    """-45 to 135 degrees, so that neither horizontal nor vertical lines lie at an end."""
    return (one.readings.orientation_degrees + 45) % 180 - 45
