"""Lengths of walls that are known: total variation and the Modica-Mortola energy on graphs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learn.patch_vae.bias.edges import huber, total_variation, wall_length_nm
from learn.patch_vae.bias.modica_mortola import (
    MultiWell,
    first_wells,
    multi_well_length,
    quartic_length,
    wells_of,
)
from stochgeom.errors import UserError

from .graphs import Drawn, scattered_cells, square_cells

RADIUS_NM = 12.0


def circle(drawn: Drawn, middle: float) -> torch.Tensor:
    """Distance (n, 1) from a circle, positive inside."""
    return torch.from_numpy(RADIUS_NM - np.hypot(*(drawn.centres - middle).T))[:, None].float()


def test_total_variation_of_two_values_is_the_wall():
    drawn = square_cells(7, 10, side_nm=0.4)
    right = torch.from_numpy((drawn.centres[:, 1] > 1.5).astype(np.float32))[:, None]
    assert float(total_variation(right, drawn.graph)) == pytest.approx(7 * 0.4)
    assert float(total_variation(3 * right, drawn.graph)) == pytest.approx(3 * 7 * 0.4)
    both = torch.cat([right, right], dim=1)
    assert float(total_variation(both, drawn.graph)) == pytest.approx(2**0.5 * 7 * 0.4)
    assert float(total_variation(both, drawn.graph, joint=False)) == pytest.approx(7 * 0.4)
    smoothed = total_variation(right, drawn.graph, delta=0.1)
    assert float(smoothed) == pytest.approx(0.95 * 7 * 0.4)


def test_walls_along_cells_are_longer_by_four_over_pi():
    """A circle has all directions: its wall on the borders of scattered cells is 4/π times its own, within
    5 standard errors of eight draws.
    """
    found = []
    for seed in range(8):
        drawn = scattered_cells(4900, 40.0, seed)
        inside = (circle(drawn, 20.0) > 0).float()
        found.append(float(total_variation(inside, drawn.graph)) / (2 * math.pi * RADIUS_NM))
        assert wall_length_nm(inside[:, 0], drawn.graph) == pytest.approx(
            found[-1] * math.pi / 4 * 2 * math.pi * RADIUS_NM
        )
    error = float(np.std(found, ddof=1)) / 8**0.5
    assert np.mean(found) == pytest.approx(4 / math.pi, abs=max(5 * error, 0.01))


def test_areas_of_cells_fill_the_field():
    drawn = square_cells(12, 9, side_nm=0.5)
    inner = drawn.graph.area.reshape(12, 9)[1:-1, 1:-1]
    assert torch.allclose(inner, torch.full_like(inner, 0.25))
    scattered = scattered_cells(2500, 10.0, 1).graph
    assert float(scattered.area.sum()) == pytest.approx(100.0, rel=0.05)  # cells at the rim are not closed


@pytest.mark.parametrize("width", [1.0, 1.5, 2.5])
@pytest.mark.parametrize("cells", ["square", "scattered"])
def test_energy_of_a_wall_at_equilibrium_is_its_length(width, cells):
    """Profiles at equilibrium around a circle: its length within 4 %, as wide as one cell or more."""
    drawn = square_cells(40, 40) if cells == "square" else scattered_cells(1600, 40.0, 3)
    distance = circle(drawn, 19.5 if cells == "square" else 20.0)
    quartic = quartic_length(torch.tanh(distance / width), drawn.graph, width)
    assert float(quartic) == pytest.approx(2 * math.pi * RADIUS_NM, rel=0.04)
    falling = torch.sign(distance) * (1 - torch.exp(-distance.abs() / width))
    wells = MultiWell(torch.tensor([[-1.0], [1.0]]))
    multi = multi_well_length(falling, drawn.graph, width, wells)
    assert float(multi) == pytest.approx(2 * math.pi * RADIUS_NM, rel=0.04)


def test_a_sharp_wall_relaxes_to_its_length():
    """Descent from a sharp, straight wall with both rims held finds the length within 4 %, from above."""
    drawn = square_cells(6, 30)
    graph = drawn.graph
    start = torch.where(torch.from_numpy(drawn.centres[:, 1]) < 14.5, -1.0, 1.0)[:, None].float()
    values = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([values], max_iter=60)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        energy = quartic_length(values, graph, 2.0)
        energy.backward()
        return energy

    before = float(optimiser.step(closure).detach())
    after = float(quartic_length(values.detach(), graph, 2.0))
    # A cell at the rim is closed on three sides only: three quarters of the area, a tension of √(3/4).
    assert after < 0.8 * before
    assert after == pytest.approx(4 + 2 * 0.75**0.5, rel=0.04)
    assert float(values.detach().min()) < -0.99
    assert float(values.detach().max()) > 0.99


def test_wells_are_found_and_have_gradients():
    rng = np.random.default_rng(4)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    member = rng.integers(0, 3, 300)
    values = torch.from_numpy(centres[member] + 0.2 * rng.standard_normal((300, 2)))
    values.requires_grad_()
    wells = wells_of(values, first_wells(values.detach(), 3))
    nearest = torch.cdist(torch.from_numpy(centres), wells.detach()).amin(dim=1)
    assert float(nearest.max()) < 5 * 0.2 / 80**0.5 * 2**0.5
    (slope,) = torch.autograd.grad(wells.sum(), values)
    assert float(slope.sum()) == pytest.approx(6.0)  # moving all values moves all wells
    far = wells_of(values, torch.cat([wells.detach(), torch.full((1, 2), 99.0, dtype=torch.float64)]))
    assert float(far[3, 0].detach()) == 99.0
    assert float(MultiWell(torch.tensor([[0.0], [2.0]])).tension) == pytest.approx(2.0)


@given(st.floats(0, 10), st.floats(0.01, 2))
def test_huber_is_smooth_and_below_the_size(size, delta):
    x = torch.tensor(size, dtype=torch.float64, requires_grad=True)
    value = huber(x, delta)
    found = float(value.detach())
    assert 0 <= found <= size
    assert found >= size - delta / 2 - 1e-12
    (slope,) = torch.autograd.grad(value, x)
    assert float(slope) == pytest.approx(min(size / delta, 1.0))


def test_graphs_that_fit_no_patches_are_refused():
    drawn = square_cells(3, 3)
    from learn.patch_vae.bias.graph import PatchGraph

    with pytest.raises(UserError, match="row 8; there are 5"):
        PatchGraph.of(drawn, 5)
    with pytest.raises(UserError, match="no patches are neighbours"):
        PatchGraph.of(Drawn(np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0), drawn.centres), 9)
    with pytest.raises(UserError, match="same place"):
        PatchGraph.of(Drawn(drawn.edges, 0 * drawn.lengths_nm, drawn.wall_share_nm, drawn.centres), 9)
