"""Is an image like those that the estimator was trained with?

Two looks at it, because a network may see nothing odd in what it never learnt to see: the network's features,
and a few statistics of the pixels that neither gain nor offset change. In each, the distance from the cloud
of the training images in that cloud's own metric (Mahalanobis) is compared with the distance that 1 in 400
familiar images exceeds. Beyond either, an image is flagged: its estimates are extrapolations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAMILIAR_SHARE = 0.9975
LAGS_PIXELS = (1, 4)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cloud:
    """Mean (f,) and whitening (f, f) of points, and the largest familiar distance."""

    mean: Array
    whitening: Array
    limit: float

    @classmethod
    def fit(cls, training: Array, held_out: Array, share: float = FAMILIAR_SHARE) -> Cloud:
        """From training points (n, f), and held-out ones (m, f), which set the limit.

        The covariance is shrunk towards its mean variance by 1 %, so that directions that hardly vary do not
        decide.
        """
        mean = training.mean(axis=0)
        covariance = np.cov(training, rowvar=False, bias=True).reshape(len(mean), len(mean))
        level = float(np.trace(covariance)) / len(mean)
        covariance = 0.99 * covariance + (0.01 * level + 1e-12) * np.eye(len(mean))
        values, vectors = np.linalg.eigh(covariance)
        unset = cls(mean, np.ascontiguousarray(vectors / np.sqrt(values)), np.inf)
        limit = max(float(np.quantile(unset.distance(held_out), share)), 1e-6)
        return cls(mean, unset.whitening, limit)

    def distance(self, points: Array) -> Array:
        """Root mean square (n,) of the whitened coordinates; about 1 for a familiar point."""
        return np.sqrt(np.mean(((points - self.mean) @ self.whitening) ** 2, axis=1))


@dataclass(frozen=True)
class Familiarity:
    """What is familiar to an estimator: its features, and the statistics of `pixel_statistics`."""

    features: Cloud
    pixels: Cloud

    @classmethod
    def fit(cls, training: tuple[Array, Array], held_out: tuple[Array, Array]) -> Familiarity:
        """From (features, pixel statistics) of training images and of held-out ones."""
        clouds = [Cloud.fit(*points) for points in zip(training, held_out, strict=True)]
        return cls(*clouds)

    def strangeness(self, features: Array, pixels: Array) -> Array:
        """Larger of the two distances (n,) in units of its limit: above 1, an image is unlike the training
        data.
        """
        pairs = ((self.features, features), (self.pixels, pixels))
        return np.max([cloud.distance(points) / cloud.limit for cloud, points in pairs], axis=0)

    def arrays(self) -> dict[str, Array]:
        """All numbers by name, for saving."""
        clouds = {"features": self.features, "pixels": self.pixels}
        return {
            f"{name}.{key}": np.asarray(getattr(cloud, key), np.float64)
            for name, cloud in clouds.items()
            for key in ("mean", "whitening", "limit")
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, Array]) -> Familiarity:
        """From what `arrays` gave. KeyError if a name is missing."""
        clouds = (
            Cloud(arrays[f"{name}.mean"], arrays[f"{name}.whitening"], float(arrays[f"{name}.limit"]))
            for name in ("features", "pixels")
        )
        return cls(*clouds)


def pixel_statistics(images: NDArray[np.floating]) -> Array:
    """Statistics (n, 4 c) of images (n, c, y, x) that neither gain nor offset change, per channel: logarithm
    of the contrast over the noise, share of the pixels above the mean, correlation at 1 and 4 pixels.

    Contrast is the difference of the means above and below the mean; noise, the mean absolute second
    difference along both axes. What is undefined in an image without contrast counts as 0.
    """
    columns = [_of_channel(np.asarray(images[:, c], np.float64)) for c in range(images.shape[1])]
    return np.concatenate(columns, axis=1)


def _of_channel(images: Array) -> Array:
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    bright = centred > 0
    share = bright.mean(axis=(1, 2))
    # The mean is zero, so what lies above it weighs as much as what lies below.
    above = np.where(bright, centred, 0).mean(axis=(1, 2))
    contrast = _over(above, share) + _over(above, 1 - share)
    bends = [np.abs(np.diff(images, 2, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    clear = np.log(np.maximum(_over(contrast, (bends[0] + bends[1]) / 2), 1e-2))
    return np.stack([clear, share, *(_correlation(centred, lag) for lag in LAGS_PIXELS)], axis=1)


def _correlation(centred: Array, lag: int) -> Array:
    variance = (centred**2).mean(axis=(1, 2))
    along_y = (centred[:, lag:] * centred[:, :-lag]).mean(axis=(1, 2))
    along_x = (centred[:, :, lag:] * centred[:, :, :-lag]).mean(axis=(1, 2))
    return _over((along_y + along_x) / 2, variance)


def _over(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
