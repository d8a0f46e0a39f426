"""The symmetries of an image, numbered 0 to 7: bit 0 flips x, bit 1 flips y, bit 2 then transposes.

An aggregate seen in a mirror is as likely as the aggregate itself, so every symmetry that the recording keeps
gives another valid image of the same truth: in training one is drawn at random, in prediction the estimates
for all of them are averaged.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simulate.realism import Realism

DIRECTIONS = ("orientation_cos2", "orientation_sin2")
"""Targets that only half a turn leaves as they are: the double of an orientation."""


def symmetries_of(realism: Realism, shape: tuple[int, int], targets: Iterable[str] = ()) -> tuple[int, ...]:
    """Symmetries of recorded images of `shape` (y, x) that keep the `targets`. A distorted scan has rows, and
    a first one: only half a turn keeps its statistics.
    """
    if realism.scan_jitter_nm != 0 or realism.drift_nm != 0 or not set(DIRECTIONS).isdisjoint(targets):
        return (0, 3)
    return tuple(range(8 if shape[0] == shape[1] else 4))


def turned(images: NDArray[np.generic], symmetry: int) -> NDArray[np.generic]:
    """`images` (..., y, x) under one symmetry; a view."""
    flipped = images[..., :: -1 if symmetry & 2 else 1, :: -1 if symmetry & 1 else 1]
    return flipped.swapaxes(-1, -2) if symmetry & 4 else flipped


def turned_each(images: NDArray[np.generic], symmetries: Iterable[int]) -> NDArray[np.float32]:
    """Each of `images` (b, c, y, x) under a symmetry of its own, as float32."""
    result = np.empty(images.shape, np.float32)
    for out, image, symmetry in zip(result, images, symmetries, strict=True):
        out[...] = turned(image, int(symmetry))
    return result
