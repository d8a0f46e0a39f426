"""Latent numbers on a scale of their own, and the weight of a bias in the course of the training.

A penalty on jumps could be met by making all latent numbers small, which moves no wall. So it is one of
standardised numbers, z' = (z - m) / 2s, and the gradient goes through m and s: what depends on z' alone does
not change when all z are multiplied or moved, so that its gradient is at right angles to both.
A latent map that is two-valued in equal shares jumps by 1; in shares p and 1 - p, by 1 / 2√(p (1 - p)), which
is more: a small region is not emptied for the sake of its wall alone.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Scale = Literal["total", "each", "whitened"]
FLOOR = 1e-2
"""Share of the mean variance added to each, so that a number that means nothing is not blown up to noise."""


def standardised(values: Tensor, scale: Scale = "total") -> Tensor:
    """Values (n, l) with the mean 0, on a common scale; gradients go through the scale.

    total
        All are divided by twice the same number, √(sum of the variances): turning the latent space changes
        no distances.
    each
        Each latent number is divided by twice its own standard deviation.
    whitened
        Uncorrelated and of equal scale, so that any invertible linear map of the latent space changes nothing
        but the floor: as a Gaussian mixture with full covariances sees it.
    """
    centred = values - values.mean(dim=0)
    covariance = centred.T @ centred / len(values)
    mean_variance = covariance.diagonal().mean().clamp(min=torch.finfo(values.dtype).tiny)
    if scale == "total":
        return centred / (2 * (mean_variance * values.shape[1]).sqrt())
    if scale == "each":
        return centred / (2 * (covariance.diagonal() + FLOOR * mean_variance).sqrt())
    floor = FLOOR * mean_variance * torch.eye(values.shape[1], dtype=values.dtype, device=values.device)
    factor = torch.linalg.cholesky(covariance + floor)
    white: Tensor = torch.linalg.solve_triangular(factor, centred.T, upper=False).T
    return white / (2 * math.sqrt(values.shape[1]))


def share_of_weight(progress: float, start: float, full: float, fade: float = 1.0) -> float:
    """Share of the weight at a progress of the training, 0 to 1: 0 up to `start`, then rising as half a
    cosine up to `full`, held, and falling in the same way from `fade` to the end (1: never).
    """
    if progress <= start:
        return 0.0
    if progress < full:
        return (1 - math.cos(math.pi * (progress - start) / (full - start))) / 2
    if progress <= fade or fade >= 1:
        return 1.0
    return (1 + math.cos(math.pi * min(1.0, (progress - fade) / (1 - fade)))) / 2
