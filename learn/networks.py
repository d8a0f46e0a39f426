"""Networks: images and pixel sizes in; means, log variances, features and density maps out.

`small` is made for two CPU cores. Its stem folds blocks of pixels into channels, so nothing is lost by the
early strides and the convolutions work on few, wide positions, which is what processors are fast at. Beside
the plain average of its features it pools averages weighted by learned importance (means over particles
rather than over the field) and the logarithms of its density maps' totals (so that ratios such as contacts
per particle are differences). Any classifier of torchvision serves as well, without the maps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from learn.config import EstimatorConfig
from learn.maps import CELL_PIXELS
from learn.torchvision_shim import import_torchvision
from stochgeom.errors import UserError

FEATURES = 256
MAP_FLOOR = 0.3  # added to a map's total before its logarithm: a third of a particle


class Output(NamedTuple):
    """mean, log_variance (b, t) of standardised targets; features (b, f); maps (b, m, y / 8, x / 8)."""

    mean: Tensor
    log_variance: Tensor
    features: Tensor
    maps: Tensor | None


class Intensity(nn.Module):
    """Recorded intensities (b, c, y, x) to numbers of order one.

    The square root evens out counting noise. `absolute` keeps the level; `relative` takes the mean of the
    pixels below and above the mean as zero and as the level, so gain and offset drop out exactly.
    """

    levels: Tensor

    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        self.relative = config.intensity == "relative"
        self.register_buffer("levels", torch.tensor(config.levels, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        scaled = self._without_level(images) if self.relative else images / self.levels
        return torch.sign(scaled) * scaled.abs().sqrt()

    @staticmethod
    def _without_level(images: Tensor) -> Tensor:
        bright = (images > images.mean((2, 3), keepdim=True)).to(images.dtype)
        count = bright.sum((2, 3), keepdim=True)
        pixels = images.shape[2] * images.shape[3]
        total = images.sum((2, 3), keepdim=True)
        above = (images * bright).sum((2, 3), keepdim=True)
        low = (total - above) / (pixels - count).clamp_min(1)
        high = above / count.clamp_min(1)
        contrast = high - low
        return torch.where(contrast > 0, (images - low) / contrast.clamp_min(1e-30), torch.zeros_like(images))


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride)
        self.second = _convolution(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.second(F.relu(self.first(x))))


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class SmallNetwork(nn.Module):
    """The package's own network, for any image size: sides are padded to multiples of 8, on both sides
    alike.
    """

    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        widths = (64, 128, 256)
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2),
            _convolution(4 * config.channels, widths[0] // 2, 3),
            nn.ReLU(),
            _convolution(widths[0] // 2, widths[0], 3, stride=2),
            nn.ReLU(),
        )
        self.body = nn.Sequential(
            Residual(widths[0], widths[0]),
            Residual(widths[0], widths[1], stride=2),
            Residual(widths[1], widths[1]),
        )
        self.top = Residual(widths[1], widths[2], stride=2)
        self.weights = nn.Conv2d(widths[1], 2, 1)
        self.maps = nn.Conv2d(widths[1], config.maps, 1) if config.maps else None
        self.pooled = widths[2] + 2 * widths[1] + config.maps

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pooled numbers (b, pooled) and maps (b, m, y / 8, x / 8) of transformed images."""
        more_y, more_x = -images.shape[2] % CELL_PIXELS, -images.shape[3] % CELL_PIXELS
        images = F.pad(images, (more_x // 2, more_x - more_x // 2, more_y // 2, more_y - more_y // 2))
        local = self.body(self.stem(images))
        pooled = [self.top(local).float().mean((2, 3)), *self._weighted(local)]
        maps = None
        if self.maps is not None:
            maps = F.softplus(self.maps(local).float())
            pooled.append(torch.log(maps.sum((2, 3)) + MAP_FLOOR) - 2)
        return torch.cat(pooled, dim=1), maps

    def _weighted(self, local: Tensor) -> list[Tensor]:
        """Averages (b, c) of the local features, weighted by each of the learned importances."""
        weights = torch.sigmoid(self.weights(local).float()).flatten(2)
        weights = weights / (weights.sum(2, keepdim=True) + 1e-3)
        return list(torch.einsum("bkp,bcp->kbc", weights, local.float().flatten(2)))


class Backbone(nn.Module):
    """A torchvision classifier, untrained, whose classes are features."""

    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        models = import_torchvision().models
        if config.network not in backbone_names():
            raise UserError(f"network {config.network!r}: accepted: small, {', '.join(backbone_names())}")
        self.colours = nn.Conv2d(config.channels, 3, 1)
        options = {"aux_logits": False, "init_weights": True} if config.network == "googlenet" else {}
        self.classifier = models.get_model(config.network, weights=None, num_classes=FEATURES, **options)
        self.pooled = FEATURES

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Pooled numbers (b, FEATURES) of transformed images; no maps."""
        return self.classifier(self.colours(images)).float(), None


def backbone_names() -> tuple[str, ...]:
    """Torchvision's image classifiers that take images of any size."""
    models = import_torchvision().models
    fixed_size = ("vit", "swin", "maxvit", "inception")
    names = models.list_models(module=models)
    return tuple(name for name in names if not name.startswith(fixed_size))


class Network(nn.Module):
    """Intensity transform, trunk, and a head that gives a mean and a variance for every target."""

    def __init__(self, config: EstimatorConfig) -> None:
        super().__init__()
        self.intensity = Intensity(config)
        self.pixel_mean, self.pixel_scale = config.log_pixel_mean, config.log_pixel_scale
        self.trunk = SmallNetwork(config) if config.network == "small" else Backbone(config)
        self.mix = nn.Sequential(nn.Linear(self.trunk.pooled + 1, FEATURES), nn.ReLU())
        self.mean = nn.Linear(FEATURES, config.outputs)
        spread = nn.Linear(FEATURES // 2, config.outputs)
        nn.init.zeros_(spread.weight)
        nn.init.zeros_(spread.bias)
        self.log_variance = nn.Sequential(nn.Linear(FEATURES, FEATURES // 2), nn.ReLU(), spread)

    def forward(self, images: Tensor, log_pixel: Tensor) -> Output:
        """images (b, c, y, x) as recorded, log_pixel (b,) ln of nm."""
        transformed = self.intensity(images).contiguous(memory_format=torch.channels_last)
        pooled, maps = self.trunk(transformed)
        scaled = (log_pixel - self.pixel_mean) / self.pixel_scale
        # Half precision is for the convolutions; the few numbers after them keep theirs.
        with torch.autocast(images.device.type, enabled=False):
            features = self.mix(torch.cat([pooled, scaled[:, None]], dim=1))
            log_variance = self.log_variance(features).clamp(-10.0, 5.0)
            return Output(self.mean(features), log_variance, features, maps)


def build_network(config: EstimatorConfig) -> Network:
    """The network of a configuration, in channels-last order. UserError for an unknown name."""
    if config.network != "small" and config.maps:
        raise UserError(f"network {config.network!r} learns no density maps; only small does")
    network = Network(config)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def loss_of(
    output: Output, targets: Tensor, maps: Tensor | None, variance_weight: float, map_weight: float
) -> Tensor:
    """Mean loss of a batch; NaN targets (b, t) do not count.

    The means are taught by squared error, so that no target's mean suffers from a variance that was learnt
    first; the variances by the Gaussian log likelihood of the errors as they are. Maps are taught by the
    Poisson deviance.
    """
    known = torch.isfinite(targets)
    count = known.sum().clamp_min(1)
    squared = torch.where(known, output.mean - targets, 0.0) ** 2
    surprise = torch.where(
        known, squared.detach() * torch.exp(-output.log_variance) + output.log_variance, 0.0
    )
    loss = squared.sum() / count + variance_weight * surprise.sum() / count
    if maps is not None and output.maps is not None and map_weight > 0:
        loss = loss + map_weight * _deviance(output.maps, maps)
    return loss


def _deviance(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean Poisson deviance, halved: zero where the maps agree."""
    predicted = predicted + 1e-4
    constant = torch.where(truth > 0, truth * torch.log(truth.clamp_min(1e-12)) - truth, 0.0)
    return (predicted - truth * torch.log(predicted) + constant).mean()
