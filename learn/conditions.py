"""One estimator tested under one condition: predictions, baselines and redrawn aggregates for the same test
samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learn.baselines import (
    BOOSTING,
    COMPOSITION,
    MEAN,
    RECALIBRATED,
    BoostingBaseline,
    LinearRecalibration,
    MeanBaseline,
    composition_alone,
)
from learn.descriptor_cache import corpus_descriptors
from learn.predictions import predict_rows, trained_realism
from learn.targets import column_values
from learn.through_model import ParameterFiller, Redrawn, ThroughModel, from_scale, to_scale
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.estimator import Estimator, Prediction
    from simulate.corpus.reader import Corpus
    from simulate.realism import Realism

SMALLEST_CORRELATION = 100  # calibration samples from which a correlation of errors is believed
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Condition:
    """An estimator, how the images that it is tested on are recorded, and the folder of its training run.

    `realism` None: as those it was trained with. `folder` is where `metrics.jsonl` is looked for.
    """

    label: str
    estimator: Estimator
    realism: Realism | None = None
    folder: Path | None = None

    @classmethod
    def of(cls, label: str, one: Estimator | Condition | str | Path) -> Condition:
        """From an estimator, the folder of one, or another condition, which takes the label."""
        from learn.estimator import Estimator

        if isinstance(one, Condition):
            return replace(one, label=label)
        if isinstance(one, str | Path):
            folder = Path(one) if Path(one).is_dir() else Path(one).parent
            return cls(label, Estimator.load(one), folder=folder)
        return cls(label, one)

    def recorded_as(self, corpus: Corpus) -> Realism:
        """The realism of the test images."""
        return trained_realism(self.estimator, corpus) if self.realism is None else self.realism


@dataclass(frozen=True)
class Tested:
    """What came out: arrays (n, t) over n test samples and t targets.

    Natural units: `truth`, `value`, `sd`, `lower`, `upper` (90 %), `through`. On the targets' scales: the
    same with
    `_scaled`,
    `sd_scaled` (the normal deviation that the 90 % interval amounts to) and each of `baselines`. NaN where
    undefined.
    """

    label: str
    condition: Condition
    names: tuple[str, ...]
    units: tuple[str, ...]
    scales: tuple[str, ...]
    truth: np.ndarray
    value: np.ndarray
    sd: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    unlike: np.ndarray
    through: np.ndarray
    truth_scaled: np.ndarray
    value_scaled: np.ndarray
    sd_scaled: np.ndarray
    through_scaled: np.ndarray
    baselines: dict[str, np.ndarray]
    model: ThroughModel | None
    redrawn: Redrawn | None
    realism: dict[str, Any]


def run_condition(
    condition: Condition,
    corpus: Corpus,
    samples: np.ndarray,
    *,
    train_limit: int,
    draws: int,
    seed: int,
    cache: str | Path | None,
    workers: int,
    tell: Tell,
) -> Tested:
    """Predict, fit the baselines and redraw for test `samples` (n,). Arguments as in `analyse`."""
    targets = condition.estimator.targets
    realism = condition.recorded_as(corpus)
    everything = column_values(corpus, targets.names)
    train, held_out = corpus.indices("train")[:train_limit], corpus.indices("calibration")
    if len(held_out) < 10:
        raise UserError(
            f"{corpus.path}: {len(held_out)} finished calibration samples; at least 10 are needed"
        )

    def predicted(rows: np.ndarray, what: str) -> Prediction:
        def told(done: int) -> None:
            tell(f"{condition.label}: {what}", done, len(rows))

        return predict_rows(condition.estimator, corpus, rows, realism, tell=told)

    found, calibrated = predicted(samples, "predicting"), predicted(held_out, "calibration split")
    value_s, sd_s = scaled_statement(condition.estimator, found)

    def described(rows: np.ndarray, split: str) -> np.ndarray:
        what = f"{condition.label}: 2D descriptors of the split {split}"
        return corpus_descriptors(
            corpus, rows, realism, cache, workers, lambda done: tell(what, done, len(rows))
        )[0]

    table = {what: described(rows, what) for what, rows in (("train", train), ("test", samples))}
    train_s = to_scale(targets, everything[train])
    baselines = {
        MEAN: MeanBaseline().fit(table["train"], train_s).predict(table["test"]),
        BOOSTING: BoostingBaseline(seed).fit(table["train"], train_s).predict(table["test"]),
    }
    species = corpus.recipe.species_names
    formula = to_scale(targets, composition_alone(targets.names, found.value, species))
    # The estimator knows its training samples too well: the line is fitted on the calibration split instead.
    held_formula = to_scale(targets, composition_alone(targets.names, calibrated.value, species))
    line = LinearRecalibration().fit(held_formula, to_scale(targets, everything[held_out]))
    baselines |= {COMPOSITION: formula, RECALIBRATED: line.predict(formula)}

    model = redrawn = None
    through_s = np.full_like(value_s, np.nan)
    if draws:
        correlation = error_correlation(
            to_scale(targets, everything[held_out]), *scaled_statement(condition.estimator, calibrated)
        )
        model = ThroughModel(ParameterFiller.of_corpus(corpus), targets, draws, seed, correlation)

        def redrawing(done: int) -> None:
            if done % 50 == 0 or done == len(samples):
                tell(f"{condition.label}: redrawing aggregates", done, len(samples))

        redrawn = model.redraw(value_s, sd_s, samples, redrawing)
        through_s = redrawn.estimates(targets)
    return Tested(
        label=condition.label,
        condition=condition,
        names=targets.names,
        units=targets.units,
        scales=tuple(target.transform for target in targets.targets),
        truth=everything[samples],
        value=found.value,
        sd=found.sd,
        lower=found.lower,
        upper=found.upper,
        unlike=np.asarray(found.unlike),
        through=np.where(np.isfinite(through_s), from_scale(targets, np.nan_to_num(through_s)), np.nan),
        truth_scaled=to_scale(targets, everything[samples]),
        value_scaled=value_s,
        sd_scaled=sd_s,
        through_scaled=through_s,
        baselines=baselines,
        model=model,
        redrawn=redrawn,
        realism=realism.model_dump(mode="json"),
    )


def scaled_statement(estimator: Estimator, found: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Middle and standard deviation (n, t) of a prediction on the targets' scales."""
    targets = estimator.targets
    return found.z * targets.scale + targets.mean, found.z_sd * targets.scale


def error_correlation(truth: np.ndarray, middle: np.ndarray, sd: np.ndarray) -> np.ndarray | None:
    """Correlation (t, t) of the standardised errors (n, t) between targets; None if there are too few
    samples.
    """
    z = (truth - middle) / sd
    z = np.where(
        np.isfinite(z), np.clip(z, -4, 4), 0.0
    )  # an unknown error says nothing; a wild one not everything
    if len(z) < SMALLEST_CORRELATION:
        return None
    norm = np.sqrt((z**2).mean(axis=0))
    norm[norm == 0] = 1.0
    correlation = (z.T @ z) / len(z) / np.outer(norm, norm)
    np.fill_diagonal(correlation, 1.0)
    return correlation
