"""Pictures that an autoencoder decodes from a grid of its latent numbers, or along each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from stochgeom.errors import UserError

from .arrays import Array, Images

if TYPE_CHECKING:
    from learn.patch_vae import PatchVAE

QUANTILES = (0.02, 0.98)
"""Of the data, between which latent numbers go: beyond, a decoder has seen nothing."""


@dataclass(frozen=True, eq=False)
class Manifold:
    """Decoded grid over two latent numbers (over one: a single row).

    images (rows, columns, channel, h, w) float32; `across` (columns,) and `up` (rows,) the values of latent
    numbers `pair`, from 0; row 0 has the largest of `up`, as a chart has it; `of_class` None without classes.
    """

    images: Images
    across: Array
    up: Array
    pair: tuple[int, ...]
    of_class: int | None = None


def latent_manifold(
    model: PatchVAE,
    latents: ArrayLike,
    pair: tuple[int, ...] | None = None,
    steps: int = 9,
    quantiles: tuple[float, float] = QUANTILES,
    of_class: int | None = None,
    condition: float | None = None,
) -> Manifold:
    """Decode a grid between quantiles of the data's latent means (n, l); the others stay at their medians.

    pair: two latent numbers, or one; None for those of the largest spread. condition: one value for all.
    UserError for latent numbers that the model does not have, or fewer than two steps.
    """
    values = _checked(latents, steps, quantiles)
    pair = spread_pair(values) if pair is None else pair
    if not 1 <= len(pair) <= 2 or not all(0 <= k < values.shape[1] for k in pair):
        raise UserError(f"latent numbers {pair}; accepted: one or two of 0 to {values.shape[1] - 1}")
    across = _between(values[:, pair[0]], steps, quantiles)
    up = _between(values[:, pair[1]], steps, quantiles)[::-1] if len(pair) == 2 else np.zeros(1)
    codes = np.tile(np.median(values, axis=0), (len(up) * steps, 1))
    codes[:, pair[0]] = np.tile(across, len(up))
    if len(pair) == 2:
        codes[:, pair[1]] = np.repeat(up, steps)
    images = decoded(model, codes, of_class, condition)
    return Manifold(images.reshape(len(up), steps, *images.shape[1:]), across, up, pair, of_class)


def traversals(
    model: PatchVAE,
    latents: ArrayLike,
    steps: int = 9,
    quantiles: tuple[float, float] = QUANTILES,
    of_class: int | None = None,
    condition: float | None = None,
) -> tuple[Images, Array]:
    """Images (l, steps, channel, h, w) while one latent number after the other goes between quantiles of the
    data's means (n, l), the others at their medians; and its values (l, steps).
    """
    values = _checked(latents, steps, quantiles)
    size = values.shape[1]
    ways = np.stack([_between(values[:, k], steps, quantiles) for k in range(size)])
    codes = np.tile(np.median(values, axis=0), (size * steps, 1))
    for k in range(size):
        codes[k * steps : (k + 1) * steps, k] = ways[k]
    images = decoded(model, codes, of_class, condition)
    return images.reshape(size, steps, *images.shape[1:]), ways


def decoded(
    model: PatchVAE, codes: Array, of_class: int | None = None, condition: float | None = None
) -> Images:
    """Images of codes (m, l), unturned and unmoved, all of one class and one condition."""
    more: dict[str, Any] = {}
    if of_class is not None:
        more["classes"] = np.full(len(codes), of_class, np.int64)
    if condition is not None:
        more["condition"] = np.full(len(codes), condition)
    return model.decode(codes, **more)


def spread_pair(latents: Array) -> tuple[int, ...]:
    """The two latent numbers, in order, of the largest spread over the data; the one of a single one."""
    widest = np.argsort(-latents.std(axis=0), kind="stable")[:2]
    return tuple(sorted(int(k) for k in widest))


def _checked(latents: ArrayLike, steps: int, quantiles: tuple[float, float]) -> Array:
    values = np.asarray(latents, np.float64)
    if values.ndim != 2 or min(values.shape) < 1 or not np.isfinite(values).all():
        raise UserError(f"latent numbers of shape {values.shape}; accepted: (n, l), finite, at least one")
    if steps < 2:
        raise UserError(f"{steps} steps; accepted: 2 or more")
    if not 0 <= quantiles[0] < quantiles[1] <= 1:
        raise UserError(f"quantiles {quantiles}; accepted: two rising shares of 0 to 1")
    return values


def _between(values: Array, steps: int, quantiles: tuple[float, float]) -> Array:
    low, high = np.quantile(values, quantiles)
    return np.linspace(low, high, steps)
