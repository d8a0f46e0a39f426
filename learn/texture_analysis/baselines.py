"""What a texture autoencoder must beat: white images, class means, principal components, the nearest one.

Class means and principal components live in statistics space: they predict f and no image, so that nothing
can be counted in them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stochgeom.errors import UserError

from .methods import Predicted
from .nearest import nearest_textures
from .statistics_vectors import VectorBlocks, check_same_shape, statistics_vectors
from .texture_set import TextureSet, orientation_classes

PASSES = 7
OVERSAMPLING = 10


class AllWhite:
    """Images without any of phase 1: the f-space MSE is then the mean square of f."""

    label = "all white"
    remark = "images without any of phase 1"

    def blocks(self, test: TextureSet) -> Iterator[tuple[slice, Predicted]]:
        """Zeros."""
        for rows in test.blocks():
            yield rows, Predicted.of(np.zeros((rows.stop - rows.start, *test.shape), np.float32))


class ClassMeans:
    """The mean f of the training images of the same orientation and count; told the true class of each.

    A continuum of orientations is cut into eight sectors. A class without training images takes the mean of
    all.
    """

    label = "class mean of f"

    def __init__(self, train: VectorBlocks) -> None:
        self._classes = orientation_classes(train.textures.orientation_degrees)
        names = self._names(train.textures)
        keys, index = np.unique(names, axis=0, return_inverse=True, equal_nan=True)
        self._keys = {tuple(key): k for k, key in enumerate(keys.tolist())}
        index = index.ravel()
        total = np.zeros((len(keys), train.length))
        for rows, vectors in train:
            for k in np.unique(index[rows]):
                total[k] += vectors[index[rows] == k].sum(axis=0, dtype=np.float64)
        number = np.bincount(index, minlength=len(keys))[:, None]
        self._mean = (total.sum(axis=0) / number.sum()).astype(np.float32)
        self._means = (total / number).astype(np.float32)
        self.remark = (
            f"mean f of {len(train.textures):,} training images, by the true orientation and count: "
            f"{len(keys)} classes; predicts no image"
        )

    def _names(self, textures: TextureSet) -> np.ndarray:
        """(n, 2): the orientation of the class and the count; -1 where there is none."""
        angle = np.round(textures.orientation_degrees % 180, 6)
        if len(self._classes) == 0:
            angle = np.round(angle / 22.5) % 8 * 22.5
        return np.nan_to_num(np.stack([angle, textures.count], axis=1), nan=-1.0)

    def blocks(self, test: TextureSet) -> Iterator[tuple[slice, Predicted]]:
        """The mean of each image's own class."""
        names = self._names(test)
        for rows in test.blocks():
            means = [
                self._means[self._keys[key]] if key in self._keys else self._mean
                for key in map(tuple, names[rows].tolist())
            ]
            yield rows, Predicted(None, np.stack(means))


class PrincipalComponents:
    """f on the first l principal components of the training images' f: the best linear code of that length.

    By subspace iteration with ten more directions than asked for, one pass over the training set each, then
    Rayleigh-Ritz (Halko, Martinsson, Tropp 2011): no matrix larger than l + 10 vectors.
    """

    def __init__(self, train: VectorBlocks, components: int, seed: int = 0, passes: int = PASSES) -> None:
        n, d = len(train.textures), train.length
        if not 1 <= components < min(n, d):
            raise UserError(f"components = {components}: 1 to {min(n, d) - 1} with {n} training images")
        self.label = f"PCA of f, {components} components"
        self.remark = f"fitted on {n:,} training images; predicts no image"
        mean = train.mean().astype(np.float32)
        width = min(components + OVERSAMPLING, n, d)
        basis = np.random.default_rng(seed).standard_normal((d, width)).astype(np.float32)
        for _ in range(passes):
            basis = np.linalg.qr(basis)[0].astype(np.float32)
            image = np.zeros((d, width), np.float32)
            for _, vectors in train:
                centred = vectors - mean
                image += centred.T @ (centred @ basis)
            basis = image
        basis = np.linalg.qr(basis)[0].astype(np.float32)
        small = np.zeros((width, width))
        total = 0.0
        for _, vectors in train:
            centred = vectors - mean
            projected = (centred @ basis).astype(np.float64)
            small += projected.T @ projected
            total += float(np.vdot(centred, centred))
        values, turn = np.linalg.eigh(small)
        order = np.argsort(values)[::-1][:components]
        self._mean, self._components = mean, (basis @ turn[:, order]).astype(np.float32)
        self.explained_share = float(values[order].sum() / total) if total else 1.0
        """Of the variance of f over the training set."""

    def blocks(self, test: TextureSet) -> Iterator[tuple[slice, Predicted]]:
        """Each f less the mean, projected, and put back."""
        for rows in test.blocks():
            centred = statistics_vectors(test.pictures(rows)) - self._mean
            yield rows, Predicted(None, (centred @ self._components) @ self._components.T + self._mean)


class NearestTexture:
    """The training image whose f is nearest: what remembering the training set would give."""

    def __init__(self, train: VectorBlocks, k: int = 3) -> None:
        n = len(train.textures)
        self._train, self._k = train, min(k, n)
        self.label = f"nearest of {n:,}"
        self.remark = f"that of {n:,} training images whose f is nearest"
        self.found: tuple[np.ndarray, np.ndarray] | None = None
        """(index into the training set, distance in f-space MSE), (n, k) each, nearest first, once searched.
        """

    def blocks(self, test: TextureSet) -> Iterator[tuple[slice, Predicted]]:
        """The nearest training images."""
        check_same_shape(self._train.textures, test)
        self.found = nearest_textures(self._train, test, self._k)
        for rows in test.blocks():
            yield rows, Predicted.of(self._train.textures.pictures(self.found[0][rows, 0]))
