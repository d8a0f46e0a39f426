"""What an estimator must beat: the mean, the composition alone, and gradient boosting on 2D descriptors.

Baselines work on the scale on which the estimator regresses (a logarithm, a logit, or the value itself):
`fit` takes and
`predict` gives arrays (n, targets) in the estimator's order of targets, NaN where a baseline does not apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stochgeom.errors import UserError, require

MEAN, COMPOSITION, RECALIBRATED, BOOSTING = (
    "mean",
    "composition",
    "composition, recalibrated",
    "gradient boosting",
)
RAREST = 0.05  # share of training rows below which a feature is left out


@dataclass
class MeanBaseline:
    """The mean of the training targets, whatever the image."""

    means: np.ndarray = field(default_factory=lambda: np.empty(0))

    def fit(self, features: np.ndarray, targets: np.ndarray) -> MeanBaseline:
        """`features` (n, k) are ignored; `targets` (n, t) may hold NaN."""
        self.means = np.array([_nan_mean(column) for column in targets.T])
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, t) for n rows of features."""
        return np.broadcast_to(self.means, (len(features), len(self.means))).copy()


@dataclass
class BoostingBaseline:
    """Histogram gradient boosting (scikit-learn) on the 2D descriptors of an image, one regressor for each
    target.
    """

    seed: int = 0
    iterations: int = 400
    learning_rate: float = 0.06
    models: list[Any] = field(default_factory=list)
    columns: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def fit(self, features: np.ndarray, targets: np.ndarray) -> BoostingBaseline:
        """`features` (n, k), NaN where undefined; rows whose target is NaN are left out for that target.

        Features that hardly any row has are not used.
        """
        ensemble = require("sklearn.ensemble", extra="learn")
        limits = require("threadpoolctl", extra="learn").threadpool_limits
        self.models = []
        known = np.isfinite(features).sum(axis=0)
        self.columns = np.flatnonzero((known >= 10) & (known >= RAREST * len(features)))
        features = features[:, self.columns]
        for column in targets.T:
            rows = np.isfinite(column)
            if rows.sum() < 20:
                raise UserError(f"gradient boosting: {rows.sum()} training samples; at least 20 are needed")
            model = ensemble.HistGradientBoostingRegressor(
                max_iter=self.iterations,
                learning_rate=self.learning_rate,
                max_leaf_nodes=15,
                min_samples_leaf=20,
                l2_regularization=1.0,
                max_features=0.3,
                early_stopping=True,
                n_iter_no_change=25,
                random_state=self.seed,
            )
            # More threads bring little here, and on a busy machine they wait for each other.
            with limits(1, user_api="openmp"):
                self.models.append(model.fit(features[rows], column[rows]))
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, t) for features (n, k)."""
        return np.stack([model.predict(features[:, self.columns]) for model in self.models], axis=1)


@dataclass
class LinearRecalibration:
    """target = a + b x for each target, by least squares; NaN where x was never finite."""

    offset: np.ndarray = field(default_factory=lambda: np.empty(0))
    slope: np.ndarray = field(default_factory=lambda: np.empty(0))

    def fit(self, values: np.ndarray, targets: np.ndarray) -> LinearRecalibration:
        """`values` and `targets` (n, t)."""
        lines = [_line(x, y) for x, y in zip(values.T, targets.T, strict=True)]
        self.offset, self.slope = (np.array(part) for part in zip(*lines, strict=True))
        return self

    def predict(self, values: np.ndarray) -> np.ndarray:
        """(n, t) for values (n, t)."""
        return np.where(np.isfinite(values), self.offset + self.slope * values, np.nan)


def particle_counts(names: Sequence[str], values: np.ndarray, species: Sequence[str]) -> np.ndarray | None:
    """Particles of each species (n, s), real numbers, that predicted targets imply; None if they do not say.

    `values` (n, t) in natural units, under `names`. One species may have no fraction: it takes the remainder.
    """
    total = column(names, values, "count", "n_particles")
    shares = [column(names, values, f"number_fraction_{s}", f"fraction_{s}") for s in species]
    missing = [k for k, one in enumerate(shares) if one is None]
    if total is None or len(missing) > 1:
        return None
    known = sum(one for one in shares if one is not None)
    filled = np.stack([np.maximum(1 - known, 0) if one is None else one for one in shares], axis=1)
    filled = np.clip(filled, 1e-6, None)
    return np.maximum(total, 2)[:, None] * filled / filled.sum(axis=1, keepdims=True)


def expected_of_random_labels(counts: np.ndarray, species: Sequence[str]) -> dict[str, np.ndarray]:
    """Hetero-contact descriptors of n aggregates whose labels are random, from their composition `counts` (n,
    s) alone.

    For N particles and any contact graph E[f] = 1 - sum n_s (n_s - 1) / (N (N - 1)), which for two species is
    2 n_A n_B / (N (N - 1)). The number of contacts is that of a tree, N - 1, so the mean hetero-coordination
    is 2 (N - 1) E[f] / N, that of species s alone 2 (N - n_s) / N, and the mixing index 1.
    """
    n = counts.sum(axis=1)
    fraction = 1 - (counts * np.maximum(counts - 1, 0)).sum(axis=1) / (n * (n - 1))
    result = {
        "hetero_contact_fraction": fraction,
        "hetero_contacts": (n - 1) * fraction,
        "hetero_coordination": 2 * (n - 1) * fraction / n,
        "mixing_index": np.ones(len(counts)),
    }
    for k, name in enumerate(species):
        result[f"hetero_coordination_{name}"] = 2 * (n - counts[:, k]) / n
    return result


def composition_alone(names: Sequence[str], values: np.ndarray, species: Sequence[str]) -> np.ndarray:
    """The composition baseline (n, t) in natural units: random labels on the predicted composition, NaN
    elsewhere.
    """
    result = np.full(np.shape(values), np.nan)
    counts = particle_counts(names, values, species)
    if counts is None:
        return result
    expected = expected_of_random_labels(counts, species)
    for k, name in enumerate(names):
        if name in expected:
            result[:, k] = expected[name]
    return result


def column(names: Sequence[str], values: np.ndarray, *aliases: str) -> np.ndarray | None:
    """The first of the columns called one of `aliases`, (n,), or None."""
    for alias in aliases:
        if alias in names:
            return np.asarray(values[:, list(names).index(alias)])
    return None


def _nan_mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 3:
        return np.nan, np.nan
    x, y = x[known], y[known]
    spread = float(x.var())
    slope = float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 1e-12 else 0.0
    return float(y.mean() - slope * x.mean()), slope
