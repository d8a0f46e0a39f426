"""Error analysis of estimators on a corpus: scores, coverage, baselines, redrawn aggregates, dependence on
size and overlap.

Every estimator is one condition (for example known and unknown gain), tested on the same aggregates. Squared
errors, R2 and differences are taken on the scale on which a target is estimated (a logarithm for numbers,
radii and sizes; the value itself for fractions and contacts); bias, mean absolute error, RMSE and the width
of intervals in the target's own unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from learn.conditions import Condition, Tested, run_condition
from learn.reference import ReferenceFigures
from learn.scores import (
    Bin,
    Difference,
    Estimate,
    Scores,
    calibration,
    compare,
    probability_deciles,
    quantile_edges,
    resamples,
    score,
    score_in_bins,
    share,
)
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.estimator import Estimator
    from simulate.corpus.reader import Corpus

Model: TypeAlias = "Estimator | Condition | str | Path"

SIZE_EDGES = (1, 20, 50, 100, 200, 500, 1000, 100_000)
SMALLEST_BIN = 25
OVERLAP_BINS = 5
NARROWED_R2 = 0.5
UNDETERMINED_R2 = 0.1  # an R2 whose interval reaches down to this is too near the mean's to be of use
PRIOR_SHARE = 0.9  # a stated deviation above this share of the prior's says: I do not know


@dataclass(frozen=True)
class TargetAnalysis:
    """One target under one condition. `baselines` and `differences` go by the name of the baseline.

    `direct_gain` and `through_gain` are the paired differences to each baseline; `through_minus_direct` that
    of the direct prediction to the one through the model (above zero: the direct one is nearer).
    """

    name: str
    unit: str
    scale: str
    direct: Scores
    direct_scaled: Scores
    through: Scores | None
    through_scaled: Scores | None
    coverage: Estimate
    width: float
    relative_width: float
    stated_over_prior: float
    curve: list[tuple[float, Estimate]]
    deciles: np.ndarray
    baselines: dict[str, Scores]
    direct_gain: dict[str, Difference]
    through_gain: dict[str, Difference]
    through_minus_direct: Difference | None
    by_size: list[Bin]
    by_overlap: list[Bin]
    verdict: str
    statement: str

    @property
    def beats_all(self) -> bool:
        """Whether the direct prediction beats every baseline that applies."""
        return bool(self.direct_gain) and all(one.beats for one in self.direct_gain.values())

    @property
    def through_beats_all(self) -> bool:
        """Whether the prediction through the model beats every baseline that applies."""
        return bool(self.through_gain) and all(one.beats for one in self.through_gain.values())


@dataclass(frozen=True)
class ConditionAnalysis:
    """All targets of one estimator, and the arrays they come from."""

    tested: Tested
    targets: tuple[TargetAnalysis, ...]

    @property
    def label(self) -> str:
        return self.tested.label

    def target(self, name: str) -> TargetAnalysis | None:
        """The analysis of a target, or None."""
        return next((one for one in self.targets if one.name == name), None)


@dataclass(frozen=True)
class Analysis:
    """Everything that a report is written from."""

    corpus: Corpus
    conditions: tuple[ConditionAnalysis, ...]
    samples: np.ndarray
    size: np.ndarray
    overlap: np.ndarray
    reference: ReferenceFigures | None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def target_names(self) -> tuple[str, ...]:
        """Targets of all conditions, in order of first appearance."""
        return tuple(dict.fromkeys(t.name for c in self.conditions for t in c.targets))


def analyse(
    estimators: Model | Mapping[str, Model],
    corpus: Corpus,
    *,
    limit: int | None = None,
    train_limit: int = 12_000,
    draws: int = 16,
    seed: int = 0,
    rounds: int = 1000,
    cache: str | Path | None = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Analysis:
    """Analyse estimators on the test split of `corpus`.

    estimators
        One estimator, or several by label. Each is tested on images recorded as those it was trained for; a
        `Condition` states other realism.
    limit
        At most so many test aggregates (the first ones); None takes all.
    train_limit
        At most so many training samples for the baselines.
    draws
        Aggregates redrawn for each image; 0 leaves the way through the model out.
    seed, rounds
        Of the bootstrap; `seed` also of the redraws and of boosting.
    cache
        Folder in which image descriptors are kept between calls.
    workers
        Processes that compute image descriptors.
    progress
        Called with (what, done, of) now and then.

    Raises UserError if the corpus has no test or calibration samples or an estimator's targets are no columns
    of it.
    """
    labelled = estimators if isinstance(estimators, Mapping) else {"estimator": estimators}
    if not labelled:
        raise UserError("no estimator to analyse")
    if getattr(corpus, "kind", "aggregate") != "aggregate":
        raise UserError(f"{corpus.path}: reports are of aggregates; of textures there is heterostem predict")
    samples = corpus.indices("test")[:limit]
    if len(samples) < 10:
        raise UserError(f"{corpus.path}: {len(samples)} finished test samples; at least 10 are needed")
    tell = progress or (lambda what, done, of: None)
    tested = [
        run_condition(
            Condition.of(label, one),
            corpus,
            samples,
            train_limit=train_limit,
            draws=draws,
            seed=seed,
            cache=cache,
            workers=workers,
            tell=tell,
        )
        for label, one in labelled.items()
    ]
    overlap = np.array([overlap_in_projection(corpus.aggregate(int(i))) for i in samples])
    size = np.asarray(corpus.n_particles[:], dtype=np.float64)[samples]
    weights = resamples(len(samples), np.random.default_rng(seed), rounds)
    reference = ReferenceFigures.of_recipe(corpus.recipe)

    def targets(one: Tested) -> tuple[TargetAnalysis, ...]:
        reached = [reference.estimator_r2(name) if reference else {} for name in one.names]
        return tuple(
            analyse_target(one, k, weights, size, overlap, published) for k, published in enumerate(reached)
        )

    conditions = tuple(ConditionAnalysis(one, targets(one)) for one in tested)
    settings = {
        "test_samples": len(samples),
        "train_limit": train_limit,
        "draws": draws,
        "seed": seed,
        "rounds": rounds,
    }
    return Analysis(corpus, conditions, samples, size, overlap, reference, settings)


def analyse_target(
    tested: Tested,
    k: int,
    weights: np.ndarray,
    size: np.ndarray,
    overlap: np.ndarray,
    published: Mapping[str, Estimate] | None = None,
) -> TargetAnalysis:
    """The analysis of target `k` of a tested condition; `weights` (rounds, n), `size` and `overlap` (n,).

    `published`: R2 that others reached, by method; they enter the verdict alone.
    """
    truth, value = tested.truth[:, k], tested.value[:, k]
    truth_s, value_s, sd_s = tested.truth_scaled[:, k], tested.value_scaled[:, k], tested.sd_scaled[:, k]
    through_s = tested.through_scaled[:, k]
    through = bool(np.isfinite(through_s).any())
    known = np.isfinite(truth) & np.isfinite(value)
    lower, upper = tested.lower[known, k], tested.upper[known, k]
    applicable = {
        name: rows[:, k] for name, rows in tested.baselines.items() if np.isfinite(rows[:, k]).any()
    }
    scaled = score(truth_s, value_s, weights)
    prior = float(np.nanstd(truth_s))
    stated = float(np.sqrt(np.nanmean(sd_s**2)) / prior) if prior > 0 else np.nan
    others = {name: score(truth_s, rows, weights) for name, rows in applicable.items()}
    reached = {name: one.r2 for name, one in others.items()} | dict(published or {})
    verdict, statement = judge(scaled.r2, stated, reached)
    width = float(np.mean(upper - lower)) if known.any() else np.nan
    return TargetAnalysis(
        name=tested.names[k],
        unit=tested.units[k],
        scale=tested.scales[k],
        direct=score(truth, value, weights),
        direct_scaled=scaled,
        through=score(truth, tested.through[:, k], weights) if through else None,
        through_scaled=score(truth_s, through_s, weights) if through else None,
        coverage=share((truth[known] >= lower) & (truth[known] <= upper)),
        width=width,
        relative_width=_relative_width(truth[known], width),
        stated_over_prior=stated,
        curve=calibration(truth_s, value_s, sd_s),
        deciles=probability_deciles(truth_s, value_s, sd_s),
        baselines=others,
        direct_gain={name: compare(truth_s, value_s, rows, weights) for name, rows in applicable.items()},
        through_gain={
            name: compare(truth_s, through_s, rows, weights) for name, rows in applicable.items() if through
        },
        through_minus_direct=compare(truth_s, value_s, through_s, weights) if through else None,
        by_size=score_in_bins(size, size_edges(size), truth_s, value_s, weights),
        by_overlap=score_in_bins(overlap, quantile_edges(overlap, OVERLAP_BINS), truth_s, value_s, weights),
        verdict=verdict,
        statement=statement,
    )


def judge(r2: Estimate, stated_over_prior: float, others: Mapping[str, Estimate]) -> tuple[str, str]:
    """Whether the image determines a target, as far as this analysis shows: a verdict and a sentence.

    `undetermined`: the interval of R2, and that of every baseline (`others`), reaches down to 0.1 or below.
    The estimator should then state about the prior's spread; if it states clearly less, it is overconfident.
    `missed`: a baseline shows that the image says more than the estimator found. `narrowed`: R2 below 0.5.
    `determined`: the rest.
    """
    if not np.isfinite(r2.low):
        return "unknown", "too few samples, or the target does not vary"
    share_of_prior = f"the stated deviation is {100 * stated_over_prior:.0f} % of the prior's"
    figures = f"R² {r2.value:.2f} ({r2.low:.2f} to {r2.high:.2f}), {share_of_prior}"
    if r2.low > UNDETERMINED_R2:
        return ("determined", figures) if r2.value >= NARROWED_R2 else ("narrowed", figures)
    better = {name: one for name, one in others.items() if one.low > max(UNDETERMINED_R2, r2.high)}
    if better:
        name, best = max(better.items(), key=lambda item: item[1].value)
        return (
            "missed",
            f"the image says more than the estimator found ({name} reaches R² {best.value:.2f}): {figures}",
        )
    if stated_over_prior >= PRIOR_SHARE:
        return "undetermined", f"the image does not determine it, and the estimator says so: {figures}"
    return (
        "undetermined",
        f"the image does not determine it, but the estimator claims more than that: {figures}",
    )


def size_edges(size: np.ndarray) -> np.ndarray:
    """Edges of bins of the number of particles that hold at least SMALLEST_BIN aggregates; fewer are merged
    upwards.
    """
    edges = [float(SIZE_EDGES[0])]
    for edge in SIZE_EDGES[1:]:
        if np.count_nonzero((size >= edges[-1]) & (size < edge)) >= SMALLEST_BIN:
            edges.append(float(edge))
    if len(edges) < 3:
        return quantile_edges(size, 4)
    edges[0], edges[-1] = float(size.min()), float(size.max())
    return np.unique(edges)


def overlap_in_projection(aggregate: Any, pixels: int = 256) -> float:
    """Share of the projected area (along z) of an aggregate of spheres that more than one particle covers.

    `centres` (n, 3) and `radii` (n,) in nm are what is read. The grid has `pixels` along the longer side.
    """
    centres, radii = np.asarray(aggregate.centres)[:, :2], np.asarray(aggregate.radii)
    low = (centres - radii[:, None]).min(axis=0)
    side = float(((centres + radii[:, None]).max(axis=0) - low).max())
    step = side / pixels
    cover = np.zeros((pixels, pixels), dtype=np.int32)
    places = (np.arange(pixels) + 0.5) * step
    for (x, y), radius in zip(centres - low, radii, strict=True):
        x0, x1 = np.searchsorted(places, (x - radius, x + radius))
        y0, y1 = np.searchsorted(places, (y - radius, y + radius))
        inside = (places[y0:y1, None] - y) ** 2 + (places[None, x0:x1] - x) ** 2 <= radius**2
        cover[y0:y1, x0:x1] += inside
    covered = np.count_nonzero(cover)
    return float(np.count_nonzero(cover > 1) / covered) if covered else 0.0


def undetermined(analysis: Analysis) -> dict[str, list[tuple[str, str]]]:
    """For each condition, the targets that the image does not determine, with the statement about each."""
    return {
        c.label: [(t.name, t.statement) for t in c.targets if t.verdict == "undetermined"]
        for c in analysis.conditions
    }


def _relative_width(truth: np.ndarray, width: float) -> float:
    """Width of the intervals over that of the central 90 % of the truth: 1 says no more than the prior."""
    if len(truth) < 3:
        return np.nan
    low, high = np.quantile(truth, (0.05, 0.95))
    return float(width / (high - low)) if high > low else np.nan
