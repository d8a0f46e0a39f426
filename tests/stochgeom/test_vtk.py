"""VTK files: read back by the rules of the legacy format."""

from __future__ import annotations

import numpy as np

from stochgeom import AggregateParameters, sample_aggregate, vtk
from stochgeom.contacts import coordination_numbers

PER_ITEM = {"double": float, "int": int}


def read(path) -> dict[str, np.ndarray]:
    """Points, cells and scalars of a legacy polydata file, token by token; counts must hold."""
    lines = path.read_text().split("\n")
    assert lines[0] == "# vtk DataFile Version 3.0"
    assert len(lines[1]) < 256
    assert lines[2:4] == ["ASCII", "DATASET POLYDATA"]
    tokens, found, rows = iter(" ".join(lines[4:]).split()), {}, 0
    for word in tokens:
        if word == "POINTS":
            n, kind = int(next(tokens)), next(tokens)
            found["points"] = np.array([PER_ITEM[kind](next(tokens)) for _ in range(3 * n)]).reshape(n, 3)
        elif word in ("VERTICES", "LINES"):
            n, size = int(next(tokens)), int(next(tokens))
            found[word] = np.array([int(next(tokens)) for _ in range(size)]).reshape(n, -1)
        elif word in ("POINT_DATA", "CELL_DATA"):
            rows = int(next(tokens))
        else:
            assert word == "SCALARS"
            name, kind, width = next(tokens), next(tokens), int(next(tokens))
            assert (next(tokens), next(tokens)) == ("LOOKUP_TABLE", "default")
            found[name] = np.array([PER_ITEM[kind](next(tokens)) for _ in range(rows * width)])
    return found


def test_everything_reads_back(tmp_path, rng):
    aggregate = sample_aggregate(AggregateParameters(n_particles=30), rng)
    vtk.write(aggregate, tmp_path / "a.vtk")
    found, contacts = read(tmp_path / "a.vtk"), aggregate.contacts()
    np.testing.assert_array_equal(found["points"], aggregate.centres)
    np.testing.assert_array_equal(found["radius"], aggregate.radii)
    for name in ("species", "cluster", "phase"):
        np.testing.assert_array_equal(found[name], getattr(aggregate, name))
    np.testing.assert_array_equal(found["coordination"], coordination_numbers(30, contacts))
    np.testing.assert_array_equal(found["VERTICES"], [[1, k] for k in range(30)])
    np.testing.assert_array_equal(found["LINES"], np.insert(contacts, 0, 2, axis=1))
    unlike = aggregate.species[contacts[:, 0]] != aggregate.species[contacts[:, 1]]
    assert found["hetero"].tolist() == [-1] * 30 + unlike.astype(int).tolist()


def test_a_single_particle_has_no_lines(tmp_path, spheres):
    vtk.write(spheres([[1.0, 2.0, 3.0]], [4.0]), tmp_path / "one.vtk")
    found = read(tmp_path / "one.vtk")
    assert "LINES" not in found
    assert found["hetero"].tolist() == [-1]
