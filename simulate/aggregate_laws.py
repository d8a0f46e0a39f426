"""The `[aggregate]` table of a recipe: a law for every parameter of the stochastic model.

Stage 0 of a sample draws one vector of uniforms; `AggregateLaws.slots` says which number feeds which key. A
key has its slot whether it holds a law or a number, so replacing one law by a number leaves every other draw
as it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from simulate.exact_numbers import FiniteFloat, PositiveFloat
from simulate.laws import Law, Number, Strict, bounds, extremes, integer_at, quantiles, stated, value_at
from stochgeom.parameters import AggregateParameters, Name

_SCALARS = ("fractal_dimension", "fractal_prefactor", "hetero_affinity", "overlap", "mean_cluster_size")


def _kind(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "list"
    return "text" if isinstance(value, str) else "law"


class SpeciesLaws(Strict):
    """One species: its number fraction, radius law and cluster size, each a number or a law.

    `shape`, and `shapes` by phase, are tables as `stochgeom.bodies.shapes` describes them; spheres if absent.
    """

    name: Name
    fraction: Annotated[
        Annotated[Literal["remainder"], Tag("text")] | Annotated[Number, Tag("law")],
        Discriminator(_kind),
    ]
    radii: dict[
        str,
        Annotated[
            Annotated[str, Tag("text")]
            | Annotated[Number, Tag("law")]
            | Annotated[tuple[FiniteFloat, ...], Tag("list")],
            Discriminator(_kind),
        ],
    ]
    mean_cluster_size: Number | None = None
    cluster_sizes: str = "geometric"
    density_g_cm3: PositiveFloat | None = None
    phases: dict[str, float] = Field(default_factory=dict)
    shape: dict[str, Any] | None = None
    shapes: dict[str, dict[str, Any]] | None = None

    @property
    def radius_keys(self) -> list[str]:
        """Keys of the radius law that hold numbers, in alphabetical order."""
        return sorted(key for key, value in self.radii.items() if not isinstance(value, str | tuple))


class AggregateLaws(Strict):
    """Laws for everything that `AggregateParameters` asks for.

    `mean_cluster_size` is shared by the species that state none of their own.
    """

    n_particles: Number = 29
    fractions: str = "number"
    fractal_dimension: Number = 1.8
    fractal_prefactor: Number = 1.3
    hetero_affinity: Number = 0.0
    overlap: Number = 0.0
    mean_cluster_size: Number = 1.0
    kernel: str = "tunable"
    growth: str = "cluster-cluster"
    coordination: Number | None = None
    pose: str = "random"
    species: tuple[SpeciesLaws, ...] = Field(min_length=1)

    @field_validator("n_particles")
    @classmethod
    def _whole(cls, number: float | Law) -> float | Law:
        for place, value in stated(number).items():
            subject = f"{place} = {value:g} " if place else ""
            if not value.is_integer():
                raise ValueError(f"{subject}should be a whole number")
            if value < 1:
                raise ValueError(f"{subject}should be at least 1")
        return number

    @model_validator(mode="after")
    def _complete(self) -> AggregateLaws:
        names = [species.name for species in self.species]
        if len(set(names)) < len(names):
            raise ValueError(f"two species are called {max(names, key=names.count)!r}")
        self._check_fractions()
        return self

    def _check_fractions(self) -> None:
        stated = [species.fraction for species in self.species if species.fraction != "remainder"]
        rest = len(self.species) - len(stated)
        if rest > 1:
            raise ValueError('only one species may have fraction = "remainder"')
        low = sum(bounds(fraction)[0] for fraction in stated)  # type: ignore[arg-type]
        high = sum(bounds(fraction)[1] for fraction in stated)  # type: ignore[arg-type]
        if rest and high > 1 + 1e-9:
            raise ValueError(
                f"the species' fractions sum to as much as {high:g}; they should leave a remainder"
            )
        if not rest and (abs(low - 1) > 1e-9 or abs(high - 1) > 1e-9):
            total = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            raise ValueError(
                f"the species' fractions sum to {total}; they should sum to 1 "
                '(one species may have fraction = "remainder")'
            )

    @cached_property
    def slots(self) -> list[tuple[str, float | Law]]:
        """Key and number or law of each uniform of stage 0, in the order in which they are consumed."""
        slots: list[tuple[str, Any]] = [("n_particles", self.n_particles)]
        slots += [(name, getattr(self, name)) for name in _SCALARS]
        for species in self.species:
            slots.append((f"species.{species.name}.fraction", species.fraction))
            slots += [
                (f"species.{species.name}.radii.{key}", species.radii[key]) for key in species.radius_keys
            ]
            slots.append((f"species.{species.name}.mean_cluster_size", species.mean_cluster_size))
        if self.coordination is not None:  # last, so that it leaves the other draws as they are
            slots.append(("coordination", self.coordination))
        return [(key, 0.0 if value is None or value == "remainder" else value) for key, value in slots]

    def at(self, uniforms: NDArray[np.float64]) -> dict[str, Any]:
        """Keyword arguments of `AggregateParameters` at a vector of uniforms, one for each slot."""
        u = dict(zip((key for key, _ in self.slots), np.asarray(uniforms, float).tolist(), strict=True))
        values: dict[str, Any] = {name: value_at(getattr(self, name), u[name]) for name in _SCALARS}
        shared = values.pop("mean_cluster_size")
        values["n_particles"] = integer_at(self.n_particles, u["n_particles"])
        values["species"] = [self._species_at(species, u, shared) for species in self.species]
        rest = 1.0 - sum(one["fraction"] for one in values["species"] if one["fraction"] is not None)
        for one in values["species"]:
            one["fraction"] = max(rest, 0.0) if one["fraction"] is None else one["fraction"]
        if self.coordination is not None:
            values["coordination"] = value_at(self.coordination, u["coordination"])
        words = {name: getattr(self, name) for name in ("fractions", "kernel", "growth", "pose")}
        return {**values, **words}

    @staticmethod
    def _species_at(species: SpeciesLaws, u: dict[str, float], shared: float) -> dict[str, Any]:
        prefix = f"species.{species.name}."
        radii: dict[str, Any] = dict(species.radii)
        for key in species.radius_keys:
            radii[key] = value_at(species.radii[key], u[f"{prefix}radii.{key}"])  # type: ignore[arg-type]
        own = species.mean_cluster_size
        return {
            "name": species.name,
            "fraction": None
            if isinstance(species.fraction, str)
            else value_at(species.fraction, u[f"{prefix}fraction"]),
            "radii": radii,
            "mean_cluster_size": shared if own is None else value_at(own, u[f"{prefix}mean_cluster_size"]),
            "cluster_sizes": species.cluster_sizes,
            "density_g_cm3": species.density_g_cm3,
            "phases": dict(species.phases),
        } | {
            key: dict(table)
            for key, table in (("shape", species.shape), ("shapes", species.shapes))
            if table is not None
        }

    def corners(self) -> Iterator[NDArray[np.float64]]:
        """Vectors of uniforms that take every choice to each of its values and every other law to its ends.

        One law at a time, the others in their middle; and the numbers of a species' radius law in all
        combinations of their extremes, because they bound each other (a standard deviation and its mean).
        """
        slots = self.slots
        yield self._uniforms({})
        for key, number in slots:
            yield from (self._uniforms({key: u}) for u in quantiles(number))
        for species in self.species:
            prefix = f"species.{species.name}.radii."
            radii = {key: extremes(number) for key, number in slots if key.startswith(prefix)}
            yield from (
                self._uniforms(dict(zip(radii, u, strict=True))) for u in itertools.product(*radii.values())
            )

    def _uniforms(self, chosen: dict[str, float]) -> NDArray[np.float64]:
        """A vector of uniforms: those chosen by key, one half elsewhere."""
        return np.array([chosen.get(key, 0.5) for key, _ in self.slots])

    def parameters(self, uniforms: NDArray[np.float64]) -> AggregateParameters:
        """Parameters of one aggregate at a vector of uniforms (slot,) in [0, 1)."""
        return AggregateParameters.model_validate(self.at(uniforms))

    @property
    def largest_n(self) -> int:
        """The largest number of particles that a sample can have."""
        return int(bounds(self.n_particles)[1])
