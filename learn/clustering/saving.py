"""Clusters as files: metrics.json, clusters.csv, clusters.npz, pictures; each whole or not at all."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from learn.clustering import plots
from learn.clustering.analysis import ClusterAnalysis
from learn.clustering.scan import ScanRow
from learn.clustering.scores import AGREEMENTS
from learn.plots import png, styled
from stochgeom.errors import UserError
from stochgeom.files import write_bytes

METRICS, TABLE, ARRAYS = "metrics.json", "clusters.csv", "clusters.npz"
MAPS = 12  # micrographs that are drawn


def save_clusters(
    analysis: ClusterAnalysis, out: str | Path, drawn: dict[str, bytes] | None = None
) -> list[Path]:
    """Write all files into the folder `out`, made if needed; returns their paths. `drawn`: pictures made
    before.

    clusters.npz: labels, probabilities, means, centres_px, source, descriptors and, if any, components;
    clusters.csv: one line for each patch; metrics.json: settings, criteria, scores, scan; PNGs of the
    figures. Everything is made before the first is written. UserError if `out` cannot be written.
    """
    out = Path(out)
    drawn = pictures(analysis) if drawn is None else drawn
    files = {f"{name}.png": content for name, content in drawn.items()}
    files[ARRAYS] = _arrays(analysis)
    files[TABLE] = table(analysis).encode()
    files[METRICS] = (
        json.dumps(metrics(analysis), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    ).encode()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_bytes(out / name, content)
    except OSError as error:
        raise UserError(f"clusters cannot be written to {out}: {error.strerror or error}") from error
    return [out / name for name in files]


def pictures(analysis: ClusterAnalysis) -> dict[str, bytes]:
    """PNGs by name: map-1 and on, one for each micrograph; means, scatter, components and scan."""
    with styled():
        found = {
            f"map-{k + 1}": png(plots.map_figure(analysis, k), 256)
            for k in range(min(MAPS, len(analysis.patch_set.micrographs)))
        }
        found["means"] = png(plots.means_figure(analysis))
        found["scatter"] = png(plots.scatter_figure(analysis), 128)
        components = plots.components_figure(analysis)
        if components is not None:
            found["components"] = png(components, 128)
        if analysis.rows:
            found["scan"] = png(plots.scan_figure(analysis.rows), 128)
    return found


def metrics(analysis: ClusterAnalysis) -> dict[str, Any]:
    """What metrics.json holds. Numbers that are not known are null."""
    found, patches = analysis.clustering, analysis.patch_set
    explained = found.descriptors.explained
    sizes = np.bincount(found.labels, minlength=found.settings.clusters)
    data: dict[str, Any] = {
        "kind": "clusters",
        "versions": {name: importlib.metadata.version(name) for name in ("heterostem", "scikit-learn")},
        "about": analysis.about,
        "patches": {
            "number": len(patches),
            "dropped": patches.dropped,
            "window_px": list(patches.window),
            "channels": patches.channels,
            "pixel_size_nm": patches.pixel_size_nm,
            "micrographs": [image.name for image in patches.micrographs],
        },
        "settings": found.settings.model_dump(),
        "words": found.settings.words,
        "criteria": {
            "bic": found.bic,
            "icl": found.icl,
            "entropy": found.entropy,
            "log_likelihood": found.log_likelihood,
            "free_parameters": found.parameters,
        },
        "iterations": found.iterations,
        "converged": found.converged,
        "remarks": list(found.remarks),
        "explained": None if explained is None else explained.tolist(),
        "clusters": [
            {"patches": int(size), "share": float(share)}
            for size, share in zip(sizes, found.weights, strict=True)
        ],
        "scores": None,
        "scan": [_scan_line(row) for row in analysis.rows],
    }
    if analysis.truth is not None:
        names, counts = analysis.crosstab()
        data["scores"] = analysis.scores
        data["control"] = analysis.control
        data["chance"] = analysis.chance
        data["tolerance_nm"] = analysis.tolerance_nm
        data["crosstab"] = {"regions": names, "patches": counts.tolist()}
    known: dict[str, Any] = _without_nan(data)
    return known


def table(analysis: ClusterAnalysis) -> str:
    """clusters.csv: image, y and x in pixels, cluster from 1 on, its probability; with truth what is true."""
    found, patches, truth = analysis.clustering, analysis.patch_set, analysis.truth
    heads = ["micrograph", "y_px", "x_px", "cluster", "probability"]
    true = [] if truth is None else [name for name in AGREEMENTS if name != "region"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*heads, *(f"true_{name}" for name in true)])
    sure = found.probabilities.max(axis=1)
    for row in range(len(patches)):
        y, x = patches.centres_px[row]
        name = patches.micrographs[int(patches.source[row])].name
        rest = [int(getattr(truth, one)[row]) for one in true]
        line = [name, f"{y:.3f}", f"{x:.3f}", int(found.labels[row]) + 1, f"{sure[row]:.6f}"]
        writer.writerow([*line, *("" if value == 255 else value for value in rest)])
    return text.getvalue()


def _arrays(analysis: ClusterAnalysis) -> bytes:
    found, patches = analysis.clustering, analysis.patch_set
    arrays = {
        "labels": found.labels,
        "probabilities": found.probabilities,
        "means": found.means,
        "centres_px": patches.centres_px,
        "source": patches.source,
    }
    if found.descriptors.components is not None:
        arrays["descriptors"] = found.descriptors.values
        arrays["components"] = found.descriptors.components
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _scan_line(row: ScanRow) -> dict[str, Any]:
    return {**vars(row), "settings": row.settings.model_dump(), "remarks": list(row.remarks)}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
