"""Encoder, latent law and decoder, as one torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learn.vae.config import VAEConfig
from learn.vae.decoders import build_decoder
from learn.vae.encoders import build_encoder


class VAENetwork(nn.Module):
    """From images (n, ny, nx) to their latent laws and back."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.encoder, self.decoder = build_encoder(config), build_decoder(config)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Reconstructions (n, ny, nx) from one draw of each latent law, and the laws' mean and log variance
        (n, l). noise (n, l): standard normal numbers.
        """
        mean, log_variance = self.encoder(images)
        return self.decoder(mean + noise * torch.exp(0.5 * log_variance)), (mean, log_variance)
