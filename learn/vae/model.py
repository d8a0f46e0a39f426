"""A trained variational autoencoder of images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import Tensor

from learn.config import VAE_KIND
from learn.model_files import damage_named, folder_of, read_description, read_weights, save_model
from learn.vae.config import VAEConfig, VAETraining
from learn.vae.losses import Scatter
from learn.vae.network import VAENetwork
from learn.vae.refinement import refined
from learn.vae_base.divergences import divergence
from learn.vae_base.history import read_history
from stochgeom.errors import UserError

FORMAT = 2
BATCH = 64
REFINED = 16  # images at a time: their arrays stay in the cache
Images = NDArray[np.float32]
Array = NDArray[np.float64]


class VAE:
    """Images (n, ny, nx), each pixel the share of phase 1 (0 to 1), to latent numbers (n, l) and back.

    `settings` are those of its training, `units` of its loss, `history` the lines of its metrics, `about`
    says what it was trained on. Without settings: weights as they were drawn. `refine`: steps by which latent
    means are improved after the encoder's guess (`learn.vae.refinement`), 0 for none; it is not saved.
    """

    refine: int = 0

    def __init__(
        self,
        config: VAEConfig,
        network: VAENetwork,
        settings: VAETraining | None = None,
        about: dict[str, Any] | None = None,
        history: list[dict[str, Any]] | None = None,
        units: Scatter | None = None,
    ) -> None:
        self.config, self.network = config, network
        self.settings, self.about, self.history = settings or VAETraining(), about or {}, history or []
        self.units = units
        self._refined: dict[bytes, Array] = {}

    @classmethod
    def new(cls, config: VAEConfig, seed: int = 0) -> VAE:
        """An untrained one; its first weights depend on `seed` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(config, VAENetwork(config))

    @property
    def latent_size(self) -> int:
        """Number of latent numbers."""
        return self.config.latent_size

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of its images."""
        return self.config.shape

    def encode(self, images: ArrayLike) -> tuple[Array, Array]:
        """Mean and standard deviation (n, l) of the latent laws of images (n, ny, nx) or (ny, nx)."""
        mean, log_variance = self._laws(self.checked(images))
        return mean, np.exp(0.5 * log_variance)

    def decode(self, latents: ArrayLike) -> Images:
        """Images (n, ny, nx) of latent numbers (n, l) or (l,)."""
        numbers = np.atleast_2d(np.asarray(latents, np.float32))
        fits = numbers.ndim == 2 and numbers.shape[1] == self.latent_size and len(numbers) > 0
        if not fits or not np.isfinite(numbers).all():
            raise UserError(
                f"latent numbers of shape {np.shape(latents)}; accepted: (n, {self.latent_size}), finite"
            )
        return self._by_batches(self.network.decoder, numbers)[0].astype(np.float32)

    def reconstruct(self, images: ArrayLike) -> Images:
        """Images decoded from the means of the latent laws."""
        return self.decode(self.encode(images)[0])

    def kl(self, images: ArrayLike) -> Array:
        """Divergence (n, l) of each latent law from the prior, in nats."""
        laws = [torch.from_numpy(part) for part in self._laws(self.checked(images))]
        return divergence(*laws).numpy()

    def sample(self, n: int, seed: int = 0) -> Images:
        """n images of latent numbers drawn from the prior. UserError for less than one."""
        if n < 1:
            raise UserError(f"{n} images to draw; accepted: 1 or more")
        return self.decode(np.random.default_rng(seed).standard_normal((n, self.latent_size)))

    def traverse(self, latents: ArrayLike, dimension: int, values: ArrayLike | None = None) -> Images:
        """Images (k, ny, nx) while one latent number takes `values` (k,), the others being `latents` (l,).

        values: None for seven quantiles of the prior, 5 % to 95 %.
        """
        if not 0 <= dimension < self.latent_size:
            raise UserError(f"latent number {dimension}; accepted: 0 to {self.latent_size - 1}")
        steps = stats.norm.ppf(np.linspace(0.05, 0.95, 7)) if values is None else np.asarray(values, float)
        numbers = np.tile(np.asarray(latents, np.float64).reshape(1, -1), (len(steps), 1))
        numbers[:, min(dimension, numbers.shape[1] - 1)] = steps
        return self.decode(numbers)

    def interpolate(self, first: ArrayLike, second: ArrayLike, steps: int = 7) -> Images:
        """Images (steps, ny, nx) on the straight line between the latent means of two images (ny, nx)."""
        one, other = (self.encode(image)[0][0] for image in (first, second))
        share = np.linspace(0, 1, steps)[:, None]
        return self.decode((1 - share) * one + share * other)

    def checked(self, images: ArrayLike) -> Images:
        """Images as float32 (n, ny, nx). UserError for another shape, or values that are no shares."""
        found = np.asarray(images, np.float32)
        found = found[None] if found.ndim == 2 else found
        if found.ndim != 3 or found.shape[1:] != self.shape or len(found) == 0:
            ny, nx = self.shape
            raise UserError(f"images have shape {np.shape(images)}; this model accepts (n, {ny}, {nx})")
        if not ((found >= 0) & (found <= 1)).all():
            raise UserError("images hold values outside 0 to 1, the share of phase 1, or not finite")
        return found

    def _laws(self, images: Images) -> tuple[Array, Array]:
        mean, log_variance = self._by_batches(self.network.encoder, images)
        if self.refine > 0 and len(images):
            mean = self._improved(images, mean, log_variance)
        return mean, log_variance

    def _improved(self, images: Images, mean: Array, log_variance: Array) -> Array:
        """Refined means (n, l); each image's are remembered, for they take a thousand times the encoder's
        time.
        """
        if self.units is None:
            raise UserError("this autoencoder does not know the units of its loss, so it cannot refine")
        keys = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]
        keys = [key + self.refine.to_bytes(4, "little") for key in keys]
        missing = [place for place, key in enumerate(keys) if key not in self._refined]
        device = next(self.network.parameters()).device
        for start in range(0, len(missing), REFINED):
            rows = missing[start : start + REFINED]
            batch = torch.from_numpy(images[rows]).to(device)
            laws = [torch.from_numpy(part[rows]).float().to(device) for part in (mean, log_variance)]
            found = refined(self.network, batch, (laws[0], laws[1]), self.settings, self.units, self.refine)
            for row, latent in zip(rows, found.cpu().numpy().astype(np.float64), strict=True):
                self._refined[keys[row]] = latent
        return np.stack([self._refined[key] for key in keys])

    def _by_batches(self, part: Callable[..., Any], rows: NDArray[Any]) -> list[Array]:
        """What a part of the network makes of rows (n, ...), in evaluation mode, without gradients."""
        self.network.eval()
        device = next(self.network.parameters()).device
        found: list[tuple[Tensor, ...]] = []
        with torch.inference_mode():
            for start in range(0, len(rows), BATCH):
                output = part(torch.from_numpy(rows[start : start + BATCH]).to(device))
                found.append(output if isinstance(output, tuple) else (output,))
        return [torch.cat(column).cpu().numpy().astype(np.float64) for column in zip(*found, strict=True)]

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and model.json into `folder`, which is made if needed."""
        save_model(
            Path(folder),
            VAE_KIND,
            FORMAT,
            self.network.state_dict(),
            config=self.config.model_dump(mode="json"),
            training=self.settings.model_dump(mode="json"),
            units=None if self.units is None else self.units._asdict(),
            about=self.about,
        )

    @classmethod
    def load(cls, path: str | Path) -> VAE:
        """The autoencoder in a folder (or of a file in it). UserError, one line, if it is not usable."""
        folder = folder_of(path)
        description = read_description(folder, VAE_KIND, FORMAT)
        with damage_named(folder):
            config = VAEConfig.model_validate(description["config"])
            network = VAENetwork(config)
            network.load_state_dict(read_weights(folder))
            settings = VAETraining.model_validate(description["training"])
            history = read_history(folder)
            units = None if description["units"] is None else Scatter(**description["units"])
            found = cls(config, network, settings, dict(description["about"]), history, units)
        network.eval()
        return found
