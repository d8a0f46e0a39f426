"""Patches whose numbers are known, two spots at a distance, turned; a model that reads them by moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learn.patch_vae import PatchVAEConfig

SIDE = 20


@dataclass
class Encoded:
    mean: np.ndarray
    sd: np.ndarray
    angle_degrees: np.ndarray | None = None
    angle_sd_degrees: np.ndarray | None = None
    shift_px: np.ndarray | None = None
    scale: np.ndarray | None = None
    class_probabilities: np.ndarray | None = None


@dataclass
class DumbbellModel:
    """Latent number 1: half distance of the spots, 2: their width, both standardized; the angle from 0 to
    180 degrees, from x towards y.
    """

    classes: int = 0
    shifts: bool = False
    history: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"epoch": k, "train": {"loss": 100 / k, "kl": 3.0 + k}, "validation_loss": 110 / k}
            for k in range(1, 9)
        ]
    )
    window: tuple[int, int] = (SIDE, SIDE)
    pixel_size_nm: float = 0.02
    latent_size: int = 2
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self):
        return PatchVAEConfig(
            classes=self.classes, invariances=("rotation", "translation") if self.shifts else ("rotation",)
        )

    def encode(self, patches, condition=None, labels=None):
        images = np.asarray(patches, float)[:, 0]
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        weight = images / images.sum(axis=(1, 2), keepdims=True)
        middle = np.stack([(weight * y).sum((1, 2)), (weight * x).sum((1, 2))], axis=1)
        dy, dx = y - middle[:, 0, None, None], x - middle[:, 1, None, None]
        xx, yy, xy = ((weight * a * b).sum((1, 2)) for a, b in ((dx, dx), (dy, dy), (dx, dy)))
        root = np.hypot((xx - yy) / 2, xy)
        long, wide = (xx + yy) / 2 + root, np.maximum((xx + yy) / 2 - root, 1e-3)
        distance, width = np.sqrt(np.maximum(long - wide, 0)), np.sqrt(wide)
        n = len(images)
        return Encoded(
            np.stack([distance - 4, (width - 1.5) * 4], axis=1),
            np.full((n, 2), 0.1),
            np.degrees(np.arctan2(2 * xy, xx - yy) / 2) % 180,
            np.full(n, 2.0),
            middle if self.shifts else None,
            None,
            np.stack([distance < 4, distance >= 4], axis=1).astype(float) if self.classes else None,
        )

    def decode(self, latents, angle_degrees=None, shift_px=None, scale=None, classes=None, condition=None):
        latents = np.asarray(latents, float)
        n = len(latents)
        angle = np.zeros(n) if angle_degrees is None else np.asarray(angle_degrees)
        shift = np.zeros((n, 2)) if shift_px is None else np.asarray(shift_px)
        return dumbbells(latents[:, 0] + 4, latents[:, 1] / 4 + 1.5, angle, shift)

    def reconstruct(self, patches, condition=None, labels=None):
        found = self.encode(patches)
        return self.decode(found.mean, found.angle_degrees, found.shift_px)


def dumbbells(half_distance, width, angle_degrees, shift_px=0.0):
    """Patches (n, 1, SIDE, SIDE) float32."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    turn = np.radians(np.asarray(angle_degrees, float))[:, None, None]
    shift = np.broadcast_to(shift_px, (len(turn), 2))
    y, x = y - shift[:, 0, None, None], x - shift[:, 1, None, None]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    far, wide = (np.asarray(one, float)[:, None, None] for one in (half_distance, width))
    spots = [np.exp(-((along - sign * far) ** 2 + across**2) / (2 * wide**2)) for sign in (-1, 1)]
    return np.sum(spots, axis=0)[:, None].astype(np.float32)


def drawn(n=200, seed=0):
    """Patches of known numbers: (patches, half distances, widths, angles)."""
    rng = np.random.default_rng(seed)
    far = np.where(rng.random(n) < 0.5, 3.2, 4.8) + 0.1 * rng.standard_normal(n)
    wide, angle = rng.uniform(1.3, 1.7, n), rng.uniform(0, 180, n)
    return dumbbells(far, wide, angle), far, wide, angle
