"""Mixtures of Gaussians that can be stopped, and what they will take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from learn.clustering.mixture import Mixture, fit_mixture
from learn.explore.state import ClusterState
from stochgeom.errors import require

Array = NDArray[np.float64]
STARTS = 2
FEW = 64
"""Numbers of a descriptor up to which a mixture is cheap enough for several starts."""
STEPS_AT_ONCE = 4
SLOW_STEPS_AT_ONCE = 2
"""Of many numbers: a step may take a second, and only between them can it be stopped."""
RIDGE = 1e-6
"""Added to variances, as a share of the descriptor's mean variance."""
TYPICAL_STEPS = 25
FLOPS = 1.2e10
"""Per second, of the matrix products of one core that does little else."""


class StoppedError(Exception):
    """Nobody waits for the result any more."""


def seconds_for(n: int, numbers: int, settings: ClusterState) -> float:
    """About what a mixture over (n, numbers) takes on one core."""
    k = settings.count
    if settings.covariance in ("full", "tied"):
        step = 4.0 * n * numbers**2 * k + k * numbers**3
    else:
        step = 12.0 * n * numbers * k
    starts = STARTS if numbers <= FEW else 1
    return starts * TYPICAL_STEPS * (step / FLOPS + 1e-3)


def mixture(values: Array, settings: ClusterState, stop: Callable[[], bool] = lambda: False) -> Mixture:
    """The likeliest of a few mixtures over descriptors (n, d).

    UserError for fewer patches than clusters; StoppedError soon after `stop` says so.
    """

    def pause() -> None:
        if stop():
            raise StoppedError

    few = values.shape[1] <= FEW
    threads = require("threadpoolctl", extra="learn")
    with threads.threadpool_limits(1 if few else None):  # threads only wait for each other in small products
        return fit_mixture(
            values,
            settings.count,
            settings.covariance,
            regularisation=RIDGE,
            starts=STARTS if few and settings.count > 1 else 1,
            seed=settings.seed,
            pause=pause,
            pause_every=STEPS_AT_ONCE if few else SLOW_STEPS_AT_ONCE,
        )
