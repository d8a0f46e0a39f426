"""Pictures that show rather than score: images beside true and redrawn structures, and the multislice
probes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learn.foreground import find_foreground
from learn.image_measures import outline
from learn.labels import formula
from learn.plots import GREY, INK, bare_panel, condition_colour, new_figure
from stochgeom.descriptors import describe
from stochgeom.pictures import draw_aggregate, species_colour
from stochgeom.projection import Field

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from learn.error_analysis import Analysis, ConditionAnalysis
    from stochgeom.aggregate import HeteroAggregate

EXAMPLE_QUANTILES = (0.1, 0.35, 0.65, 0.9)
REDRAWN = 3
FAINT = 0.1  # places below this share of the brightest are left out of relative differences


def example_rows(analysis: Analysis, quantiles: tuple[float, ...] = EXAMPLE_QUANTILES) -> list[int]:
    """Rows of the test set to show: at fixed quantiles of the number of particles, whatever their error."""
    order = np.argsort(analysis.size, kind="stable")
    rows = {int(order[round(q * (len(order) - 1))]) for q in quantiles}
    return sorted(rows, key=lambda row: analysis.size[row])


def examples_figure(analysis: Analysis, condition: ConditionAnalysis, rows: list[int]) -> Figure:
    """For each row: the image as recorded, the true structure, and structures redrawn from its prediction."""
    figure = new_figure(2.25 * (2 + REDRAWN), 2.5 * len(rows) + 0.35)
    panels = figure.subplots(len(rows), 2 + REDRAWN, squeeze=False)
    for line, row in zip(panels, rows, strict=True):
        _example(line, analysis, condition, row)
    for axes, words in zip(panels[0], ("image", "truth", *["redrawn"] * REDRAWN), strict=True):
        axes.annotate(
            words, (0, 1), (0, 18), xycoords="axes fraction", textcoords="offset points", fontsize=9.5,
            fontweight="bold",
        )  # fmt: skip
    _species_legend(figure, analysis.corpus.recipe.species_names)
    return figure


def _example(line: np.ndarray, analysis: Analysis, condition: ConditionAnalysis, row: int) -> None:
    corpus, tested = analysis.corpus, condition.tested
    sample = int(analysis.samples[row])
    image = corpus.noisy(sample, realism=tested.condition.recorded_as(corpus))[0]
    pixel = float(corpus.pixel_size[sample])
    truth = corpus.aggregate(sample)
    model = tested.model
    found = model.structures(tested.value_scaled[row], tested.sd_scaled[row], sample) if model else []
    shown = [truth, *nearest_in_extent(found, seen_extent(image, pixel))[:REDRAWN]]
    side = max(max(image.shape) * pixel, *(1.06 * _extent(one) for one in shown))
    low, high = np.percentile(image, (0.5, 99.8))
    extent = _centred(image.shape[1] * pixel, image.shape[0] * pixel)
    line[0].imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), extent=extent)
    line[0].set_xlim(-side / 2, side / 2)
    line[0].set_ylim(side / 2, -side / 2)
    line[0].set_facecolor("black")
    _caption(line[0], f"sample {sample}, pixel {pixel:.2f} nm")
    for axes, one in zip(line[1:], shown, strict=False):
        low_corner, high_corner = _corners(one)
        centre = tuple((low_corner + high_corner)[:2] / 2)
        draw_aggregate(axes, one, Field((160, 160), side / 160, centre), legend=False)
        _caption(axes, _facts(one))
    for axes in line:
        bare_panel(axes)
    for axes in line[1 + len(shown) :]:
        axes.set_axis_off()


def seen_extent(image: np.ndarray, pixel_size_nm: float) -> float:
    """The largest width (nm) of what stands out of the background of an image (ny, nx); NaN if nothing
    does.
    """
    mask = find_foreground(image).mask
    return outline(mask, pixel_size_nm)["feret_max_nm"] if mask.any() else np.nan


def nearest_in_extent(found: list[HeteroAggregate], extent_nm: float) -> list[HeteroAggregate]:
    """Aggregates in order of how near the diameter of their projection is to `extent_nm`."""
    if not np.isfinite(extent_nm):
        return found
    return sorted(found, key=lambda one: abs(np.log(_diameter(one) / extent_nm)))


def _diameter(aggregate: HeteroAggregate) -> float:
    """The largest width (nm) of the projection along z, over 32 directions."""
    angles = np.arange(32) * np.pi / 32
    along = aggregate.centres[:, :2] @ np.stack([np.cos(angles), np.sin(angles)])
    reach = aggregate.radii[:, None]
    return float(((along + reach).max(axis=0) - (along - reach).min(axis=0)).max())


def _caption(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=7.8, fontweight="normal", loc="left", pad=3)


def _facts(aggregate: HeteroAggregate) -> str:
    found = describe(aggregate)
    first = aggregate.species_names[0]
    words = f"N {len(aggregate)}, {100 * found[f'number_fraction_{first}']:.0f} % {formula(first)}"
    mixing = found["mixing_index"]
    return f"{words}, M {mixing:.2f}" if np.isfinite(mixing) else words


def _corners(aggregate: HeteroAggregate) -> tuple[np.ndarray, np.ndarray]:
    reach = aggregate.radii[:, None]
    return (aggregate.centres - reach).min(axis=0), (aggregate.centres + reach).max(axis=0)


def _extent(aggregate: HeteroAggregate) -> float:
    low, high = _corners(aggregate)
    return float((high - low)[:2].max())


def _centred(width: float, height: float) -> tuple[float, float, float, float]:
    return -width / 2, width / 2, height / 2, -height / 2


def _species_legend(figure: Figure, names: tuple[str, ...]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker="o", ls="", ms=8, color=species_colour(k), label=formula(name))
        for k, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(names))


def places_of_probes(columns: dict[str, Any], channel: int = 0) -> dict[str, np.ndarray]:
    """Means over the probes of each place: sample, reference, standard_error and response (place,)."""
    _, first, inverse = np.unique(columns["place"], return_index=True, return_inverse=True)
    counts = np.bincount(inverse)
    return {
        "sample": columns["sample"][first],
        "reference": np.bincount(inverse, columns["intensity"][:, channel]) / counts,
        "standard_error": columns["standard_error"][first, channel],
        "response": np.bincount(inverse, columns["response"][:, channel]) / counts,
    }


def probes_figure(columns: dict[str, Any], channel: int = 0) -> Figure:
    """Response against multislice at the validation probes, with the reference's standard errors and the 1:1
    line.
    """
    places = places_of_probes(columns, channel)
    figure = new_figure(8.6, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    reference, response = 100 * places["reference"], 100 * places["response"]
    error = 100 * places["standard_error"]
    top = 1.06 * max(float((reference + error).max()), float(response.max()))
    left.plot([0, top], [0, top], color=INK, lw=0.9)
    colour = condition_colour(0)
    left.errorbar(
        reference, response, xerr=error, fmt="o", ms=3.5, elinewidth=0.7, color=colour, alpha=0.75
    )  # fmt: skip
    left.set_xlim(0, top)
    left.set_ylim(0, top)
    left.set_aspect("equal")
    left.set_xlabel("multislice (% of the beam)")
    left.set_ylabel("response (% of the beam)")
    _differences(right, places)
    return figure


def _differences(axes: Axes, places: dict[str, np.ndarray]) -> None:
    """Relative differences of each place and (bars) of each aggregate, a column for each aggregate."""
    samples, order = np.unique(places["sample"], return_inverse=True)
    bright = places["reference"] > FAINT * places["reference"].max()
    relative = 100 * (places["response"] / np.maximum(places["reference"], 1e-12) - 1)
    rank = np.argsort(np.argsort(places["reference"]))
    spread = 0.5 * (rank / max(1, len(rank) - 1) - 0.5)
    axes.axhline(0, color=INK, lw=0.8)
    axes.plot(
        (order + spread)[bright], relative[bright], "o", ms=3.2, color=condition_colour(0), alpha=0.65, mew=0
    )
    for k in range(len(samples)):
        total = places["response"][order == k].sum() / places["reference"][order == k].sum() - 1
        axes.plot([k - 0.35, k + 0.35], [100 * total] * 2, color=GREY, lw=2.2)
    axes.set_xticks(range(len(samples)), [str(s) for s in samples], rotation=45 if len(samples) > 8 else 0)
    axes.set_xlabel("sample (bar: all its places together)")
    axes.set_ylabel("response less multislice (%)")
    limit = 1.15 * float(np.abs(relative[bright]).max()) if bright.any() else 1.0
    axes.set_ylim(-limit, limit)
    axes.grid(axis="x", visible=False)
