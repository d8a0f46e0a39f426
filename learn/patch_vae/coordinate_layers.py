"""The layers of a decoder on coordinates, with gradients written out: half of what automatic ones cost in
time goes into copies that nobody needs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def coordinate_layers(grid: Tensor, matrix: Tensor, level: Tensor, weights: list[Tensor]) -> Tensor:
    """Numbers (m, g, c) at g places of m patches: sin(grid matrix + level), then dense layers, rectified but
    for the last.

    grid (g, 2), without gradient; matrix (m, 2, width); level (m, width); weights: of each layer in turn
    matrix (out, in) and bias (out,). Once differentiable.
    """
    found: Tensor = _Layers.apply(grid, matrix, level, *weights)
    return found


def plain_coordinate_layers(grid: Tensor, matrix: Tensor, level: Tensor, weights: list[Tensor]) -> Tensor:
    """The same in plain words; tests compare."""
    found = torch.sin(grid @ matrix + level[:, None, :])
    for one, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        found = torch.relu(found @ one.T + bias)
    return found @ weights[-2].T + weights[-1]


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grid: Tensor, matrix: Tensor, level: Tensor, *weights: Tensor) -> Tensor:
        m, width = level.shape
        phase = torch.baddbmm(level[:, None, :], grid.expand(m, -1, 2), matrix).view(-1, width)
        hidden = [torch.sin(phase)]
        for one, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            hidden.append(torch.addmm(bias, hidden[-1], one.T).relu_())
        ctx.save_for_backward(grid, phase, *hidden, *weights)
        return torch.addmm(weights[-1], hidden[-1], weights[-2].T).view(m, len(grid), -1)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        grid, phase, *rest = ctx.saved_tensors
        layers = len(rest) // 3  # a layer keeps what it saw, its matrix and its bias
        hidden, weights = rest[:layers], rest[layers:]
        m = len(outer[0])
        gradient = outer[0].reshape(len(phase), -1)
        found: list[Tensor] = []
        for layer in reversed(range(layers)):
            found = [gradient.T @ hidden[layer], gradient.sum(dim=0), *found]
            gradient = gradient @ weights[2 * layer]
            if layer:
                torch.ops.aten.threshold_backward.grad_input(gradient, hidden[layer], 0, grad_input=gradient)
        gradient.mul_(torch.cos(phase))
        by_patch = gradient.view(m, len(grid), -1)
        return None, grid.T @ by_patch, by_patch.sum(dim=1), *found
