"""What a model says of every patch, as a table and as arrays."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.files import write_text
from stochgeom.errors import UserError
from stochgeom.files import write_bytes

from .analysis import PatchAnalysis

LATENTS_CSV, LATENTS_NPZ = "latents.csv", "latents.npz"


def columns(analysis: PatchAnalysis) -> dict[str, NDArray]:
    """Columns (n,) by name: micrograph and place, latent means and standard deviations, angle, shift, scale,
    class, groups, unexplained share; then the truth, where it is known.
    """
    patch_set, encoding = analysis.patch_set, analysis.encoding
    found: dict[str, NDArray] = {
        "micrograph": patch_set.source,
        "y_px": patch_set.centres_px[:, 0],
        "x_px": patch_set.centres_px[:, 1],
    }
    for k, name in enumerate(analysis.names):
        found[name], found[f"{name}_sd"] = encoding.mean[:, k], encoding.sd[:, k]
    if encoding.angle_degrees is not None:
        found["angle_degrees"] = encoding.angle_degrees
    if encoding.angle_sd_degrees is not None:
        found["angle_sd_degrees"] = encoding.angle_sd_degrees
    if encoding.shift_px is not None:
        found["shift_y_px"], found["shift_x_px"] = np.asarray(encoding.shift_px).T
    if encoding.scale is not None:
        found["scale"] = encoding.scale
    if encoding.class_probabilities is not None:
        found["class"] = encoding.class_probabilities.argmax(axis=1)
        found["class_probability"] = encoding.class_probabilities.max(axis=1)
    for one in analysis.groupings:
        found[f"group_by_{one.features.replace(' ', '_')}"] = one.groups.labels
    found["unexplained"] = analysis.unexplained
    return found | _truth(analysis)


def _truth(analysis: PatchAnalysis) -> dict[str, NDArray]:
    truth = analysis.truth
    if truth is None:
        return {}
    found: dict[str, NDArray] = {f"true_{name}": getattr(truth, name) for name in ("phase", "domain", "kind")}
    found["true_rotation_degrees"] = truth.rotation_degrees
    found["true_polarization_x_pm"], found["true_polarization_y_pm"] = truth.polarization_pm.T
    found["wall_distance_nm"] = truth.wall_distance_nm
    for one in analysis.angles:
        found[f"{one.quantity}_degrees"] = one.found_degrees
        found[f"{one.quantity}_error_degrees"] = one.errors
    return found


def latents_csv(analysis: PatchAnalysis) -> str:
    """A row for each patch; what is not known is empty, 255 stands for no region."""
    table = columns(analysis)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows([_cell(value) for value in row] for row in zip(*table.values(), strict=True))
    return text.getvalue()


def write_tables(analysis: PatchAnalysis, folder: Path, prefix: str = "") -> list[Path]:
    """latents.csv and latents.npz in `folder`; the latter also holds each class's probability."""
    arrays = dict(columns(analysis))
    if analysis.encoding.class_probabilities is not None:
        arrays["class_probabilities"] = analysis.encoding.class_probabilities
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    paths = [folder / f"{prefix}{LATENTS_CSV}", folder / f"{prefix}{LATENTS_NPZ}"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(paths[0], latents_csv(analysis))
        write_bytes(paths[1], buffer.getvalue())
    except OSError as error:
        raise UserError(f"latent numbers cannot be written to {folder}: {error.strerror or error}") from error
    return paths


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.7g}" if np.isfinite(value) else ""
    return str(value)
