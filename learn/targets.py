"""What an estimator estimates: columns of a corpus, each on a scale where its error is roughly Gaussian.

A network works with standardised numbers z = (g(value) - mean) / scale, where g is the target's transform and
mean and scale are those of the training samples. NaN means that a target is undefined for a sample; it is
masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from stochgeom.errors import UserError

Transform = Literal["identity", "log", "logit"]
Array = NDArray[np.float64]

_FORWARD: dict[str, Callable[[Array], Array]] = {"identity": np.array, "log": np.log, "logit": logit}
_BACKWARD: dict[str, Callable[[Array], Array]] = {"identity": np.array, "log": np.exp, "logit": expit}
_SLOPE: dict[str, Callable[[Array], Array]] = {  # d value / d g, as a function of the value
    "identity": np.ones_like,
    "log": np.array,
    "logit": lambda value: value * (1 - value),
}

CIRCULAR = ("orientation_degrees", "asked_orientation_degrees")

_SHAPES: tuple[tuple[str, Transform, float, float], ...] = (
    # start of the column's name, transform, smallest and largest value that exists
    ("n_particles", "log", 1, np.inf),
    ("count", "log", 1, np.inf),
    ("fraction_", "identity", 0, 1),
    ("number_fraction_", "identity", 0, 1),
    ("median_radius_nm_", "log", 0, np.inf),
    ("radius_geometric_mean_nm_", "log", 0, np.inf),
    ("radius_geometric_sd_", "log", 1, np.inf),
    ("geometric_sd_", "log", 1, np.inf),
    ("mean_cluster_size_", "log", 1, np.inf),
    ("same_species_cluster_size", "log", 1, np.inf),
    ("radius_of_gyration_nm", "log", 0, np.inf),
    ("extent_nm", "log", 0, np.inf),
    ("contacts", "log", 1, np.inf),
    ("hetero_contact_fraction", "identity", 0, 1),
    ("hetero_contacts", "identity", 0, np.inf),
    ("hetero_coordination", "identity", 0, np.inf),
    ("coordination", "identity", 0, np.inf),
    ("mixing_index", "identity", 0, np.inf),
    ("random_hetero_contact_fraction", "identity", 0, 1),
    ("species_centre_distance_over_rg", "identity", 0, np.inf),
    ("largest_same_species_cluster", "log", 1, np.inf),
    ("contact_area_nm2", "identity", 0, np.inf),
    ("hetero_contact_area_nm2", "identity", 0, np.inf),
    ("asphericity", "identity", 0, 1),
    ("acylindricity", "identity", 0, 0.5),
    ("relative_shape_anisotropy", "identity", 0, 1),
    ("gyration_anisotropy", "log", 1, np.inf),
    ("volume_fraction", "identity", 0, 1),
    ("asked_volume_fraction", "identity", 0, 1),
    ("orientation_cos2", "identity", -1, 1),
    ("orientation_sin2", "identity", -1, 1),
    ("orientational_order", "identity", 0, 1),
    ("grains_of_phase_1", "identity", 0, np.inf),
    ("intensity_per_nm2", "log", 0, np.inf),
    ("length_nm", "log", 0, np.inf),
    ("thickness_nm", "log", 0, np.inf),
    ("period_nm", "log", 0, np.inf),
)


_OF_TEXTURES = (
    "volume_fraction",
    "orientation_cos2",
    "orientation_sin2",
    "length_nm",
    "thickness_nm",
    "period_nm",
    "orientational_order",
)
_TOLD = ("asked_volume_fraction", "asked_orientation_degrees", "asked_period_nm")
"""What is asked of a texture and is in its truth too."""


class HasColumns(Protocol):
    """The part of a corpus that targets need."""

    @property
    def parameter_names(self) -> tuple[str, ...]: ...

    @property
    def descriptor_names(self) -> tuple[str, ...]: ...

    def column(self, name: str) -> Array: ...

    def indices(self, split: str) -> NDArray[np.int64]: ...


@dataclass(frozen=True)
class Target:
    """One target: a column's name, its transform g, its unit, and the values that exist."""

    name: str
    transform: Transform = "identity"
    unit: str = "1"
    low: float = -np.inf
    high: float = np.inf

    @classmethod
    def of(cls, name: str, transform: Transform | None = None) -> Target:
        """The target of a column, its transform and bounds told by the name unless stated."""
        units = (("_per_nm2", "1/nm²"), ("_nm2", "nm²"), ("_nm", "nm"), ("_degrees", "°"))
        unit = next((unit for part, unit in units if part in name), "1")
        for start, usual, low, high in _SHAPES:
            if name.startswith(start):
                return cls(name, transform or usual, unit, low, high)
        if name.startswith("asked_") and unit == "nm":
            return cls(name, transform or "log", unit, 0.0)
        return cls(name, transform or "identity", unit)


@dataclass(frozen=True)
class TargetSet:
    """Targets with the mean and scale (t,) that standardise their transforms."""

    targets: tuple[Target, ...]
    mean: Array
    scale: Array

    @classmethod
    def fit(cls, targets: Sequence[Target], values: Array) -> TargetSet:
        """Mean and standard deviation of the transformed `values` (n, t). UserError for a constant target."""
        transformed = transform_values(targets, values)
        mean, scale = np.empty(len(targets)), np.empty(len(targets))
        for k, target in enumerate(targets):
            finite = transformed[np.isfinite(transformed[:, k]), k]
            if len(finite) < 2 or np.ptp(finite) <= 1e-9 * max(1.0, float(np.abs(finite).max())):
                raise UserError(
                    f"target {target.name}: fewer than two different values in the training samples"
                )
            mean[k], scale[k] = finite.mean(), finite.std()
        return cls(tuple(targets), mean, scale)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(target.name for target in self.targets)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the values."""
        return tuple(target.unit for target in self.targets)

    def encode(self, values: Array) -> NDArray[np.float32]:
        """Standardised numbers (n, t) of natural values (n, t); NaN where undefined."""
        return ((transform_values(self.targets, values) - self.mean) / self.scale).astype(np.float32)

    def decode(self, z: NDArray[Any]) -> Array:
        """Natural values (n, t) of standardised numbers (n, t), kept within each target's bounds."""
        g = np.asarray(z, np.float64) * self.scale + self.mean
        columns = [
            np.clip(_BACKWARD[target.transform](g[:, k]), target.low, target.high)
            for k, target in enumerate(self.targets)
        ]
        return np.column_stack(columns)

    def decode_sd(self, z: NDArray[Any], sd: NDArray[Any]) -> Array:
        """Standard deviations (n, t) in natural units, to first order in `sd` (n, t), that of z."""
        value = self.decode(z)
        slopes = [_SLOPE[target.transform](value[:, k]) for k, target in enumerate(self.targets)]
        return np.asarray(sd, np.float64) * self.scale * np.column_stack(slopes)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data for model.json; infinite bounds are written as null."""
        return [
            {
                "name": target.name,
                "transform": target.transform,
                "unit": target.unit,
                "low": target.low if np.isfinite(target.low) else None,
                "high": target.high if np.isfinite(target.high) else None,
                "mean": float(self.mean[k]),
                "scale": float(self.scale[k]),
            }
            for k, target in enumerate(self.targets)
        ]

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> TargetSet:
        """The inverse of `to_json`. KeyError, TypeError or ValueError if `rows` are not of that form."""
        targets = []
        for row in rows:
            if row["transform"] not in _FORWARD:
                raise ValueError(f"unknown transform {row['transform']!r}")
            low = -np.inf if row["low"] is None else float(row["low"])
            high = np.inf if row["high"] is None else float(row["high"])
            targets.append(Target(str(row["name"]), row["transform"], str(row["unit"]), low, high))
        mean = np.array([float(row["mean"]) for row in rows])
        scale = np.array([float(row["scale"]) for row in rows])
        if not (np.isfinite(mean).all() and (scale > 0).all() and np.isfinite(scale).all()):
            raise ValueError("mean or scale of a target is not usable")
        return cls(tuple(targets), mean, scale)


def transform_values(targets: Sequence[Target], values: Array) -> Array:
    """g(value) of each column of `values` (n, t); NaN where g is not finite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = [_FORWARD[t.transform](np.asarray(values[:, k], np.float64)) for k, t in enumerate(targets)]
    transformed = np.column_stack(columns)
    return np.where(np.isfinite(transformed), transformed, np.nan)


def column_values(corpus: HasColumns, names: Sequence[str]) -> Array:
    """Natural values (n, t) of the named columns for every sample. UserError for a name the corpus lacks."""
    known = (*corpus.parameter_names, *corpus.descriptor_names)
    for name in names:
        if name not in known:
            raise UserError(f"target {name!r}: no such column; accepted: {', '.join(known)}")
        if name in CIRCULAR:
            raise UserError(
                f"target {name!r} turns over at 180 degrees; accepted: orientation_cos2, orientation_sin2"
            )
    return np.column_stack([np.asarray(corpus.column(name), np.float64) for name in names])


def default_targets(corpus: HasColumns) -> tuple[Target, ...]:
    """Usual targets of a corpus of aggregates or textures.

    Of aggregates: size, composition, radii, cluster size, dimension, hetero-contacts; sizes, fractions and
    contacts are those realised in the aggregate, cluster size and fractal dimension those asked of the model.
    Of textures: volume fraction, the double of the orientation, count, sizes, and what else was asked of the
    model. Columns that do not vary over the training samples, or repeat another column,
    are left out.
    """
    species = [
        name.removeprefix("fraction_") for name in corpus.parameter_names if name.startswith("fraction_")
    ]
    wanted = [
        "count",
        *(f"number_fraction_{name}" for name in species[:-1]),
        *(f"radius_geometric_mean_nm_{name}" for name in species),
        *(f"radius_geometric_sd_{name}" for name in species),
        *(f"mean_cluster_size_{name}" for name in species),
        "fractal_dimension",
        "hetero_coordination",
        *(f"hetero_coordination_{name}" for name in species),
        "hetero_contact_fraction",
        "mixing_index",
        *_OF_TEXTURES,
        *(name for name in corpus.parameter_names if name.startswith("asked_") and name not in _TOLD),
    ]
    known = (*corpus.parameter_names, *corpus.descriptor_names)
    names = [name for name in wanted if name in known]
    if not names:
        raise UserError("this corpus has none of the usual targets; name the columns to estimate")
    values = column_values(corpus, names)[corpus.indices("train")]
    kept: list[int] = []
    for k in range(len(names)):
        finite = values[np.isfinite(values[:, k]), k]
        repeats = any(np.array_equal(values[:, k], values[:, j], equal_nan=True) for j in kept)
        if len(finite) > 1 and np.ptp(finite) > 1e-9 and not repeats:
            kept.append(k)
    return tuple(Target.of(names[k]) for k in kept)
