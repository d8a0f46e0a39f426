"""What a trained network is worth, and how far its stated uncertainty must be stretched to be true."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learn.config import TrainingConfig
from learn.data import Batch, Samples, TrainingCorpus, with_gain
from learn.estimator import Estimator
from learn.intervals import coverage, interval_factors
from learn.unlike import Familiarity

FAMILIAR_SAMPLES = 4000
Array = NDArray[np.float64]


def calibrate(
    estimator: Estimator, corpus: TrainingCorpus, config: TrainingConfig, training: Samples
) -> None:
    """Set the interval factors from the split `calibration`, and what is familiar from it and training."""
    realism = with_gain(corpus.recipe.realism, config.gain)
    held_out = Samples(corpus, "calibration", estimator.targets, realism)
    mean, sd, features = standardised(estimator, held_out.fixed(config.batch_size))
    estimator.factors = interval_factors(held_out.targets.astype(np.float64), mean, sd)
    some = Samples(corpus, "train", estimator.targets, realism, limit=min(len(training), FAMILIAR_SAMPLES))
    estimator.familiarity = Familiarity.fit(
        standardised(estimator, some.fixed(config.batch_size))[2], features
    )


def evaluate(estimator: Estimator, batches: list[Batch]) -> dict[str, Any]:
    """validation_loss (mean squared standardised error), r2 by target, coverage of stated 90 % intervals."""
    mean, sd, _ = standardised(estimator, batches)
    truth = np.concatenate([batch.targets for batch in batches]).astype(np.float64)
    error = mean - truth
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.nanmean((truth - np.nanmean(truth, axis=0)) ** 2, axis=0)
        r2 = 1 - np.nanmean(error**2, axis=0) / spread
    stated = coverage(truth, mean - 1.6449 * sd, mean + 1.6449 * sd)
    names = estimator.names
    return {
        "validation_loss": float(np.nanmean(error**2)),
        "r2": {name: round(float(value), 4) for name, value in zip(names, r2, strict=True)},
        "coverage_uncalibrated": {
            name: round(float(value), 4) for name, value in zip(names, stated, strict=True)
        },
    }


def standardised(estimator: Estimator, batches: Iterable[Batch]) -> tuple[Array, Array, Array]:
    """Mean (n, t), sd (n, t) and features (n, f) of the images in `batches`, on the standardised scale."""
    device = next(estimator.network.parameters()).device
    columns: list[tuple[Array, ...]] = []
    for batch in batches:
        output = estimator.output(
            torch.from_numpy(batch.images).to(device), torch.from_numpy(batch.log_pixel).to(device)
        )
        sd = torch.exp(0.5 * output.log_variance)
        columns.append(tuple(part.double().cpu().numpy() for part in (output.mean, sd, output.features)))
    mean, spread, features = (np.concatenate(column) for column in zip(*columns, strict=True))
    return mean, spread, features
