"""The report on texture autoencoders: one HTML file that needs no network, with `metrics.json` and
`predictions.csv` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learn import report_words
from learn.files import write_text
from learn.plots import data_uri, styled
from learn.report_page import METRICS, PREDICTIONS, REPORT, check_writable, rendered, unwritable

from . import latent_plots, loss_plots, pictures, plots, words
from .analysis import Models, TextureAnalysis, analyse_textures
from .evaluation import compared_reading
from .report_data import metrics, predictions_csv
from .scores import FIGURES, RAW
from .texture_set import TextureSet, corpus_textures

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus

TEMPLATE = "texture_report.html.j2"
COLUMNS: tuple[dict[str, str], ...] = (
    {"key": "f_mse_mean", "head": "f-space MSE", "unit": "mean, 10⁻⁵", "kind": "f_mse"},
    {"key": "f_mse_median", "head": "f-space MSE", "unit": "median, 10⁻⁵", "kind": "f_mse"},
    {"key": "data_mse_mean", "head": "data-space MSE", "unit": "mean", "kind": "data"},
    {"key": "orientation_kept", "head": "orientation", "unit": "kept, %", "kind": "percent"},
    {"key": "orientation_difference_median", "head": "orientation", "unit": "off by, °", "kind": "degrees"},
    {"key": "coherence_mean", "head": "coherence", "unit": "mean", "kind": "plain"},
    {"key": "count_kept", "head": "line count", "unit": "kept, %", "kind": "percent"},
    {"key": "relative_volume_difference_mean", "head": "|Δφ| / φ", "unit": "mean, %", "kind": "percent"},
    {
        "key": "relative_volume_difference_median",
        "head": "|Δφ| / φ",
        "unit": "median, %",
        "kind": "percent",
    },
)


def write_texture_report(
    models: Models, textures: tuple[TextureSet, TextureSet] | Corpus, out: str | Path, **settings: Any
) -> Path:
    """Analyse models and write report.html, metrics.json and predictions.csv into the folder `out`, made if
    needed; returns the report's path.

    models: a model by its label, or several trained alike but for the seed; the first is the one in question.
    textures: (training, test) set, or a corpus of textures, whose splits train and test are taken.
    settings: those of `analyse_textures`. UserError, before any work, if `out` cannot be written.
    """
    out = Path(out)
    check_writable(out)
    if isinstance(textures, tuple):
        train, test = textures
    else:
        train, test = (corpus_textures(textures, split) for split in ("train", "test"))
    return write_analysis(analyse_textures(models, train, test, **settings), out)


def write_analysis(analysis: TextureAnalysis, out: str | Path) -> Path:
    """The same of an analysis. The report is written last, and every file replaces an earlier one whole."""
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


def render(analysis: TextureAnalysis, data: dict[str, Any]) -> str:
    """The page, from the analysis (for the figures) and its data (for the words and tables)."""
    with styled():
        figures = _figures(analysis)
    columns = [column for column in COLUMNS if _applies(data, column["key"])]
    return rendered(
        TEMPLATE,
        {
            "number": report_words.number,
            "percent": report_words.percent,
            "in_unit": words.in_unit,
            "spread": words.spread,
        },
        data=data,
        summary=words.summary(data),
        columns=columns,
        rows=result_rows(data, columns),
        readings=reading_rows(data, columns),
        several=any(len(one["members"]) > 1 for one in data["groups"]),
        sample_rows=[("the originals", data["originals"]), *data["samples"].items()],
        figures=figures,
    )


def result_rows(data: dict[str, Any], columns: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The rows of the headline table: models (several runs: their mean, then each), baselines, the
    control, what was published. A row has a label, a remark, its part and its cells, (column, estimate or
    None).
    """
    methods = {one["label"]: one for one in data["methods"]}

    def of(method: Mapping[str, Any]) -> list[tuple[dict[str, str], Any]]:
        return [(column, _compared(data, method, column["key"])) for column in columns]

    rows = []
    for group in data["groups"]:
        if len(group["members"]) > 1:
            cells = [(column, _runs(group["figures"][column["key"]])) for column in columns]
            label = f"{group['label']}, mean of {len(group['members'])} runs"
            rows.append({"label": label, "remark": "", "part": "", "cells": cells})
        for member in group["members"]:
            part = "member" if len(group["members"]) > 1 else ""
            rows.append({"label": member, "remark": "", "part": part, "cells": of(methods[member])})
    for method in [*(one for one in data["methods"] if one["kind"] != "vae"), data["control"]]:
        rows.append({"label": method["label"], "remark": method["remark"], "part": "", "cells": of(method)})
    return rows + _published_rows(data, columns)


def reading_rows(data: dict[str, Any], columns: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Every method that gives images, by reading."""
    rows = []
    for method in data["methods"]:
        readings = list(method["figures"])
        for k, reading in enumerate(readings if method["kind"] != "statistics" else []):
            found = method["figures"][reading]
            rows.append(
                {
                    "label": method["label"],
                    "reading": "as it is" if reading == RAW else f"cut {reading}",
                    "first": k == 0,
                    "last": k == len(readings) - 1,
                    "cells": [(column, found[column["key"]]) for column in columns],
                }
            )
    return rows


def _compared(data: dict[str, Any], method: Mapping[str, Any], key: str) -> dict[str, Any]:
    column = next(one.column for one in FIGURES if one.key == key)
    reading = compared_reading(column, data["settings"]["threshold"])
    figures = method["figures"]
    return dict(figures.get(reading, figures[RAW])[key])


def _runs(figure: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": figure["mean"], "low": figure["smallest"], "high": figure["largest"]}


def _published_rows(data: dict[str, Any], columns: list[dict[str, str]]) -> list[dict[str, Any]]:
    published = data["published"]
    if published is None:
        return []
    rows = []
    for name, figures in published["figures"].items():
        source = "drawn again" if name in published["regenerated"] else "published"
        cells = [
            (column, {"value": figures[column["key"]], "low": None} if column["key"] in figures else None)
            for column in columns
        ]
        label, remark = f"{source}: {published['labels'][name]}", published["methods"][name]
        rows.append({"label": label, "remark": remark, "part": "head", "cells": cells})
    return rows


def _applies(data: dict[str, Any], key: str) -> bool:
    """Whether any method has the figure; the difference of orientation only where no class is kept or
    lost.
    """
    known = any(_compared(data, one, key)["value"] is not None for one in data["methods"])
    if key in ("orientation_difference_median", "coherence_mean"):
        return known and not _applies(data, "orientation_kept")
    return known


def _figures(analysis: TextureAnalysis) -> dict[str, Any]:
    """Every figure as a data URI."""
    traversals = pictures.traversals_figure(analysis)
    loss = loss_plots.loss_chart(analysis)
    return {
        "results": data_uri(plots.results_chart(analysis)),
        "curves": data_uri(plots.curves_chart(analysis)),
        "dependence": data_uri(plots.dependence_chart(analysis)),
        "latents": data_uri(latent_plots.latent_chart(analysis)),
        "samples_chart": data_uri(latent_plots.samples_chart(analysis)),
        "loss": None if loss is None else data_uri(loss),
        "reconstructions": data_uri(pictures.reconstructions_figure(analysis), 256),
        "cases": data_uri(pictures.cases_figure(analysis), 256),
        "traversals": None if traversals is None else data_uri(traversals),
        "interpolation": data_uri(pictures.interpolation_figure(analysis)),
        "nearest": data_uri(pictures.nearest_figure(analysis)),
        "samples": [
            (group.members[0], data_uri(pictures.samples_figure(analysis, group.members[0])))
            for group in analysis.groups
        ],
    }
