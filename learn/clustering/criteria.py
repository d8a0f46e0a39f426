"""Criteria that weigh a mixture's likelihood against its freedom; the least value is the best, everywhere.

BIC = p ln n - 2 ln L (Schwarz 1978) with p free parameters, n patches. ICL = BIC + 2 E, E = -sum r ln r the
entropy of the responsibilities (Biernacki, Celeux, Govaert 2000, IEEE Trans. Pattern Anal. Mach. Intell. 22,
719): clusters that overlap are charged for what they leave undecided. Both compare mixtures of the same
descriptors of the same patches only: another window or another number of components is other data. Per patch
they are divided by n and by nothing else, so half of a fall per patch is a gain in nats of log-likelihood.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from learn.clustering.settings import Covariance


def free_parameters(clusters: int, dimensions: int, covariance: Covariance) -> int:
    """Free parameters of a mixture of Gaussians: shares, means, and covariances."""
    symmetric = dimensions * (dimensions + 1) // 2
    covariances = {
        "full": clusters * symmetric,
        "tied": symmetric,
        "diag": clusters * dimensions,
        "spherical": clusters,
    }
    return clusters - 1 + clusters * dimensions + covariances[covariance]


def entropy(responsibilities: NDArray[np.float64]) -> float:
    """Entropy in nats, summed over patches, of responsibilities (n, k)."""
    return float(entr(responsibilities).sum())


def bic(log_likelihood: float, parameters: int, patches: int) -> float:
    """Of the natural logarithm of the likelihood of all patches."""
    return parameters * float(np.log(patches)) - 2 * log_likelihood


def icl(log_likelihood: float, parameters: int, responsibilities: NDArray[np.float64]) -> float:
    """Of the same, and responsibilities (n, k)."""
    return bic(log_likelihood, parameters, len(responsibilities)) + 2 * entropy(responsibilities)
