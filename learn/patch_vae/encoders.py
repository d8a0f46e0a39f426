"""Encoders: from patches (n, c, h, w) to hidden features and, for models with an angle, its bins.

`PlainEncoder` sees the pixels. `PolarEncoder` sees the patch turned back by each of B angles, so that turning
a patch by one of them moves its features by as many bins and changes nothing else (as in the group-
equivariant encoder of Nasiri and Bepler, NeurIPS 2022); what is read at the chosen bin does not know the
angle.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from learn.patch_vae.polar import PolarTransform

BINS = 48
"""About how many angles a turn is divided into."""
LARGEST_SIDE = 32
"""Pixels of a side that the plain encoder sees; larger windows are averaged over cells."""


class PlainEncoder(nn.Module):
    """Two hidden layers on the pixels, or on cells of larger windows."""

    def __init__(self, channels: int, window: tuple[int, int], width: int) -> None:
        super().__init__()
        self.cells = (min(window[0], LARGEST_SIDE), min(window[1], LARGEST_SIDE))
        self.whole = self.cells == tuple(window)
        self.first = nn.Linear(channels * self.cells[0] * self.cells[1], width)
        self.second = nn.Linear(width, width)

    def forward(self, patches: Tensor) -> Tensor:
        """Features (n, width)."""
        seen = patches if self.whole else functional.adaptive_avg_pool2d(patches, self.cells)
        return functional.gelu(self.second(functional.gelu(self.first(seen.flatten(1)))))


class PolarEncoder(nn.Module):
    """The same two layers on the patch turned back by each angle: the first is a product per angular order,
    summed into the bins.
    """

    basis: Tensor
    angles: Tensor

    def __init__(self, channels: int, window: tuple[int, int], width: int, symmetry_order: int) -> None:
        super().__init__()
        self.symmetry = symmetry_order
        self.bins = -(-BINS // symmetry_order)
        """Of one sector, 2 pi / symmetry_order wide."""
        self.step = 2 * math.pi / (self.bins * symmetry_order)
        self.polar = PolarTransform(window)
        orders, features = self.polar.orders, channels * self.polar.rings
        all_angles = self.step * torch.arange(self.bins * symmetry_order)
        self.register_buffer("angles", all_angles[: self.bins].clone(), persistent=False)
        phase = all_angles[:, None] * self.polar.order
        self.register_buffer("basis", torch.cat([phase.cos(), -phase.sin()], dim=1), persistent=False)
        spread = 1 / math.sqrt(2 * features * orders)
        self.weight = nn.Parameter(spread * torch.randn(2, orders, features, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.second = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)

    def forward(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the bins (n, bins) and features at each (n, bins, width), of polar coefficients."""
        real, imaginary = coefficients.transpose(0, 1)  # (n, orders, features) each
        a = torch.einsum("nmf,mfh->nmh", real, self.weight[0])
        a = a - torch.einsum("nmf,mfh->nmh", imaginary, self.weight[1])
        b = torch.einsum("nmf,mfh->nmh", real, self.weight[1])
        b = b + torch.einsum("nmf,mfh->nmh", imaginary, self.weight[0])
        turned = self.basis @ torch.cat([a, b], dim=1)
        hidden = functional.gelu(self.second(functional.gelu(turned + self.bias)))
        scores = self.score(hidden)[:, :, 0].view(len(hidden), self.symmetry, self.bins)
        return scores.mean(dim=1), hidden[:, : self.bins]
