"""Kullback-Leibler divergences of the laws of latent numbers from their priors, in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor

WIDE = 0.75
"""Radians of standard deviation from which a normal law wrapped round the circle is summed as a series."""
FACTORS, TERMS = 48, 10


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of N(mean, variance) from N(0, 1), elementwise."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def wrapped_divergence(sd: Tensor) -> Tensor:
    """Of a normal law of standard deviation `sd` (radians), wrapped round the circle, from the uniform law.

    For narrow laws, whose tails do not meet, ln(2 pi) less the entropy of the normal law; for others the
    series of Mardia and Jupp (Directional Statistics, 2000), which converges the faster the wider the law.
    """
    narrow = 0.5 * math.log(2 * math.pi / math.e) - sd.log()
    q = torch.exp(-sd.clamp(min=WIDE).square())
    m = torch.arange(1, FACTORS + 1, device=sd.device, dtype=sd.dtype)
    k = m[:TERMS]
    factors = torch.log1p(-(q[..., None] ** m)).sum(dim=-1)
    signs = 1 - 2 * (k % 2)
    series = signs / k * q[..., None] ** (k * (k + 1) / 2) / (1 - q[..., None] ** k)
    wide = factors - 2 * series.sum(dim=-1)
    return torch.where(sd < WIDE, narrow, wide)


def categorical_divergence(logits: Tensor) -> Tensor:
    """Of the law over k classes softmax(logits), (n, k), from the uniform law (n,)."""
    logarithms = torch.log_softmax(logits, dim=-1)
    return (logarithms.exp() * logarithms).sum(dim=-1) + math.log(logits.shape[-1])
