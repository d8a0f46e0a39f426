"""VTK files of aggregates for ParaView, VisIt and PyVista: particles as points, contacts as lines.

Legacy format, ASCII (VTK User's Guide, "VTK File Formats"): polydata whose points carry radius (nm), species,
cluster, phase and coordination, and whose cells, the particles and then the contacts, carry `hetero`: 1 for a
contact of unlike particles, 0 for one of like particles, -1 for a particle. In ParaView: filter Glyph, glyph
type Sphere with radius 1, scale array `radius`, scale factor 1, all points.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .aggregate import HeteroAggregate
from .contacts import coordination_numbers


def write(aggregate: HeteroAggregate, path: str | os.PathLike) -> None:
    """Write `aggregate` to `path` (.vtk). The second line names the species in the order of their index."""
    contacts = aggregate.contacts()
    n, m, names = len(aggregate), len(contacts), " ".join(aggregate.species_names)
    unlike = aggregate.species[contacts[:, 0]] != aggregate.species[contacts[:, 1]]
    title = f"heterostem aggregate, nm, species 0..: {names}"[:255]  # one line of at most 256 characters
    lines = ["# vtk DataFile Version 3.0", title, "ASCII", "DATASET POLYDATA", f"POINTS {n} double"]
    lines += [" ".join(map(repr, row)) for row in aggregate.centres.tolist()]
    lines += [f"VERTICES {n} {2 * n}", *(f"1 {k}" for k in range(n))]
    if m:
        lines += [f"LINES {m} {3 * m}", *(f"2 {i} {j}" for i, j in contacts.tolist())]
    lines.append(f"POINT_DATA {n}")
    lines += _scalars("radius", "double", aggregate.radii)
    for name, values in (
        ("species", aggregate.species),
        ("cluster", aggregate.cluster),
        ("phase", aggregate.phase),
        ("coordination", coordination_numbers(n, contacts)),
    ):
        lines += _scalars(name, "int", values)
    lines.append(f"CELL_DATA {n + m}")
    lines += _scalars("hetero", "int", np.concatenate((np.full(n, -1), unlike.astype(np.int64))))
    Path(path).write_text("\n".join(lines) + "\n", encoding="ascii", errors="replace")


def _scalars(name: str, kind: str, values: np.ndarray) -> list[str]:
    return [f"SCALARS {name} {kind} 1", "LOOKUP_TABLE default", *(repr(value) for value in values.tolist())]
