"""The report of an error analysis: one HTML file that needs no network, with `metrics.json` and
`predictions.csv` beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learn import example_plots, plots, report_words
from learn.error_analysis import Analysis
from learn.files import write_text
from learn.reference import BEST_ESTIMATOR
from learn.report_data import metrics, predictions_csv
from learn.report_page import METRICS, PREDICTIONS, REPORT, check_writable, rendered, unwritable

if TYPE_CHECKING:
    from learn.conditions import Condition

TRAINING_METRICS = "metrics.jsonl"
TEMPLATE = "report.html.j2"
FILTERS = (
    "number", "significant", "percent", "interval", "typical_error", "bin_error", "best_baseline", "words",
)  # fmt: skip


def write_report(analysis: Analysis, out: str | Path) -> Path:
    """Write report.html, metrics.json and predictions.csv into the folder `out`, made if needed; returns the
    report's path.

    The report is written last, and every file replaces an earlier one whole. UserError if `out` cannot be
    written.
    """
    out = Path(out)
    check_writable(out)
    data = metrics(analysis)
    page = render(analysis, data)
    try:
        write_text(out / METRICS, json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        write_text(out / PREDICTIONS, predictions_csv(analysis))
        write_text(out / REPORT, page)
    except OSError as error:
        raise unwritable(out, error) from error
    return out / REPORT


def render(analysis: Analysis, data: dict[str, Any]) -> str:
    """The page, from the analysis (for the figures) and its data (for the words and tables)."""
    with plots.styled():
        figures = _figures(analysis)
    recipe = json.dumps(analysis.corpus.recipe.canonical, indent=1, ensure_ascii=False)
    return rendered(
        TEMPLATE,
        {name: getattr(report_words, name) for name in FILTERS},
        data=data,
        summary=report_words.summary(data),
        names=list(analysis.target_names),
        rows=headline_rows(data, list(analysis.target_names)),
        figures=figures,
        recipe=recipe,
        commands=commands(data),
        published=BEST_ESTIMATOR,
    )


def headline_rows(data: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """For each target: its words, the figures under each condition (None where it was not estimated), what
    was published.
    """
    rows = []
    for name in names:
        cells = [next((t for t in c["targets"] if t["name"] == name), None) for c in data["conditions"]]
        first = next(cell for cell in cells if cell is not None)
        rows.append({"words": report_words.words(first), "cells": cells, "published": first["published_r2"]})
    return rows


def commands(data: dict[str, Any]) -> list[str]:
    """The commands that make such a report; names in capitals are the reader's to choose."""
    lines = [
        f"heterostem generate {data['corpus']['name']} --out CORPUS --samples {data['corpus']['samples']}"
    ]
    models = []
    for k, condition in enumerate(data["conditions"]):
        gain = (condition["training_config"] or {}).get("gain")
        models.append("MODEL" if len(data["conditions"]) == 1 else f"MODEL-{k + 1}")
        lines.append(f"heterostem train CORPUS --out {models[-1]}" + (f" --gain {gain}" if gain else ""))
    also = "".join(f" --also {model}" for model in models[1:])
    return [*lines, f"heterostem report {models[0]} CORPUS --out REPORT{also}"]


def training_lines(condition: Condition) -> list[dict[str, Any]]:
    """The lines of the training run's metrics, if its folder is known and holds any."""
    path = None if condition.folder is None else condition.folder / TRAINING_METRICS
    if path is None or not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # the last line of a run that was stopped while it wrote
            continue
        if isinstance(line, dict) and "epoch" in line:
            lines.append(line)
    return lines


def _figures(analysis: Analysis) -> dict[str, Any]:
    """Every figure as a data URI."""
    runs = {c.label: lines for c in analysis.conditions if (lines := training_lines(c.tested.condition))}
    probes = analysis.corpus.validation
    rows = example_plots.example_rows(analysis)
    return {
        "r2": plots.data_uri(plots.r2_chart(analysis)),
        "coverage": plots.data_uri(plots.coverage_chart(analysis)),
        "targets": {
            name: plots.data_uri(plots.target_figure(analysis, name)) for name in analysis.target_names
        },
        "examples": [
            (one.label, plots.data_uri(example_plots.examples_figure(analysis, one, rows), colours=None))
            for one in analysis.conditions
            if one.tested.model is not None
        ],
        "training": plots.data_uri(plots.training_chart(runs)) if runs else None,
        "probes": {}
        if probes is None
        else {
            name: plots.data_uri(example_plots.probes_figure(probes, channel))
            for channel, name in enumerate(analysis.corpus.channel_names)
        },
    }
