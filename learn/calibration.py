"""What a trained network is worth, and how far its stated uncertainty must be stretched to be true."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.config import TrainingConfig
from learn.data import Batch, Samples, TrainingCorpus, with_gain
from learn.estimator import Estimator
from learn.intervals import NORMAL_90, coverage, interval_factors
from learn.unlike import Familiarity, pixel_statistics

FAMILIAR_SAMPLES = 4000
Array = NDArray[np.float64]


def calibrate(
    estimator: Estimator, corpus: TrainingCorpus, config: TrainingConfig, training: Samples
) -> None:
    """Set the interval factors from the split `calibration`, and what is familiar from it and training."""
    realism = with_gain(corpus.recipe.realism, config.gain)
    held_out = Samples(corpus, "calibration", estimator.targets, realism)
    batches = list(held_out.fixed(config.batch_size))
    mean, sd, features = standardised(estimator, batches, symmetries=True)
    estimator.factors = interval_factors(held_out.targets.astype(np.float64), mean, sd)
    some = Samples(corpus, "train", estimator.targets, realism, limit=min(len(training), FAMILIAR_SAMPLES))
    familiar = list(some.fixed(config.batch_size))
    seen = standardised(estimator, familiar, symmetries=False)[2]
    estimator.familiarity = Familiarity.fit((seen, _pixels(familiar)), (features, _pixels(batches)))


def _pixels(batches: list[Batch]) -> Array:
    return np.concatenate([pixel_statistics(batch.images) for batch in batches])


def evaluate(estimator: Estimator, batches: list[Batch]) -> dict[str, Any]:
    """validation_loss (mean squared standardised error), r2 by target, coverage of stated 90 % intervals."""
    mean, sd, _ = standardised(estimator, batches, symmetries=False)
    truth = np.concatenate([batch.targets for batch in batches]).astype(np.float64)
    error = mean - truth
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.nanmean((truth - np.nanmean(truth, axis=0)) ** 2, axis=0)
        r2 = 1 - np.nanmean(error**2, axis=0) / spread
    stated = coverage(truth, mean - NORMAL_90 * sd, mean + NORMAL_90 * sd)
    names = estimator.names
    return {
        "validation_loss": float(np.nanmean(error**2)),
        "r2": {name: round(float(value), 4) for name, value in zip(names, r2, strict=True)},
        "coverage_uncalibrated": {
            name: round(float(value), 4) for name, value in zip(names, stated, strict=True)
        },
    }


def standardised(
    estimator: Estimator, batches: Iterable[Batch], symmetries: bool
) -> tuple[Array, Array, Array]:
    """What `Estimator.standardised` gives for the images of all `batches`."""
    parts = [estimator.standardised(batch.images, batch.log_pixel, symmetries) for batch in batches]
    mean, sd, features = (np.concatenate(column) for column in zip(*parts, strict=True))
    return mean, sd, features
