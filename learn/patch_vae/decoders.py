"""Decoders: from features (n, f), latent numbers, classes and conditions, and a pose to one number for each
pixel and channel (n, c, h, w).

Each works in two steps, `prepare`, small, for a whole batch, and `render`, large, for some of its patches.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from learn.patch_vae.coordinate_layers import coordinate_layers
from learn.patch_vae.pose import Pose, inverse_matrix, pixel_grid, unit_px

WAVES_PX = 6.0
"""Wavelength of the spatial decoder's first features, about, before they are learnt."""


class Decoder(nn.Module, ABC):
    """What all decoders have."""

    grid: Tensor
    chunk_pixels: int | None = None
    """Pixels that are best rendered together on a processor; None: as many as there are."""

    def __init__(self, channels: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.window, self.channels = window, channels
        self.register_buffer("grid", pixel_grid(window), persistent=False)

    @abstractmethod
    def prepare(self, features: Tensor, pose: Pose) -> tuple[Tensor, ...]:
        """What each patch (n, ...) is rendered from."""

    @abstractmethod
    def render(self, *prepared: Tensor) -> Tensor:
        """Numbers (m, c, h, w) of some patches."""

    def forward(self, features: Tensor, pose: Pose) -> Tensor:
        return self.render(*self.prepare(features, pose))


class SpatialDecoder(Decoder):
    """A few dense layers from a place of the canonical patch to its pixel (Bepler et al., NeurIPS 2019).

    The first layer is sin(W q + V f + b). W q + V f is never made of q and f side by side: with
    q = M p - tau it is (W M) p + (V f + b - W tau), a product of the one grid with a small matrix per patch.
    """

    chunk_pixels = 3000

    def __init__(
        self, channels: int, window: tuple[int, int], features: int, width: int, layers: int
    ) -> None:
        super().__init__(channels, window)
        wave = 2 * math.pi * unit_px(window) / WAVES_PX
        self.place = nn.Parameter(wave / math.sqrt(2) * torch.randn(width, 2))
        self.latent = nn.Linear(features, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.last = nn.Linear(width, channels)

    def prepare(self, features: Tensor, pose: Pose) -> tuple[Tensor, ...]:
        """W M transposed (n, 2, width) and the rest of the first layer (n, width)."""
        matrix = self.place @ inverse_matrix(pose, len(features), features)
        level = self.latent(features)
        if pose.tau is not None:
            level = level - pose.tau @ self.place.T
        return matrix.transpose(1, 2), level

    def render(self, *prepared: Tensor) -> Tensor:
        weights = [one for layer in (*self.hidden, self.last) for one in (layer.weight, layer.bias)]
        matrix, level = prepared
        numbers = coordinate_layers(self.grid, matrix, level, weights)
        return numbers.transpose(1, 2).reshape(-1, self.channels, *self.window)


class CanvasDecoder(Decoder):
    """A canvas is made without coordinates; the pose says where the window lies on it, and pixels are read
    between the canvas' own by bilinear interpolation.
    """

    def __init__(self, channels: int, window: tuple[int, int], reach: float) -> None:
        """reach: of the canvas, in windows; 1 where nothing moves."""
        super().__init__(channels, window)
        self.moves = reach > 1
        longest = max(window)
        sides = (longest, longest) if self.moves else window
        self.canvas = tuple(math.ceil(reach * side) for side in sides)

    def prepare(self, features: Tensor, pose: Pose) -> tuple[Tensor, ...]:
        """Features (n, f), and of models that move M (n, 2, 2) and tau (n, 2)."""
        if not self.moves:
            return (features,)
        matrix = inverse_matrix(pose, len(features), features)
        tau = torch.zeros_like(features[:, :2]) if pose.tau is None else pose.tau
        return features, matrix, tau

    @abstractmethod
    def paint(self, features: Tensor) -> Tensor:
        """Canvases (n, c, y, x)."""

    def render(self, *prepared: Tensor) -> Tensor:
        canvas = self.paint(prepared[0])
        if not self.moves:
            return canvas
        matrix, tau = prepared[1:]
        places = self.grid @ matrix.transpose(1, 2) - tau[:, None, :]
        places = places.view(-1, *self.window, 2) * (max(self.window) / self.canvas[0])
        return functional.grid_sample(canvas, places, padding_mode="border", align_corners=False)


class ConvolutionalDecoder(CanvasDecoder):
    """Convolutions, from an eighth of the canvas' resolution up."""

    STRIDE = 8

    def __init__(
        self, channels: int, window: tuple[int, int], features: int, width: int, reach: float
    ) -> None:
        super().__init__(channels, window, reach)
        self.coarse = tuple(-(-side // self.STRIDE) for side in self.canvas)
        thin = max(4, width // 4)
        self.first = nn.Linear(features, width)
        self.spread = nn.Linear(width, width // 2 * self.coarse[0] * self.coarse[1])
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1)
            for before, after in ((width // 2, width // 2), (width // 2, thin), (thin, thin))
        )
        self.last = nn.Conv2d(thin, channels, 3, padding=1)

    def paint(self, features: Tensor) -> Tensor:
        hidden = functional.silu(self.spread(functional.silu(self.first(features))))
        found = hidden.view(len(features), -1, *self.coarse)
        for stage in self.stages:
            found = functional.interpolate(functional.silu(stage(found)), scale_factor=2.0, mode="nearest")
        return self.last(found)[:, :, : self.canvas[0], : self.canvas[1]]


class DenseDecoder(CanvasDecoder):
    """Dense layers; every pixel of the canvas has weights of its own. By far the fastest."""

    def __init__(
        self, channels: int, window: tuple[int, int], features: int, width: int, layers: int, reach: float
    ) -> None:
        super().__init__(channels, window, reach)
        sizes = [features, *[width] * (layers + 1)]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.last = nn.Linear(width, channels * self.canvas[0] * self.canvas[1])

    def paint(self, features: Tensor) -> Tensor:
        for layer in self.hidden:
            features = functional.silu(layer(features))
        return self.last(features).view(len(features), self.channels, *self.canvas)
