"""Figures of an error analysis: matplotlib figures, without pyplot and without global state."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from learn.baselines import BOOSTING, RECALIBRATED
from learn.labels import SCALES, label, with_unit
from learn.reference import BEST_ESTIMATOR
from stochgeom.errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from learn.error_analysis import Analysis, ConditionAnalysis, TargetAnalysis

# Conditions and the species of the pictures have colours of their own, all told apart by the colour-blind.
CONDITION_COLOURS = ("#3B4CC0", "#B5446E", "#2E8B6F", "#8A6D00")
INK, GREY, FRAME, LIGHT = "#1f2430", "#8a909c", "#c9ced6", "#e6e8ec"
DENSE = 1500  # points from which a density is drawn instead of single points
DPI = 130

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": "#b9bec8",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": "#5a6070",
    "ytick.color": "#5a6070",
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


def styled() -> AbstractContextManager[None]:
    """The look of all figures, for a `with` block."""
    matplotlib = require("matplotlib", extra="learn")
    context: AbstractContextManager[None] = matplotlib.rc_context(STYLE)
    return context


def png(figure: Figure, colours: int | None = None) -> bytes:
    """The figure as PNG; with a palette of so many colours, which suits charts and makes them a third of the
    size.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if colours is not None:
        image = image.quantize(colours, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def data_uri(figure: Figure, colours: int | None = 128) -> str:
    """The figure as a data URI for an HTML page; `colours` as in `png`."""
    return png_uri(png(figure, colours))


def png_uri(content: bytes) -> str:
    """A PNG as a data URI, so that a page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def bare_panel(axes: Axes, frame: str | None = None) -> None:
    """No ticks and no grid about an image; a thin frame of that colour, or none."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(frame is not None)
    if frame is not None:
        axes.spines[:].set_color(frame)
        axes.spines[:].set_linewidth(0.6)


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """An empty figure of that size in inches. Make and fill it inside `styled()`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)


def condition_colour(k: int) -> str:
    """Colour of the k-th condition."""
    return CONDITION_COLOURS[k % len(CONDITION_COLOURS)]


def r2_chart(analysis: Analysis) -> Figure:
    """R2 of every target with 95 % intervals: direct, through the model, baselines; one panel for each
    condition.
    """
    names = analysis.target_names
    figure = new_figure(3.6 + 3.1 * len(analysis.conditions), 1.2 + 0.36 * len(names))
    panels = figure.subplots(1, len(analysis.conditions), sharey=True, squeeze=False)[0]
    places = np.arange(len(names))[::-1]
    for k, (axes, condition) in enumerate(zip(panels, analysis.conditions, strict=True)):
        _r2_panel(axes, condition, names, places, condition_colour(k))
        _reference_marks(axes, analysis, names, places)
        axes.set_title(condition.label)
        axes.set_xlim(min(-0.05, axes.get_xlim()[0]), 1.0)
        axes.set_xlabel("R²")
    panels[0].set_yticks(places, [label(name, True) for name in names])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)))
    return figure


def _r2_panel(
    axes: Axes, condition: ConditionAnalysis, names: Sequence[str], places: np.ndarray, colour: str
) -> None:
    rows = [(y, condition.target(name)) for y, name in zip(places, names, strict=True)]
    found = [(y, one) for y, one in rows if one is not None]

    def values(of: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        have = [(y, of(one).r2) for y, one in found if of(one) is not None]
        at = np.array([y for y, _ in have], dtype=float)
        mid = np.array([max(r.value, -0.3) for _, r in have])
        ends = np.array([[r.value - r.low, r.high - r.value] for _, r in have]).T.reshape(2, -1)
        return at, mid, np.maximum(ends, 0)

    at, mid, _ = values(lambda one: one.baselines.get(BOOSTING))
    axes.barh(at, mid, height=0.62, color="#d9dce2", label="gradient boosting")
    at, mid, _ = values(lambda one: one.baselines.get(RECALIBRATED))
    axes.plot(mid, at, "|", color=GREY, ms=11, mew=1.8, label="composition alone")
    at, mid, ends = values(lambda one: one.direct_scaled)
    axes.errorbar(mid, at + 0.1, xerr=ends, fmt="o", ms=5, color=colour, elinewidth=1.3, label="direct")
    at, mid, ends = values(lambda one: one.through_scaled)
    axes.errorbar(
        mid,
        at - 0.16,
        xerr=ends,
        fmt="D",
        ms=4,
        color=colour,
        mfc="white",
        elinewidth=1,
        label="through the model",
    )
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=GREY, lw=0.8)


def _reference_marks(axes: Axes, analysis: Analysis, names: Sequence[str], places: np.ndarray) -> None:
    if analysis.reference is None:
        return
    published = [analysis.reference.rows.get(name, {}).get(BEST_ESTIMATOR) for name in names]
    have = [(float(y), r2) for y, r2 in zip(places, published, strict=True) if r2 is not None]
    r2s, at = np.array([r2 for _, r2 in have]), np.array([y + 0.1 for y, _ in have])
    axes.plot(r2s, at, "x", color=INK, ms=5, label="published small CNN, 24k")


def target_figure(analysis: Analysis, name: str) -> Figure:
    """One target: predicted against true, residuals against size and overlap, calibration; a row for each
    condition.
    """
    have = [(k, c) for k, c in enumerate(analysis.conditions) if c.target(name) is not None]
    figure = new_figure(11.4, 2.75 * len(have), layout=None)  # the layout engine is slow for so many axes
    figure.subplots_adjust(0.05, 0.55 / (2.75 * len(have)), 0.985, 1 - 0.3 / (2.75 * len(have)), 0.3, 0.36)
    for row, (k, condition) in zip(figure.subplots(len(have), 4, squeeze=False), have, strict=True):
        column = condition.tested.names.index(name)
        target = condition.targets[column]
        colour = condition_colour(k)
        _predicted_against_true(row[0], condition, column, colour)
        residual = condition.tested.value_scaled[:, column] - condition.tested.truth_scaled[:, column]
        ylabel = f"residual of {SCALES[target.scale]}value"
        _residuals(row[1], analysis.size, residual, target.by_size, colour, "number of particles", ylabel)
        row[1].set_xscale("log")
        _plain_log_ticks(row[1])
        _residuals(
            row[2], analysis.overlap, residual, target.by_overlap, colour, "overlap in projection", ylabel
        )
        _calibration(row[3], target, colour)
        row[0].set_title(condition.label if len(have) > 1 else "")
    return figure


def _predicted_against_true(axes: Axes, condition: ConditionAnalysis, k: int, colour: str) -> None:
    tested, target = condition.tested, condition.targets[k]
    truth, value = tested.truth[:, k], tested.value[:, k]
    known = np.isfinite(truth) & np.isfinite(value)
    log = target.scale == "log" and np.all(truth[known] > 0) and np.nanmax(truth) > 4 * np.nanmin(truth)
    both = np.concatenate([truth[known], value[known]])
    low, high = float(both.min()), float(both.max())
    if known.sum() >= DENSE:
        ends = (np.log10(low), np.log10(high)) if log else (low, high)
        axes.hexbin(
            truth[known], value[known], gridsize=36, extent=(*ends, *ends), mincnt=1, bins="log",
            cmap=_ramp(colour),
            xscale="log" if log else "linear", yscale="log" if log else "linear", linewidths=0.1,
        )  # fmt: skip
    else:
        bars = np.stack([value - tested.lower[:, k], tested.upper[:, k] - value])[:, known]
        axes.errorbar(
            truth[known], value[known], yerr=np.maximum(bars, 0), fmt="none", ecolor=colour, elinewidth=0.5,
            alpha=max(0.08, min(0.35, 40 / known.sum())),
        )  # fmt: skip
        axes.plot(truth[known], value[known], "o", ms=2.4, color=colour, alpha=0.65, mew=0)
        if log:
            axes.set_xscale("log")
            axes.set_yscale("log")
    axes.plot([low, high], [low, high], color=INK, lw=0.9)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    if log:
        _plain_log_ticks(axes, both=True)
    words = with_unit("", target.unit).strip()
    axes.set_xlabel(f"true {words}".strip())
    axes.set_ylabel(f"predicted {words}".strip())
    r2 = target.direct_scaled.r2
    _note(axes, f"R² {r2.value:.2f}  [{r2.low:.2f}, {r2.high:.2f}]")


def _residuals(
    axes: Axes,
    x: np.ndarray,
    residual: np.ndarray,
    bins: Sequence[Any],
    colour: str,
    xlabel: str,
    ylabel: str,
) -> None:
    known = np.isfinite(residual) & np.isfinite(x)
    axes.plot(
        x[known],
        residual[known],
        "o",
        ms=1.8,
        mew=0,
        color=colour,
        alpha=max(0.12, min(0.5, 150 / known.sum())),
    )
    axes.axhline(0, color=INK, lw=0.8)
    for one in bins:
        bias, rmse = one.scores.bias, one.scores.rmse.value
        axes.fill_between(
            [one.low, one.high], bias.value - rmse, bias.value + rmse, color=colour, alpha=0.13, lw=0
        )
        axes.plot([one.low, one.high], [bias.value] * 2, color=colour, lw=1.8)
    limit = np.quantile(np.abs(residual[known]), 0.995) if known.any() else 1.0
    axes.set_ylim(-1.1 * limit, 1.1 * limit)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)


def _calibration(axes: Axes, target: TargetAnalysis, colour: str) -> None:
    levels = np.array([level for level, _ in target.curve])
    shares = np.array([[e.value, e.low, e.high] for _, e in target.curve])
    axes.plot([0, 1], [0, 1], color=INK, lw=0.9)
    axes.fill_between(levels, shares[:, 1], shares[:, 2], color=colour, alpha=0.18, lw=0)
    axes.plot(levels, shares[:, 0], "o-", ms=3, lw=1.2, color=colour)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("stated probability")
    axes.set_ylabel("share inside the interval")
    _note(axes, f"90 %: {100 * target.coverage.value:.1f} %")


def coverage_chart(analysis: Analysis, low: float = 0.87, high: float = 0.93) -> Figure:
    """Coverage of the stated 90 % intervals with binomial intervals; the band is what is asked for."""
    names = analysis.target_names
    figure = new_figure(7.2, 1.1 + 0.3 * len(names))
    axes = figure.subplots()
    places = np.arange(len(names))[::-1]
    axes.axvspan(100 * low, 100 * high, color="#dff0e4", lw=0, label=f"{100 * low:.0f}–{100 * high:.0f} %")
    axes.axvline(90, color=INK, lw=0.8)
    step = 0.5 / max(1, len(analysis.conditions))
    for k, condition in enumerate(analysis.conditions):
        have = [
            (y, t.coverage)
            for y, n in zip(places, names, strict=True)
            if (t := condition.target(n)) is not None
        ]
        at = np.array([y for y, _ in have]) + step * (0.5 * (len(analysis.conditions) - 1) - k)
        value = 100 * np.array([c.value for _, c in have])
        ends = 100 * np.array([[c.value - c.low, c.high - c.value] for _, c in have]).T
        axes.errorbar(
            value,
            at,
            xerr=ends,
            fmt="o",
            ms=4,
            elinewidth=1.2,
            color=condition_colour(k),
            label=condition.label,
        )
    axes.set_yticks(places, [label(name, True) for name in names])
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("test aggregates inside the stated 90 % interval (%)")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def training_chart(runs: dict[str, list[dict[str, Any]]]) -> Figure:
    """Loss and mean validation R2 of each training run, from the lines of its metrics.jsonl."""
    figure = new_figure(8.6, 2.8)
    left, right = figure.subplots(1, 2)
    for k, (name, lines) in enumerate(runs.items()):
        epochs = [line["epoch"] for line in lines]
        left.plot(
            epochs,
            [line.get("validation_loss", np.nan) for line in lines],
            color=condition_colour(k),
            label=name,
        )
        r2 = [np.mean(list(line["r2"].values())) if line.get("r2") else np.nan for line in lines]
        right.plot(epochs, r2, color=condition_colour(k), label=name)
    left.set_ylabel("validation loss (standardised MSE)")
    right.set_ylabel("mean validation R²")
    losses = [line.get("validation_loss", np.nan) for lines in runs.values() for line in lines]
    if np.nanmax(losses) > 4 * np.nanmin(losses):
        left.set_yscale("log")
    right.set_ylim(max(-0.1, right.get_ylim()[0]), right.get_ylim()[1])
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    right.legend(loc="lower right")
    return figure


def _note(axes: Axes, text: str) -> None:
    axes.text(
        0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8,
        bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.8},
    )  # fmt: skip


def _plain_log_ticks(axes: Axes, both: bool = False) -> None:
    """Ticks at 1, 2 and 5 with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis) if both else (axes.xaxis,):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _ramp(colour: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    rgb = np.array(to_rgb(colour))
    return LinearSegmentedColormap.from_list("ramp", [0.8 + 0.2 * rgb, rgb, 0.35 * rgb])
