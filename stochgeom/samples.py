"""Files of sampled aggregates: structures, pictures, and a table of their descriptors."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from .aggregation import sample_aggregate
from .descriptors import describe
from .errors import UserError, require
from .parameters import AggregateParameters
from .silhouette import describe_projection


def write_samples(
    parameters: AggregateParameters,
    out: Path,
    count: int,
    seed: int,
    pictures: bool = True,
    vtk: bool = False,
) -> list[dict[str, Any]]:
    """Write `count` aggregates as extended XYZ files, pictures and VTK files if asked for; their rows.

    A row holds `file`, `describe` and `describe_projection`; descriptors.csv, written last, holds all rows.

    Aggregate i is drawn with SeedSequence(seed, spawn_key=(i, 1)) and its crystals with (i, 2).
    """
    if pictures:
        require("matplotlib", extra="simulate")
        from .pictures import save_picture
    drawn = []  # all of them before the first file: a draw that is infeasible leaves nothing behind
    for i in range(count):
        seeds = [np.random.SeedSequence(seed, spawn_key=(i, stage)) for stage in (1, 2)]
        drawn.append(sample_aggregate(parameters, *map(np.random.default_rng, seeds)))
    rows = []
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}") from error
    for i, aggregate in enumerate(drawn):
        name = f"aggregate-{i:04d}"
        aggregate.to_extxyz(out / f"{name}.xyz")
        rows.append({"file": f"{name}.xyz", **describe(aggregate), **describe_projection(aggregate)})
        if pictures:
            save_picture(aggregate, out / f"{name}.png", name)
        if vtk:
            aggregate.to_vtk(out / f"{name}.vtk")
    _write_table(rows, out / "descriptors.csv")
    return rows


def descriptor_text(rows: list[dict[str, Any]]) -> str:
    """The descriptors as an aligned table: of one aggregate, or mean and standard deviation of several."""
    names = [name for name in rows[0] if name != "file"]
    lines = []
    for name in names:
        values = np.array([row[name] for row in rows], float)
        known = values[np.isfinite(values)]
        cells = [float(known.mean())] if len(known) else [float("nan")]
        if len(rows) > 1:
            cells.append(float(known.std(ddof=1)) if len(known) > 1 else float("nan"))
        lines.append("".join([f"{name:<42}", *(f"{cell:>12.5g}" for cell in cells)]))
    head = f"{'descriptor':<42}" + (f"{'value':>12}" if len(rows) == 1 else f"{'mean':>12}{'sd':>12}")
    return "\n".join([head, *lines])


def _write_table(rows: list[dict[str, Any]], path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
