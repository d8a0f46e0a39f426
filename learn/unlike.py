"""Is an image like those that the estimator was trained with?

The distance of its features from the training images' cloud of features, in the metric of that cloud
(Mahalanobis). Images beyond the distance that 1 in 200 familiar ones exceeds are flagged: their estimates are
extrapolations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAMILIAR_SHARE = 0.995
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Familiarity:
    """Mean (f,) and whitening (f, f) of the training features, and the largest familiar distance."""

    mean: Array
    whitening: Array
    threshold: float

    @classmethod
    def fit(cls, training: Array, held_out: Array, share: float = FAMILIAR_SHARE) -> Familiarity:
        """From features of training images (n, f), and of held-out ones (m, f), which set the threshold.

        The covariance is shrunk towards its mean variance by 1 %, so that features that hardly vary do not
        decide.
        """
        mean = training.mean(axis=0)
        covariance = np.cov(training, rowvar=False, bias=True).reshape(len(mean), len(mean))
        level = float(np.trace(covariance)) / len(mean)
        covariance = 0.99 * covariance + (0.01 * level + 1e-12) * np.eye(len(mean))
        values, vectors = np.linalg.eigh(covariance)
        unset = cls(mean, vectors / np.sqrt(values), np.inf)
        return cls(mean, unset.whitening, float(np.quantile(unset.distance(held_out), share)))

    def distance(self, features: Array) -> Array:
        """Root mean square (n,) of the whitened features; about 1 for a familiar image."""
        return np.sqrt(np.mean(((features - self.mean) @ self.whitening) ** 2, axis=1))

    def arrays(self) -> dict[str, Array]:
        """The arrays by name, for saving."""
        return {"mean": self.mean, "whitening": np.ascontiguousarray(self.whitening)}
