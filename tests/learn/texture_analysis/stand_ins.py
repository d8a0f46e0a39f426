"""Autoencoders that are quick to make and really reconstruct: principal components of pixels, and a
copyist.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


class Settings(SimpleNamespace):
    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        return dict(vars(self))


class LinearVAE:
    """Principal components of the pixels, whitened, with a posterior of known width: a linear VAE."""

    def __init__(self, images: np.ndarray, latent_size: int, unused: int = 0, sd: float = 0.2) -> None:
        flat = images.reshape(len(images), -1).astype(np.float64)
        self.shape = images.shape[1:]
        self._mean = flat.mean(axis=0)
        _, values, components = np.linalg.svd(flat - self._mean, full_matrices=False)
        keep = latent_size - unused
        self._axes = components[:keep]
        self._scale = values[:keep] / np.sqrt(len(flat))
        self.latent_size, self._unused, self._sd = latent_size, unused, sd
        self.settings = Settings(loss="pixels", alpha=1.0, beta=0.1, note="<b>bold</b>")
        self.history = [
            {"epoch": k, "images": 100 * k, "train": {"loss": 2 / k, "kl": 0.1 * k}, "validation_loss": 3 / k}
            for k in range(1, 6)
        ]

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = np.asarray(images, np.float64).reshape(len(images), -1) - self._mean
        used = flat @ self._axes.T / self._scale
        mean = np.concatenate([used, np.zeros((len(images), self._unused))], axis=1)
        sd = np.concatenate([np.full_like(used, self._sd), np.ones((len(images), self._unused))], axis=1)
        return mean, sd

    def decode(self, latents: np.ndarray) -> np.ndarray:
        used = np.asarray(latents, np.float64)[:, : self.latent_size - self._unused]
        flat = self._mean + (used * self._scale) @ self._axes
        return np.clip(flat, 0, 1).reshape(-1, *self.shape).astype(np.float32)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        return self.decode(self.encode(images)[0])

    def sample(self, n: int, seed: int) -> np.ndarray:
        return self.decode(np.random.default_rng(seed).standard_normal((n, self.latent_size)))

    def kl(self, images: np.ndarray) -> np.ndarray:
        mean, sd = self.encode(images)
        return 0.5 * (mean**2 + sd**2 - 1) - np.log(sd)


class Copyist(LinearVAE):
    """Gives every image back, moved by some pixels on the torus."""

    def __init__(self, images: np.ndarray, shift: tuple[int, int] = (0, 0)) -> None:
        super().__init__(images, 2)
        self._shift = shift

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        return np.roll(images, self._shift, axis=(1, 2)).astype(np.float32)
