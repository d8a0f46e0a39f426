"""What reconstructs textures: a trained autoencoder, or a baseline that predicts images or only
statistics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from stochgeom.errors import UserError

from .statistics_vectors import statistics_vectors
from .texture_set import TextureSet


class TextureVAE(Protocol):
    """A trained variational autoencoder of textures. Images are (n, ny, nx) float32, the share of phase 1."""

    @property
    def latent_size(self) -> int:
        """Number of latent numbers."""

    settings: Any
    history: Any  # lines of metrics: a sequence of mappings

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (n, l) of the latent numbers."""

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Images of latents (n, l)."""

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Images decoded from the means of the latent numbers."""

    def sample(self, n: int, seed: int) -> np.ndarray:
        """n images of latents drawn from the prior."""

    def kl(self, images: np.ndarray) -> np.ndarray:
        """Divergence (n, l) of each latent number from its prior, nats."""


@dataclass(frozen=True)
class Predicted:
    """Of a block of images: `images` (k, ny, nx) float32, None if only statistics are predicted; `vectors`
    (k, d) as `statistics_vectors` makes them.
    """

    images: np.ndarray | None
    vectors: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> Predicted:
        return cls(images, statistics_vectors(images))


class Method(Protocol):
    """Predicts a test set block by block."""

    label: str
    remark: str

    def blocks(self, test: TextureSet) -> Iterator[tuple[slice, Predicted]]: ...


class Reconstruction:
    """The images that an autoencoder makes of a test set."""

    def __init__(self, label: str, vae: TextureVAE, remark: str = "") -> None:
        self.label, self.vae, self.remark = label, vae, remark

    def blocks(self, test: TextureSet) -> Iterator[tuple[slice, Predicted]]:
        """UserError if the model gives images of another shape, or not between 0 and 1."""
        for rows in test.blocks():
            yield rows, Predicted.of(self.images(test.pictures(rows)))

    def images(self, originals: np.ndarray) -> np.ndarray:
        """Reconstructions of originals, (k, ny, nx) float32 both."""
        return checked_output(self.label, self.vae.reconstruct(originals), originals.shape)


def checked_output(label: str, images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """What a model gave, as float32. UserError if it is of another shape, or not between 0 and 1."""
    found = np.asarray(images, np.float32)
    if found.shape != shape:
        raise UserError(f"“{label}” gives images of shape {found.shape} where {shape} is needed")
    if not ((found >= -1e-6) & (found <= 1 + 1e-6)).all():
        raise UserError(f"“{label}” gives values outside 0 to 1, the share of phase 1")
    return found
