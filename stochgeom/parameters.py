"""What the stochastic model of hetero-aggregates needs: validated, frozen, lengths in nm."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from .bodies.shapes import Shape, SphereShape
from .clusters import SizeLaw
from .radius_laws import Frozen, LognormalRadii, RadiusLaw

NAME = r"^[A-Za-z0-9][A-Za-z0-9.+\-]*$"
Name = Annotated[str, Field(pattern=NAME)]


class Species(Frozen):
    """One material of the aggregate.

    `fraction` is its share of the particles, by number unless `AggregateParameters.fractions` says otherwise.
    `mean_cluster_size` is the mean number of particles of its single-species primary clusters (1: particles
    join one by one), whose sizes follow the law `cluster_sizes`. `phases` maps crystal phases to number
    shares; empty means one phase of the species' name. `density_g_cm3` is needed for fractions by mass only.
    `shape` is that of its particles: spheres, ellipsoids or Wulff shapes, all of the volume-equivalent radii
    that `radii` draws; `shapes` gives single phases another one, as facets belong to one crystal.
    """

    name: Name
    fraction: float = Field(ge=0, le=1)
    radii: RadiusLaw
    mean_cluster_size: float = Field(default=1.0, ge=1)
    cluster_sizes: SizeLaw = "geometric"
    density_g_cm3: float | None = Field(default=None, gt=0)
    phases: dict[Name, float] = Field(default_factory=dict)
    shape: Shape = Field(default_factory=SphereShape)
    shapes: dict[Name, Shape] = Field(default_factory=dict)

    @field_validator("phases")
    @classmethod
    def _shares_sum_to_one(cls, phases: dict[str, float]) -> dict[str, float]:
        if phases and (min(phases.values()) < 0 or abs(sum(phases.values()) - 1) > 1e-6):
            raise ValueError(f"shares of phases must be at least 0 and sum to 1, not {phases}")
        return phases

    @model_validator(mode="after")
    def _shapes_fit_phases(self) -> Species:
        unknown = [name for name in self.shapes if name not in self.phase_shares]
        if unknown:
            accepted = ", ".join(self.phase_shares)
            raise ValueError(f"shapes names no phase of {self.name}: {unknown[0]!r}; accepted: {accepted}")
        left = [phase for phase in self.phase_shares if phase not in self.shapes]
        if self.shape.kind == "wulff" and len(left) > 1:
            raise ValueError(
                f"the facets of shape belong to one crystal, {self.name} has {', '.join(left)}: give each "
                "phase its own in shapes"
            )
        return self

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


class AggregateParameters(Frozen):
    """Parameters of one hetero-aggregate.

    n_particles
        Number of particles; it and the counts per species come out exactly.
    species
        One or more `Species`; their fractions sum to one.
    fractions
        What the species' fractions are shares of: "number", "volume" or "mass". The last two are turned into
        shares by number with the mean r³ of the radius laws (and the densities), so an aggregate's own volume
        fraction scatters about the one asked for, as its radii do.
    fractal_dimension, fractal_prefactor
        Df and kf of N = kf (Rg / r_v)^Df; r_v is the volume-equivalent mean radius of the particles drawn and
        Rg the radius of gyration with masses r³, solid spheres included.
    hetero_affinity
        Natural logarithm of the factor on the odds that a merge of two clusters joins unlike particles; 0
        favours nothing.
    overlap
        Neck coefficient C = (r_i + r_j - d) / (r_i + r_j) of each contact the model makes, 0 to 0.33.
    kernel
        How clusters join: "tunable", to the radius of gyration that Df and kf ask for; "ballistic" (straight
        flights) or "diffusion-limited" (Brownian motion), which let it come out and ignore Df and kf.
    growth
        What joins: "cluster-cluster", clusters of like masses; or "particle-cluster", one (primary cluster)
        after the other joins the growing aggregate, for the kernels that let Rg come out.
    coordination
        Mean number of contacts of a particle, or None for those that aggregation makes, 2 (N - 1) / N. More
        are made by bending branches into loops, as in sintered aggregates; about 3 can be reached. Rg shrinks
        a little: 1 % up to 2.5. Not with an overlap, whose necks bring neighbours into contact by themselves.
    pose
        "random": isotropic orientation; "resting": a random stable pose on a film whose normal is z.
    """

    n_particles: int = Field(default=29, ge=1, le=1_000_000)
    species: tuple[Species, ...] = Field(default_factory=_experiment, min_length=1)
    fractions: Literal["number", "volume", "mass"] = "number"
    fractal_dimension: float = Field(default=1.8, ge=1, le=3)
    fractal_prefactor: float = Field(default=1.3, gt=0)
    hetero_affinity: float = Field(default=0.0, ge=-20, le=20)
    overlap: float = Field(default=0.0, ge=0, le=0.33)
    kernel: Literal["tunable", "ballistic", "diffusion-limited"] = "tunable"
    growth: Literal["cluster-cluster", "particle-cluster"] = "cluster-cluster"
    coordination: float | None = Field(default=None, ge=2, le=6)
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

    @model_validator(mode="after")
    def _loops_without_necks(self) -> AggregateParameters:
        if self.coordination is not None and self.overlap > 0:
            raise ValueError(
                f"coordination with overlap = {self.overlap:g}: necks make contacts of their own; accepted: "
                "one of the two"
            )
        return self

    @model_validator(mode="after")
    def _growth_fits_kernel(self) -> AggregateParameters:
        if self.kernel == "tunable" and self.growth == "particle-cluster":
            # Filippov et al. 2000: such aggregates have the right Rg, but a dense core and a loose rim.
            raise ValueError(
                'growth "particle-cluster" cannot meet a fractal law inside the aggregate; accepted with '
                'kernel "tunable": "cluster-cluster"'
            )
        return self

    @model_validator(mode="after")
    def _densities_known(self) -> AggregateParameters:
        missing = [s.name for s in self.species if s.density_g_cm3 is None]
        if self.fractions == "mass" and missing:
            raise ValueError(f"fractions by mass need density_g_cm3 of {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _necks_and_loops_of_spheres(self) -> AggregateParameters:
        if not self.spherical and self.overlap > 0:
            raise ValueError(
                f"overlap = {self.overlap:g}: necks are for spheres; 0 is accepted with ellipsoids and facets"
            )
        if not self.spherical and self.coordination is not None:
            raise ValueError(
                "coordination: loops are bent of spheres; leave it out with ellipsoids and facets"
            )
        return self

    @cached_property
    def number_fractions(self) -> tuple[float, ...]:
        """Shares of the species by number that give the fractions asked for."""
        if self.fractions == "number":
            return tuple(s.fraction for s in self.species)
        densities = [s.density_g_cm3 if self.fractions == "mass" else 1.0 for s in self.species]
        weights = [
            s.fraction / (density * s.radii.mean_cube_nm3)  # type: ignore[operator]
            for s, density in zip(self.species, densities, strict=True)
        ]
        return tuple(weight / sum(weights) for weight in weights)

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Particles per species by largest remainder, ties to the earlier species; they sum up."""
        quotas = [share * self.n_particles for share in self.number_fractions]
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

    @property
    def phase_shapes(self) -> tuple[Shape, ...]:
        """The shape of each phase's particles, in the order of `phase_names`."""
        return tuple(s.shapes.get(phase, s.shape) for s in self.species for phase in s.phase_shares)

    @cached_property
    def spherical(self) -> bool:
        """Whether all particles are spheres."""
        return all(shape.kind == "sphere" for shape in self.phase_shapes)

    def columns(self) -> dict[str, float]:
        """The parameters as one row of numbers, by column name; radii in nm, fractions by number.

        Df and kf are NaN for kernels that ignore them; `mean_coordination` is there if it was asked for.
        """
        asked = self.kernel == "tunable"
        row = {
            "n_particles": float(self.n_particles),
            "fractal_dimension": self.fractal_dimension if asked else math.nan,
            "fractal_prefactor": self.fractal_prefactor if asked else math.nan,
            "hetero_affinity": self.hetero_affinity,
            "overlap": self.overlap,
        }
        for s, share in zip(self.species, self.number_fractions, strict=True):
            row[f"fraction_{s.name}"] = share
            row[f"median_radius_nm_{s.name}"] = s.radii.median_nm
            row[f"geometric_sd_{s.name}"] = s.radii.geometric_sd
            row[f"mean_cluster_size_{s.name}"] = s.mean_cluster_size
        if self.coordination is not None:
            row["mean_coordination"] = self.coordination
        return row
