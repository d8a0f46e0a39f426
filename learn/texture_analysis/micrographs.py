"""Micrographs of two-phase lamellae as textures: how much of each pixel is phase 1, read from its grey.

Gain, offset, thickness and orientation change the greys of both phases from image to image, so each image is
scaled by itself: the threshold that parts its greys best (Otsu 1979) gives two classes, and their means stand
for the phases. Which phase is the brighter one is the same throughout a corpus, and asked of its truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from stochgeom.errors import UserError

from .own_images import otsu_threshold

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus

LEVELS = 255
SMOOTHING = 1.0  # pixels; noise would else be parted instead of phases
FLAT = 0.25
ASKED = 32


class QuantisedImages:
    """Shares of phase 1 kept as bytes: 0 to 255 for 0 to 1."""

    def __init__(self, quantised: NDArray[np.uint8]) -> None:
        self._quantised, self.shape = quantised, quantised.shape

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        return self._quantised[rows].astype(np.float32) / LEVELS

    def part(self, rows: NDArray[np.integer]) -> QuantisedImages:
        """Some of them, still as bytes."""
        return QuantisedImages(self._quantised[rows])


def phase_shares(image: ArrayLike, brighter: bool = True) -> NDArray[np.float32]:
    """Share of phase 1, 0 to 1, of each pixel of a grey image (ny, nx); `brighter`: whether phase 1 is.

    Smoothed by a pixel. A quarter of the way from the mean of one class of grey to that of the other is 0,
    three quarters are 1, and between the share rises in proportion: noise about a phase's own grey, of
    which one side would be cut, would otherwise add to the rarer phase. UserError for an image of one grey.
    """
    grey = np.asarray(image, np.float32)
    smooth = ndimage.gaussian_filter(grey, SMOOTHING, mode="nearest")
    if not np.isfinite(grey).all() or float(smooth.max()) <= float(smooth.min()):
        raise UserError("an image of two phases is needed; all pixels are alike, or not finite")
    above = smooth > otsu_threshold(smooth)
    low, high = float(smooth[~above].mean()), float(smooth[above].mean())
    if not high > low:
        raise UserError("an image of two phases is needed; its greys do not part")
    share = np.clip(((smooth - low) / (high - low) - FLAT) / (1 - 2 * FLAT), 0, 1)
    return np.asarray(share if brighter else 1 - share, np.float32)


def recorded_shares(corpus: Corpus, samples: NDArray[np.integer], channel: int = 0) -> QuantisedImages:
    """Recorded images (under the corpus' realism) of samples (n,) of a corpus of lamellae.

    An image of one phase has one class of grey, and noise that would be parted instead: the corpus says which
    phase it is.
    """
    brighter = _phase_1_is_brighter(corpus, samples, channel)
    found = np.empty((len(samples), *corpus.images.shape[-2:]), np.uint8)
    fractions = corpus.column("volume_fraction")[samples]
    for place, (sample, fraction) in enumerate(zip(samples, fractions, strict=True)):
        if fraction in (0, 1):
            found[place] = LEVELS * int(fraction)
            continue
        try:
            share = phase_shares(corpus.noisy(int(sample))[channel], brighter)
        except UserError as error:
            raise UserError(f"{corpus.path}: sample {sample}: {error}") from None
        found[place] = np.rint(LEVELS * share)
    return QuantisedImages(found)


def _phase_1_is_brighter(corpus: Corpus, samples: NDArray[np.integer], channel: int) -> bool:
    """Whether it is in most of the first samples that show both phases."""
    fractions = corpus.column("volume_fraction")[samples]
    samples = samples[(fractions > 0) & (fractions < 1)][:ASKED]
    if len(samples) == 0:
        raise UserError(f"{corpus.path}: none of its images shows both phases")
    lighter = []
    for sample, phase in zip(samples, corpus.phases(samples).astype(bool), strict=True):
        image = corpus.clean(int(sample))[channel]
        lighter.append(image[phase].mean() > image[~phase].mean())
    return bool(np.mean(lighter) > 0.5)
