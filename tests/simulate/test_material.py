"""Materials: published densities, symmetry, users' CIF files, the detector curve."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from simulate.material import Material, shipped_materials, with_inversion
from stochgeom.errors import UserError


@pytest.mark.parametrize(
    ("name", "density", "atoms_per_nm3", "formula"),
    [("anatase", 3.89, 88.0, {"Ti": 1, "O": 2}), ("rutile", 4.25, 96.1, {"Ti": 1, "O": 2}),
     ("gamma-WO3", 7.27, 75.5, {"W": 1, "O": 3}), ("graphite", 2.26, 113.4, {"C": 1}),
     ("silicon", 2.329, 49.94, {"Si": 1})],
)  # fmt: skip
def test_shipped_crystals_have_their_published_density(name, density, atoms_per_nm3, formula):
    material = Material.named(name)
    assert material.density_g_cm3 == pytest.approx(density, rel=0.005)
    assert material.atoms_per_nm3 == pytest.approx(atoms_per_nm3, rel=0.002)
    counts = material.element_densities_per_nm3
    assert {s: counts[s] / min(counts.values()) for s in counts} == pytest.approx(formula)
    assert material.sigma_angstrom(material.cell.numbers).min() > 0.05
    assert material.source


@pytest.mark.parametrize(
    ("name", "metal", "shortest", "longest"),
    [("anatase", "Ti", 1.93, 1.98), ("rutile", "Ti", 1.94, 1.99), ("gamma-WO3", "W", 1.72, 2.2)],
)
def test_every_metal_atom_sits_in_an_oxygen_octahedron(name, metal, shortest, longest):
    cell = Material.named(name).cell.repeat(3)
    distance = cell.get_all_distances(mic=True)
    for atom in np.flatnonzero(cell.symbols == metal)[::7]:
        oxygen = np.sort(distance[atom][cell.symbols == "O"])
        assert shortest < oxygen[0] < oxygen[5] < longest
        assert oxygen[6] > 2.8


@pytest.mark.parametrize(("name", "order"), [("anatase", 16), ("rutile", 16), ("gamma-WO3", 4)])
def test_the_point_group_maps_the_crystal_onto_itself(name, order):
    material = Material.named(name)
    rotations = material.rotations()
    assert len(rotations) == order == len(material.laue_rotations())
    products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3)
    gaps = np.abs(products[:, None] - rotations[None]).max(axis=(2, 3)).min(axis=1)
    assert gaps.max() < 1e-6  # a group is closed


def test_a_polar_crystal_gains_its_inversion_in_the_laue_group():
    material = Material("ZnS", bulk("ZnS", "zincblende", a=5.41), {"Zn": 0.1, "S": 0.1})
    assert len(material.rotations()) == 24
    assert len(material.laue_rotations()) == len(with_inversion(material.rotations())) == 48


def test_a_users_cif_works(tmp_path):
    path = tmp_path / "ceria.cif"
    bulk("CeO2", "fluorite", a=5.411).write(path)
    material = Material.from_cif(path, {"Ce": 0.05, "O": 0.08}, expected_density_g_cm3=7.21)
    assert material.name == "ceria"
    assert material.density_g_cm3 == pytest.approx(7.21, rel=0.01)


def test_what_is_wrong_with_a_material_is_said_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no CIF file .*nowhere\.cif"):
        Material.from_cif(tmp_path / "nowhere.cif", {})
    bad = tmp_path / "bad.cif"
    bad.write_text("no crystal at all\n")
    with pytest.raises(UserError, match=r"bad\.cif is no readable CIF"):
        _ = Material.from_cif(bad, {}).cell
    with pytest.raises(UserError, match="anatase, rutile, gamma-WO3"):
        Material.named("anatas")
    with pytest.raises(UserError, match=r"7\.60.* g/cm3.*expected_density_g_cm3 = 5"):
        _ = Material("iron", bulk("Fe", a=2.9), {}, expected_density_g_cm3=5.0).cell
    with pytest.raises(UserError, match="rms_displacement_angstrom lacks Fe"):
        Material("iron", bulk("Fe"), {}).sigma_angstrom(np.array([26]))


def test_every_shipped_material_is_complete():
    for name in shipped_materials():
        material = Material.named(name)
        assert set(material.rms_displacement_angstrom) == set(material.cell.get_chemical_symbols())
