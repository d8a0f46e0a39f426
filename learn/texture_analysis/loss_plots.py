"""The loss of training runs, term by term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from learn.plots import new_figure

from .analysis import TextureAnalysis
from .plots import legend_labels, model_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

TERMS = 6
STYLES: dict[str, dict[str, Any]] = {"train": {"ls": ":", "lw": 1.1}, "validation": {"ls": "-", "lw": 1.5}}


def loss_terms(history: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, tuple[list[float], list[float]]]]:
    """The terms of a training run's loss: {term: {"train" | "validation": (epochs, values)}}.

    Lines may nest (`{"train": {"kl": 1}}`) or name the split first (`train_kl`, `training_kl`); numbers
    without a split are left out, and so are lines without an epoch.
    """
    found: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for line in history:
        epoch = line.get("epoch")
        if not isinstance(epoch, int | float):
            continue
        for key, value in _flat(line):
            split, _, term = key.partition("_")
            split = "train" if split == "training" else split
            if split in ("train", "validation") and term and np.isfinite(value):
                epochs, values = found.setdefault(term, {}).setdefault(split, ([], []))
                epochs.append(float(epoch))
                values.append(value)
    return found


def _flat(line: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """(key, number) of a line and of the mappings in it, keys joined by an underscore."""
    found = []
    for key, value in line.items():
        name = f"{prefix}{key}".replace(".", "_").replace("/", "_")
        if isinstance(value, Mapping):
            found += _flat(value, f"{name}_")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((name, float(value)))
    return found


def loss_chart(analysis: TextureAnalysis) -> Canvas | None:
    """A panel for each term of the loss: training dotted, validation full; None without any history."""
    runs = {label: loss_terms(vae.history or []) for label, vae in analysis.models.items()}
    terms = list(dict.fromkeys(term for run in runs.values() for term in run))[:TERMS]
    if not terms:
        return None
    colours, names = model_colours(analysis), legend_labels(analysis)
    columns = min(3, len(terms))
    rows = -(-len(terms) // columns)
    figure = new_figure(3.5 * columns, 2.5 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, term in zip(panels, terms, strict=False):
        drawn = []
        for label, run in runs.items():
            for split, (epochs, values) in run.get(term, {}).items():
                look = {"color": colours[label], **STYLES[split]}
                axes.plot(epochs, values, label=f"{names[label]}, {split}", **look)
                drawn += values
        if min(drawn) > 0 and max(drawn) > 4 * min(drawn):
            axes.set_yscale("log")
        axes.set_title(term.replace("_", " "))
        axes.set_xlabel("epoch")
    for axes in panels[len(terms) :]:
        axes.set_axis_off()
    handles: dict[str, Any] = {}
    for axes in panels[: len(terms)]:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(3, len(handles)))
    return figure
