"""The atoms of a scene: density, distances, displacements, and that every cell sees the same ones."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import SeedSequence
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from simulate.atoms import CLOSEST_ANGSTROM, AggregateAtoms, crystal_block, scene_atoms
from simulate.material import Material
from simulate.scene import AggregateScene, occupied
from stochgeom.aggregate import HeteroAggregate
from stochgeom.bodies import EllipsoidShape, WulffShape
from stochgeom.bodies.shapes import shape_arrays
from stochgeom.errors import UserError
from stochgeom.projection import Field

PHASES = ("anatase", "gamma-WO3")
ANATASE = WulffShape(
    cell_angstrom=(3.7842, 3.7842, 9.5146), laue_class="4/mmm", surface_energies={"101": 0.44, "001": 0.90}
)


def make_scene(centres, radii, phase=None, orientations=None, seed=1) -> AggregateScene:
    n = len(radii)
    phase = np.zeros(n, int) if phase is None else np.asarray(phase)
    q = (
        np.random.default_rng(n).normal(size=(n, 4))
        if orientations is None
        else np.asarray(orientations, float)
    )
    aggregate = HeteroAggregate(
        centres=np.asarray(centres, float),
        radii=np.asarray(radii, float),
        species=phase,
        cluster=np.arange(n),
        orientations=q / np.linalg.norm(q, axis=1, keepdims=True),
        phase=phase,
        species_names=("TiO2", "WO3"),
        phase_names=PHASES,
    )
    materials = tuple(Material.named(name) for name in PHASES)
    crystals, displacements = (SeedSequence(seed, spawn_key=(0, stage)) for stage in (2, 3))
    return AggregateScene(aggregate, materials, Field((8, 8), 0.3), crystals, displacements)


def with_shape(scene: AggregateScene, shape) -> AggregateScene:
    """The scene with all its particles of one shape."""
    aggregate = scene.aggregate
    kinds, semi_axes, polytopes = shape_arrays([shape] * 2, aggregate.phase, aggregate.radii)
    return replace(scene, aggregate=replace(aggregate, shape=kinds, semi_axes=semi_axes, polytopes=polytopes))


def test_a_block_of_crystal_has_its_density_and_its_shortest_bonds():
    material = Material.named("rutile")
    rotation = Rotation.random(rng=np.random.default_rng(0)).as_matrix()
    high = np.array([40.0, 30.0, 50.0])
    numbers, positions = crystal_block(material, rotation, np.zeros(3), high, np.array([3.0, -9.0, 400.0]))
    assert ((positions >= 0) & (positions < high)).all()
    # Counts in a box fluctuate with its surface, far less than a Poisson number.
    assert len(numbers) == pytest.approx(1e-3 * material.atoms_per_nm3 * high.prod(), rel=0.02)
    assert cKDTree(positions).query(positions, k=2)[0][:, 1].min() == pytest.approx(1.947, abs=0.01)


def test_a_sphere_holds_density_times_volume_and_nothing_outside():
    scene = make_scene([[5, -3, 2]], [3.0])
    atoms = scene_atoms(scene)
    assert len(atoms) == pytest.approx(88.07 * 4 / 3 * np.pi * 27, rel=0.01)
    assert np.linalg.norm(atoms.positions - [50, -30, 20], axis=1).max() <= 30
    assert (atoms.symbols == "O").sum() == pytest.approx(2 * (atoms.symbols == "Ti").sum(), rel=0.02)


def test_the_quaternion_turns_the_crystal_to_the_laboratory():
    """With c along x the (001) layers of anatase, c / 4 apart, are planes of constant x."""
    quarter = np.sqrt(0.5)
    scene = make_scene([[0, 0, 0]], [1.5], orientations=[[0, quarter, 0, quarter]])  # turns z to x
    atoms = scene_atoms(scene)
    titanium = atoms.positions[atoms.symbols == "Ti"]
    layers = np.unique(titanium[:, 0].round(3))
    assert np.diff(layers) == pytest.approx(9.5146 / 4, abs=2e-3)


def test_particles_in_contact_keep_their_distance_and_the_first_keeps_its_atoms():
    alone = scene_atoms(make_scene([[0, 0, 0]], [2.0]))
    scene = make_scene([[0, 0, 0], [3.5, 0, 0], [1.7, 2.9, 0]], [2.0, 1.5, 1.4], [0, 1, 0],
                       orientations=np.random.default_rng(1).normal(size=(3, 4)))  # fmt: skip
    atoms = scene_atoms(scene)
    owner = atoms.get_array("particle")
    pairs = cKDTree(atoms.positions).query_pairs(CLOSEST_ANGSTROM)
    assert all(owner[i] == owner[j] for i, j in pairs)
    assert (owner == 0).sum() == pytest.approx(len(alone), rel=0.02)


def test_a_neck_is_split_at_the_radical_plane():
    scene = make_scene([[0, 0, 0], [2.5, 0, 0]], [2.0, 1.5], [0, 1])
    atoms = scene_atoms(scene)
    plane = 10 * (2.5**2 + 2.0**2 - 1.5**2) / (2 * 2.5)
    owner = atoms.get_array("particle")
    assert atoms.positions[owner == 0][:, 0].max() <= plane < 20
    assert atoms.positions[owner == 1][:, 0].min() >= plane > 10


def test_displacements_have_their_standard_deviation_along_every_axis():
    scene = make_scene([[0, 0, 0]], [3.0], [1])
    rest, moved = scene_atoms(scene), scene_atoms(scene, configuration=0)
    for symbol, sigma in scene.materials[1].rms_displacement_angstrom.items():
        shift = (moved.positions - rest.positions)[rest.symbols == symbol]
        error = sigma / np.sqrt(2 * len(shift))
        assert shift.std(axis=0) == pytest.approx([sigma] * 3, abs=4 * error)
        assert abs(shift.mean(axis=0)).max() < 4 * sigma / np.sqrt(len(shift))
    other = scene_atoms(scene, configuration=1)
    shifts = [(a.positions - rest.positions).ravel() for a in (other, moved)]
    assert abs(np.corrcoef(*shifts)[0, 1]) < 4 / np.sqrt(len(shifts[0]))


def test_every_cell_sees_the_same_atoms():
    scene = make_scene([[0, 0, 0], [3.0, 0.5, 1.0]], [2.0, 1.2], [0, 1])
    whole = scene_atoms(scene, configuration=0)
    parts = [
        scene_atoms(scene, ((x, -9.0, -9.0), (x + 1.0, 9.0, 9.0)), configuration=0) for x in range(5, -9, -1)
    ]
    positions = np.concatenate([p.positions for p in parts])
    assert len(positions) == len(whole)
    assert np.array_equal(np.sort(positions, axis=0), np.sort(whole.positions, axis=0))


def test_offsets_and_displacements_follow_their_own_seeds():
    scene = make_scene([[0, 0, 0]], [1.5])
    again, shaken = scene_atoms(scene, configuration=0), replace(scene, displacements=SeedSequence(9))
    assert np.array_equal(again.positions, scene_atoms(scene, configuration=0).positions)
    assert np.array_equal(scene_atoms(scene).positions, scene_atoms(shaken).positions)
    assert not np.array_equal(again.positions, scene_atoms(shaken, configuration=0).positions)
    moved = replace(scene, crystals=SeedSequence(9))
    assert not np.array_equal(scene_atoms(moved).positions[:20], scene_atoms(scene).positions[:20])


def test_what_cannot_be_made_of_atoms_is_refused():
    scene = make_scene([[0, 0, 0]], [1.5])
    with pytest.raises(UserError, match="no material for phase 'anatase'"):
        scene_atoms(replace(scene, materials=()))


@pytest.mark.parametrize("shape", [ANATASE, EllipsoidShape(axis_ratios=(1, 1.2, 2))])
def test_a_body_holds_density_times_volume_and_nothing_outside(shape):
    scene = with_shape(make_scene([[5, -3, 2]], [3.0]), shape)
    atoms = scene_atoms(scene)
    assert len(atoms) == pytest.approx(88.07 * 4 / 3 * np.pi * 27, rel=0.015)
    back = Rotation.from_quat(scene.aggregate.orientations[0]).inv()
    local = back.apply(atoms.positions - [50, -30, 20]) / 30
    if shape is ANATASE:
        reach = (local @ shape.polytope.normals.T / shape.polytope.distances).max(axis=1)
    else:
        reach = np.linalg.norm(local / shape.unit_axes, axis=1)
    assert reach.max() <= 1 + 1e-9
    assert reach.max() > 0.97


def test_facets_are_planes_of_the_crystal():
    """The outermost titanium layers of a bipyramid lie parallel to its {101} facets."""
    scene = with_shape(make_scene([[0, 0, 0]], [3.0]), ANATASE)
    atoms = scene_atoms(scene)
    titanium = atoms.positions[atoms.symbols == "Ti"]
    spacing = 3.52  # of (101) of anatase, Å
    for normal, distance in zip(*scene.aggregate.facets[0], strict=True):
        heights = np.sort(10 * distance - titanium @ normal)
        if distance < 2.5:  # {101}
            layer = heights[heights < heights[0] + 0.1]
            assert len(layer) > 20
            assert heights[0] < spacing


def test_atoms_of_bodies_in_contact_keep_their_distance():
    pair = make_scene([[0, 0, 0], [0, 0, 5]], [1.5, 1.5], orientations=[[0, 0, 0, 1]] * 2)
    pair = with_shape(pair, ANATASE)
    height = pair.aggregate.extents[1][0, 2]
    pair = replace(pair, aggregate=pair.aggregate.moved([[0, 0, 0], [0, 0, 2 * height]]))
    assert pair.aggregate.contacts().tolist() == [[0, 1]]
    atoms = scene_atoms(pair)
    owner = atoms.get_array("particle")
    assert all(owner[i] == owner[j] for i, j in cKDTree(atoms.positions).query_pairs(CLOSEST_ANGSTROM))
    assert set(occupied(pair, np.array([-9.0, -9.0]), np.array([9.0, 9.0]))) == {0, 1}


def test_atoms_go_with_their_scene():
    """Without waiting for the collector of circular references."""
    atoms = AggregateAtoms(make_scene([[0, 0, 0]], [1.0]))
    atoms.inside(np.full(2, -1.0), np.full(2, 1.0), 0)
    there = weakref.ref(atoms)
    gc.disable()
    try:
        del atoms
        assert there() is None
    finally:
        gc.enable()
