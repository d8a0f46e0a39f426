import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from learn.maps import density_maps, map_names


def table(rows):
    return np.array(rows, dtype=float).reshape(-1, 5)


@settings(deadline=None)  # the first call compiles
@given(arrays(float, (6, 2), elements=st.floats(-40, 40)), st.integers(1, 3))
def test_each_map_sums_to_its_total(centres, n_species):
    radii, species = np.linspace(1, 4, 6), np.arange(6) % n_species
    particles = np.column_stack([centres, 100.0 * np.arange(6), radii, species])  # apart in z: no contacts
    maps = density_maps(particles, 0.5, (64, 48), n_species)
    assert maps.shape == (4 * n_species + 1, 8, 6)
    for kind in range(n_species):
        mine = radii[species == kind] / 6
        sums = maps[4 * kind : 4 * kind + 4].sum((1, 2))
        assert sums == pytest.approx([len(mine), mine.sum(), (mine**2).sum(), 0], rel=1e-5)
    assert maps[-1].sum() == 0


def test_a_particle_at_a_cell_centre_stays_in_its_cell():
    # Field of 32 pixels of 1 nm; the cell in row 1, column 2 spans y 8-16, x 16-24 from the corner.
    maps = density_maps(table([[20 - 16, 12 - 16, 0, 3, 0]]), 1.0, (32, 32), 1)
    assert maps[0, 1, 2] == 1
    assert maps[0].sum() == 1


def test_contacts_of_like_and_unlike_particles():
    touching = table([[0, 0, 0, 2, 0], [4, 0, 0, 2, 0], [4, 0, 5, 3, 1], [-9, 0, 0, 1, 1]])
    maps = density_maps(touching, 1.0, (32, 32), 2)
    names = map_names(("A", "B"))
    total = dict(zip(names, maps.sum((1, 2)), strict=True))
    assert total["like_contacts_A"] == 1
    assert total["unlike_contacts"] == 1
    assert total["like_contacts_B"] == 0


def test_maps_turn_with_the_aggregate():
    rng = np.random.default_rng(0)
    particles = np.column_stack([rng.uniform(-14, 14, (9, 3)), rng.uniform(1, 4, 9), rng.integers(0, 2, 9)])
    turned = particles.copy()
    turned[:, 0], turned[:, 1] = particles[:, 1], -particles[:, 0]
    a, b = density_maps(particles, 1.0, (32, 32), 2), density_maps(turned, 1.0, (32, 32), 2)
    assert np.allclose(b, a.transpose(0, 2, 1)[:, ::-1], atol=1e-6)


def test_what_lies_outside_counts_to_the_border():
    maps = density_maps(table([[500, -500, 0, 2, 0]]), 1.0, (32, 32), 1)
    assert maps[0, 0, -1] == 1


@pytest.mark.parametrize("shape", [(32, 32), (36, 36), (37, 45)])
def test_the_grid_is_centred_on_the_image(shape):
    """Mirrored particles give mirrored maps, whatever the sides; training mirrors both."""
    rng = np.random.default_rng(0)
    particles = np.column_stack([rng.uniform(-14, 14, (9, 3)), rng.uniform(1, 4, 9), rng.integers(0, 2, 9)])
    a, b = (density_maps(particles * [s, 1, 1, 1, 1], 1.0, shape, 2) for s in (1, -1))
    assert np.allclose(b, a[:, :, ::-1], atol=1e-6)
