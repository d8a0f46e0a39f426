"""The record: checks, rigid motions, extended XYZ files."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stochgeom import AggregateParameters, HeteroAggregate, UserError, reference, sample_aggregate
from stochgeom.rotations import multiply, random_quaternions, rotation_matrices

ARRAYS = ("centres", "radii", "species", "cluster", "orientations", "phase", "shape", "semi_axes")


@pytest.fixture
def aggregate(rng):
    species = [
        s.model_copy(update={"phases": phases})
        for s, phases in zip(
            AggregateParameters().species, ({"anatase": 0.6, "rutile": 0.4}, {}), strict=True
        )
    ]
    return sample_aggregate(AggregateParameters(species=species, overlap=0.05), rng)


def simple(**change) -> HeteroAggregate:
    values = {
        "centres": [[0, 0, 0], [0, 0, 10]],
        "radii": [5, 5],
        "species": [0, 1],
        "cluster": [0, 1],
        "orientations": [[0, 0, 0, 1]] * 2,
        "phase": [0, 1],
        "species_names": ("A", "B"),
        "phase_names": ("A", "B"),
    }
    return HeteroAggregate(**{**values, **change})


def test_arrays_are_read_only_copies_with_the_stated_types(aggregate):
    for name in ARRAYS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(aggregate, name)[0] = getattr(aggregate, name)[0]
    assert aggregate.centres.dtype == aggregate.radii.dtype == aggregate.orientations.dtype == np.float64
    assert aggregate.species.dtype == aggregate.cluster.dtype == aggregate.phase.dtype == np.int64
    assert set(aggregate.shape) == {"sphere"}
    assert (aggregate.semi_axes == aggregate.radii[:, None]).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        aggregate.radii = aggregate.radii
    mine = np.ones(2)
    made = simple(radii=mine)
    mine[0] = 7
    assert made.radii[0] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radii": [5, -1]}, "particle 1: radius -1 nm must be positive"),
        ({"radii": [5, np.nan]}, "radii of an aggregate must be finite"),
        ({"radii": [5, 5, 5]}, r"must have shape \(3, 3\)"),
        ({"centres": [[0, 0], [1, 1]]}, r"centres of an aggregate must have shape \(2, 3\)"),
        ({"species": [0, 2]}, "species must be indices"),
        ({"phase": [-1, 0]}, "phase must be indices"),
        ({"centres": [["x", 0, 0], [0, 0, 0]]}, "must be numbers"),
        ({"radii": np.zeros(0), "centres": np.zeros((0, 3)), "species": [], "cluster": [], "phase": [],
          "orientations": np.zeros((0, 4))}, "at least one particle"),
    ],
)  # fmt: skip
def test_impossible_records_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        simple(**change)


def test_gyration_and_centre_of_mass(aggregate):
    expected = reference.radius_of_gyration(aggregate.centres, aggregate.radii)
    assert aggregate.radius_of_gyration == pytest.approx(expected, rel=1e-12)
    assert simple(radii=[5, 10]).centre_of_mass == pytest.approx([0, 0, 10 * 8 / 9])
    assert simple().radius_of_gyration == pytest.approx(np.sqrt(25 + 0.6 * 25))


def test_rotation_turns_centres_and_crystals_alike(aggregate, rng):
    q = random_quaternions(1, rng)[0]
    turned = aggregate.rotated(q)
    rotation = Rotation.from_quat(q)
    np.testing.assert_allclose(turned.centres, rotation.apply(aggregate.centres.copy()), atol=1e-10)
    crystals = (rotation * Rotation.from_quat(aggregate.orientations.copy())).as_matrix()
    found = Rotation.from_quat(turned.orientations.copy()).as_matrix()
    np.testing.assert_allclose(found, crystals, atol=1e-12)
    assert (turned.contacts() == aggregate.contacts()).all()
    with pytest.raises(UserError, match="unit quaternion"):
        aggregate.rotated([1, 2, 3, 4])


def test_translation_and_bounds(aggregate):
    moved = aggregate.translated([1, 2, 3])
    np.testing.assert_allclose(np.array(moved.bounds) - aggregate.bounds, [[1, 2, 3]] * 2)
    low, high = simple().bounds
    assert (low.tolist(), high.tolist()) == ([-5, -5, -5], [5, 5, 15])


def test_quaternions_agree_with_scipy(rng):
    first, second = random_quaternions(50, rng), random_quaternions(50, rng)
    np.testing.assert_allclose(rotation_matrices(first), Rotation.from_quat(first).as_matrix(), atol=1e-12)
    product = (Rotation.from_quat(first) * Rotation.from_quat(second)).as_matrix()
    np.testing.assert_allclose(rotation_matrices(multiply(first, second)), product, atol=1e-12)


def test_extxyz_round_trip_is_exact(aggregate, tmp_path):
    aggregate.to_extxyz(tmp_path / "a.xyz")
    back = HeteroAggregate.from_extxyz(tmp_path / "a.xyz")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(back, name), getattr(aggregate, name), err_msg=name)
    assert back.species_names == ("TiO2", "WO3")
    assert back.phase_names == ("anatase", "rutile", "WO3")
    back.to_extxyz(tmp_path / "b.xyz")
    assert (tmp_path / "a.xyz").read_bytes() == (tmp_path / "b.xyz").read_bytes()


def test_ase_reads_the_file(aggregate, tmp_path):
    io = pytest.importorskip("ase.io")
    aggregate.to_extxyz(tmp_path / "a.xyz")
    atoms = io.read(tmp_path / "a.xyz")
    np.testing.assert_array_equal(atoms.positions, aggregate.centres)
    np.testing.assert_array_equal(atoms.arrays["radius"], aggregate.radii)
    np.testing.assert_array_equal(atoms.arrays["orientation"], aggregate.orientations)
    assert [{"Ti": "TiO2", "W": "WO3"}[s] for s in atoms.symbols] == list(atoms.arrays["material"])
    assert list(atoms.arrays["material"]) == [aggregate.species_names[s] for s in aggregate.species]
    assert not atoms.pbc.any()


def test_a_minimal_file_of_another_program_is_read(tmp_path):
    path = tmp_path / "mine.xyz"
    path.write_text(
        "3\nProperties=species:S:1:pos:R:3:radius:R:1:charge:R:1 length_unit=angstrom\n"
        "Cu 0 0 0 10 0.5\nPd 0 0 25 15 0.1\nCu 0 20 0 10 1e-3\n\n"
    )
    made = HeteroAggregate.from_extxyz(path)
    assert made.species_names == made.phase_names == ("Cu", "Pd")
    assert made.species.tolist() == [0, 1, 0]
    assert made.radii.tolist() == pytest.approx([1, 1.5, 1])
    assert made.contacts().tolist() == [[0, 1], [0, 2]]
    np.testing.assert_allclose(np.linalg.norm(made.orientations, axis=1), 1)
    assert len(np.unique(made.orientations, axis=0)) == 3  # unknown: at random, and the same every time
    again = HeteroAggregate.from_extxyz(path)
    np.testing.assert_array_equal(again.orientations, made.orientations)
    other = HeteroAggregate.from_extxyz(path, np.random.default_rng(5))
    assert not np.allclose(other.orientations, made.orientations)


GOOD = "2\nProperties=species:S:1:pos:R:3:radius:R:1\nA 0 0 0 5\nB 0 0 10 5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: an extended XYZ file begins"),
        (GOOD.replace("2\n", "3\n", 1), "line 1 says 3 particles, but 2 lines follow"),
        (GOOD.replace("B 0 0 10 5", "B 0 0 10"), "line 4: 4 columns instead of the 5"),
        (GOOD.replace("B 0 0 10 5", "B 0 0 ten 5"), "line 4: '0 0 ten' in column pos is not a number"),
        (GOOD.replace(":radius:R:1", ":size:R:1"), "lacks the column radius"),
        (GOOD.replace("radius:R:1", "radius:Q:1"), "unknown type Q"),
        (GOOD.replace("pos:R:3", "pos:R:x"), "is not a list of name:type:columns"),
        (GOOD.replace("A 0 0 0 5", "A 0 0 0 -5"), "particle 0: radius -5 nm must be positive"),
        (GOOD.replace("A 0 0 0 5", "A 0 0 nan 5"), "centres of an aggregate must be finite"),
        (GOOD.replace("R:1\n", "R:1 length_unit=inch\n"), "length_unit=inch is unknown"),
        (GOOD.replace("R:1\n", 'R:1 species_names="A C"\n'), "B is used but not among the names"),
        ("1\nProperties=pos:R:3:radius:R:1:orientation:R:4\n0 0 0 5 1 1 0 0\n", "not a unit quat"),
        ("1\nProperties=pos:R:2:radius:R:1\n0 0 5\n", r"must have shape \(1, 3\)"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_with_file_and_line(text, message, tmp_path):
    path = tmp_path / "damaged.xyz"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        HeteroAggregate.from_extxyz(path)
    assert "damaged.xyz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_that_would_break_the_file_are_refused(tmp_path):
    with pytest.raises(UserError, match="'my oxide'"):
        simple(species_names=("A", "my oxide")).to_extxyz(tmp_path / "a.xyz")
    assert not (tmp_path / "a.xyz").exists()
