"""A trained autoencoder of patches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from learn.config import PATCH_VAE_KIND
from learn.model_files import damage_named, folder_of, read_description, read_weights, save_model
from learn.patch_vae.config import PatchLayout, PatchVAEConfig
from learn.patch_vae.encoders import PolarEncoder
from learn.patch_vae.likelihoods import expectation
from learn.patch_vae.losses import Batch, Noise, bound, terms_of
from learn.patch_vae.network import BIN_SD, Laws, PatchNetwork
from learn.patch_vae.pose import Pose, tau_of, unit_px, window_shift
from learn.patch_vae.preparing import Patches, condition_rows, label_rows, scaled, unscaled
from learn.vae_base.history import read_history
from stochgeom.errors import UserError

FORMAT = 1
BATCH_PIXELS = 300_000
"""Of patches that go through the network at once."""
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Encoding:
    """What an encoder says of n patches; None where the model has no such freedom.

    mean, sd (n, l) of the latent numbers; angle_degrees (n,), from x towards y, in [0, 360 / symmetry order),
    and angle_sd_degrees (n,), circular; shift_px (n, 2) as y, x; scale (n,); class_probabilities (n, k).
    """

    mean: Array
    sd: Array
    angle_degrees: Array | None = None
    angle_sd_degrees: Array | None = None
    shift_px: Array | None = None
    scale: Array | None = None
    class_probabilities: Array | None = None

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The likeliest class (n,) of each patch."""
        return None if self.class_probabilities is None else self.class_probabilities.argmax(axis=1)


class PatchVAE:
    """Patches (n, c, h, w) to latent numbers, poses and classes, and back.

    `config` is that of its training, `layout` what it knows of the patches, `history` the lines of its
    metrics, `about` says what it was trained on.
    """

    def __init__(
        self,
        config: PatchVAEConfig,
        layout: PatchLayout,
        network: PatchNetwork,
        pixel_size_nm: float,
        about: dict[str, Any] | None = None,
        history: list[dict[str, Any]] | None = None,
    ) -> None:
        self.config, self.layout, self.network = config, layout, network
        self.pixel_size_nm, self.about, self.history = pixel_size_nm, about or {}, history or []

    @classmethod
    def new(cls, config: PatchVAEConfig, layout: PatchLayout, pixel_size_nm: float) -> PatchVAE:
        """An untrained one; its first weights depend on the configuration's seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return cls(config, layout, PatchNetwork(config, layout), pixel_size_nm)

    @property
    def window(self) -> tuple[int, int]:
        """(h, w) of its patches."""
        return self.layout.window

    @property
    def channels(self) -> int:
        """Channels of its patches."""
        return self.layout.channels

    @property
    def latent_size(self) -> int:
        """Number of continuous latent numbers."""
        return self.config.latent_size

    def encode(
        self, patches: ArrayLike, condition: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> Encoding:
        """Laws of the latent numbers, poses and classes of patches (n, c, h, w), in the units of the patches
        it was trained on. Known labels (n,), -1 unknown, replace what the encoder thinks of the class.
        """
        parts = []
        with torch.inference_mode():
            for batch in self._batches(patches, condition, labels):
                laws = self.network.laws(batch.patches, batch.condition)
                parts.append(self._encoding(laws, batch.labels))
        return Encoding(**{name: np.concatenate(values) for name, values in _columns(parts).items()})

    def _encoding(self, laws: Laws, labels: Tensor | None) -> dict[str, Array]:
        pose = self.network.pose(laws)
        found = {"mean": laws.latent.mean, "sd": laws.latent.log_sd.exp()}
        if pose.angle is not None:
            sector = 2 * math.pi / self.config.symmetry_order
            found["angle_degrees"] = torch.rad2deg(torch.remainder(pose.angle, sector))
            found["angle_sd_degrees"] = torch.rad2deg(self._angle_sd(laws))
        if pose.tau is not None:
            found["shift_px"] = window_shift(pose).flip(1) * unit_px(self.window)
        if pose.log_scale is not None:
            found["scale"] = pose.log_scale.exp()
        if laws.class_logits is not None:
            found["class_probabilities"] = torch.softmax(laws.class_logits, dim=1)
            if labels is not None:
                known = (labels >= 0)[:, None]
                given = self.network.one_hot(labels.clamp(min=0))
                found["class_probabilities"] = torch.where(known, given, found["class_probabilities"])
        return {name: value.cpu().numpy().astype(np.float64) for name, value in found.items()}

    def _angle_sd(self, laws: Laws) -> Tensor:
        """Circular standard deviation (n,), radians, of the law of the angle, over one sector."""
        encoder, order = self.network.encoder, self.config.symmetry_order
        assert isinstance(encoder, PolarEncoder)
        assert laws.bin_logits is not None
        assert laws.turn is not None
        shares = torch.softmax(laws.bin_logits, dim=1)
        c, s = (shares @ one(order * encoder.angles) for one in (torch.cos, torch.sin))
        within = order * BIN_SD * encoder.step * laws.turn.log_sd.exp()
        length = torch.hypot(c, s) * torch.exp(-0.5 * within.square())
        return torch.sqrt(-2 * torch.log(length.clamp(1e-12, 1 - 1e-12))) / order

    def decode(
        self,
        latents: ArrayLike,
        angle_degrees: ArrayLike | None = None,
        shift_px: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        condition: ArrayLike | None = None,
    ) -> Patches:
        """Expected patches (n, c, h, w) float32 of latent numbers (n, l) or (l,).

        Poses as `encode` gives them, one for all or one for each; None: 0 degrees, no shift, scale 1.
        classes: (n,) int, or (n, k) probabilities, of a model with classes; None: all alike likely.
        """
        numbers = np.atleast_2d(np.asarray(latents, np.float32))
        fits = numbers.ndim == 2 and numbers.shape[1] == self.latent_size and len(numbers) > 0
        if not fits or not np.isfinite(numbers).all():
            raise UserError(
                f"latent numbers of shape {np.shape(latents)}; accepted: (n, {self.latent_size}), finite"
            )
        n = len(numbers)
        pose = self._pose(n, angle_degrees, shift_px, scale)
        given = condition_rows(condition, n, self.layout, self.config)
        features = self.network.features(
            torch.from_numpy(numbers).to(self.device),
            self._class_shares(classes, n),
            None if given is None else torch.from_numpy(given).to(self.device),
        )
        found = []
        self.network.eval()
        with torch.inference_mode():
            for rows in torch.arange(n, device=self.device).split(self._at_once()):
                part = Pose(*(None if one is None else one[rows] for one in pose))
                made = self.network.decoder(features[rows], part)
                found.append(expectation(self.config.likelihood, made).cpu().numpy())
        return unscaled(np.concatenate(found), self.layout)

    def _pose(
        self, n: int, angle: ArrayLike | None, shift: ArrayLike | None, scale: ArrayLike | None
    ) -> Pose:
        for name, value, free in (
            ("angle_degrees", angle, self.config.rotation),
            ("shift_px", shift, self.config.translation),
            ("scale", scale, self.config.scale),
        ):
            if value is not None and not free:
                raise UserError(f"{name}: this model has none; its invariances: {self.config.invariances}")
        turned = None if angle is None else torch.deg2rad(self._rows("angle_degrees", angle, (n,)))
        if scale is not None and not (np.asarray(scale) > 0).all():
            raise UserError("scale: accepted: above zero")
        log_scale = None if scale is None else torch.log(self._rows("scale", scale, (n,)))
        if shift is None:
            return Pose(turned, None, log_scale)
        moved = self._rows("shift_px", shift, (n, 2)).flip(1) / unit_px(self.window)
        return Pose(turned, tau_of(moved, turned, log_scale), log_scale)

    def _rows(self, name: str, value: ArrayLike, shape: tuple[int, ...]) -> Tensor:
        """A number, or one for each of n, as a tensor of a shape."""
        try:
            found = np.broadcast_to(np.asarray(value, np.float32), shape)
        except ValueError as error:
            raise UserError(f"{name}: has the shape {np.shape(value)}; accepted: {shape}") from error
        if not np.isfinite(found).all():
            raise UserError(f"{name}: holds values that are not finite")
        return torch.from_numpy(found.copy()).to(self.device)

    def _class_shares(self, classes: ArrayLike | None, n: int) -> Tensor | None:
        k = self.config.classes
        if not k:
            if classes is not None:
                raise UserError("classes: this model has none")
            return None
        if classes is None:
            return torch.full((n, k), 1 / k, device=self.device)
        given = np.asarray(classes)
        if given.shape == (n, k):
            return self._rows("classes", given, (n, k))
        found = label_rows(np.broadcast_to(given, (n,)) if given.ndim == 0 else given, n, self.config)
        if found is None or found.min() < 0:
            raise UserError(f"classes: accepted: 0 to {k - 1}")
        return self.network.one_hot(torch.from_numpy(found).to(self.device))

    def reconstruct(
        self, patches: ArrayLike, condition: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> Patches:
        """Patches decoded from the middles of the laws, and the likeliest class."""
        found = self.encode(patches, condition, labels)
        return self.decode(
            found.mean, found.angle_degrees, found.shift_px, found.scale, found.classes, condition
        )

    def elbo(
        self,
        patches: ArrayLike,
        condition: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        draws: int = 8,
        seed: int = 0,
    ) -> Array:
        """Evidence lower bound (n,) of ln p(patch), nats, a mean over draws; in the patches' own units."""
        return self._bounds(patches, condition, labels, draws, seed).mean(axis=0)

    def log_likelihood(
        self,
        patches: ArrayLike,
        condition: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        draws: int = 64,
        seed: int = 0,
    ) -> Array:
        """ln p(patch) (n,), nats, from below: the importance-weighted bound of Burda et al. (ICLR 2016)."""
        from scipy.special import logsumexp

        bounds = self._bounds(patches, condition, labels, draws, seed)
        return np.asarray(logsumexp(bounds, axis=0) - math.log(draws), np.float64)

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and model.json into `folder`, which is made if needed."""
        save_model(
            Path(folder),
            PATCH_VAE_KIND,
            FORMAT,
            self.network.state_dict(),
            config=self.config.model_dump(mode="json"),
            layout=self.layout.model_dump(mode="json"),
            pixel_size_nm=self.pixel_size_nm,
            about=self.about,
        )

    @classmethod
    def load(cls, path: str | Path) -> PatchVAE:
        """The autoencoder in a folder (or of a file in it). UserError, one line, if it is not usable."""
        folder = folder_of(path)
        description = read_description(folder, PATCH_VAE_KIND, FORMAT)
        with damage_named(folder):
            config = PatchVAEConfig.model_validate(description["config"])
            layout = PatchLayout.model_validate(description["layout"])
            found = cls.new(config, layout, float(description["pixel_size_nm"]))
            found.network.load_state_dict(read_weights(folder))
            found.about, found.history = dict(description["about"]), read_history(folder)
        found.network.eval()
        return found

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device

    def _at_once(self) -> int:
        return max(1, BATCH_PIXELS // (self.window[0] * self.window[1]))

    def _batches(
        self, patches: ArrayLike, condition: ArrayLike | None, labels: ArrayLike | None
    ) -> Iterator[Batch]:
        """Patches in units of the network, with what belongs to them, in evaluation mode."""
        found = scaled(patches, self.layout, self.config)
        given = condition_rows(condition, len(found), self.layout, self.config)
        known = label_rows(labels, len(found), self.config)
        self.network.eval()
        for start in range(0, len(found), self._at_once()):
            rows = slice(start, start + self._at_once())
            seen = torch.from_numpy(found[rows]).to(self.device)
            rest = (
                None if one is None else torch.from_numpy(one[rows]).to(self.device) for one in (given, known)
            )
            yield Batch(torch.arange(len(seen), device=self.device), seen, *rest)

    def _bounds(
        self, patches: ArrayLike, condition: ArrayLike | None, labels: ArrayLike | None, draws: int, seed: int
    ) -> Array:
        """Bounds (draws, n), each from one draw of the laws."""
        generator = torch.Generator().manual_seed(seed)
        parts = []
        with torch.inference_mode():
            for batch in self._batches(patches, condition, labels):
                each = []
                for _ in range(draws):
                    noise = Noise.draw(len(batch.rows), self.network, generator, self.device)
                    each.append(bound(terms_of(self.network, batch, noise)[0]).cpu().numpy())
                parts.append(np.stack(each))
        found = np.concatenate(parts, axis=1).astype(np.float64)
        if self.config.likelihood == "bernoulli":
            return found
        return found - float(np.log(self.layout.unit).sum()) * self.window[0] * self.window[1]


def _columns(rows: list[dict[str, Array]]) -> dict[str, list[Array]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
