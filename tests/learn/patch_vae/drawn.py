"""Small patches with known poses, drawn as sums of Gaussian spots."""

from __future__ import annotations

import numpy as np

from learn.micrographs.micrograph import Micrograph
from learn.micrographs.patch_set import PatchSet

MARK = np.array([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0], [0.0, 5.0], [-4.0, -1.0]])
"""Spots (x, y) in pixels of a mark without symmetry."""


def spots(places, window=(24, 24), sd=1.6):
    """An image (h, w) of spots at places (m, 2), x and y from the middle of the window."""
    h, w = window
    y, x = np.arange(h) - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    image = np.zeros(window)
    for px, py in places:
        image += np.exp(-((x[None] - px) ** 2 + (y[:, None] - py) ** 2) / (2 * sd**2))
    return image


def turned(places, degrees):
    """Places turned from x towards y."""
    a = np.radians(degrees)
    return places @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


def marks(angles, window=(24, 24), noise=0.05, seed=0, shifts=None, places=MARK):
    """Patches (n, 1, h, w) of a mark turned by angles (n,) in degrees and moved by shifts (n, 2) as y, x."""
    rng = np.random.default_rng(seed)
    shifts = np.zeros((len(angles), 2)) if shifts is None else shifts
    images = [spots(turned(places, a) + s[::-1], window) for a, s in zip(angles, shifts, strict=True)]
    return (np.stack(images) + noise * rng.standard_normal((len(angles), *window)))[:, None].astype(
        np.float32
    )


def patch_set(patches):
    """A set of patches (n, c, h, w), as if cut from one micrograph in a row."""
    n, c, h, w = patches.shape
    image = np.concatenate(list(patches), axis=2) if n * w < 4000 else np.ones((c, h, w))
    centres = np.column_stack([np.full(n, (h - 1) / 2), (w - 1) / 2 + w * np.arange(n)])
    return PatchSet(patches, centres, np.zeros(n, np.int64), (Micrograph(image, 0.02),))
