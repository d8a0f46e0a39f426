"""Encoder, laws of latent numbers and poses, and decoder, as one torch module."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from learn.patch_vae.config import PatchLayout, PatchVAEConfig
from learn.patch_vae.decoders import ConvolutionalDecoder, Decoder, DenseDecoder, SpatialDecoder
from learn.patch_vae.encoders import PlainEncoder, PolarEncoder
from learn.patch_vae.pose import Pose, unit_px
from learn.vae_base.divergences import divergence

LOG_SDS = (-7.0, 2.0)
"""Bounds of the logarithms of standard deviations, in units of the priors'."""
BIN_SD = 0.6
"""Standard deviation, in bins, of an angle about its bin in the prior: the sum over bins is then the uniform
law to 0.2 %."""
FASTER = 10.0
"""The noise is learnt so many times as fast as a weight."""
POSES = ("turn", "shift", "scale")
"""Parts of what the head says that a pose is made of."""
QUIETEST = math.log(1e-3)
"""Logarithm of the smallest standard deviation of the noise, in units of the patches' contrast."""


class Normal(NamedTuple):
    """Normal laws, independent of each other: means and logarithms of the standard deviations."""

    mean: Tensor
    log_sd: Tensor

    def at(self, noise: Tensor | None) -> Tensor:
        """A draw, of standard normal numbers of the same shape, or the means."""
        return self.mean if noise is None else self.mean + noise * self.log_sd.exp()

    def divergence(self) -> Tensor:
        """From N(0, 1), nats, elementwise."""
        return divergence(self.mean, 2 * self.log_sd)


class Laws(NamedTuple):
    """What the encoder says of n patches, in units of the priors' standard deviations.

    latent (n, l); turn (n,), of the angle about its bin; shift (n, 2); scale (n,); bin_logits (n, bins) and
    chosen (n,), the bin that the rest was read at; class_logits (n, k); at_bins (n, bins, ·), what is read at
    every bin, without gradients. None where the model has no such freedom.
    """

    latent: Normal
    turn: Normal | None = None
    shift: Normal | None = None
    scale: Normal | None = None
    bin_logits: Tensor | None = None
    chosen: Tensor | None = None
    class_logits: Tensor | None = None
    at_bins: Tensor | None = None


class PatchNetwork(nn.Module):
    """The network of a configuration for patches of a layout."""

    _log_sd: Tensor

    def __init__(self, config: PatchVAEConfig, layout: PatchLayout) -> None:
        super().__init__()
        self.config, self.layout = config, layout
        c, window, width = layout.channels, layout.window, config.width
        self.encoder: PolarEncoder | PlainEncoder = (
            PolarEncoder(c, window, width, config.symmetry_order)
            if config.rotation
            else PlainEncoder(c, window, width)
        )
        self.parts = _parts(config)
        self.condition = nn.Linear(layout.condition_size, width) if layout.condition_size else None
        self.head = nn.Linear(width, sum(self.parts.values()))
        nn.init.normal_(self.head.weight, std=0.1 / math.sqrt(width))
        features = config.latent_size + config.classes + layout.condition_size
        self.decoder = _decoder(config, c, window, features)
        # What is not learnt is no parameter: checkpoints hold the optimiser's moments of every one.
        learnt = config.likelihood == "gaussian" and config.noise_sd is None
        if learnt:
            self._log_sd = nn.Parameter(torch.zeros(c))
        else:
            self.register_buffer("_log_sd", torch.zeros(c), persistent=False)

    @property
    def log_sd(self) -> Tensor:
        """Logarithm of the noise's standard deviation (c, 1, 1), in units of the network."""
        if self.config.noise_sd is not None:
            units = torch.tensor(self.layout.unit, device=self._log_sd.device)
            return torch.log(self.config.noise_sd / units)[:, None, None]
        return (FASTER * self._log_sd).clamp(min=QUIETEST)[:, None, None]

    def laws(self, patches: Tensor, condition: Tensor | None, uniform: Tensor | None = None) -> Laws:
        """Laws of patches (n, c, h, w). uniform (n, bins): numbers in (0, 1) that draw the angle's bin; None
        takes the likeliest.
        """
        logits = chosen = at_bins = None
        if isinstance(self.encoder, PolarEncoder):
            logits, every = self.encoder(self.encoder.polar(patches))
            scores = logits.detach()
            if uniform is not None:
                scores = scores - torch.log(-torch.log(uniform.clamp(1e-7, 1 - 1e-7)))
            chosen = scores.argmax(dim=1)
            hidden = every[torch.arange(len(every), device=every.device), chosen]
            if uniform is not None and (self.config.translation or self.config.scale):  # in training
                at_bins = self._read(
                    every.detach(), None if condition is None else condition[:, None]
                ).detach()
        else:
            hidden = self.encoder(patches)
        found = self._named(self._read(hidden, condition))
        classes = found.pop("classes", None)
        normal = {name: _normal(value, flat=name in ("turn", "scale")) for name, value in found.items()}
        return Laws(**normal, bin_logits=logits, chosen=chosen, class_logits=classes, at_bins=at_bins)

    def _read(self, hidden: Tensor, condition: Tensor | None) -> Tensor:
        """What the head says (..., m) of features (..., width) and conditions (..., s)."""
        if self.condition is not None:
            hidden = hidden + self.condition(condition)
        return self.head(hidden)

    def _named(self, said: Tensor) -> dict[str, Tensor]:
        """The parts (..., size) of what the head says, by name."""
        return dict(zip(self.parts, said.split(list(self.parts.values()), dim=-1), strict=True))

    def at_every_bin(self, laws: Laws) -> Laws:
        """The laws of turn, shift and scale at each bin: rows bin by bin of a patch, patch by patch."""
        assert laws.at_bins is not None
        n, bins = laws.at_bins.shape[:2]
        found = self._named(laws.at_bins.flatten(0, 1))
        turn, shift, scale = (
            _normal(found[name], flat=name != "shift") if name in found else None for name in POSES
        )
        chosen = torch.arange(bins, device=laws.at_bins.device).repeat(n)
        return Laws(laws.latent, turn, shift, scale, chosen=chosen)

    def pose(self, laws: Laws, noise: Tensor | None = None) -> Pose:
        """A pose of each patch: drawn with noise (n, 4), standard normal, or the middle of its law."""
        config = self.config
        angle = tau = log_scale = None
        if laws.turn is not None and isinstance(self.encoder, PolarEncoder):
            off = laws.turn.at(None if noise is None else noise[:, 0])
            angle = self.encoder.angles[laws.chosen] + BIN_SD * self.encoder.step * off
        if laws.shift is not None:
            unit = config.shift_prior_px / unit_px(self.layout.window)
            tau = unit * laws.shift.at(None if noise is None else noise[:, 1:3])
        if laws.scale is not None:
            log_scale = config.scale_prior * laws.scale.at(None if noise is None else noise[:, 3])
        return Pose(angle, tau, log_scale)

    def bin_angles(self, laws: Laws) -> tuple[Tensor | None, Tensor | None]:
        """Angles (n, m) in radians of the bins, each as far from its middle as the chosen one's is, and their
        probabilities (n, m); None of models without an angle.
        """
        if laws.bin_logits is None or laws.turn is None or not isinstance(self.encoder, PolarEncoder):
            return None, None
        off = BIN_SD * self.encoder.step * laws.turn.mean
        return self.encoder.angles + off[:, None], torch.softmax(laws.bin_logits, dim=1)

    def features(self, latents: Tensor, classes: Tensor | None, condition: Tensor | None) -> Tensor:
        """What the decoder starts from, side by side: latents (n, l), shares of classes (n, k), condition."""
        return torch.cat([part for part in (latents, classes, condition) if part is not None], dim=1)

    def one_hot(self, classes: Tensor) -> Tensor:
        """(n, k) float of classes (n,)."""
        return functional.one_hot(classes, self.config.classes).float()


def _parts(config: PatchVAEConfig) -> dict[str, int]:
    """Sizes of what the head says, by name, in order: of laws, means and logarithms of deviations."""
    parts = {"latent": 2 * config.latent_size}
    for name, free, size in (
        ("turn", config.rotation, 2),
        ("shift", config.translation, 4),
        ("scale", config.scale, 2),
        ("classes", config.classes > 0, config.classes),
    ):
        parts |= {name: size} if free else {}
    return parts


def _normal(numbers: Tensor, flat: bool) -> Normal:
    """Laws (n, m), or (n,) if `flat`, of what the head says (n, 2 m)."""
    mean, log_sd = numbers.chunk(2, dim=1)
    log_sd = log_sd.clamp(*LOG_SDS)
    return Normal(mean[:, 0], log_sd[:, 0]) if flat else Normal(mean, log_sd)


def _decoder(config: PatchVAEConfig, channels: int, window: tuple[int, int], features: int) -> Decoder:
    width, layers, reach = config.width, config.layers, _reach(config, window)
    if config.decoder == "spatial":
        return SpatialDecoder(channels, window, features, width, layers)
    if config.decoder == "dense":
        return DenseDecoder(channels, window, features, width, layers, reach)
    return ConvolutionalDecoder(channels, window, features, width, reach)


def _reach(config: PatchVAEConfig, window: tuple[int, int]) -> float:
    """Of a canvas, in windows, that holds what poses within two deviations of the prior show."""
    if not config.invariances:
        return 1.0
    reach = math.hypot(*window) / max(window) if config.rotation else 1.0
    reach *= math.exp(2 * config.scale_prior) if config.scale else 1.0
    return reach + (4 * config.shift_prior_px / max(window) if config.translation else 0.0) + 1e-6
