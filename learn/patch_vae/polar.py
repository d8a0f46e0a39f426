"""Angular Fourier coefficients of patches: in them, turning a patch is a change of phases.

A patch is read on rings about its middle, 0.5, 1.5, ... pixels in radius, by bilinear interpolation, zero
outside of the window. Coefficients are scaled so that the product of two patches' coefficients, summed, is
the product of their pixels, summed over the disc that the rings cover.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

FINEST_RINGS = 24
HIGHEST = 18
"""Angular order up to which coefficients are taken."""
SAMPLES = 96
"""Places on a ring."""


class PolarTransform(nn.Module):
    """Patches (n, c, h, w) to coefficients (n, 2, orders, c * rings): real and imaginary parts."""

    matrix: Tensor
    order: Tensor

    def __init__(self, window: tuple[int, int]) -> None:
        super().__init__()
        h, w = window
        reach = max(h, w) / 2
        self.rings = max(1, min(FINEST_RINGS, math.floor(reach)))
        self.orders = HIGHEST + 1
        spacing = reach / self.rings
        radius = spacing * (torch.arange(self.rings) + 0.5)
        phi = 2 * math.pi * torch.arange(SAMPLES) / SAMPLES
        places = torch.stack([radius[:, None] * torch.cos(phi), radius[:, None] * torch.sin(phi)], dim=-1)
        sampling = _bilinear(places.reshape(-1, 2), window).reshape(self.rings, SAMPLES, h * w)
        m = torch.arange(self.orders)
        waves = torch.stack([torch.cos(m[:, None] * phi), -torch.sin(m[:, None] * phi)])
        # Parseval on a ring: sum over samples = 1 / SAMPLES sum over orders, m and -m alike.
        area = radius * spacing * (2 * math.pi / SAMPLES)
        share = torch.where(m == 0, 1.0, 2.0) / SAMPLES
        matrix = torch.einsum("oms,rsp->omrp", waves, sampling)
        matrix = matrix * share.sqrt()[:, None, None] * area.sqrt()[:, None]
        self.register_buffer("matrix", matrix.reshape(-1, h * w).float(), persistent=False)
        self.register_buffer("order", m.float(), persistent=False)

    def forward(self, patches: Tensor) -> Tensor:
        n, c = patches.shape[:2]
        found = patches.reshape(n, c, -1) @ self.matrix.T
        found = found.view(n, c, 2, self.orders, self.rings)
        return found.permute(0, 2, 3, 1, 4).reshape(n, 2, self.orders, c * self.rings)


def turn_products(seen: Tensor, other: Tensor, angles: Tensor, order: Tensor) -> Tensor:
    """Products (n, k) of patches, turned back by angles (n, k) or (k,), with others, of the coefficients of
    both.
    """
    real = (seen[:, 0] * other[:, 0] + seen[:, 1] * other[:, 1]).sum(dim=-1)
    imaginary = (seen[:, 1] * other[:, 0] - seen[:, 0] * other[:, 1]).sum(dim=-1)
    phase = angles[..., None] * order
    if phase.ndim == 2:
        return real @ torch.cos(phase).T - imaginary @ torch.sin(phase).T
    return (torch.cos(phase) @ real[..., None] - torch.sin(phase) @ imaginary[..., None])[..., 0]


def _bilinear(places: Tensor, window: tuple[int, int]) -> Tensor:
    """Weights (m, h * w) that read a window at places (m, 2), x and y in pixels from its middle."""
    h, w = window
    scale = torch.tensor([2 / w, 2 / h], dtype=places.dtype)
    grid = (places * scale).view(1, -1, 1, 2).expand(h * w, -1, 1, 2)
    basis = torch.eye(h * w, dtype=places.dtype).view(h * w, 1, h, w)
    read = functional.grid_sample(basis, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return read[:, 0, :, 0].T
