"""Decoders: from latent numbers (n, l) to images (n, ny, nx), each pixel the share of phase 1."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from learn.vae.config import VAEConfig
from learn.vae.encoders import Residual

MOSTLY_EMPTY = -3.0
"""Logit of a pixel at the start."""


class LatentFeatures(nn.Module):
    """Latent numbers (n, l) and their sines and cosines at octaves of frequency, through a hidden layer.

    Plain layers learn slowly what changes fast with a latent number, such as a thin line that moves across
    the image (Tancik et al., NeurIPS 2020, on coordinates).
    """

    frequencies: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** torch.arange(config.octaves), persistent=False)
        features = config.latent_size * (1 + 2 * config.octaves)
        self.first, self.norm = nn.Linear(features, config.width), nn.LayerNorm(config.width)
        self.second = Residual(config.width)

    def forward(self, latents: Tensor) -> Tensor:
        angles = (latents[:, :, None] * self.frequencies).flatten(1)
        features = torch.cat([latents, angles.sin(), angles.cos()], dim=1)
        return self.second(functional.gelu(self.norm(self.first(features))))


class ProfileDecoder(nn.Module):
    """Pixel (y, x) = sigmoid(b + sum_k u_k(y) v_k(x)); one network of convolutions makes the profiles u of
    all rows and the profiles v of all columns, from an eighth of their resolution up.
    """

    STEPS = 3

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.shape, self.terms, channels = config.shape, config.profiles, config.channels
        self.coarse = -(-max(config.shape) // 2**self.STEPS)
        self.features = LatentFeatures(config)
        self.spread = nn.Linear(config.width, 2 * channels * self.coarse)
        widths = [channels, channels, channels, max(4, channels * 2 // 3 // 4 * 4)]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv1d(before, after, 5, padding=2), nn.GroupNorm(4, after), nn.GELU())
            for before, after in pairwise(widths)
        )
        self.last = nn.Conv1d(widths[-1], config.profiles, 5, padding=2)
        self.level = nn.Parameter(torch.tensor(MOSTLY_EMPTY))

    def forward(self, latents: Tensor) -> Tensor:
        hidden = self.features(latents)
        lines = self.spread(hidden).view(2 * len(latents), -1, self.coarse)
        for stage in self.stages:
            lines = functional.interpolate(stage(lines), scale_factor=2.0, mode="nearest")
        ny, nx = self.shape
        profiles = self.last(lines).view(len(latents), 2, self.terms, -1)
        u, v = profiles[:, 0, :, :ny], profiles[:, 1, :, :nx]
        return torch.sigmoid(self.level + u.transpose(1, 2) @ v)


class ConvolutionDecoder(nn.Module):
    """Convolutions from a sixteenth of the resolution up; the last two doublings rearrange channels."""

    STRIDE = 16

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.shape, channels = config.shape, config.channels
        self.grid = tuple(-(-side // self.STRIDE) for side in config.shape)
        self.features = LatentFeatures(config)
        self.channels = 64
        self.spread = nn.Linear(config.width, self.channels * self.grid[0] * self.grid[1])
        fine = max(4, channels * 2 // 3 // 4 * 4)
        self.stages = nn.Sequential(
            *_stage(self.channels, self.channels),
            nn.Conv2d(self.channels, 4 * channels, 1),
            nn.PixelShuffle(2),
            *_stage(channels, channels),
            nn.Conv2d(channels, 4 * fine, 1),
            nn.PixelShuffle(2),
            *_stage(fine, fine),
            *_stage(fine, fine),
            nn.Conv2d(fine, 16, 3, padding=1),
            nn.PixelShuffle(4),
        )
        self.level = nn.Parameter(torch.tensor(MOSTLY_EMPTY))

    def forward(self, latents: Tensor) -> Tensor:
        hidden = self.features(latents)
        coarse = functional.gelu(self.spread(hidden)).view(-1, self.channels, *self.grid)
        ny, nx = self.shape
        return torch.sigmoid(self.level + self.stages(coarse)[:, 0, :ny, :nx])


def _stage(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(4, after), nn.GELU()


def build_decoder(config: VAEConfig) -> ProfileDecoder | ConvolutionDecoder:
    """The decoder of a configuration."""
    return ProfileDecoder(config) if config.decoder == "profiles" else ConvolutionDecoder(config)
