"""Charts of a report on texture autoencoders: matplotlib figures, in the look of `learn.plots`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learn.plots import GREY, INK, condition_colour, new_figure
from learn.scores import quantile_edges

from .analysis import TextureAnalysis
from .published import OURS
from .scores import FIGURES, Figure
from .texture_set import orientation_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

BASELINE = "#aeb4bf"
BINS = 8
FLOOR = 1e-8  # below, f-space MSEs are rounding
PANELS = ("f_mse_mean", "orientation_kept", "count_kept", "relative_volume_difference_mean")
TITLES = {
    "f_mse_mean": "mean f-space MSE",
    "orientation_kept": "orientation kept (%)",
    "count_kept": "line count kept (%)",
    "relative_volume_difference_mean": "mean volume-fraction difference (%)",
}
WAY_TITLES = {"radial": "all directions", "along": "along the orientation", "across": "across it"}


def model_colours(analysis: TextureAnalysis) -> dict[str, str]:
    """The colour of each method: one for each group of models, grey for baselines."""
    found = {one.label: BASELINE for one in analysis.methods}
    for k, group in enumerate(analysis.groups):
        found |= {member: condition_colour(k) for member in group.members}
    return found


def legend_labels(analysis: TextureAnalysis) -> dict[str, str]:
    """What each method is called in a legend: of several runs, one stands for all."""
    found = {one.label: one.label for one in analysis.methods}
    for group in analysis.groups:
        runs = len(group.members)
        found |= {member: f"_{member}" for member in group.members}
        found[group.members[0]] = f"{group.label}, {runs} runs" if runs > 1 else group.label
    return found


def results_chart(analysis: TextureAnalysis) -> Canvas:
    """Figures of merit of every method with 95 % intervals; crosses are published."""
    panels = [key for key in PANELS if any(_known(analysis, key))]
    methods, colours = analysis.methods, model_colours(analysis)
    figure = new_figure(2.6 + 2.35 * len(panels), 0.9 + 0.32 * len(methods))
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    places = np.arange(len(methods))[::-1]
    for axes, key in zip(row, panels, strict=True):
        merit = next(one for one in FIGURES if one.key == key)
        scale = 1.0 if key == "f_mse_mean" else 100.0
        for y, method in zip(places, methods, strict=True):
            one = method.figure(merit, analysis.threshold)
            if np.isfinite(one.value):
                ends = np.array([[one.value - one.low], [one.high - one.value]])
                axes.errorbar(
                    scale * one.value, y, xerr=scale * np.maximum(ends, 0), fmt="o", ms=5, elinewidth=1.4,
                    color=colours[method.label],
                )  # fmt: skip
            else:
                axes.text(0.5, y, "n/a", transform=axes.get_yaxis_transform(), color=GREY, ha="center", va="center", fontsize=7.5)  # fmt: skip # noqa: E501
        if key == "f_mse_mean":
            axes.set_xscale("log")
        _published_marks(axes, analysis, merit, scale)
        axes.set_title(TITLES[key], fontsize=8.5, pad=15)
        axes.grid(axis="y", visible=False)
    row[0].set_yticks(places, [one.label for one in methods])
    row[0].set_ylim(-0.6, len(methods) - 0.4)
    return figure


def _known(analysis: TextureAnalysis, key: str) -> list[bool]:
    merit = next(one for one in FIGURES if one.key == key)
    return [bool(np.isfinite(one.figure(merit, analysis.threshold).value)) for one in analysis.methods]


def _published_marks(axes: Axes, analysis: TextureAnalysis, merit: Figure, scale: float) -> None:
    if analysis.published is None:
        return
    value = analysis.published.figures.get(OURS, {}).get(merit.key)
    if value is not None:
        axes.axvline(scale * value, color=INK, lw=0.9, ls=(0, (4, 3)))
        axes.text(
            scale * value, 1.0, " published", transform=axes.get_xaxis_transform(), fontsize=6.8, color=INK,
            va="bottom", ha="center",
        )  # fmt: skip


def curves_chart(analysis: TextureAnalysis) -> Canvas:
    """Root mean square error of S2 over distance; the grey band is the spread of S2 between test images."""
    figure = new_figure(10.4, 3.3)
    panels = figure.subplots(1, 3, sharey=True)
    colours, names = model_colours(analysis), legend_labels(analysis)
    styles = {"all white": (0, (1, 2)), "class": (0, (4, 2)), "PCA": (0, (6, 2, 1, 2)), "nearest": "-"}
    for axes, way in zip(panels, WAY_TITLES, strict=True):
        spread = analysis.control.curves[way]
        axes.fill_between(
            spread.distance, 0, spread.true_sd, color="#eef0f4", lw=0, label="spread of the originals"
        )
        for method in analysis.methods:
            style = next((s for start, s in styles.items() if method.label.startswith(start)), "-")
            if method.label == "all white":
                continue
            curve = method.curves[way]
            vae = method.kind == "vae"
            axes.plot(
                curve.distance, curve.rms_error, color=colours[method.label] if vae else "#6d7482",
                ls="-" if vae else style, lw=1.8 if vae else 1.0, label=names[method.label],
            )  # fmt: skip
        axes.set_title(WAY_TITLES[way])
        axes.set_xlabel("distance (pixels)")
        axes.set_xlim(0, spread.distance[-1])
    panels[0].set_ylabel("RMS error of S₂")
    panels[0].set_ylim(bottom=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return figure


def dependence_chart(analysis: TextureAnalysis) -> Canvas:
    """Mean f-space MSE against what is true of the image, by method; bars are twice the standard error."""
    test = analysis.test
    panels: list[tuple[str, np.ndarray, bool]] = [("volume fraction", test.volume_fraction, False)]
    if np.isfinite(test.count).any():
        panels.append(("number of lines", test.count, True))
    if np.isfinite(test.orientation_degrees).any():
        few = len(orientation_classes(test.orientation_degrees)) > 0
        panels.append(("orientation (degrees)", test.orientation_degrees, few))
    figure = new_figure(max(6.6, 3.6 * len(panels)), 3.3)
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, values, discrete) in zip(row, panels, strict=True):
        _dependence(axes, analysis, values, discrete)
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(axes.get_ylim()[0], FLOOR))
        axes.set_xlabel(title)
    row[0].set_ylabel("mean f-space MSE")
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return figure


def _dependence(axes: Axes, analysis: TextureAnalysis, values: np.ndarray, discrete: bool) -> None:
    colours, names = model_colours(analysis), legend_labels(analysis)
    groups = _groups(values, discrete)
    shown = [one for one in analysis.methods if one.label != "all white"]
    for k, method in enumerate(shown):
        mse = method.column("f_mse", analysis.threshold)
        x = np.arange(len(groups), dtype=float)
        if discrete:
            x += 0.05 * (k - (len(shown) - 1) / 2)
        else:
            x = np.array([values[rows].mean() for _, rows in groups])
        y = np.array([mse[rows].mean() for _, rows in groups])
        error = np.array([2 * mse[rows].std() / np.sqrt(rows.sum()) for _, rows in groups])
        if method.kind == "vae":
            look: dict[str, Any] = {"fmt": "o-", "lw": 1.5, "color": colours[method.label]}
        else:
            look = {"fmt": "s--", "lw": 0.8, "color": _grey(k), "mfc": "white"}
        axes.errorbar(x, y, yerr=error, ms=3.5, elinewidth=0.8, label=names[method.label], **look)
    if discrete:
        axes.set_xticks(range(len(groups)), [label for label, _ in groups])


def _grey(k: int) -> str:
    return ("#4a505c", "#7d8492", "#a7adb9", "#c5cad3")[k % 4]


def _groups(values: np.ndarray, discrete: bool) -> list[tuple[str, np.ndarray]]:
    """(label, rows) of images by value, or in bins of about as many images."""
    if discrete:
        known = np.unique(np.round(values[np.isfinite(values)], 3))
        return [(f"{one:g}", np.abs(values - one) < 1e-3) for one in known]
    edges = quantile_edges(values, BINS)
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(0, len(edges) - 2))
    index = np.where(np.isfinite(values), index, -1)
    return [(f"{edges[k]:.3g}", index == k) for k in range(max(1, len(edges) - 1)) if (index == k).any()]
