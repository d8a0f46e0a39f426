"""Analyses of patch autoencoders as plain data: `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from learn.report_data import plain, versions

from .analysis import Grouping, PatchAnalysis
from .angles import AngleFinding

FORMAT, FORMAT_VERSION = "heterostem patch report", 1


def metrics(analyses: Sequence[PatchAnalysis]) -> dict[str, Any]:
    """Everything as JSON data; what is not finite is None."""
    first = analyses[0]
    data = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "versions": versions(),
        "micrographs": [
            {
                "name": one.name,
                "shape": list(one.shape),
                "pixel_size_nm": one.pixel_size_nm,
                "truth": one.truth is not None,
                "wall_length_nm": None if one.truth is None else one.truth.wall_length_nm,
            }
            for one in first.patch_set.micrographs
        ],
        "models": [_model(one) for one in analyses],
        "baselines": [_grouping(one) for one in first.baselines],
    }
    return dict(plain(data))


def _model(one: PatchAnalysis) -> dict[str, Any]:
    return {
        "name": one.name,
        "patches": len(one.patch_set),
        "window_px": list(one.patch_set.window),
        "channels": one.patch_set.channels,
        "pixel_size_nm": one.patch_set.pixel_size_nm,
        "config": one.model.config.model_dump(mode="json"),
        "about": dict(one.model.about),
        "epochs": len(one.model.history),
        "unexplained_mean": float(one.unexplained.mean()),
        "unexplained_median": float(np.median(one.unexplained)),
        "unexplained_p90": float(np.quantile(one.unexplained, 0.9)),
        "kl_nats": one.kl_nats.tolist(),
        "active": int(one.active.sum()),
        "groupings": [_grouping(group) for group in one.groupings],
        "angles": [_angle(found) for found in one.angles],
        "angle_spread_degrees": None
        if one.encoding.angle_sd_degrees is None
        else float(np.median(one.encoding.angle_sd_degrees)),
    }


def _grouping(one: Grouping) -> dict[str, Any]:
    return {
        "features": one.features,
        "groups": one.groups.count,
        "bic_per_patch": one.groups.bic_per_patch,
        "icl_per_patch": one.groups.icl_per_patch,
        "scores": [asdict(score) for score in one.scores],
    }


def _angle(found: AngleFinding) -> dict[str, Any]:
    return {
        "quantity": found.quantity,
        "fitted_elsewhere": found.elsewhere,
        "score": asdict(found.score),
        "inside_one_region": None if found.inside is None else asdict(found.inside),
        "calibration": found.calibration.model_dump(mode="json"),
    }
