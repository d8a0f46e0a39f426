"""What a trained autoencoder's latent numbers are used for, and what its prior gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from learn.scores import Estimate
from stochgeom.errors import UserError

from .methods import TextureVAE, checked_output
from .nearest import nearest_textures
from .readings import ImageReadings, interface_length, read_images, straightness
from .scores import Bootstrap, thresholded
from .statistics_vectors import VectorBlocks
from .texture_set import TextureSet, textures_of_arrays

ACTIVE_VARIANCE = 0.01
"""Of the posterior means over a test set; a latent number above is active (Burda, Grosse, Salakhutdinov
2016).
"""

LIKE_QUANTILE = 0.005
"""A sample is like the originals if each reading lies within all but this share of theirs, at each end."""

STRAIGHT = 0.7
"""Straightness of a line texture at least: an ellipse, a line with tapered ends, has pi / 4."""

COHERENT = 0.9
"""Coherence of a line texture at least, over the lowest of the originals."""


@dataclass(frozen=True)
class LatentUse:
    """Over a test set, by latent number (l,): mean divergence from the prior in nats, variance of the
    posterior means, mean posterior standard deviation, whether active; and the mean total divergence per
    image.

    truth_correlation: Spearman's rank correlation of the posterior mean with what is true of the image, by
    name (vertical minus horizontal stands for the orientation: -cos 2a); NaN where the truth does not vary.
    means (n, l): the posterior means.
    """

    kl_nats: np.ndarray
    mean_variance: np.ndarray
    posterior_sd: np.ndarray
    active: np.ndarray
    total_kl_nats: Estimate
    truth_correlation: dict[str, np.ndarray]
    means: np.ndarray


def latent_use(label: str, vae: TextureVAE, test: TextureSet, bootstrap: Bootstrap) -> LatentUse:
    """UserError if the model's latent numbers have another shape than (n, latent_size), or are not finite."""
    means: list[np.ndarray] = []
    sds: list[np.ndarray] = []
    kls: list[np.ndarray] = []
    for rows in test.blocks():
        images = test.pictures(rows)
        mean, sd = vae.encode(images)
        for name, found, parts in (("mean", mean, means), ("sd", sd, sds), ("kl", vae.kl(images), kls)):
            array = np.asarray(found, np.float64)
            if array.shape != (len(images), vae.latent_size) or not np.isfinite(array).all():
                raise UserError(
                    f"“{label}” gives a latent {name} of shape {array.shape}, or not finite; "
                    f"{(len(images), vae.latent_size)} is needed"
                )
            parts.append(array)
    mean, sd, kl = (np.concatenate(parts) for parts in (means, sds, kls))
    variance = mean.var(axis=0)
    return LatentUse(
        kl_nats=kl.mean(axis=0),
        mean_variance=variance,
        posterior_sd=sd.mean(axis=0),
        active=variance > ACTIVE_VARIANCE,
        total_kl_nats=bootstrap.estimate(kl.sum(axis=1), "mean"),
        truth_correlation={
            name: np.array([_rank_correlation(column, values) for column in mean.T])
            for name, values in truth_values(test).items()
        },
        means=mean,
    )


def truth_values(test: TextureSet) -> dict[str, np.ndarray]:
    """What is true of each image as numbers (n,) that can be ranked, by name; NaN where there is nothing."""
    doubled = 2 * np.radians(test.orientation_degrees)
    found = {"volume fraction": test.volume_fraction, "number of lines": test.count}
    found["vertical, not horizontal"] = np.round(-np.cos(doubled), 9)
    found["falling, not rising"] = np.round(np.sin(doubled), 9)
    return {name: values for name, values in found.items() if len(np.unique(values[np.isfinite(values)])) > 1}


def _rank_correlation(column: np.ndarray, values: np.ndarray) -> float:
    known = np.isfinite(values)
    if known.sum() < 3 or np.ptp(column[known]) == 0 or np.ptp(values[known]) == 0:
        return np.nan
    return float(stats.spearmanr(column[known], values[known]).statistic)


@dataclass(frozen=True)
class SampleReadings:
    """What images show that nobody drew a truth for: n samples of a prior, or originals beside them.

    greyness (n,): mean of 4 x (1 - x) over an image as it is, 0 for two phases, 1 for grey all over.
    readings, straightness and interface (n,) of the images cut at the threshold (`interface_length`); nearest
    (n,): distance to the nearest training image, in f-space MSE. like_originals (n,) bool: coherence, volume
    fraction and interface, and for lines their number and straightness, all within what the originals read.
    line_texture (n,) bool, where lines are counted: as many lines as originals have, straight along one
    direction, though they may be softer, thicker or tapered (`STRAIGHT`, `COHERENT`).
    """

    greyness: np.ndarray
    readings: ImageReadings
    straightness: np.ndarray
    interface: np.ndarray
    nearest: np.ndarray
    like_originals: np.ndarray
    line_texture: np.ndarray | None


def read_samples(
    images: np.ndarray, train: VectorBlocks, lines: bool, threshold: float, originals: SampleReadings | None
) -> SampleReadings:
    """Readings of samples (n, ny, nx); compared with those of `originals`, or, if None, with themselves."""
    cut = thresholded(images, threshold)
    _, distance = nearest_textures(train, textures_of_arrays(images, name="samples"))
    own = SampleReadings(
        greyness=(4 * images * (1 - images)).mean(axis=(1, 2), dtype=np.float64),
        readings=read_images(cut, np.full(len(cut), lines)),
        straightness=np.array([straightness(one) for one in cut]),
        interface=interface_length(cut),
        nearest=distance[:, 0],
        like_originals=np.ones(len(cut), bool),
        line_texture=None,
    )
    others = originals or own
    judged = replace(own, like_originals=_like(own, others, lines))
    return replace(judged, line_texture=_line_texture(own, others)) if lines else judged


def _range(wanted: np.ndarray) -> tuple[float, float]:
    """What all but a few originals read."""
    low = np.nanquantile(wanted, LIKE_QUANTILE, method="lower")
    return float(low), float(np.nanquantile(wanted, 1 - LIKE_QUANTILE, method="higher"))


def _line_texture(own: SampleReadings, originals: SampleReadings) -> np.ndarray:
    least, most = _range(originals.readings.count)
    coherent = own.readings.coherence >= COHERENT * _range(originals.readings.coherence)[0]
    counted = (own.readings.count >= least) & (own.readings.count <= most)
    return np.asarray(counted & coherent & (own.straightness >= STRAIGHT))


def _like(own: SampleReadings, originals: SampleReadings, lines: bool) -> np.ndarray:
    """Within the originals' quantiles; a flat image, without coherence, is not."""

    def judged(one: SampleReadings) -> list[np.ndarray]:
        found = [one.readings.coherence, one.readings.volume_fraction, one.interface]
        return [*found, one.straightness, one.readings.count] if lines else found

    like = np.ones(len(own.straightness), bool)
    for values, wanted in zip(judged(own), judged(originals), strict=True):
        low, high = _range(wanted)
        like &= (values >= low) & (values <= high)
    return like


def prior_samples(label: str, vae: TextureVAE, n: int, seed: int, shape: tuple[int, int]) -> np.ndarray:
    """n images (n, ny, nx) from the prior, checked and within 0 to 1."""
    return np.clip(checked_output(label, vae.sample(n, seed), (n, *shape)), 0, 1)
