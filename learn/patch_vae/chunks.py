"""Decoding and comparing a batch a few patches at a time, forwards and backwards.

A decoder on coordinates has tens of millions of hidden numbers per batch. Held all at once they go through
the memory a dozen times; a few patches' stay in the cache of the processor, and are forgotten once their part
of the gradient is known, which takes half the time. The sum is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Render = Callable[..., tuple[Tensor, Tensor]]
"""render(patches (m, c, h, w), *inputs (m, ...)) -> what each patch costs (m,), and what was decoded."""


def costs_in_chunks(
    render: Render,
    patches: Tensor,
    inputs: Sequence[Tensor],
    parameters: Sequence[Tensor],
    weights: Tensor,
    pixels: int | None,
) -> tuple[Tensor, Tensor]:
    """What render gives for all n patches, about so many `pixels` at a time; None: all at once.

    The loss has to depend on the costs through sum(weights * costs), weights (n,) without gradient. Gradients
    reach `inputs` (each (n, ...)) and `parameters`, all that render uses and that is learnt; what was decoded
    has none.
    """
    if pixels is None or patches.device.type != "cpu" or not torch.is_grad_enabled():
        cost, decoded = render(patches, *inputs)
        return cost, decoded.detach()
    size = max(1, pixels // (patches.shape[2] * patches.shape[3]))
    learnt = [one for one in parameters if one.requires_grad]
    found: tuple[Tensor, Tensor] = _Chunked.apply(
        render, patches, weights, size, len(inputs), *inputs, *learnt
    )
    return found


class _Chunked(torch.autograd.Function):
    """Gradients of sum(weights * costs) are taken on the way forwards; backwards they are only scaled."""

    @staticmethod
    def forward(
        ctx: Any, render: Render, patches: Tensor, weights: Tensor, size: int, count: int, *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        inputs, learnt = tensors[:count], tensors[count:]
        sums = [torch.zeros_like(one) for one in learnt]
        parts: list[list[Tensor]] = []
        costs, decoded = [], []
        for rows in torch.arange(len(patches)).split(size):
            chosen = slice(int(rows[0]), int(rows[-1]) + 1)
            with torch.enable_grad():
                own = [one[chosen].detach().requires_grad_() for one in inputs]
                cost, numbers = render(patches[chosen], *own)
                total = (weights[chosen] * cost).sum()
            gradients = torch.autograd.grad(total, [*own, *learnt], materialize_grads=True)
            parts.append(list(gradients[:count]))
            for one, gradient in zip(sums, gradients[count:], strict=True):
                one += gradient
            costs.append(cost.detach())
            decoded.append(numbers.detach())
        ctx.weights = weights
        ctx.gradients = [*(torch.cat(one) for one in zip(*parts, strict=True)), *sums]
        numbers = torch.cat(decoded)
        ctx.mark_non_differentiable(numbers)
        return torch.cat(costs), numbers

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        weights = ctx.weights
        factor = (outer[0] * weights).sum() / weights.square().sum().clamp(min=1e-30)
        if float((outer[0] - factor * weights).abs().max()) > 1e-3 * float(outer[0].abs().max()):
            raise RuntimeError("the loss weights costs otherwise than these gradients were taken for")
        return (None, None, None, None, None, *(factor * one for one in ctx.gradients))
