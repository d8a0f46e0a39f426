"""Variational autoencoders of patches: latent numbers apart from how a patch is turned, shifted, scaled."""

from .config import PatchVAEConfig
from .model import Encoding, PatchVAE
from .training import train_patch_vae

__all__ = ["Encoding", "PatchVAE", "PatchVAEConfig", "train_patch_vae"]
