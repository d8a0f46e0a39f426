"""Terms of an autoencoder's loss, one number per image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from learn.spatial_statistics import soft_indicator, statistics_distance
from learn.vae.alignment import aligned
from learn.vae.config import VAETraining
from learn.vae_base.divergences import divergence
from learn.vae_base.schedules import risen
from stochgeom.spatial_statistics import annealed_eps


class Scatter(NamedTuple):
    """Units of the terms: mean squared deviation of the training images from their mean statistics, and the
    variance of their pixels summed over an image.
    """

    statistics: float
    pixels: float


class Terms(NamedTuple):
    """Of each image (n,): distance in the units of `Scatter`, squared difference to the moved original and
    greyness in the same, divergence in nats.
    """

    distance: Tensor
    alignment: Tensor
    greyness: Tensor
    kl: Tensor


def squared_difference(one: Tensor, other: Tensor) -> Tensor:
    """Sum over pixels (n,)."""
    return (one - other).square().sum(dim=(1, 2))


def indicator_of(images: Tensor, config: VAETraining, share: float) -> Tensor:
    """How far each pixel belongs to phase 1, after a share of the schedule."""
    if config.indicator == "linear":
        return images  # 1 - |x - 1|
    eps = annealed_eps(share, config.eps[0], config.eps[1])
    return soft_indicator(images, "gaussian", eps, level=1.0)


def terms_of(
    originals: Tensor,
    reconstructions: Tensor,
    laws: tuple[Tensor, Tensor],
    config: VAETraining,
    share: float,
    scatter: Scatter,
    periodic: bool,
) -> Terms:
    """The terms of the loss. originals, reconstructions (n, ny, nx); laws: mean and log variance (n, l)."""
    kl = divergence(*laws).sum(dim=1)
    nothing = torch.zeros_like(kl)
    if config.loss == "pixels":
        return Terms(squared_difference(originals, reconstructions) / scatter.pixels, nothing, nothing, kl)
    phases = (indicator_of(images, config, share) for images in (reconstructions, originals))
    distance = statistics_distance(*phases, by=config.by) / scatter.statistics
    alignment = greyness = nothing
    if alignment_weight(config, share) > 0:
        moved = aligned(originals, reconstructions.detach(), periodic)
        alignment = squared_difference(moved, reconstructions) / scatter.pixels
    if config.purity > 0 and share > config.alignment_hold:
        greyness = (reconstructions * (1 - reconstructions)).sum(dim=(1, 2)) / scatter.pixels
    return Terms(distance, alignment, greyness, kl)


def total(terms: Terms, config: VAETraining, share: float) -> Tensor:
    """The loss of each image (n,) after a share of the schedule."""
    distance = config.alpha * terms.distance
    if config.loss == "statistics":
        distance = distance * risen(share, config.alpha_rise)
    led = alignment_weight(config, share) * terms.alignment
    pure = config.purity * _passed(config, share) * terms.greyness
    return distance + led + pure + config.beta * risen(share, config.beta_rise) * terms.kl


def alignment_weight(config: VAETraining, share: float) -> float:
    """Held, then half a cosine down."""
    if config.loss == "pixels":
        return 0.0
    down = 0.5 * (1 + math.cos(math.pi * _passed(config, share)))
    end = min(config.alignment_end, config.alignment)  # without any at the start, none at the end
    return end + (config.alignment - end) * down


def _passed(config: VAETraining, share: float) -> float:
    """Share of the time after `alignment_hold` that has passed."""
    if share <= config.alignment_hold:
        return 0.0
    return (share - config.alignment_hold) / (1 - config.alignment_hold)
