"""Two-point functions as vectors whose squared distance is the f-space MSE.

f is even, and so is its transform P = |FFT|² / n, of which a real transform gives a half. With column weights
w (`half_spectrum_weights`), v = sqrt(w) P / n has |v_a - v_b|² = mean over lags of (f_a - f_b)² (Parseval),
in ny (nx // 2 + 1) numbers. Means, principal components and nearest neighbours of f are those of v, because
the transform keeps lengths and angles.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import fft

from stochgeom.errors import UserError
from stochgeom.spatial_statistics.distance import half_spectrum_weights

from .texture_set import BLOCK, TextureSet

CACHE_BYTES = 1_200_000_000
"""Vectors of a training set up to this size are kept; beyond, they are made again for each pass."""


def statistics_vectors(images: np.ndarray) -> np.ndarray:
    """v (k, ny (nx // 2 + 1)) float32 of images (k, ny, nx)."""
    k, ny, nx = images.shape
    spectra = fft.rfft2(np.asarray(images, np.float32))
    power = spectra.real**2 + spectra.imag**2
    power *= (np.sqrt(half_spectrum_weights(nx)) / float(ny * nx) ** 2).astype(np.float32)
    return power.reshape(k, -1)


def two_point_maps(vectors: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """f (k, ny, nx) float32 of vectors, centred: the lag 0 at (ny // 2, nx // 2), as `autocorrelation`."""
    ny, nx = shape
    power = vectors.reshape(-1, ny, nx // 2 + 1) * (ny * nx / np.sqrt(half_spectrum_weights(nx))).astype(
        np.float32
    )
    return np.asarray(fft.fftshift(fft.irfft2(power, s=shape), axes=(-2, -1)))


class VectorBlocks:
    """The vectors of a set, block by block: kept if they fit into `cache_bytes`, else made again each
    time.
    """

    def __init__(self, textures: TextureSet, cache_bytes: int = CACHE_BYTES) -> None:
        ny, nx = textures.shape
        self.textures, self.length = textures, ny * (nx // 2 + 1)
        self._fits = 4 * self.length * len(textures) <= cache_bytes
        self._kept: np.ndarray | None = None
        self._done = 0

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        """(rows, vectors (k, d)), in order. The vectors are not to be changed."""
        for rows in self.textures.blocks(BLOCK):
            if self._kept is not None and rows.stop <= self._done:
                yield rows, self._kept[rows]
                continue
            found = statistics_vectors(self.textures.pictures(rows))
            if self._fits:
                if self._kept is None:
                    self._kept = np.empty((len(self.textures), self.length), np.float32)
                self._kept[rows] = found
                self._done = rows.stop
            yield rows, found

    def mean(self) -> np.ndarray:
        """(d,) float64."""
        total = np.zeros(self.length)
        for _, vectors in self:
            total += vectors.sum(axis=0, dtype=np.float64)
        return total / len(self.textures)


def check_same_shape(train: TextureSet, test: TextureSet) -> None:
    """UserError unless both sets hold images of one size."""
    if train.shape != test.shape:
        raise UserError(
            f"training images are {train.shape[0]} x {train.shape[1]} pixels, test images {test.shape[0]} x "
            f"{test.shape[1]}: one size is needed"
        )
