"""Encoders: from images (n, ny, nx) to the mean and the log variance (n, l) of the latent numbers."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from learn.spatial_statistics import autocorrelation
from learn.vae.alignment import registered
from learn.vae.config import VAEConfig

LOG_VARIANCES = (-14.0, 4.0)
DETAIL, WHOLE = 32, 28
"""Pixels kept around the lag zero, and cells of the whole map, from the middle to the border."""
FLOOR = 0.05
"""Of the root mean square of all features: smaller scatter is not blown up."""


class Head(nn.Module):
    """Two residual layers and the latent laws."""

    def __init__(self, width: int, latent_size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Residual(width), Residual(width)])
        self.last = nn.Linear(width, 2 * latent_size)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.layers:
            hidden = layer(hidden)
        mean, log_variance = self.last(hidden).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCES)


class Residual(nn.Module):
    """x + gelu(norm(linear(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, width), nn.LayerNorm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + functional.gelu(self.norm(self.linear(hidden)))


class Standardised(nn.Module):
    """Features with zeros and units of their own."""

    middle: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, features: Tensor) -> None:
        """Set each feature's zero and unit to its mean and deviation in (n, features)."""
        self.middle.copy_(features.mean(dim=0))
        deviation = features - self.middle
        overall = deviation.square().mean().sqrt()
        self.scale.copy_(deviation.square().mean(dim=0).sqrt() + FLOOR * overall + 1e-12)

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.middle) / self.scale


class StatisticsEncoder(nn.Module):
    """Sees S2 of phase 1, periodic: its middle pixel by pixel, the whole of it in cells, and its means along
    either axis, which tell distances of parallel lines to the pixel; half of each, for S2(-r) = S2(r).
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        ny, nx = config.shape
        self.rows = slice(max(0, ny // 2 - DETAIL), ny // 2 + DETAIL)
        self.columns = slice(nx // 2, nx // 2 + DETAIL + 1)
        self.cells = (min(2 * WHOLE, ny), min(WHOLE + 1, nx - nx // 2))
        detail = len(range(ny)[self.rows]) * len(range(nx)[self.columns])
        values, means = detail + self.cells[0] * self.cells[1], ny - ny // 2 + nx - nx // 2
        self.standard, self.standard_means = Standardised(values), Standardised(means)
        self.first, self.norm = nn.Linear(values + means, config.width), nn.LayerNorm(config.width)
        self.head = Head(config.width, config.latent_size)

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n, v) of S2, and means (n, m) along its axes, which scatter far less."""
        map_ = autocorrelation(images)
        ny, nx = map_.shape[1:]
        detail = map_[:, self.rows, self.columns].flatten(1)
        whole = functional.adaptive_avg_pool2d(map_[:, None, :, nx // 2 :], self.cells).flatten(1)
        means = torch.cat([map_.mean(dim=2)[:, ny // 2 :], map_.mean(dim=1)[:, nx // 2 :]], dim=1)
        return torch.cat([detail, whole], dim=1), means

    def fit(self, images: Tensor) -> None:
        """Set each feature's zero and unit to what they are in these images."""
        values, means = self.features(images)
        self.standard.fit(values)
        self.standard_means.fit(means)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        values, means = self.features(images)
        seen = torch.cat([self.standard(values), self.standard_means(means)], dim=1)
        return self.head(functional.gelu(self.norm(self.first(seen))))


class RegisteredEncoder(nn.Module):
    """Sees the image after it was moved to the middle and turned to one side (`registered`): its rows' and
    columns' sums, and the whole of it in cells. Where things lie makes no difference to it either, and it
    need not find out from the statistics how they lie to each other.
    """

    CELLS = 56

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        ny, nx = config.shape
        self.cells = (min(self.CELLS, ny), min(self.CELLS, nx))
        self.standard = Standardised(self.cells[0] * self.cells[1] + ny + nx)
        self.first, self.norm = nn.Linear(len(self.standard.middle), config.width), nn.LayerNorm(config.width)
        self.head = Head(config.width, config.latent_size)

    def features(self, images: Tensor) -> Tensor:
        """Values (n, features) of the registered images."""
        moved = registered(images)
        cells = functional.adaptive_avg_pool2d(moved[:, None], self.cells).flatten(1)
        return torch.cat([cells, moved.mean(dim=1), moved.mean(dim=2)], dim=1)

    def fit(self, images: Tensor) -> None:
        """Set each feature's zero and unit to what they are in these images."""
        self.standard.fit(self.features(images))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(functional.gelu(self.norm(self.first(self.standard(self.features(images))))))


class ImageEncoder(nn.Module):
    """Strided convolutions on the image."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        before = 1
        for channels, size in ((16, 5), (24, 3), (32, 3), (48, 3), (64, 3)):
            stages += [nn.Conv2d(before, channels, size, 2, size // 2), nn.GroupNorm(4, channels), nn.GELU()]
            before = channels
        self.stages = nn.Sequential(*stages)
        ny, nx = (-(-side // 32) for side in config.shape)
        self.first, self.norm = nn.Linear(64 * ny * nx, config.width), nn.LayerNorm(config.width)
        self.head = Head(config.width, config.latent_size)

    def fit(self, images: Tensor) -> None:
        """Nothing to set: images lie between 0 and 1."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.stages(images[:, None]).flatten(1)
        return self.head(functional.gelu(self.norm(self.first(hidden))))


def build_encoder(config: VAEConfig) -> StatisticsEncoder | RegisteredEncoder | ImageEncoder:
    """The encoder of a configuration."""
    if config.encoder == "statistics":
        return StatisticsEncoder(config)
    return RegisteredEncoder(config) if config.encoder == "registered" else ImageEncoder(config)
