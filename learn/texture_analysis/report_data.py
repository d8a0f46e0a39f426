"""An analysis of texture autoencoders as plain data: `metrics.json` and `predictions.csv`."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import Any

import numpy as np

from learn.report_data import plain, versions
from learn.scores import Estimate

from .analysis import Comparison, Group, TextureAnalysis
from .evaluation import MethodResult
from .latents import LatentUse, SampleReadings
from .scores import FIGURES, ImageScores
from .texture_set import TextureSet
from .verdicts import plain_verdict, verdicts

FORMAT, FORMAT_VERSION = "heterostem texture report", 1


def metrics(analysis: TextureAnalysis) -> dict[str, Any]:
    """The whole analysis as JSON data; what is not finite is None."""
    published = analysis.published
    data = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "textures": {"train": _set(analysis.train), "test": _set(analysis.test)},
        "settings": analysis.settings,
        "versions": versions(),
        "headline": analysis.headline,
        "groups": [_group(one) for one in analysis.groups],
        "methods": [_method(one) for one in analysis.methods],
        "control": _method(analysis.control),
        "comparisons": [_comparison(one) for one in analysis.comparisons],
        "latents": {label: _latents(one) for label, one in analysis.latents.items()},
        "samples": {label: _samples(one) for label, one in analysis.samples.items()},
        "originals": _samples(analysis.originals),
        "models": {label: _settings(vae) for label, vae in analysis.models.items()},
        "published": None
        if published is None
        else {f.name: getattr(published, f.name) for f in fields(published)},
        "verdicts": [plain_verdict(one) for one in verdicts(analysis)],
    }
    return dict(plain(data))


def predictions_csv(analysis: TextureAnalysis) -> str:
    """A row for each method, reading and test image: what is true of it, and every score."""
    columns = [field.name for field in fields(ImageScores)]
    test = analysis.test
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    truth = ("true_volume_fraction", "true_orientation_degrees", "true_count")
    writer.writerow(["method", "reading", "image", *truth, *columns])
    for method in analysis.methods:
        for reading, scores in method.scores.items():
            table = np.stack(
                [test.volume_fraction, test.orientation_degrees, test.count]
                + [getattr(scores, name) for name in columns]
            )
            for image, row in enumerate(table.T):
                writer.writerow([method.label, reading, image, *(_cell(value) for value in row)])
    return text.getvalue()


def _cell(value: float) -> str:
    return f"{value:.7g}" if np.isfinite(value) else ""


def _set(textures: TextureSet) -> dict[str, Any]:
    def span(values: np.ndarray) -> list[float] | None:
        known = values[np.isfinite(values)]
        return [float(known.min()), float(np.median(known)), float(known.max())] if len(known) else None

    return {
        "name": textures.name,
        "images": len(textures),
        "shape": list(textures.shape),
        "volume_fraction": span(textures.volume_fraction),
        "orientation_degrees": span(textures.orientation_degrees),
        "count": span(textures.count),
        "without_phase": int((textures.volume_fraction == 0).sum()),
        "origin": dict(textures.origin),
    }


def _estimate(one: Estimate) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def _group(group: Group) -> dict[str, Any]:
    return {
        "label": group.label,
        "members": list(group.members),
        "figures": {
            one.key: {
                "mean": group.figures[one.key],
                "smallest": group.spread[one.key][0],
                "largest": group.spread[one.key][1],
            }
            for one in FIGURES
        },
    }


def _method(method: MethodResult) -> dict[str, Any]:
    return {
        "label": method.label,
        "kind": method.kind,
        "remark": method.remark,
        "figures": {
            reading: {key: _estimate(one) for key, one in found.items()}
            for reading, found in method.figures.items()
        },
        "scored": {
            reading: {one.column: int(np.isfinite(getattr(scores, one.column)).sum()) for one in FIGURES}
            for reading, scores in method.scores.items()
        },
        "curves": {
            way: {field.name: _short(getattr(curve, field.name)) for field in fields(curve)}
            for way, curve in method.curves.items()
        },
    }


def _short(values: np.ndarray) -> list[float]:
    """Five digits: curves are many numbers."""
    return [float(f"{value:.5g}") for value in values]


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "other": one.other,
        "f_mse_ratio": _estimate(one.f_mse_ratio),
        "count_kept_gain": _estimate(one.count_kept_gain),
        "volume_difference_gain": _estimate(one.volume_difference_gain),
        "nearer": one.nearer,
    }


def _latents(use: LatentUse) -> dict[str, Any]:
    return {
        "active": int(use.active.sum()),
        "of": len(use.active),
        "total_kl_nats": _estimate(use.total_kl_nats),
        "dimensions": [
            {
                "kl_nats": use.kl_nats[k],
                "mean_variance": use.mean_variance[k],
                "posterior_sd": use.posterior_sd[k],
                "active": bool(use.active[k]),
                "truth_correlation": {name: values[k] for name, values in use.truth_correlation.items()},
            }
            for k in range(len(use.active))
        ],
    }


def _samples(found: SampleReadings) -> dict[str, Any]:
    return {
        "images": len(found.straightness),
        "like_originals": float(found.like_originals.mean()),
        "line_textures": None if found.line_texture is None else float(found.line_texture.mean()),
        "count": _numbers(found.readings.count),
        "coherence_median": _median(found.readings.coherence),
        "straightness_median": _median(found.straightness),
        "greyness_median": _median(found.greyness),
        "interface_median": _median(found.interface),
        "volume_fraction_mean": float(found.readings.volume_fraction.mean()),
        "nearest_f_mse_median": _median(found.nearest),
        "nearest_f_mse_mean": float(found.nearest.mean()),
    }


def _numbers(counts: np.ndarray) -> dict[str, int]:
    """How many images have each number of lines."""
    known = counts[np.isfinite(counts)].astype(int)
    return {str(n): int((known == n).sum()) for n in np.unique(known)}


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _settings(vae: Any) -> dict[str, Any]:
    """What a model says of itself: its settings as data, and how long it trained."""
    settings = getattr(vae, "settings", None)
    dump = getattr(settings, "model_dump", None)
    history = [dict(line) for line in getattr(vae, "history", None) or []]
    return {
        "latent_size": int(vae.latent_size),
        "settings": dump(mode="json") if callable(dump) else None,
        "epochs": len(history),
        "last": history[-1] if history else None,
    }
