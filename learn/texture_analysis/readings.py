"""What an image shows, as numbers: orientation, coherence, lines and how straight they are, volume
fraction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import ndimage

from stochgeom.textures.measure import SMALLEST, coherence, count_lines, orientation_degrees
from stochgeom.textures.texture import direction


@dataclass(frozen=True)
class ImageReadings:
    """Measured on each of n images, (n,) float64: see `stochgeom.textures.measure` and `straightness`."""

    volume_fraction: np.ndarray
    orientation_degrees: np.ndarray
    coherence: np.ndarray
    count: np.ndarray

    @classmethod
    def joined(cls, parts: list[ImageReadings]) -> ImageReadings:
        """Those of several blocks of images, in order."""
        return cls(*(np.concatenate([getattr(one, f.name) for one in parts]) for f in fields(cls)))


def read_images(images: np.ndarray, lines: np.ndarray | None = None) -> ImageReadings:
    """Readings of images (n, ny, nx), grey or of zeros and ones. Lines are counted where `lines` (n,) is true
    (None: everywhere), else NaN.
    """
    counted = np.ones(len(images), bool) if lines is None else lines
    found = [
        (
            float(image.mean(dtype=np.float64)),
            orientation_degrees(image),
            coherence(image),
            float(count_lines(image)) if one else np.nan,
        )
        for image, one in zip(images, counted, strict=True)
    ]
    return ImageReadings(*np.array(found, np.float64).reshape(-1, 4).T.copy())


def straightness(image: np.ndarray) -> float:
    """How far the shapes of a two-phase image (ny, nx) are straight lines along its orientation; 0 if none.

    Each connected shape (specks below 15 % of the largest left out) has a bounding rectangle along the
    orientation of the image; straightness is the area of all shapes over that of all rectangles: 1 for lines,
    less for what is bent, ragged, merged or slanting.
    """
    ink = np.asarray(image) > 0
    angle = orientation_degrees(ink)
    if not ink.any() or np.isnan(angle):
        return 0.0
    labels, _ = ndimage.label(ink, np.ones((3, 3), int))
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    kept = areas >= SMALLEST * areas.max()
    y, x = np.nonzero(ink)
    c, s = direction(angle)
    which = labels[y, x]
    index = np.flatnonzero(kept & (areas > 0))
    # A pixel is as wide along a slanting direction as its two sides are, projected.
    width = abs(c) + abs(s)
    sides = []
    for along in (x * c + y * s, y * c - x * s):
        sides.append(ndimage.maximum(along, which, index) - ndimage.minimum(along, which, index) + width)
    return float(areas[index].sum() / (sides[0] * sides[1]).sum())


def interface_length(images: np.ndarray) -> np.ndarray:
    """Length of the border between the phases of two-phase images (n, ny, nx), in pixels' sides per pixel,
    (n,).

    Pairs of neighbours of unlike phases over the number of pixels. On a torus the mean of S2 at a lag of one
    pixel along x and along y is the volume fraction less a quarter of it; here opposite borders do not meet.
    """
    ink = np.asarray(images) > 0
    unlike = np.count_nonzero(ink[:, 1:] != ink[:, :-1], axis=(1, 2))
    unlike += np.count_nonzero(ink[:, :, 1:] != ink[:, :, :-1], axis=(1, 2))
    return np.asarray(unlike / (ink.shape[1] * ink.shape[2]), np.float64)
