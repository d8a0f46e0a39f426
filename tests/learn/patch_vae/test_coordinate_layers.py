"""Layers with written-out gradients agree with automatic ones."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")


from learn.patch_vae.coordinate_layers import coordinate_layers, plain_coordinate_layers  # noqa: E402


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_values_and_gradients_agree(layers, channels):
    torch.manual_seed(1)
    sizes = [6] * (layers + 1) + [channels]
    weights = []
    for before, after in itertools.pairwise(sizes):
        weights += [torch.randn(after, before), torch.randn(after)]
    inputs = [one.double().requires_grad_() for one in (torch.randn(4, 2, 6), torch.randn(4, 6), *weights)]
    grid = torch.randn(9, 2).double()
    found, plain = (
        each(grid, inputs[0], inputs[1], inputs[2:]) for each in (coordinate_layers, plain_coordinate_layers)
    )
    torch.testing.assert_close(found, plain)
    outer = torch.randn_like(plain)
    gradients, expected = (torch.autograd.grad(one, inputs, outer) for one in (found, plain))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other)
