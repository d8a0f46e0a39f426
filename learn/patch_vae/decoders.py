"""Decoders: from features (n, f), latent numbers, classes and conditions, and a pose to one number for each
pixel and channel (n, c, h, w).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from learn.patch_vae.pose import Pose, canonical_places, inverse_matrix, pixel_grid, unit_px

WAVES_PX = 6.0
"""Wavelength of the spatial decoder's first features, about, before they are learnt."""


class SpatialDecoder(nn.Module):
    """A few dense layers from a place of the canonical patch to its pixel (Bepler et al., NeurIPS 2019).

    The first layer is sin(W q + V f + b). W q + V f is never made of q and f side by side: with
    q = M p - tau it is (W M) p + (V f + b - W tau), a product of the one grid with a small matrix per patch.
    """

    grid: Tensor

    def __init__(
        self, channels: int, window: tuple[int, int], features: int, width: int, layers: int
    ) -> None:
        super().__init__()
        self.window, self.channels = window, channels
        self.register_buffer("grid", pixel_grid(window), persistent=False)
        wave = 2 * math.pi * unit_px(window) / WAVES_PX
        self.place = nn.Parameter(wave / math.sqrt(2) * torch.randn(width, 2))
        self.latent = nn.Linear(features, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.last = nn.Linear(width, channels)

    def forward(self, features: Tensor, pose: Pose) -> Tensor:
        n = len(features)
        matrix = self.place @ inverse_matrix(pose, n, features)
        level = self.latent(features)
        if pose.tau is not None:
            level = level - pose.tau @ self.place.T
        places = self.grid.expand(n, -1, 2)
        found = torch.sin(torch.baddbmm(level[:, None, :], places, matrix.transpose(1, 2)))
        for layer in self.hidden:
            found = functional.silu(layer(found))
        return self.last(found).transpose(1, 2).reshape(n, self.channels, *self.window)


class ConvolutionalDecoder(nn.Module):
    """Convolutions make a canvas from an eighth of its resolution up; the pose says where the window lies on
    it, and pixels are read between the canvas' by bilinear interpolation.
    """

    STRIDE = 8
    grid: Tensor

    def __init__(
        self, channels: int, window: tuple[int, int], features: int, width: int, reach: float
    ) -> None:
        """reach: of the canvas, in windows; 1 where nothing moves."""
        super().__init__()
        self.window, self.moves = window, reach > 1
        self.register_buffer("grid", pixel_grid(window), persistent=False)
        longest = max(window)
        sides = (longest, longest) if self.moves else window
        self.canvas = tuple(math.ceil(reach * side) for side in sides)
        self.coarse = tuple(-(-side // self.STRIDE) for side in self.canvas)
        thin = max(4, width // 4)
        self.first = nn.Linear(features, width)
        self.spread = nn.Linear(width, width // 2 * self.coarse[0] * self.coarse[1])
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1)
            for before, after in ((width // 2, width // 2), (width // 2, thin), (thin, thin))
        )
        self.last = nn.Conv2d(thin, channels, 3, padding=1)

    def forward(self, features: Tensor, pose: Pose) -> Tensor:
        n = len(features)
        hidden = functional.silu(self.spread(functional.silu(self.first(features))))
        found = hidden.view(n, -1, *self.coarse)
        for stage in self.stages:
            found = functional.interpolate(functional.silu(stage(found)), scale_factor=2.0, mode="nearest")
        found = self.last(found)[:, :, : self.canvas[0], : self.canvas[1]]
        if not self.moves:
            return found
        places = canonical_places(pose, self.grid, n) * (max(self.window) / self.canvas[0])
        places = places.view(n, *self.window, 2)
        return functional.grid_sample(found, places, padding_mode="border", align_corners=False)
