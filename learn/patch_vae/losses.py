"""Terms of an autoencoder's loss, in nats, one number per patch."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor

from learn.patch_vae.chunks import costs_in_chunks
from learn.patch_vae.config import PatchVAEConfig
from learn.patch_vae.encoders import PolarEncoder
from learn.patch_vae.likelihoods import log_likelihood, natural_parameter
from learn.patch_vae.moved import moved_matching
from learn.patch_vae.network import Laws, PatchNetwork
from learn.patch_vae.polar import turn_products
from learn.patch_vae.pose import Pose
from learn.vae_base.divergences import categorical_divergence
from learn.vae_base.schedules import capacity, kl_weight

UNKNOWN = -1
"""Label of a patch whose class is not known."""


class Batch(NamedTuple):
    """rows (n,) of the patch set, patches (n, c, h, w) in units of the network, condition (n, s) or None,
    labels (n,) or None.
    """

    rows: Tensor
    patches: Tensor
    condition: Tensor | None = None
    labels: Tensor | None = None


class Terms(NamedTuple):
    """Of each patch (n,), and of each latent number (n, l): -ln p(patch), divergences from the priors, and
    what the angle's bins and known labels are trained by, which are no part of the bound.
    """

    distortion: Tensor
    kl_latent: Tensor
    kl_pose: Tensor
    kl_class: Tensor
    matching: Tensor
    naming: Tensor


class Noise(NamedTuple):
    """Random numbers of a step: latent (n, l) and pose (n, 4) standard normal, bins (n, b) and classes (n, k)
    uniform.
    """

    latent: Tensor
    pose: Tensor
    bins: Tensor
    classes: Tensor

    @classmethod
    def draw(cls, n: int, network: PatchNetwork, generator: torch.Generator, device: torch.device) -> Noise:
        """Drawn on the processor, so that they are the same on every device."""
        config = network.config
        bins = network.encoder.bins if isinstance(network.encoder, PolarEncoder) else 0
        drawn = [torch.randn(n, size, generator=generator) for size in (config.latent_size, 4)]
        drawn += [torch.rand(n, size, generator=generator) for size in (bins, config.classes)]
        return cls(*(one.to(device) for one in drawn))


def terms_of(
    network: PatchNetwork, batch: Batch, noise: Noise, pose_only: bool = False
) -> tuple[Terms, Laws]:
    """The terms of a batch's loss, from one draw of each patch's laws; `pose_only`: latents are 0."""
    laws = network.laws(batch.patches, batch.condition, noise.bins)
    latents = laws.latent.at(noise.latent)
    if pose_only:
        latents = torch.zeros_like(latents)
    pose = network.pose(laws, noise.pose)
    distortion, numbers, kl_class, naming = _decoded(network, batch, laws, latents, pose, noise)
    nothing = torch.zeros_like(distortion)
    matching = nothing
    if laws.at_bins is not None:
        matching = moved_matching(network, batch.patches, numbers, pose, laws)
    elif laws.bin_logits is not None and pose.angle is not None:
        matching = _matching(network, batch.patches, numbers, pose.angle.detach(), laws.bin_logits)
    kl_latent = laws.latent.divergence()
    return Terms(distortion, kl_latent, pose_divergence(laws, nothing), kl_class, matching, naming), laws


def pose_alone(config: PatchVAEConfig, share: float) -> bool:
    """Whether, after a share of a training, latent numbers are still left out."""
    return config.rotation and (config.translation or config.scale) and share < config.pose_first


def pose_divergence(laws: Laws, nothing: Tensor) -> Tensor:
    """Of the laws of angle, shift and scale from their priors (n,).

    The angle's law is a mixture over bins; the divergence is that of (bin, angle within it), which is not
    smaller than that of the angle alone. Bins get no gradient from here: matching trains them.
    """
    total = nothing
    if laws.bin_logits is not None:
        total = total + categorical_divergence(laws.bin_logits.detach())
    for law in (laws.turn, laws.shift, laws.scale):
        if law is not None:
            total = total + law.divergence().reshape(len(total), -1).sum(dim=1)
    return total


def _compared(
    network: PatchNetwork, patches: Tensor, features: Tensor, pose: Pose, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Distortion (n,) and what the decoder made; the loss may hold the distortion times weights only."""

    def render(some: Tensor, log_sd: Tensor, *prepared: Tensor) -> tuple[Tensor, Tensor]:
        numbers = network.decoder.render(*prepared)
        found = log_likelihood(network.config.likelihood, some, numbers, log_sd)
        return -found.sum(dim=(1, 2, 3)), numbers

    n = len(patches)
    prepared = network.decoder.prepare(features, pose)
    inputs = (network.log_sd.expand(n, -1, 1, 1), *prepared)
    every = torch.ones(n, device=patches.device) if weights is None else weights
    return costs_in_chunks(
        render, patches, inputs, list(network.decoder.parameters()), every, network.decoder.chunk_pixels
    )


def _decoded(
    network: PatchNetwork, batch: Batch, laws: Laws, latents: Tensor, pose: Pose, noise: Noise
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Distortion (n,), what the decoder made of the likeliest class, divergence of the class, naming."""
    nothing = torch.zeros(len(latents), device=latents.device)
    if laws.class_logits is None:
        features = network.features(latents, None, batch.condition)
        return *_compared(network, batch.patches, features, pose), nothing, nothing
    logits = laws.class_logits
    known = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    naming, target = nothing, torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    if batch.labels is not None:
        known = batch.labels != UNKNOWN
        target = batch.labels.clamp(min=0)
        naming = torch.where(known, functional.cross_entropy(logits, target, reduction="none"), nothing)
    shares = torch.softmax(logits, dim=1)
    shares = torch.where(known[:, None], network.one_hot(target), shares)
    distortion, numbers = _over_classes(network, batch, logits, shares, latents, pose, noise, known)
    # Of a known class the prior's ln k stays, so that bounds of labelled and other patches compare.
    sure = torch.full_like(nothing, float(torch.log(torch.tensor(float(network.config.classes)))))
    return distortion, numbers, torch.where(known, sure, categorical_divergence(logits)), naming


def _over_classes(
    network: PatchNetwork,
    batch: Batch,
    logits: Tensor,
    shares: Tensor,
    latents: Tensor,
    pose: Pose,
    noise: Noise,
    known: Tensor,
) -> tuple[Tensor, Tensor]:
    """Expected distortion (n,) over the class, and what the decoder made of the likeliest one."""
    n, k = shares.shape
    if network.config.class_draws == "gumbel":
        gumbel = -torch.log(-torch.log(noise.classes.clamp(1e-7, 1 - 1e-7)))
        relaxed = torch.softmax((logits + gumbel) / network.config.temperature, dim=1)
        drawn = torch.where(known[:, None], shares, relaxed)
        features = network.features(latents, drawn, batch.condition)
        return _compared(network, batch.patches, features, pose)
    best = shares.argmax(dim=1)
    total, kept = torch.zeros(n, device=latents.device), None
    for one in range(k):
        each = network.one_hot(torch.full((n,), one, device=latents.device))
        features = network.features(latents, each, batch.condition)
        share = shares[:, one]
        distortion, numbers = _compared(network, batch.patches, features, pose, share.detach())
        # The distortion's gradients flow where it is weighted with the share, as _compared needs it.
        total = total + share.detach() * distortion + (share - share.detach()) * distortion.detach()
        mine = (best == one)[:, None, None, None]
        kept = numbers if kept is None else torch.where(mine, numbers, kept)
    assert kept is not None
    return total, kept


def _matching(
    network: PatchNetwork, patches: Tensor, numbers: Tensor, angle: Tensor, logits: Tensor
) -> Tensor:
    """Cross-entropy (n,) of the bins with their posterior, given what was decoded at one angle.

    Under a turn of what was decoded about the middle, only sum(x a) of ln p changes; polar coefficients give
    it for all bins at once.
    """
    encoder = network.encoder
    assert isinstance(encoder, PolarEncoder)
    with torch.no_grad():
        natural = natural_parameter(network.config.likelihood, numbers, network.log_sd)
        seen, made = encoder.polar(patches), encoder.polar(natural)
        sectors = torch.arange(encoder.symmetry, device=angle.device) * encoder.bins * encoder.step
        bins = (sectors[:, None] + encoder.angles).flatten()
        products = turn_products(seen, made, bins - angle[:, None], encoder.polar.order)
        products = products.view(len(angle), encoder.symmetry, encoder.bins).logsumexp(dim=1)
        posterior = torch.softmax(products, dim=1)
    return -(posterior * torch.log_softmax(logits, dim=1)).sum(dim=1)


def bound(terms: Terms) -> Tensor:
    """Evidence lower bound (n,) of ln p(patch), in units of the network."""
    return -(terms.distortion + terms.kl_latent.sum(dim=1) + terms.kl_pose + terms.kl_class)


def total(terms: Terms, config: PatchVAEConfig, share: float) -> Tensor:
    """The loss of each patch (n,) after a share of the schedule."""
    weight = kl_weight(config.kl_schedule, share, config.kl_rise, config.kl_cycles)
    latent = terms.kl_latent.sum(dim=1)
    if config.kl_schedule == "capacity":
        latent = (latent - capacity(share, config.kl_rise, config.capacity_nats)).abs()
    divergences = weight * (config.beta * latent + config.beta_pose * terms.kl_pose)
    divergences = divergences + config.beta_class * terms.kl_class
    return terms.distortion + divergences + terms.matching + config.label_weight * terms.naming
