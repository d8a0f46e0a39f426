"""How many particles the primary, single-species clusters hold."""

from __future__ import annotations

from typing import Literal

import numpy as np

SizeLaw = Literal["geometric", "poisson", "constant"]


def cluster_sizes(count: int, mean: float, law: SizeLaw, rng: np.random.Generator) -> list[int]:
    """Sizes that sum to `count`; the last one is cut to fit, so the realised mean is a little below `mean`.

    geometric: shares p (1 - p)^(s - 1), p = 1 / mean, the most spread out; poisson: 1 + Poisson(mean - 1);
    constant: the two whole numbers next to `mean`, in the proportion that gives it.
    """
    if mean == 1.0:
        return [1] * count
    sizes: list[int] = []
    left = count
    while left > 0:
        sizes.append(min(left, _draw(mean, law, rng)))
        left -= sizes[-1]
    return sizes


def _draw(mean: float, law: SizeLaw, rng: np.random.Generator) -> int:
    if law == "geometric":
        return int(rng.geometric(1.0 / mean))
    if law == "poisson":
        return 1 + int(rng.poisson(mean - 1.0))
    whole = int(mean)
    return whole + int(mean > whole and rng.random() < mean - whole)
