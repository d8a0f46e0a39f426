"""How near reconstructions come to their originals: in two-point statistics, pixel by pixel, and in what the
images show.

Per image first, so that every figure has its distribution: the f-space MSE is `statistics_distance`, the mean
over all periodic lags of (f - f')² with f = IFFT |FFT|² / n (Hashemi, Guerzhoy, Paulson, arXiv 2402.11103);
the data-space MSE the mean over pixels of (x - x')². Intervals are 95 %: by bootstrap over images
(percentiles, one set of resamples for all, so that differences are paired) for means and medians, exact
binomial for shares.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from learn.scores import CONFIDENCE, ROUNDS, Estimate, share
from stochgeom.errors import UserError
from stochgeom.spatial_statistics import statistics_distance
from stochgeom.textures.measure import axial_difference

from .readings import read_images

RAW = "raw"
THRESHOLD = 0.5
Statistic = Literal["mean", "median", "share"]


@dataclass(frozen=True)
class ImageScores:
    """Scores of n reconstructions, (n,) float64, NaN where there is nothing to score.

    f_mse, data_mse; volume_fraction, orientation_degrees, coherence and count as measured on them;
    volume_difference |φ' - φ| and relative_volume_difference |φ' - φ| / φ (NaN for φ = 0);
    orientation_difference in degrees, 0 to 90, from the true one; orientation_kept 1 or 0: the class of
    orientation nearest to the measured one is the true one, and within 45 degrees; count_kept 1 or 0.
    An image without an orientation (flat) has not kept it.
    """

    f_mse: np.ndarray
    data_mse: np.ndarray
    volume_fraction: np.ndarray
    volume_difference: np.ndarray
    relative_volume_difference: np.ndarray
    orientation_degrees: np.ndarray
    coherence: np.ndarray
    orientation_difference: np.ndarray
    orientation_kept: np.ndarray
    count: np.ndarray
    count_kept: np.ndarray

    def __len__(self) -> int:
        return len(self.f_mse)

    @classmethod
    def joined(cls, parts: list[ImageScores]) -> ImageScores:
        """Those of several blocks of images, in order."""
        return cls(*(np.concatenate([getattr(one, f.name) for one in parts]) for f in fields(cls)))

    @classmethod
    def of_statistics(cls, f_mse: np.ndarray) -> ImageScores:
        """Of what predicts f and no image: all else is NaN."""
        nothing = np.full(len(f_mse), np.nan)
        return cls(np.asarray(f_mse, np.float64), *[nothing] * (len(fields(cls)) - 1))


@dataclass(frozen=True)
class Figure:
    """A figure of merit: what it is of, how it is taken, and which way is better."""

    key: str
    column: str
    statistic: Statistic
    smaller_is_better: bool = True


FIGURES = (
    Figure("f_mse_mean", "f_mse", "mean"),
    Figure("f_mse_median", "f_mse", "median"),
    Figure("data_mse_mean", "data_mse", "mean"),
    Figure("data_mse_median", "data_mse", "median"),
    Figure("orientation_kept", "orientation_kept", "share", False),
    Figure("orientation_difference_median", "orientation_difference", "median"),
    Figure("coherence_mean", "coherence", "mean", False),
    Figure("count_kept", "count_kept", "share", False),
    Figure("relative_volume_difference_mean", "relative_volume_difference", "mean"),
    Figure("relative_volume_difference_median", "relative_volume_difference", "median"),
    Figure("volume_difference_mean", "volume_difference", "mean"),
)


def score_images(
    truth: np.ndarray,
    reconstruction: np.ndarray,
    *,
    volume_fraction: np.ndarray,
    orientation_degrees: np.ndarray,
    count: np.ndarray,
    classes: np.ndarray,
) -> ImageScores:
    """Scores of reconstructions (n, ny, nx) of images `truth` (n, ny, nx), 0 to 1, and of what is true of
    them (n,): NaN where there is no orientation or no lines to count.

    classes (k,): the orientations that occur, in degrees; empty where they are a continuum, and then no class
    is kept or lost. UserError if the shapes differ or a reconstruction is not finite.
    """
    if truth.shape != reconstruction.shape:
        raise UserError(f"reconstructions of shape {reconstruction.shape} for images of shape {truth.shape}")
    if not np.isfinite(reconstruction).all():
        raise UserError("reconstructions hold values that are not finite")
    found = read_images(reconstruction, np.isfinite(count))
    difference = np.abs(found.volume_fraction - volume_fraction)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(volume_fraction > 0, difference / volume_fraction, np.nan)
    return ImageScores(
        f_mse=statistics_distance(reconstruction, truth).astype(np.float64),
        data_mse=((reconstruction - truth) ** 2).mean(axis=(1, 2), dtype=np.float64),
        volume_fraction=found.volume_fraction,
        volume_difference=difference,
        relative_volume_difference=relative,
        orientation_degrees=found.orientation_degrees,
        coherence=found.coherence,
        orientation_difference=axial_difference(found.orientation_degrees, orientation_degrees),
        orientation_kept=kept_class(found.orientation_degrees, orientation_degrees, classes),
        count=found.count,
        count_kept=np.where(np.isfinite(count), found.count == count, np.nan),
    )


def kept_class(measured: np.ndarray, true: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """1 where the class of orientation nearest to the measured one (n,) is the true one and within 45
    degrees, 0 where not, NaN where there is no true one, or no class of `classes` (k,) at all.
    """
    if len(classes) == 0:
        return np.full(len(true), np.nan)
    known = np.isfinite(true)
    apart = axial_difference(np.nan_to_num(measured)[:, None], classes[None])
    nearest = classes[apart.argmin(axis=1)]
    right = axial_difference(nearest, np.nan_to_num(true)) < 1e-3
    right &= np.isfinite(measured) & (apart.min(axis=1) <= 45)
    return np.where(known, right.astype(np.float64), np.nan)


def thresholded(images: np.ndarray, threshold: float) -> np.ndarray:
    """Images as two phases: 1 above the threshold, else 0; float32."""
    return (images > threshold).astype(np.float32)


class Bootstrap:
    """Resamples of n images, the same for every method, so that differences between methods are paired."""

    def __init__(self, n: int, seed: int = 0, rounds: int = ROUNDS) -> None:
        self._draws = np.random.default_rng(seed).integers(n, size=(rounds, n), dtype=np.int32)

    def statistic(self, values: np.ndarray, statistic: Statistic) -> np.ndarray:
        """The statistic over the finite values (n,) in each round, (rounds,)."""
        take = np.nanmedian if statistic == "median" else np.nanmean
        found = np.empty(len(self._draws))
        complete = bool(np.isfinite(values).all())
        for start in range(0, len(found), 64):
            drawn = values[self._draws[start : start + 64]]
            if complete:
                plain = np.median if statistic == "median" else np.mean
                found[start : start + 64] = plain(drawn, axis=1)
            else:
                some = np.isfinite(drawn).any(axis=1)
                rows = np.full(len(drawn), np.nan)
                if some.any():
                    rows[some] = take(drawn[some], axis=1)
                found[start : start + 64] = rows
        return found

    def estimate(self, values: np.ndarray, statistic: Statistic) -> Estimate:
        """The statistic over the finite values (n,) with its 95 % interval; NaN if there are none."""
        known = values[np.isfinite(values)]
        if len(known) == 0:
            return Estimate(np.nan, np.nan, np.nan)
        if statistic == "share":
            return share(known > 0.5)
        value = float(np.median(known) if statistic == "median" else known.mean())
        return interval(value, self.statistic(values, statistic))

    def ratio_of_means(self, ours: np.ndarray, other: np.ndarray) -> Estimate:
        """mean(ours) / mean(other) over the images where both (n,) are finite, paired."""
        return self._paired(ours, other, lambda a, b: a / b if b else np.nan)

    def difference_of_means(self, ours: np.ndarray, other: np.ndarray) -> Estimate:
        """mean(ours) - mean(other) over the images where both (n,) are finite, paired."""
        return self._paired(ours, other, lambda a, b: a - b)

    def _paired(self, ours, other, combine) -> Estimate:  # type: ignore[no-untyped-def]
        both = np.isfinite(ours) & np.isfinite(other)
        if not both.any():
            return Estimate(np.nan, np.nan, np.nan)
        a, b = np.where(both, ours, np.nan), np.where(both, other, np.nan)
        rounds = [
            combine(x, y) for x, y in zip(self.statistic(a, "mean"), self.statistic(b, "mean"), strict=True)
        ]
        return interval(float(combine(np.nanmean(a), np.nanmean(b))), np.array(rounds))


def interval(value: float, rounds: np.ndarray) -> Estimate:
    """A figure with the percentiles of its bootstrap rounds."""
    tail = 50 * (1 - CONFIDENCE)
    known = rounds[np.isfinite(rounds)]
    if len(known) == 0:
        return Estimate(value, np.nan, np.nan)
    low, high = np.percentile(known, [tail, 100 - tail])
    return Estimate(value, float(low), float(high))


def summarise(scores: ImageScores, bootstrap: Bootstrap) -> dict[str, Estimate]:
    """Every figure of merit, by its key."""
    return {one.key: bootstrap.estimate(getattr(scores, one.column), one.statistic) for one in FIGURES}
