"""Extended XYZ files of aggregates: one line per particle, readable by OVITO and ASE.

Columns: species (chemical symbol of the material's first element, X if it has none: other programs expect
elements), pos, radius, material (the species' name), cluster, phase, orientation (x, y, z, w), shape,
semi_axes. Lengths are in nm; the header says so and keeps the order of species and phases. If crystals of
phase k are polytopes, its key facets_k lists their facets in the crystal frame: nx, ny, nz and the distance
from the centre in volume-equivalent radii, one facet after the other. Numbers are written so that they read
back exactly.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from .aggregate import HeteroAggregate
from .bodies.polytope import Polytope
from .errors import UserError
from .rotations import random_quaternions

PROPERTIES = ":".join(
    [
        "species:S:1:pos:R:3:radius:R:1:material:S:1:cluster:I:1:phase:S:1",
        "orientation:R:4:shape:S:1:semi_axes:R:3",
    ]
)
_NM_PER_UNIT = {"nm": 1.0, "angstrom": 0.1}
_SYMBOLS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb
Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr
"""
_ELEMENTS = frozenset(_SYMBOLS.split())
_HEADER = re.compile(r"""([\w.\-]+)\s*=\s*(?:"([^"]*)"|(\S+))""")


def write(aggregate: HeteroAggregate, path: str | os.PathLike) -> None:
    """Write `aggregate` to `path`. UserError if a name holds white space or quotes."""
    for name in (*aggregate.species_names, *aggregate.phase_names):
        if re.search(r"[\s\"'=]", name) or not name:
            raise UserError(
                f"the name {name!r} cannot go into an extended XYZ file: no spaces, quotes or '='"
            )
    symbols = [_symbol(name) for name in aggregate.species_names]
    header = (
        f'Properties={PROPERTIES} length_unit=nm species_names="{" ".join(aggregate.species_names)}" '
        f'phase_names="{" ".join(aggregate.phase_names)}" pbc="F F F"'
    )
    for k, polytope in enumerate(aggregate.polytopes):
        if polytope is not None:
            facets = np.column_stack((polytope.normals, polytope.distances)).ravel()
            header += f' facets_{k}="{" ".join(_exact(facets))}"'
    lines = [str(len(aggregate)), header]
    for k in range(len(aggregate)):
        s = int(aggregate.species[k])
        row = [symbols[s], *_exact(aggregate.centres[k]), *_exact(aggregate.radii[k : k + 1])]
        row += [
            aggregate.species_names[s],
            str(int(aggregate.cluster[k])),
            aggregate.phase_names[aggregate.phase[k]],
        ]
        row += [*_exact(aggregate.orientations[k]), str(aggregate.shape[k]), *_exact(aggregate.semi_axes[k])]
        lines.append(" ".join(row))
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: str | os.PathLike, rng: np.random.Generator | None = None) -> HeteroAggregate:
    """Read one aggregate: `pos` and `radius` are needed, everything else has a default.

    Species come from the column `material`, else `species`; phases default to the species, clusters to single
    particles, shapes to spheres. Spheres without orientations get random ones from `rng` (seed 0 if None), as
    all crystals on one zone axis would be no fair image; other shapes get the identity.
    `length_unit=angstrom` in the header converts lengths; nm is the default. UserError with the line for
    anything that does not fit.
    """
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise UserError(f"{path}, line 1: an extended XYZ file begins with the number of particles")
    n = int(lines[0])
    body = [line for line in lines[2:] if line.strip()]
    if n < 1 or len(body) != n:
        raise UserError(
            f"{path}: line 1 says {n} particles, but {len(body)} lines follow (one frame is accepted)"
        )
    header = {key: quoted or plain for key, quoted, plain in _HEADER.findall(lines[1])}
    columns = _parse(path, header.get("Properties", "species:S:1:pos:R:3"), body)
    for needed in ("pos", "radius"):
        if needed not in columns:
            raise UserError(f"{path}, line 2: Properties lacks the column {needed}")
    unit = header.get("length_unit", "nm")
    if unit.lower() not in _NM_PER_UNIT:
        raise UserError(f"{path}, line 2: length_unit={unit} is unknown; accepted: {', '.join(_NM_PER_UNIT)}")
    if "orientation" not in columns:
        columns["orientation"] = np.tile([0.0, 0.0, 0.0, 1.0], (n, 1))
        if not {"shape", "semi_axes"} & columns.keys():
            columns["orientation"] = random_quaternions(n, rng or np.random.default_rng(0))
    return _build(path, header, columns, _NM_PER_UNIT[unit.lower()], n)


def _build(
    path, header: dict[str, str], columns: dict[str, np.ndarray], scale: float, n: int
) -> HeteroAggregate:
    labels = columns.get("material", columns.get("species", np.full((n, 1), "X")))[:, 0]
    species, species_names = _indices(path, labels, header.get("species_names"))
    phase, phase_names = _indices(
        path, columns.get("phase", labels[:, None])[:, 0], header.get("phase_names")
    )
    orientations = columns["orientation"]
    if orientations.shape[1] != 4:
        raise UserError(f"{path}, line 2: orientation needs four columns (x, y, z, w)")
    norms = np.linalg.norm(orientations, axis=1)
    if not np.all(np.abs(norms - 1) < 1e-3):
        k = int(np.argmax(np.abs(norms - 1)))
        raise UserError(f"{path}, line {k + 3}: orientation is not a unit quaternion (length {norms[k]:g})")
    rounded = np.abs(norms - 1) > 1e-12
    orientations[rounded] /= norms[rounded, None]
    optional: dict[str, Any] = {"polytopes": _polytopes(path, header, len(phase_names))}
    if "shape" in columns:
        optional["shape"] = columns["shape"][:, 0]
    if "semi_axes" in columns:
        optional["semi_axes"] = columns["semi_axes"] * scale
    try:
        return HeteroAggregate(
            centres=columns["pos"] * scale,
            radii=columns["radius"][:, 0] * scale,
            species=species,
            cluster=columns.get("cluster", np.arange(n)[:, None])[:, 0],
            orientations=orientations,
            phase=phase,
            species_names=species_names,
            phase_names=phase_names,
            **optional,
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _polytopes(path, header: dict[str, str], n_phases: int) -> tuple[Polytope | None, ...]:
    """The polytope of each phase from the keys facets_0, facets_1, ..."""
    found: list[Polytope | None] = []
    for k in range(n_phases):
        text = header.get(f"facets_{k}")
        try:
            facets = None if text is None else np.array(text.split(), dtype=float).reshape(-1, 4)
            found.append(None if facets is None else Polytope.of_halfspaces(facets[:, :3], facets[:, 3]))
        except (ValueError, UserError) as error:
            raise UserError(
                f"{path}, line 2: facets_{k}: four numbers per facet are needed: {error}"
            ) from error
    return tuple(found) if any(found) else ()


def _parse(path: str | os.PathLike, properties: str, body: list[str]) -> dict[str, np.ndarray]:
    """Column name -> (n, width) array."""
    fields = properties.split(":")
    if len(fields) % 3 or not all(width.isdigit() and int(width) > 0 for width in fields[2::3]):
        raise UserError(f"{path}, line 2: Properties={properties} is not a list of name:type:columns")
    table = [line.split() for line in body]
    total = sum(int(width) for width in fields[2::3])
    for k, row in enumerate(table):
        if len(row) != total:
            raise UserError(f"{path}, line {k + 3}: {len(row)} columns instead of the {total} of Properties")
    columns, at = {}, 0
    for name, kind, width in zip(fields[::3], fields[1::3], map(int, fields[2::3]), strict=True):
        columns[name] = _column(path, name, kind, [row[at : at + width] for row in table])
        at += width
    return columns


def _column(path: str | os.PathLike, name: str, kind: str, cells: list[list[str]]) -> np.ndarray:
    convert = {"R": float, "I": int, "S": str, "L": str}.get(kind)
    if convert is None:
        raise UserError(f"{path}, line 2: column {name} has the unknown type {kind}; accepted: R, I, S, L")
    rows = []
    for k, row in enumerate(cells):
        try:
            rows.append([convert(cell) for cell in row])
        except ValueError as error:
            raise UserError(
                f"{path}, line {k + 3}: {' '.join(row)!r} in column {name} is not a number"
            ) from error
    return np.array(rows)


def _indices(path, labels: np.ndarray, listed: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels as indices into names: those the header lists, else in order of appearance."""
    names = tuple(listed.split()) if listed else tuple(dict.fromkeys(labels.tolist()))
    index = {name: k for k, name in enumerate(names)}
    missing = sorted(set(labels.tolist()) - set(index))
    if missing:
        raise UserError(
            f"{path}: {', '.join(missing)} is used but not among the names in line 2: {' '.join(names)}"
        )
    return np.array([index[label] for label in labels.tolist()]), names


def _symbol(name: str) -> str:
    """Chemical symbol that a formula such as TiO2 begins with, or X."""
    for length in (2, 1):
        rest = name[length:]
        if name[:length] in _ELEMENTS and not rest[:1].islower():
            return name[:length]
    return "X"


def _exact(values: np.ndarray) -> list[str]:
    """Shortest decimals that read back as the same float64."""
    return [repr(float(value)) for value in values]
