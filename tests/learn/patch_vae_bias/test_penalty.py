"""What the penalty's gradient is, and what it does to an encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from learn.patch_vae.bias import BiasSettings, ElboFactor, LatentPenalty
from learn.patch_vae.bias.elbo_factor import edge_magnitude
from learn.patch_vae.bias.memory import LatentMemory
from learn.patch_vae.bias.penalty import direction_numbers
from learn.patch_vae.bias.scale import share_of_weight, standardised
from stochgeom.errors import UserError

from .graphs import square_cells

SCALES = ("total", "each", "whitened")
KINDS = [("tv", "wells"), ("modica-mortola", "wells"), ("modica-mortola", "quartic")]
ALWAYS = {"start": 0.0, "full": 1e-9}


def latents(n: int, size: int, seed: int) -> torch.Tensor:
    """(n, size) float64 of unlike scales."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(
        rng.standard_normal((n, size)) * rng.uniform(0.2, 3, size) + rng.normal(size=size)
    )


def penalty_of(ny: int, nx: int, **asked) -> LatentPenalty:
    return LatentPenalty(square_cells(ny, nx).graph, BiasSettings(**{**ALWAYS, **asked}))


@pytest.mark.parametrize(("bias", "potential"), KINDS)
@pytest.mark.parametrize("scale", SCALES)
@given(factor=st.floats(1e-3, 1e3), move=st.floats(-5, 5), seed=st.integers(0, 2**20))
@settings(max_examples=8, deadline=None)
def test_shrinking_or_moving_the_latents_changes_nothing(bias, potential, scale, factor, move, seed):
    """The penalty stays, and its gradient is at right angles to both."""
    values = latents(48, 2, seed)
    graph = square_cells(6, 8).graph

    def energy(z: torch.Tensor) -> torch.Tensor:
        asked = BiasSettings(bias=bias, potential=potential, scale=scale)
        return LatentPenalty(graph, asked).of_latents(z, graph)

    assert float(energy(values * factor + move)) == pytest.approx(float(energy(values)), rel=1e-6)
    leaf = values.clone().requires_grad_()
    (slope,) = torch.autograd.grad(energy(leaf), leaf)
    assert float(slope.norm()) > 1e-6
    limit = 1e-6 * float(slope.norm() * values.norm())
    assert abs(float((slope * (values - values.mean(dim=0))).sum())) < limit
    assert float(slope.sum(dim=0).abs().max()) < limit


@pytest.mark.parametrize(("bias", "potential"), KINDS)
@pytest.mark.parametrize("scale", SCALES)
def test_shuffled_batches_have_the_gradient_of_the_whole_graph(bias, potential, scale):
    """The mean over the batches of an epoch is the full one, if the encoder does not change meanwhile."""
    features = latents(120, 5, 7).float()
    weights = latents(5, 2, 8).float().requires_grad_()
    penalty = penalty_of(10, 12, bias=bias, potential=potential, scale=scale, weight=3.0)
    penalty(features @ weights, torch.arange(120), 0.5)
    whole = 3.0 * penalty.of_latents(features @ weights, penalty.graph)
    (full,) = torch.autograd.grad(whole, weights)
    order = torch.from_numpy(np.random.default_rng(9).permutation(120))
    slopes = []
    for rows in order.split(24):
        value = penalty(features[rows] @ weights, rows, 0.5)
        assert float(value.detach()) == pytest.approx(float(whole.detach()), rel=1e-4)
        slopes.append(torch.autograd.grad(value, weights)[0])
    assert torch.allclose(
        torch.stack(slopes).mean(dim=0), full, rtol=1e-3, atol=1e-4 * float(full.abs().max())
    )
    assert float(torch.stack(slopes).std(dim=0).max()) > 1e-4  # single batches differ


def test_batches_that_miss_neighbours_wait_and_then_use_what_is_known():
    penalty = penalty_of(4, 5, weight=1.0)
    values = latents(20, 1, 3).float().requires_grad_()
    assert float(penalty(values[:8], torch.arange(8), 0.5)) == 0  # less than half were seen
    part = penalty(values[8:15], torch.arange(8, 15), 0.5)
    known = torch.arange(20) < 15
    expected = penalty.of_latents(values[:15].detach(), penalty.graph.part(known))
    assert float(part.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert float(penalty(values[15:], torch.arange(15, 20), 0.5).detach()) == pytest.approx(
        float(penalty.of_latents(values.detach(), penalty.graph)), rel=1e-5
    )


@pytest.mark.parametrize("scale", SCALES)
def test_two_values_cost_their_wall(scale):
    """Halves: the share of the borders that is wall; an island of a quarter costs more than its wall."""
    drawn = square_cells(8, 8)
    half = torch.from_numpy((drawn.centres[:, 1] < 4).astype(np.float32))[:, None]
    asked = BiasSettings(delta=0.0, scale=scale)
    found = LatentPenalty(drawn.graph, asked).of_latents(5 * half - 2, drawn.graph)
    assert float(found) == pytest.approx(8 / 112, rel=0.01)  # within the floor under variances
    corner = torch.from_numpy((drawn.centres < 4).all(axis=1).astype(np.float32))[:, None]
    quarter = LatentPenalty(drawn.graph, asked).of_latents(corner, drawn.graph)
    assert float(quarter) == pytest.approx(8 / 112 / (2 * (3 / 16) ** 0.5), rel=0.01)


@pytest.mark.parametrize("bias", ["tv", "modica-mortola"])
def test_classes_and_angles_have_walls(bias):
    drawn = square_cells(6, 6)
    side = torch.from_numpy(drawn.centres[:, 1] < 3)
    classes = torch.stack([side, ~side], dim=1).float()
    penalty = LatentPenalty(drawn.graph, BiasSettings(bias=bias, delta=0.0, width=1.0))
    # ε = the spacing, and a sharp wall: ε / spacing, over the tension 1/2 of wells 1 apart
    expected = 6 / 60 * (1.0 if bias == "tv" else 2.0)
    assert float(penalty.of_classes(classes, drawn.graph)) == pytest.approx(expected)
    vague = penalty.of_classes(torch.full((36, 2), 0.5), drawn.graph)
    assert (float(vague) > expected) == (bias == "modica-mortola")
    opposite = direction_numbers(torch.where(side, 0.0, np.pi)[:, None])
    assert float(penalty.of_angle(opposite, drawn.graph)) == pytest.approx(6 / 60)
    alike = direction_numbers(torch.where(side, 0.0, np.pi / 2)[:, None], symmetry_order=4)
    assert float(penalty.of_angle(alike, drawn.graph)) == pytest.approx(0, abs=1e-6)


def test_angles_and_classes_add_to_the_penalty():
    penalty = penalty_of(5, 5, weight=2.0, angle_weight=0.5)
    values, rows = latents(25, 2, 1).float(), torch.arange(25)
    angles = latents(25, 4, 2).float().requires_grad_()
    shares = torch.softmax(latents(25, 4, 4).float(), dim=1).requires_grad_()
    classes = torch.softmax(latents(25, 3, 3).float(), dim=1)
    alone = float(penalty(values, rows, 1.0))
    both = penalty(values, rows, 1.0, angles=angles, shares=shares, classes=classes)
    of_angle = float(penalty.of_angle(direction_numbers(angles, shares).detach(), penalty.graph))
    of_classes = float(penalty.of_classes(classes, penalty.graph))
    assert float(both.detach()) == pytest.approx(alone + 2 * (0.5 * of_angle + of_classes), rel=1e-5)
    for seen in torch.autograd.grad(both, [angles, shares]):
        assert float(seen.abs().max()) > 0
    classless = penalty(torch.zeros(25, 0), rows, 1.0, classes=classes)
    assert float(classless) == pytest.approx(2 * of_classes, rel=1e-5)


def test_directions_are_means_over_bins_and_not_shortened_by_doubt():
    angles = torch.tensor([[0.0, 0.2, np.pi]])
    sure = direction_numbers(angles, torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(sure[0], torch.tensor([np.cos(0.2), np.sin(0.2)], dtype=torch.float32))
    unsure = direction_numbers(angles, torch.tensor([[0.6, 0.0, 0.4]]))
    torch.testing.assert_close(unsure, torch.tensor([[1.0, 0.0]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(direction_numbers(angles, symmetry_order=2).norm(dim=1), torch.ones(1))
    nothing = direction_numbers(torch.tensor([[0.0, np.pi]]))
    assert float(nothing.norm()) < 1e-5


@pytest.mark.parametrize(("bias", "scale"), [("tv", "total"), ("tv", "each"), ("modica-mortola", "total")])
def test_an_encoder_turns_to_what_is_coherent(bias, scale):
    """Of two features, one strong and different everywhere, one weak with two regions, the bias chooses the
    second, in shuffled batches.
    """
    drawn = square_cells(12, 12)
    rng = np.random.default_rng(0)
    region = np.where(drawn.centres[:, 1] < 6, -1.0, 1.0)
    features = torch.from_numpy(np.stack([2 * rng.standard_normal(144), region], axis=1)).float()
    weights = torch.tensor([[1.0], [0.3]], requires_grad=True)
    penalty = LatentPenalty(drawn.graph, BiasSettings(bias=bias, scale=scale, weight=1.0, **ALWAYS))
    penalty(features @ weights, torch.arange(144), 0.0)  # what is remembered has no weight yet
    optimiser = torch.optim.Adam([weights], lr=0.05)
    for epoch in range(40):
        for rows in torch.from_numpy(np.random.default_rng(epoch).permutation(144)).split(48):
            optimiser.zero_grad()
            penalty(features[rows] @ weights, rows, 0.5).backward()
            optimiser.step()
    found = (features @ weights)[:, 0].detach().numpy()
    assert abs(np.corrcoef(found, region)[0, 1]) > 0.97
    assert float(weights.detach().norm()) > 0.1  # not met by shrinking


def test_the_published_factor_has_no_gradient():
    drawn = square_cells(8, 8)
    asked = BiasSettings(bias="elbo-factor", weight=4.0, **ALWAYS)
    bias = ElboFactor(drawn.graph, asked)
    half = torch.from_numpy((drawn.centres[:, 1] < 4).astype(np.float32))[:, None].requires_grad_()
    factor = bias.factor(half, torch.arange(64), 0.5)
    assert isinstance(factor, float)
    assert factor == pytest.approx(1 + 4 * edge_magnitude(half.detach() * 7, drawn.graph))
    assert not bias(half, torch.arange(64), 0.5).requires_grad
    inner = np.zeros((8, 8))
    inner[:, 3:5] = 0.5**0.5  # of the two columns at the wall, |∇z|² is half the squared jump
    assert edge_magnitude(half.detach(), drawn.graph) == pytest.approx(inner.mean(), rel=0.2)
    assert ElboFactor(drawn.graph, asked).factor(half[:9], torch.arange(9), 0.5) == 1.0
    assert edge_magnitude(torch.ones(64, 2), drawn.graph) == 0.0


def test_the_weight_follows_its_schedule():
    shares = [share_of_weight(p, 0.2, 0.6, 0.8) for p in (0, 0.2, 0.4, 0.6, 0.7, 0.9, 1.0)]
    assert shares == pytest.approx([0, 0, 0.5, 1, 1, 0.5, 0])
    assert BiasSettings(weight=8, start=0.2, full=0.6).weight_at(0.4) == pytest.approx(4)
    assert share_of_weight(1.0, 0.2, 0.6) == 1
    with pytest.raises(ValidationError, match="follow one another"):
        BiasSettings(start=0.5, full=0.4)
    with pytest.raises(ValidationError):
        BiasSettings(wieght=3)


def test_a_number_that_means_nothing_is_not_blown_up():
    values = torch.cat([latents(500, 1, 1), 1e-6 * latents(500, 1, 2)], dim=1)
    for scale in SCALES:
        sizes = standardised(values, scale).std(dim=0)
        assert float(sizes[0]) == pytest.approx(0.5 / (2**0.5 if scale == "whitened" else 1), rel=0.02)
        assert float(sizes[1]) < 1e-3


def test_the_wrong_bias_is_refused():
    graph = square_cells(3, 3).graph
    with pytest.raises(UserError, match="elbo-factor"):
        LatentPenalty(graph, BiasSettings(bias="elbo-factor"))
    with pytest.raises(UserError, match="not 'tv'"):
        ElboFactor(graph, BiasSettings())


def test_memory_keeps_the_latest():
    memory = LatentMemory(4, 1, torch.device("cpu"))
    memory.remember(torch.tensor([1, 2]), torch.tensor([[1.0], [2.0]]))
    memory.remember(torch.tensor([2]), torch.tensor([[5.0]]))
    assert memory.values[:, 0].tolist() == [0, 1, 5, 0]
    assert memory.seen == 0.5
