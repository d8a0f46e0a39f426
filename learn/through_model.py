"""The second way to a descriptor: predicted parameters, redrawn aggregates, the descriptors of those.

For each image, K sets of parameters are drawn from what the estimator states about it (a normal law on the
scale of regression, with the correlation of the errors between targets where it is known). The stochastic
model redraws an aggregate from each, and their descriptors are averaged. The same aggregates are plausible
structures for the image. What the estimator does not predict is taken from the training samples. Redrawing is
deterministic: sample i has its own seed,
`SeedSequence(seed, spawn_key=(i,))`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import SeedSequence, default_rng
from scipy import special

from learn.targets import TargetSet, transform_values
from stochgeom.aggregation import sample_aggregate
from stochgeom.descriptors import describe, descriptor_names
from stochgeom.errors import InfeasibleParametersError, UserError
from stochgeom.parameters import AggregateParameters, Species
from stochgeom.radius_laws import ConstantRadii, LognormalRadii, NormalRadii, RadiusLaw

if TYPE_CHECKING:
    from simulate.corpus.reader import Corpus
    from stochgeom.aggregate import HeteroAggregate

ATTEMPTS = 4  # draws for one redrawn aggregate before it is given up

# Realised descriptors stand for the parameters that were asked for where an estimator predicts the former.
STANDS_FOR = {
    "count": "n_particles",
    "number_fraction_": "fraction_",
    "radius_geometric_mean_nm_": "median_radius_nm_",
    "radius_geometric_sd_": "geometric_sd_",
}


@dataclass(frozen=True)
class Redrawn:
    """Descriptors `names` of K redrawn aggregates for each of n images: `values` (n, K, d), NaN where none
    was found.

    `tried` counts the parameter sets drawn, `refused` those of them that the model found infeasible.
    """

    names: tuple[str, ...]
    values: np.ndarray
    tried: int
    refused: int

    def estimates(self, targets: TargetSet) -> np.ndarray:
        """Means over the K aggregates (n, t) on the scale of each target; NaN for targets that are no
        descriptors.
        """
        n, draws, _ = self.values.shape
        result = np.full((n, len(targets)), np.nan)
        known = [k for k, name in enumerate(targets.names) if name in self.names]
        natural = np.full((n * draws, len(targets)), np.nan)
        for k in known:
            natural[:, k] = self.values[:, :, self.names.index(targets.names[k])].ravel()
        scaled = to_scale(targets, natural).reshape(n, draws, -1)
        for k in known:
            result[:, k] = _mean_of_known(scaled[:, :, k])
        return result


@dataclass(frozen=True)
class ParameterFiller:
    """Completes predicted targets to a full set of parameters.

    `template` gives species, laws, kernel and pose; `columns` and `rows` (m, p) are the parameters of
    training samples, from one of which whatever is not predicted comes; predicted values are kept within
    their range. `shared_cluster_size`: one mean cluster size for all species.
    """

    template: AggregateParameters
    columns: tuple[str, ...]
    rows: np.ndarray
    shared_cluster_size: bool = False

    @classmethod
    def of_corpus(cls, corpus: Corpus, split: str = "train") -> ParameterFiller:
        """From the finished samples of a split of `corpus`."""
        laws = corpus.aggregate_recipe.aggregate
        rows = np.asarray(corpus.parameters[:], dtype=np.float64)[corpus.indices(split)]
        if len(rows) == 0:
            raise UserError(f"{corpus.path}: no finished samples in the split {split}")
        template = laws.parameters(np.full(len(laws.slots), 0.5))
        own = [species.mean_cluster_size is None for species in laws.species]
        return cls(template, corpus.parameter_names, rows, sum(own) > 1)

    def covers(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which of the targets `names` set a parameter."""
        return tuple(name for name in names if parameter_of(name) in self.columns)

    def fill(self, names: Sequence[str], values: np.ndarray, rng: np.random.Generator) -> AggregateParameters:
        """Parameters with the targets `names` at `values` (t,), in natural units."""
        row = dict(zip(self.columns, self.rows[rng.integers(len(self.rows))].tolist(), strict=True))
        given = {}
        for name, value in zip(names, values.tolist(), strict=True):
            parameter = parameter_of(name)
            if parameter in self.columns and np.isfinite(value):
                low, high = self._bounds[parameter]
                given[parameter] = min(max(value, low), high)
        row |= given
        self._complete_fractions(row, given)
        if self.shared_cluster_size:
            self._share_cluster_size(row, given)
        return parameters_of(self.template, row)

    @cached_property
    def _bounds(self) -> dict[str, tuple[float, float]]:
        lows, highs = self.rows.min(axis=0).tolist(), self.rows.max(axis=0).tolist()
        return {name: (lows[k], highs[k]) for k, name in enumerate(self.columns)}

    def _complete_fractions(self, row: dict[str, float], given: dict[str, float]) -> None:
        """Make the fractions sum to one: species without a predicted one share what the others leave, as in
        the row.
        """
        names = [f"fraction_{s.name}" for s in self.template.species]
        free = [name for name in names if name not in given]
        taken = sum(given[name] for name in names if name in given)
        if free and taken < 1:
            rest = sum(row[name] for name in free)
            for name in free:
                row[name] = (1 - taken) * (row[name] / rest if rest > 0 else 1 / len(free))
        total = sum(row[name] for name in names)
        for name in names:
            row[name] /= total

    def _share_cluster_size(self, row: dict[str, float], given: dict[str, float]) -> None:
        names = [f"mean_cluster_size_{s.name}" for s in self.template.species]
        known = [given[name] for name in names if name in given]
        if known:
            row |= dict.fromkeys(names, float(np.exp(np.mean(np.log(known)))))


def parameter_of(target: str) -> str:
    """The parameter that a target sets: itself, or the one that it is the realised value of."""
    for realised, asked in STANDS_FOR.items():
        if target == realised or (realised.endswith("_") and target.startswith(realised)):
            return asked + target[len(realised) :]
    return target


def parameters_of(template: AggregateParameters, row: dict[str, float]) -> AggregateParameters:
    """The parameters whose `columns()` are `row`, with the species, radius laws, kernel and pose of
    `template`.
    """
    species = [
        Species(
            name=s.name,
            fraction=min(max(row[f"fraction_{s.name}"], 0.0), 1.0),
            radii=_radii(s.radii, row[f"median_radius_nm_{s.name}"], row[f"geometric_sd_{s.name}"]),
            mean_cluster_size=max(1.0, row[f"mean_cluster_size_{s.name}"]),
            cluster_sizes=s.cluster_sizes,
            phases=s.phases,
            shape=s.shape,
            shapes=s.shapes,
        )
        for s in template.species
    ]
    return AggregateParameters(
        n_particles=max(1, round(row["n_particles"])),
        species=tuple(species),
        fractal_dimension=_known(row["fractal_dimension"], template.fractal_dimension),
        fractal_prefactor=_known(row["fractal_prefactor"], template.fractal_prefactor),
        hetero_affinity=row["hetero_affinity"],
        overlap=row["overlap"],
        kernel=template.kernel,
        growth=template.growth,
        coordination=row.get("mean_coordination"),
        pose=template.pose,
    )


def _known(value: float, otherwise: float) -> float:
    """`value`, or what stands in for it where a kernel does not ask for it."""
    return value if np.isfinite(value) else otherwise


def _radii(law: RadiusLaw, median_nm: float, geometric_sd: float) -> RadiusLaw:
    """A radius law of the same kind as `law`; a lognormal one where two numbers do not settle the kind."""
    if isinstance(law, ConstantRadii):
        return ConstantRadii(radius_nm=median_nm)
    if isinstance(law, NormalRadii):
        # The coefficient of variation that NormalRadii.geometric_sd is made of.
        relative = np.sqrt(np.expm1(np.log(max(geometric_sd, 1.0)) ** 2))
        return NormalRadii(mean_nm=median_nm, sd_nm=float(median_nm * min(relative, 0.33)))
    return LognormalRadii(median_nm=median_nm, geometric_sd=min(max(geometric_sd, 1.0), 3.0))


@dataclass(frozen=True)
class ThroughModel:
    """Redraws aggregates from what an estimator states about its `targets`.

    `draws` aggregates for each image; one alone is drawn at the middle of the statement. `correlation` (t, t)
    is that of the errors between targets; without it they are independent.
    """

    filler: ParameterFiller
    targets: TargetSet
    draws: int = 8
    seed: int = 0
    correlation: np.ndarray | None = None

    def redraw(
        self,
        middle: np.ndarray,
        sd: np.ndarray,
        samples: Sequence[int] | np.ndarray,
        progress: Callable[[int], None] | None = None,
    ) -> Redrawn:
        """Descriptors of redrawn aggregates for n images.

        `middle` and `sd` (n, t) are the prediction on the targets' scales; `samples` (n,) seed the redraws
        (their indices in the corpus); `progress` is called with the number of images done.
        """
        names = descriptor_names(self.filler.template.species_names)
        values = np.full((len(samples), self.draws, len(names)), np.nan)
        tried = refused = 0
        for k, sample in enumerate(samples):
            for d, (aggregate, attempts) in enumerate(self._aggregates(middle[k], sd[k], int(sample))):
                tried += attempts
                refused += attempts - (aggregate is not None)
                if aggregate is not None:
                    found = describe(aggregate)
                    values[k, d] = [found[name] for name in names]
            if progress is not None:
                progress(k + 1)
        return Redrawn(tuple(names), values, tried, refused)

    def structures(self, middle: np.ndarray, sd: np.ndarray, sample: int) -> list[HeteroAggregate]:
        """Plausible structures for one image, those that `redraw` describes. `middle` and `sd` are (t,)."""
        return [found for found, _ in self._aggregates(middle, sd, sample) if found is not None]

    def _aggregates(
        self, middle: np.ndarray, sd: np.ndarray, sample: int
    ) -> Iterator[tuple[HeteroAggregate | None, int]]:
        """`draws` times an aggregate, or None, and how many parameter sets were tried for it."""
        rng = default_rng(SeedSequence(self.seed, spawn_key=(sample,)))
        t = len(self.targets)
        points = _normal_points(self.draws, t, rng) if self.draws > 1 else np.zeros((1, t))
        for point in points:
            aggregate, attempts = None, 0
            while aggregate is None and attempts < ATTEMPTS:
                z = rng.standard_normal(t) if attempts else point
                attempts += 1
                with suppress(InfeasibleParametersError):
                    aggregate = sample_aggregate(self._parameters(middle, sd, z, rng), rng)
            yield aggregate, attempts

    def _parameters(
        self, middle: np.ndarray, sd: np.ndarray, z: np.ndarray, rng: np.random.Generator
    ) -> AggregateParameters:
        shift = z if self._root is None else self._root @ z
        values = from_scale(self.targets, (middle + sd * shift)[None])[0]
        return self.filler.fill(self.targets.names, values, rng)

    @cached_property
    def _root(self) -> np.ndarray | None:
        """A square root (t, t) of the correlation; negative eigenvalues, from pairwise estimates, count as
        zero.
        """
        if self.correlation is None:
            return None
        values, vectors = np.linalg.eigh(self.correlation)
        root = vectors * np.sqrt(np.maximum(values, 0))
        return np.asarray(root / np.linalg.norm(root, axis=1, keepdims=True))


def to_scale(targets: TargetSet, values: np.ndarray) -> np.ndarray:
    """Natural values (n, t) on the scale of each target: a logarithm, a logit, or as they are."""
    return transform_values(targets.targets, values)


def from_scale(targets: TargetSet, scaled: np.ndarray) -> np.ndarray:
    """The inverse of `to_scale`, kept within the bounds of each target."""
    return targets.decode((scaled - targets.mean) / targets.scale)


def _normal_points(n: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """(n, dimensions) standard normal numbers, every column spread evenly: a Latin hypercube (McKay 1979)."""
    strata = rng.permuted(np.tile(np.arange(n)[:, None], dimensions), axis=0)
    uniform = (strata + rng.random((n, dimensions))) / n
    return np.asarray(special.ndtri(np.clip(uniform, 1e-6, 1 - 1e-6)))


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Means (n,) over the finite ones of (n, k); NaN where there is none."""
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    return np.where(known, values, 0.0).sum(axis=1) / np.where(counts > 0, counts, np.nan)
