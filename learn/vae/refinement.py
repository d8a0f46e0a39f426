"""Latent numbers improved image by image, after the encoder's guess (Kim et al., ICML 2018: semi-amortised).

An encoder answers at once for all images, and no image gets its best answer. A few dozen steps down the
gradient of the training's own objective, from the encoder's mean, come nearer to it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from learn.vae.config import VAETraining
from learn.vae.losses import Scatter, terms_of, total
from learn.vae.network import VAENetwork

STEP, LAST_STEP = 0.05, 0.001
"""Of Adam, at the start and at the end, in units of the prior's standard deviation."""


def refined(
    network: VAENetwork,
    images: Tensor,
    laws: tuple[Tensor, Tensor],
    config: VAETraining,
    units: Scatter,
    steps: int,
) -> Tensor:
    """Latent means (n, l) after `steps` steps from those of the encoder's laws (mean and log variance).

    images (n, ny, nx). The objective is the loss at the end of the training, without the moved original; the
    best means met on the way are kept, image by image, so none gets worse by it.
    """
    settings = config.model_copy(update={"alignment": 0.0, "alignment_end": 0.0})
    means = laws[0].detach().clone().requires_grad_()
    best, least = laws[0].detach().clone(), torch.full((len(images),), torch.inf, device=images.device)
    optimizer = torch.optim.Adam([means], lr=STEP)
    for step in range(steps + 1):
        found = network.decoder(means)
        terms = terms_of(images, found, (means, laws[1].detach()), settings, 1.0, units, periodic=True)
        objective = total(terms, settings, 1.0)
        better = objective.detach() < least
        best[better], least[better] = means.detach()[better], objective.detach()[better]
        if step == steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = LAST_STEP + (STEP - LAST_STEP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        (gradient,) = torch.autograd.grad(objective.sum(), means)  # the weights get none
        means.grad = gradient
        optimizer.step()
    return best
