"""How many particles the primary, single-species clusters hold."""

from __future__ import annotations

from typing import Literal

import numpy as np

SizeLaw = Literal["geometric", "poisson", "constant"]


def cluster_sizes(count: int, mean: float, law: SizeLaw, rng: np.random.Generator) -> np.ndarray:
    """Sizes (m,) that sum to `count`; the last one is cut to fit, so their mean is a little below `mean`.

    geometric: shares p (1 - p)^(s - 1), p = 1 / mean, the most spread out; poisson: 1 + Poisson(mean - 1);
    constant: the two whole numbers next to `mean`, in the proportion that gives it.
    """
    if mean == 1.0 or count == 0:
        return np.ones(count, np.int64)
    mean = min(mean, 1e9)  # beyond any count; the generators would overflow
    if law == "geometric":
        sizes = rng.geometric(1.0 / mean, count)  # more than enough
    elif law == "poisson":
        sizes = 1 + rng.poisson(mean - 1.0, count)
    else:
        sizes = int(mean) + (rng.random(count) < mean - int(mean))
    sizes = np.minimum(sizes, count)
    ends = np.cumsum(sizes)
    last = int(np.searchsorted(ends, count))
    sizes[last] -= ends[last] - count
    return sizes[: last + 1]
