"""Decoding in chunks gives the gradients of decoding all at once."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from learn.patch_vae.chunks import costs_in_chunks  # noqa: E402


def test_other_weights_are_refused():
    code = torch.ones(2, 1, requires_grad=True)

    def render(some, codes):
        return codes[:, 0].square(), some

    cost, _ = costs_in_chunks(render, torch.zeros(2, 1, 2, 2), [code], [], torch.ones(2), 1)
    with pytest.raises(RuntimeError, match="weights costs otherwise"):
        (cost * torch.tensor([1.0, 3.0])).sum().backward()


@pytest.mark.parametrize("pixels", [None, 1, 30, 10_000])
def test_gradients_are_those_of_the_whole(pixels):
    torch.manual_seed(0)
    patches, code = torch.randn(7, 1, 4, 5), torch.randn(7, 3)
    layer, noise = torch.nn.Linear(3, 20), torch.randn(7, 1, requires_grad=True)
    weights = torch.rand(7)

    def render(some, codes, levels):
        made = torch.tanh(layer(codes)).view(-1, 1, 4, 5)
        return ((some - made).square().sum(dim=(1, 2, 3)) * levels[:, 0].exp()), made

    def gradients(cost):
        loss = 0.3 * (weights * cost).sum() + inputs[0].sum()
        return loss, torch.autograd.grad(loss, [*inputs, *layer.parameters()])

    inputs = (code.requires_grad_(), noise)
    cost, made = costs_in_chunks(render, patches, inputs, list(layer.parameters()), weights, pixels)
    expected_cost, expected_made = render(patches, *inputs)
    assert not made.requires_grad
    torch.testing.assert_close(made, expected_made)
    for one, other in zip(gradients(cost)[1], gradients(expected_cost)[1], strict=True):
        torch.testing.assert_close(one, other)
