"""What the stochastic model of hetero-aggregates needs: validated, frozen, lengths in nm."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from scipy.special import ndtri

TRUNCATION = 3.0  # radius laws end this many (geometric) standard deviations from their centre
NAME = r"^[A-Za-z0-9][A-Za-z0-9.+\-]*$"
_BELOW = 0.5 * math.erfc(TRUNCATION / math.sqrt(2.0))

Name = Annotated[str, Field(pattern=NAME)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _truncated_normal(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) standard normal numbers, truncated at TRUNCATION on both sides."""
    return ndtri(_BELOW + (1.0 - 2.0 * _BELOW) * rng.random(n))


class LognormalRadii(_Frozen):
    """Lognormal radii: median in nm and geometric standard deviation, truncated at three of these."""

    law: Literal["lognormal"] = "lognormal"
    median_nm: float = Field(gt=0)
    geometric_sd: float = Field(default=1.0, ge=1, le=3)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) float64 radii in nm."""
        return self.median_nm * self.geometric_sd ** _truncated_normal(n, rng)


class NormalRadii(_Frozen):
    """Normal radii: mean and standard deviation in nm, truncated at three of them; positive there."""

    law: Literal["normal"] = "normal"
    mean_nm: float = Field(gt=0)
    sd_nm: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _stays_positive(self) -> NormalRadii:
        if TRUNCATION * self.sd_nm >= self.mean_nm:
            raise ValueError(
                f"sd_nm = {self.sd_nm:g} must be less than a third of mean_nm = {self.mean_nm:g}"
            )
        return self

    @property
    def median_nm(self) -> float:
        return self.mean_nm

    @property
    def geometric_sd(self) -> float:
        """That of the lognormal law with the same coefficient of variation."""
        return math.exp(math.sqrt(math.log1p((self.sd_nm / self.mean_nm) ** 2)))

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) float64 radii in nm."""
        return self.mean_nm + self.sd_nm * _truncated_normal(n, rng)


class ConstantRadii(_Frozen):
    """All particles of one radius (nm)."""

    law: Literal["constant"] = "constant"
    radius_nm: float = Field(gt=0)

    @property
    def median_nm(self) -> float:
        return self.radius_nm

    @property
    def geometric_sd(self) -> float:
        return 1.0

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) float64 radii in nm; takes nothing from `rng`."""
        return np.full(n, self.radius_nm)


RadiusLaw = Annotated[LognormalRadii | NormalRadii | ConstantRadii, Field(discriminator="law")]


class Species(_Frozen):
    """One material of the aggregate.

    `fraction` is its share of the particles by number. `mean_cluster_size` is the mean number of particles of
    its single-species primary clusters, whose sizes follow a geometric law (1: particles join one by one).
    `phases` maps crystal phases to number shares; empty means one phase of the species' name.
    """

    name: Name
    fraction: float = Field(ge=0, le=1)
    radii: RadiusLaw
    mean_cluster_size: float = Field(default=1.0, ge=1)
    phases: dict[Name, float] = Field(default_factory=dict)

    @field_validator("phases")
    @classmethod
    def _shares_sum_to_one(cls, phases: dict[str, float]) -> dict[str, float]:
        if phases and (min(phases.values()) < 0 or abs(sum(phases.values()) - 1) > 1e-6):
            raise ValueError(f"shares of phases must be at least 0 and sum to 1, not {phases}")
        return phases

    @property
    def phase_shares(self) -> dict[str, float]:
        """Phase name -> number share, never empty."""
        return self.phases or {self.name: 1.0}


def _experiment() -> tuple[Species, ...]:
    """TiO2/WO3 aggregates of double-flame spray pyrolysis (Gerken et al., open data; radii fitted there)."""
    return (
        Species(
            name="TiO2",
            fraction=0.57,
            radii=LognormalRadii(median_nm=5.78, geometric_sd=1.42),
            mean_cluster_size=6,
        ),
        Species(
            name="WO3",
            fraction=0.43,
            radii=LognormalRadii(median_nm=6.30, geometric_sd=1.32),
            mean_cluster_size=6,
        ),
    )


class AggregateParameters(_Frozen):
    """Parameters of one hetero-aggregate.

    n_particles
        Number of particles; it and the counts per species come out exactly.
    species
        One or more `Species`; their fractions sum to one.
    fractal_dimension, fractal_prefactor
        Df and kf of N = kf (Rg / r_v)^Df; r_v is the volume-equivalent mean radius of the particles drawn and
        Rg the radius of gyration with masses r³, solid spheres included.
    hetero_affinity
        Natural logarithm of the factor on the odds that a merge of two clusters joins unlike particles; 0
        favours nothing.
    overlap
        Neck coefficient C = (r_i + r_j - d) / (r_i + r_j) of each contact the model makes, 0 to 0.33.
    kernel
        How clusters join: "tunable", to the target radius of gyration.
    pose
        "random": isotropic orientation; "resting": a random stable pose on a film whose normal is z.
    """

    n_particles: int = Field(default=29, ge=1)
    species: tuple[Species, ...] = Field(default_factory=_experiment, min_length=1)
    fractal_dimension: float = Field(default=1.8, ge=1, le=3)
    fractal_prefactor: float = Field(default=1.3, gt=0)
    hetero_affinity: float = Field(default=0.0, ge=-20, le=20)
    overlap: float = Field(default=0.0, ge=0, le=0.33)
    kernel: Literal["tunable"] = "tunable"
    pose: Literal["random", "resting"] = "random"

    @field_validator("species")
    @classmethod
    def _complete(cls, species: tuple[Species, ...]) -> tuple[Species, ...]:
        names = [s.name for s in species]
        if len(set(names)) < len(names):
            raise ValueError(f"names of species must differ: {', '.join(names)}")
        phases = [phase for s in species for phase in s.phase_shares]
        if len(set(phases)) < len(phases):
            raise ValueError(f"names of phases must differ between species: {', '.join(phases)}")
        total = sum(s.fraction for s in species)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"fractions of species must sum to 1, not {total:.6g}")
        return species

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Particles per species by largest remainder, ties to the earlier species; they sum up."""
        quotas = [s.fraction * self.n_particles for s in self.species]
        counts = [math.floor(q + 1e-9) for q in quotas]
        by_remainder = sorted(range(len(quotas)), key=lambda k: (round(counts[k] - quotas[k], 9), k))
        for k in by_remainder[: self.n_particles - sum(counts)]:
            counts[k] += 1
        return tuple(counts)

    @property
    def species_names(self) -> tuple[str, ...]:
        return tuple(s.name for s in self.species)

    @property
    def phase_names(self) -> tuple[str, ...]:
        """The phases of all species, in the order of the species."""
        return tuple(phase for s in self.species for phase in s.phase_shares)

    def columns(self) -> dict[str, float]:
        """The parameters as one row of numbers, by column name; radii in nm."""
        row = {
            "n_particles": float(self.n_particles),
            "fractal_dimension": self.fractal_dimension,
            "fractal_prefactor": self.fractal_prefactor,
            "hetero_affinity": self.hetero_affinity,
            "overlap": self.overlap,
        }
        for s in self.species:
            row[f"fraction_{s.name}"] = s.fraction
            row[f"median_radius_nm_{s.name}"] = s.radii.median_nm
            row[f"geometric_sd_{s.name}"] = s.radii.geometric_sd
            row[f"mean_cluster_size_{s.name}"] = s.mean_cluster_size
        return row
