"""Training of an autoencoder on textures. The loop is learn.loop's.

Orders and latent noise are functions of (seed, epoch).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from learn.loop import Say, TrainingRun, half_precision, make_folder
from learn.spatial_statistics import autocorrelation, statistics_distance
from learn.texture_analysis.texture_set import TextureSet
from learn.vae.alignment import INK
from learn.vae.config import VAETraining
from learn.vae.losses import Scatter, squared_difference, terms_of, total
from learn.vae.model import VAE
from learn.vae_base.divergences import divergence
from learn.vae_base.orders import epoch_rows, seed_noise
from stochgeom.errors import UserError

FITTED, VALIDATED = 1024, 512
"""Images that units are measured on, and that figures are measured on after each epoch."""
SMALLEST_SIDE = 16
ACTIVE_NATS = 0.1


def train_vae(
    textures: TextureSet,
    validation: TextureSet,
    out: str | Path,
    config: VAETraining | None = None,
    resume: bool = True,
    tell: Say | None = None,
) -> VAE:
    """Train an autoencoder on textures and save it into the folder `out`.

    With `resume`, an unfinished run in `out` goes on where its last epoch ended, and a finished one is
    loaded; otherwise an earlier run there is forgotten. `tell` is called with a line for each epoch.
    UserError if the sets do not fit together, or `out` holds a run of other textures or another
    configuration.
    """
    run = VAERun(textures, validation, Path(out), config or VAETraining(), tell)
    make_folder(run.out)  # not before: sets that do not fit leave no folder
    return run.go(resume)


class VAERun(TrainingRun[VAE, Tensor, VAETraining]):
    """The training of an autoencoder."""

    def __init__(
        self,
        textures: TextureSet,
        validation: TextureSet,
        out: Path,
        config: VAETraining,
        tell: Say | None,
    ) -> None:
        _check(textures, validation, config)
        self.textures = textures
        self.validation = torch.from_numpy(validation.pictures(slice(0, VALIDATED)))
        self.vae = VAE.new(config.network(textures.shape), config.seed)
        self.vae.settings = config
        self.vae.about = {"textures": textures.name, "images": len(textures), "origin": dict(textures.origin)}
        fitted = torch.from_numpy(textures.pictures(slice(0, FITTED)))
        self.scatter = self.vae.units = _scatter(fitted)
        with torch.no_grad():
            self.vae.network.encoder.fit(fitted)
        self.periodic = wraps(textures, fitted)
        identity = {"textures": dict(textures.origin) or textures.name, "images": len(textures)}
        super().__init__(out, config, self.vae.network, identity, tell)
        self.noise = torch.Generator()

    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-min(self.config.epoch_images, len(self.textures)) // self.config.batch_size)

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """The epoch's share of the training images: passes over all of them follow one another."""
        size, n = self.config.batch_size, len(self.textures)
        seed_noise(self.noise, self.config.seed, epoch)
        rows = epoch_rows(n, epoch * self.steps() * size, self.steps() * size, self.config.seed)
        for start in range(0, len(rows), size):
            yield torch.from_numpy(self.textures.pictures(rows[start : start + size])).to(self.device)

    def loss(self, batch: Tensor, share: float) -> tuple[Tensor, int]:
        """Mean loss of a batch, in nats, and its number of images."""
        noise = torch.randn(len(batch), self.config.latent_size, generator=self.noise).to(self.device)
        half = half_precision(self.config.precision, self.device) and self.config.decoder == "convolutions"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            images, laws = self.network(batch, noise)
        laws = (laws[0].float(), laws[1].float())
        terms = terms_of(batch, images.float(), laws, self.config, share, self.scatter, self.periodic)
        return total(terms, self.config, share).mean(), len(batch)

    def evaluate(self) -> tuple[dict[str, Any], str]:
        """Figures of reconstructions from the latent means of validation images."""
        self.network.eval()
        sums: list[Tensor] = []
        with torch.inference_mode():
            for images in self.validation.split(self.config.batch_size):
                sums.append(self._figures(images.to(self.device)))
        table = torch.cat(sums)
        f, f_cut, pixels = (float(column.mean()) for column in table.T[:3])
        phi = table[:, 3][table[:, 3].isfinite()]
        kl = table[:, 4:].mean(dim=0)
        figures = {
            "validation_f_mse": f,
            "validation_f_mse_thresholded": f_cut,
            "validation_pixel_mse": pixels,
            "validation_volume_fraction_difference": float(phi.mean()) if len(phi) else None,
            "validation_kl": float(kl.sum()),
            "active": int((kl > ACTIVE_NATS).sum()),
        }
        return figures, f"f-space MSE {f:.3g}, {f_cut:.3g} thresholded, KL {float(kl.sum()):.1f} nats"

    def _figures(self, images: Tensor) -> Tensor:
        """(n, 4 + l): f-space MSE, the same of the image cut at 0.5, pixel MSE, difference of the volume
        fraction relative to it, not finite for images without phase 1; divergence of each latent number.
        """
        laws = self.vae.network.encoder(images)
        found = self.vae.network.decoder(laws[0])
        cut = (found > 0.5).float()
        phi = images.mean(dim=(1, 2))
        columns = [
            statistics_distance(found, images),
            statistics_distance(cut, images),
            squared_difference(found, images) / images[0].numel(),
            torch.where(phi > 0, (found.mean(dim=(1, 2)) - phi).abs() / phi, torch.nan),
        ]
        return torch.cat([torch.stack(columns, dim=1), divergence(*laws)], dim=1).cpu()

    def finish(self) -> VAE:
        """Save."""
        self.network.to("cpu")
        self.vae.about["training"] = {
            "epochs": self.progress.epoch,
            "images": self.progress.epoch * self.steps() * self.config.batch_size,
            "seconds": round(sum(self.progress.seconds), 1),
        }
        self.vae.save(self.out)
        return self.load()

    def load(self) -> VAE:
        """The finished autoencoder in the folder."""
        return VAE.load(self.out)


def _check(textures: TextureSet, validation: TextureSet, config: VAETraining) -> None:
    if textures.shape != validation.shape:
        raise UserError(
            f"training images of {textures.shape} and validation images of {validation.shape} pixels: sizes "
            "must be equal"
        )
    if min(textures.shape) < SMALLEST_SIDE:
        raise UserError(f"images of {textures.shape} pixels; accepted: sides of {SMALLEST_SIDE} or more")
    if len(textures) < config.batch_size:
        raise UserError(
            f"{len(textures)} training images; accepted: at least a batch, {config.batch_size} of them"
        )


def wraps(textures: TextureSet, images: Tensor) -> bool:
    """Whether originals may be moved round the torus, as their statistics are taken, or only so far that
    nothing crosses the border.

    Lines lie inside. Of other textures nearly every image reaches all borders and could not be moved at all;
    so may images of unknown origin of which most do. `images` (n, ny, nx) are some of the set's.
    """
    model = textures.origin.get("texture", {}).get("model")
    if model:
        return bool(model != "lines")
    ink = images > INK
    borders = (ink[:, 0], ink[:, -1], ink[:, :, 0], ink[:, :, -1])
    reached = torch.stack([border.any(dim=1) for border in borders]).all(dim=0)
    return bool(reached.float().mean() > 0.5)


def _scatter(images: Tensor) -> Scatter:
    """Units of the loss. UserError for images that are all alike: there is nothing to learn from them."""
    maps = autocorrelation(images)
    statistics = float((maps - maps.mean(dim=0)).square().mean())
    pixels = float((images - images.mean(dim=(1, 2), keepdim=True)).square().sum(dim=(1, 2)).mean())
    if statistics <= 1e-12 or pixels <= 1e-6:
        raise UserError("the training images are all alike, or empty; nothing can be learnt from them")
    return Scatter(statistics, pixels)
