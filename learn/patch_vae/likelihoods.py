"""Laws of a pixel given what the decoder makes of it, normalised, so that evidence bounds can be compared.

A decoder makes one number a per pixel and channel. With x the pixel in the units of the network:

- Bernoulli, x in {0, 1}: ln p = x a - softplus(a); grey pixels count as that share of ones.
- continuous Bernoulli, x in [0, 1]: the same + ln C(a), C(a) = a / tanh(a / 2) the reciprocal of the integral
  (Loaiza-Ganem and Cunningham, NeurIPS 2019, with a = logit of their lambda).
- Gaussian: mean a, one standard deviation per channel.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from learn.patch_vae.config import Likelihood

SMALL = 0.05
"""Logits below are taken through series, where the closed forms divide zero by zero."""


def log_likelihood(kind: Likelihood, x: Tensor, a: Tensor, log_sd: Tensor) -> Tensor:
    """ln p(x) elementwise; log_sd is used by the Gaussian alone. All broadcast."""
    if kind == "gaussian":
        return -0.5 * ((x - a) * torch.exp(-log_sd)).square() - log_sd - 0.5 * math.log(2 * math.pi)
    bernoulli = x * a - functional.softplus(a)
    return bernoulli if kind == "bernoulli" else bernoulli + log_normaliser(a)


def log_normaliser(a: Tensor) -> Tensor:
    """ln of a / tanh(a / 2), the normalising constant of the continuous Bernoulli law; ln 2 at a = 0."""
    safe = torch.where(a.abs() < SMALL, torch.ones_like(a), a).abs()
    closed = torch.log(safe) - torch.log(torch.tanh(safe / 2))
    return torch.where(a.abs() < SMALL, math.log(2) + a.square() / 12, closed)


def expectation(kind: Likelihood, a: Tensor) -> Tensor:
    """The expected pixel. Of the continuous Bernoulli: 1 / (1 - exp(-a)) - 1 / a, 1/2 at a = 0."""
    if kind == "gaussian":
        return a
    if kind == "bernoulli":
        return torch.sigmoid(a)
    safe = torch.where(a.abs() < SMALL, torch.ones_like(a), a)
    closed = 1 / -torch.expm1(-safe) - 1 / safe
    return torch.where(a.abs() < SMALL, 0.5 + a / 12, closed)


def natural_parameter(kind: Likelihood, a: Tensor, log_sd: Tensor) -> Tensor:
    """What multiplies x in ln p: all that a rotation of x about the middle can change of it."""
    return a * torch.exp(-2 * log_sd) if kind == "gaussian" else a
