"""Atoms of lamellae: densities, boundaries, orientations, and that every box sees the same ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import SeedSequence
from scipy.spatial import cKDTree

from simulate.atoms import CLOSEST_ANGSTROM
from simulate.crystallites import beam_directions
from simulate.lamella.orientations import onto_beam
from simulate.lamella.plate import CUBE_NM
from simulate.lamella.scene import LamellaScene
from stochgeom.errors import UserError
from stochgeom.rotations import rotation_matrices
from stochgeom.textures import LineTextureParameters, VoronoiParameters, sample_texture

from .cases import HALVES, SHIPPED, lamella_of, texture_of


def all_atoms(scene: LamellaScene, half_nm: float, configuration: int | None = None):
    return scene.atoms().inside(np.full(2, -half_nm), np.full(2, half_nm), configuration)


def test_each_phase_has_the_density_of_its_crystal_away_from_the_boundary():
    scene = lamella_of(texture_of([[0, 1]] * 2, 8.0), 7.0)
    for phase, name in enumerate(("anatase", "gamma-WO3")):
        low = np.array([8.0 * phase - 7.5, -7.5])
        numbers, positions, owner = scene.atoms().inside(low, low + np.array([7.0, 15.0]), None)
        assert (owner == phase).all()
        assert len(numbers) == pytest.approx(SHIPPED[name].atoms_per_nm3 * 7 * 15 * 7, rel=0.01)
        assert np.abs(positions[:, 2]).max() <= 35
        assert cKDTree(positions).query(positions, k=2)[0][:, 1].min() > 1.6


def test_an_atom_belongs_to_the_crystal_of_its_pixel_and_none_come_too_close():
    generator = np.random.default_rng(5)
    scene = lamella_of(texture_of(generator.integers(0, 2, (8, 8)), 0.9), 3.0)
    numbers, positions, owner = all_atoms(scene, 3.6)
    assert np.array_equal(scene.crystal_map.at(0.1 * positions[:, :2]), owner)
    pairs = cKDTree(positions).query_pairs(CLOSEST_ANGSTROM, output_type="ndarray")
    assert len(pairs) == 0
    assert set(numbers[owner == 0]) == {8, 22}
    assert set(numbers[owner == 1]) == {8, 74}
    # Without the first crystal, the second one has some more atoms along the boundaries, and those it had.
    alone = lamella_of(scene.texture, 3.0, names=("vacuum", "gamma-WO3"))
    _, more, _ = all_atoms(alone, 3.6)
    assert len(more) > (owner == 1).sum() > 0.8 * len(more)
    assert cKDTree(more).query(positions[owner == 1])[0].max() < 1e-6


def test_boxes_and_their_order_do_not_matter():
    texture = sample_texture(VoronoiParameters(shape=(16, 16), grain_diameter_nm=4), np.random.default_rng(2))
    scene = lamella_of(texture, 4.0, grains=True)
    atoms = scene.atoms()
    edges = [-4.0, -1.1, 0.3, 2.6, 4.0]
    parts = [
        atoms.inside(np.array([edges[i], edges[j]]), np.array([edges[i + 1], edges[j + 1]]), 1)
        for i in (2, 0, 3, 1)
        for j in (1, 3, 0, 2)
    ]
    together = np.concatenate([np.column_stack([z, p, k]) for z, p, k in parts])
    whole = np.column_stack(all_atoms(scene, 4.0, 1))
    assert len(whole) > 10_000
    assert np.array_equal(together[np.lexsort(together.T)], whole[np.lexsort(whole.T)])
    flat = atoms.inside(np.array([-4, -4, -0.5]), np.array([4, 4, 1.5]), 1)
    within = (whole[:, 3] >= -5) & (whole[:, 3] < 15)
    assert len(flat[0]) == within.sum() > 0


def test_cubes_join_without_a_seam():
    """One crystal cut into cubes is the crystal: no atom twice, none lost."""
    scene = lamella_of(
        texture_of(np.zeros((4, 4)), 3.0), 2.5 * CUBE_NM, zone_axis=[0, 0, 1], in_plane_degrees=0
    )
    _, positions, _ = all_atoms(scene, 5.0)
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    assert nearest.min() > 1.9
    inner = np.abs(positions).max(axis=1) < 30
    titanium_like = nearest[inner]
    assert titanium_like.max() < 2.0, "every atom of anatase has a neighbour at 1.94 Å"


def test_displacements_have_the_materials_size_and_change_with_the_configuration():
    scene = lamella_of(HALVES, 3.0)
    numbers, rest, owner = all_atoms(scene, 2.0)
    low, high = np.full(2, -3.0), np.full(2, 3.0)
    moved, other = (scene.atoms().inside(low, high, c)[1] for c in (0, 1))
    distance, place = cKDTree(moved).query(rest)
    tungsten = (numbers == 74) & (owner == 1)
    sigma = SHIPPED["gamma-WO3"].rms_displacement_angstrom["W"]
    spread = np.sqrt((distance[tungsten] ** 2).mean() / 3)
    assert spread == pytest.approx(sigma, rel=0.05)
    assert cKDTree(other).query(moved[place])[0].min() > 0
    shaken = replace(scene, displacements=SeedSequence(99))
    assert np.array_equal(all_atoms(shaken, 2.0)[1], rest)


def test_a_zone_axis_lies_along_the_beam_and_is_turned_in_the_plane():
    scene = lamella_of(HALVES, zone_axis=[1, 0, 1], in_plane_degrees=30)
    cell = np.asarray(SHIPPED["anatase"].cell.cell.array)
    axis = cell[0] + cell[2]
    directions = beam_directions(scene.crystallites.orientations)
    assert directions[0] == pytest.approx(axis / np.linalg.norm(axis))
    straight = lamella_of(HALVES, zone_axis=[1, 0, 1], in_plane_degrees=0)
    first, second = (rotation_matrices(s.crystallites.orientations[0]) for s in (straight, scene))
    turn = second @ first.T
    assert turn[:2, 0] == pytest.approx([np.cos(np.pi / 6), np.sin(np.pi / 6)]), "from +x towards +y"
    assert np.array_equal(onto_beam(np.array([0, 0, -2.0])).apply([0, 0, -1]).round(12), [0, 0, 1])


def test_mistilt_is_the_rms_angle_between_axis_and_beam():
    generator = np.random.default_rng(1)
    lie = lamella_of(HALVES, zone_axis=[0, 0, 1], mistilt_mrad=30).phases[0].orientation
    drawn = np.array([lie.draw(SHIPPED["anatase"], generator) for _ in range(2000)])
    angles = np.arccos(beam_directions(drawn) @ [0, 0, 1])
    assert 1e3 * np.sqrt((angles**2).mean()) == pytest.approx(30, rel=0.08)  # four standard errors


def test_one_crystal_per_phase_or_per_grain():
    texture = sample_texture(VoronoiParameters(shape=(32, 32), grain_diameter_nm=6), np.random.default_rng(7))
    single, grains = lamella_of(texture), lamella_of(texture, grains=True)
    assert len(single.crystallites) == 2
    owners = grains.crystal_map.crystal
    assert len(grains.crystallites) == len(np.unique(texture.elements["grain"]))
    for k, (phase, grain) in enumerate(grains.crystal_keys):
        assert np.array_equal(owners == k, texture.elements["grain"] == grain)
        assert (texture.phase[owners == k] == phase).all()
        assert grains.crystallites.phase[k] == phase
    assert len(np.unique(grains.crystallites.orientations[:, 0])) == len(owners := grains.crystal_keys)
    again = lamella_of(texture, grains=True)
    assert np.array_equal(again.crystallites.orientations, grains.crystallites.orientations)


def test_beyond_the_image():
    """Lines end inside it, so that phase 0 goes on; what is periodic repeats; the rest is mirrored."""
    lines = LineTextureParameters(
        shape=(32, 32), length_nm=(20, 24), thickness_nm=(5, 6), gap_nm=3, count=(2, 2), orientations=(0.0,)
    )
    texture = sample_texture(lines, np.random.default_rng(0))
    scene = lamella_of(texture)
    around = np.array([[20.0, y] for y in np.linspace(-40, 40, 50)])
    assert (scene.crystal_map.at(around) == 0).all()
    strip = texture_of([[0, 0, 1]])
    assert lamella_of(strip).crystal_map.at(np.array([[2.0, 0.0], [4.0, 0.0]])).tolist() == [0, 1]
    window = texture_of([[0, 0, 1]], periodic=False)
    assert lamella_of(window).crystal_map.at(np.array([[2.0, 0.0], [4.0, 0.0]])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thickness_nm": 0.0}, "thickness_nm must be positive, not 0"),
        ({"names": ("vacuum", "vacuum")}, "accepted are two, a material each"),
        ({"grains": True}, "textures of model 'lamellae' have no grains"),
        ({"zone_axis": [0, 0, 1], "atoms": False}, "the zone axis of anatase needs its material"),
    ],
)
def test_what_is_no_lamella_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        lamella_of(HALVES, **changes)


def test_without_materials_there_are_no_atoms():
    with pytest.raises(UserError, match="no materials"):
        lamella_of(HALVES, atoms=False).atoms()
