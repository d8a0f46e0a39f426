"""The report on clusters: one HTML file that needs no network, beside the files of `saving`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from learn import report_words
from learn.clustering.analysis import ClusterAnalysis
from learn.clustering.saving import metrics, pictures, save_clusters
from learn.clustering.scan import best_row, comparable
from learn.plots import png_uri
from learn.report_page import REPORT, rendered, unwritable
from stochgeom.files import write_text

TEMPLATE = "cluster_report.html.j2"


def write_cluster_report(analysis: ClusterAnalysis, out: str | Path) -> Path:
    """Write report.html and the files of `save_clusters` into the folder `out`, made if needed; returns the
    report's path.

    The report is written last, and every file replaces an earlier one whole. UserError if `out` cannot be
    written.
    """
    out = Path(out)
    drawn = pictures(analysis)
    page = render(analysis, drawn)
    save_clusters(analysis, out, drawn)
    try:
        write_text(out / REPORT, page)
    except OSError as error:
        raise unwritable(out, error) from error
    return out / REPORT


def render(analysis: ClusterAnalysis, drawn: dict[str, bytes]) -> str:
    """The page, from the analysis and its pictures (PNG by name)."""
    data = metrics(analysis)
    best = [id(best_row(group)) for group in comparable(list(analysis.rows))]
    for line, row in zip(data["scan"], analysis.rows, strict=True):
        line["best"] = id(row) in best
    figures = {name: png_uri(content) for name, content in drawn.items()}
    names = data["patches"]["micrographs"]
    return rendered(
        TEMPLATE,
        {"number": report_words.number, "significant": report_words.significant},
        data=data,
        title=names[0] if len(names) == 1 else f"{len(names)} micrographs",
        summary=summary(data),
        maps=[(name, figures[f"map-{k + 1}"]) for k, name in enumerate(names) if f"map-{k + 1}" in figures],
        figures={"components": None, "scan": None, **figures},
        scan_remarks=sum("too few" in " ".join(row.remarks) for row in analysis.rows),
    )


def summary(data: dict[str, Any]) -> list[str]:
    """Paragraphs of plain text, from what metrics.json holds."""
    patches, found = data["patches"], data["clusters"]
    lines = [
        f"{patches['number']:,} patches of {len(patches['micrographs'])} micrograph"
        f"{'s' if len(patches['micrographs']) > 1 else ''}"
        + (f" ({patches['dropped']:,} more left the image)" if patches["dropped"] else "")
        + f" fall into {len(found)} clusters of {found[-1]['patches']:,} to {found[0]['patches']:,} patches: "
        f"{data['words']}. BIC {data['criteria']['bic']:,.0f}, ICL {data['criteria']['icl']:,.0f}."
    ]
    if data["remarks"]:
        lines.append(f"Mind: {'; '.join(data['remarks'])}.")
    return [*lines, *_against_truth(data), *_preferred(data)]


def _against_truth(data: dict[str, Any]) -> list[str]:
    if not data["scores"]:
        return []
    scores, number, length = data["scores"], report_words.number, report_words.significant
    parts = [
        f"{words} {number(scores[name], 3)}"
        for name, words in (
            ("ari_phase", "phases"),
            ("ari_region", "regions"),
            ("ari_kind", "kinds of columns"),
        )
        if scores[name] is not None
    ]
    lines = [f"Against the truth the adjusted Rand index is, of {', of '.join(parts)}."] if parts else []
    if scores["wall_f1"] is not None:
        lines.append(
            f"Walls: F1 {number(scores['wall_f1'], 3)}, {length(scores['wall_found_length_nm'])} nm found, "
            f"{length(data['control']['wall_found_length_nm'])} nm if every patch had its true region, "
            f"{length(scores['wall_true_length_nm'])} nm true."
        )
    return lines


def _preferred(data: dict[str, Any]) -> list[str]:
    lines = []
    for row in data["scan"]:
        if row["best"]:
            window = row["settings"]["window_px"] or data["patches"]["window_px"][0]
            lines.append(
                f"Of descriptors {row['settings']['descriptor']} in windows of {window} pixels, ICL prefers "
                f"{row['settings']['clusters']} clusters of {row['settings']['covariance']} covariance."
            )
    return lines
