"""An analysis as plain data: what `metrics.json` holds and the page is filled from. Not finite numbers become
null.
"""

from __future__ import annotations

import csv
import io
import math
from importlib import metadata
from typing import Any

import numpy as np

from learn.error_analysis import Analysis, ConditionAnalysis, TargetAnalysis
from learn.scores import Bin, Difference, Estimate, Scores
from learn.through_model import Redrawn

FORMAT, FORMAT_VERSION = "heterostem report", 1
PACKAGES = ("heterostem", "numpy", "scipy", "scikit-learn", "torch")


def metrics(analysis: Analysis) -> dict[str, Any]:
    """The whole analysis as JSON data."""
    from simulate.validation import summarise

    corpus = analysis.corpus
    probes = corpus.validation
    data = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "corpus": {
            "name": corpus.recipe.name,
            "recipe_hash": corpus.recipe.hash,
            "engine": corpus.aggregate_recipe.engine.name,
            "samples": len(corpus),
            "splits": {s: len(corpus.indices(s)) for s in ("train", "calibration", "validation", "test")},
            "particles": [
                float(analysis.size.min()),
                float(np.median(analysis.size)),
                float(analysis.size.max()),
            ],
            "median_pixel_size_nm": float(np.median(np.asarray(corpus.pixel_size[:])[analysis.samples])),
            "versions": dict(corpus.attributes.get("versions", {})),
        },
        "settings": analysis.settings,
        "versions": versions(),
        "response_against_multislice": None
        if probes is None
        else {name: summarise(probes, channel) for channel, name in enumerate(corpus.channel_names)},
        "overlap_in_projection": _summary(analysis.overlap),
        "conditions": [_condition(analysis, one) for one in analysis.conditions],
        "reference": None
        if analysis.reference is None
        else {"source": analysis.reference.source, "methods": analysis.reference.methods},
    }
    return dict(plain(data))


def plain(value: Any) -> Any:
    """JSON data from dictionaries, sequences, NumPy numbers and arrays; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def predictions_csv(analysis: Analysis) -> str:
    """A row for each condition and test aggregate: true, predicted, sd, lower, upper and through the model,
    by target.
    """
    names = analysis.target_names
    parts = ("true", "predicted", "sd", "lower", "upper", "through_model")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["condition", "sample", "n_particles", "overlap_in_projection", "unlike_training"]
    writer.writerow([*head, *(f"{name}.{part}" for name in names for part in parts)])
    for condition in analysis.conditions:
        tested = condition.tested
        arrays = (tested.truth, tested.value, tested.sd, tested.lower, tested.upper, tested.through)
        where = [tested.names.index(name) if name in tested.names else None for name in names]
        for row, sample in enumerate(analysis.samples):
            cells: list[Any] = [condition.label, int(sample), int(analysis.size[row])]
            cells += [f"{analysis.overlap[row]:.4f}", int(tested.unlike[row])]
            for k in where:
                cells += [_cell(array[row, k]) if k is not None else "" for array in arrays]
            writer.writerow(cells)
    return text.getvalue()


def versions() -> dict[str, str]:
    """Versions of what made the analysis."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _condition(analysis: Analysis, condition: ConditionAnalysis) -> dict[str, Any]:
    tested = condition.tested
    about = tested.condition.estimator.about
    return {
        "label": condition.label,
        "realism": tested.realism,
        "network": tested.condition.estimator.config.network,
        "weights": _weights(tested.condition.estimator),
        "training": about.get("training"),
        "training_config": about.get("training_config"),
        "trained_on": {"corpus": about.get("corpus"), "recipe_hash": about.get("recipe_hash")},
        "unlike_training_share": float(np.mean(tested.unlike)),
        "through_model": None if tested.redrawn is None else _redrawn(tested.redrawn),
        "targets": [_target(analysis, one) for one in condition.targets],
        "undetermined": [one.name for one in condition.targets if one.verdict == "undetermined"],
        "beats_every_baseline": [one.name for one in condition.targets if one.beats_all],
        "beats_every_baseline_through_model": [
            one.name for one in condition.targets if one.through_beats_all
        ],
    }


def _redrawn(redrawn: Redrawn) -> dict[str, Any]:
    found = np.isfinite(redrawn.values).any(axis=2)
    return {
        "draws_per_image": redrawn.values.shape[1],
        "parameter_sets": redrawn.tried,
        "infeasible": redrawn.refused,
        "aggregates": int(found.sum()),
        "images_without": int((~found.any(axis=1)).sum()),
    }


def _target(analysis: Analysis, target: TargetAnalysis) -> dict[str, Any]:
    reference = analysis.reference.rows.get(target.name) if analysis.reference else None
    return {
        "name": target.name,
        "unit": target.unit,
        "scale": target.scale,
        "n": target.direct.n,
        "r2": _estimate(target.direct_scaled.r2),
        "rmse_on_scale": _estimate(target.direct_scaled.rmse),
        **_in_units(target.direct),
        "coverage_90": _estimate(target.coverage),
        "mean_interval_width": target.width,
        "interval_width_over_prior": target.relative_width,
        "stated_sd_over_prior": target.stated_over_prior,
        "calibration": [{"level": level, **_estimate(one)} for level, one in target.curve],
        "probability_deciles": target.deciles,
        "through_model": None
        if target.through is None or target.through_scaled is None
        else {
            "n": target.through.n,
            "r2": _estimate(target.through_scaled.r2),
            **_in_units(target.through),
            "r2_gain_direct": None
            if target.through_minus_direct is None
            else _difference(target.through_minus_direct),
        },
        "baselines": {name: _baseline(target, name, scores) for name, scores in target.baselines.items()},
        "beats_every_baseline": target.beats_all,
        "beats_every_baseline_through_model": target.through_beats_all if target.through_gain else None,
        "by_particles": [_bin(one) for one in target.by_size],
        "by_overlap": [_bin(one) for one in target.by_overlap],
        "verdict": target.verdict,
        "statement": target.statement,
        "published_r2": reference,
    }


def _in_units(scores: Scores) -> dict[str, Any]:
    return {"bias": _estimate(scores.bias), "mae": _estimate(scores.mae), "rmse": _estimate(scores.rmse)}


def _baseline(target: TargetAnalysis, name: str, scores: Scores) -> dict[str, Any]:
    through = target.through_gain.get(name)
    return {
        "r2": _estimate(scores.r2),
        "r2_gain_direct": _difference(target.direct_gain[name]),
        "r2_gain_through_model": None if through is None else _difference(through),
    }


def _bin(one: Bin) -> dict[str, Any]:
    s = one.scores
    return {
        "low": one.low,
        "high": one.high,
        "n": s.n,
        "r2": _estimate(s.r2),
        "bias_on_scale": _estimate(s.bias),
        "rmse_on_scale": _estimate(s.rmse),
    }


def _estimate(one: Estimate) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def _difference(one: Difference) -> dict[str, Any]:
    return {**_estimate(one.gain), "beats": one.beats}


def _summary(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    return {"median": float(middle), "q05": float(low), "q95": float(high)}


def _weights(estimator: Any) -> int | None:
    network = getattr(estimator, "network", None)
    return None if network is None else int(sum(p.numel() for p in network.parameters()))


def _cell(value: float) -> str:
    return f"{value:.7g}" if np.isfinite(value) else ""
