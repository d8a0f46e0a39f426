"""Variational autoencoders of images: networks, losses, training."""

from .config import VAEConfig, VAETraining
from .model import VAE
from .training import train_vae

__all__ = ["VAE", "VAEConfig", "VAETraining", "train_vae"]
