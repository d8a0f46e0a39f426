"""The stochastic model of hetero-aggregates: single-species clusters first, then all clusters join."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .aggregate import HeteroAggregate
from .bodies.dressing import sample_bodies
from .clusters import cluster_sizes
from .collisions import BALLISTIC, DIFFUSION, collide
from .contacts import contact_pairs
from .errors import InfeasibleParametersError
from .feasibility import SMALL, check_feasible, unmet
from .growth import grow
from .merging import FAR, FOUND
from .parameters import AggregateParameters
from .poses import resting_pose
from .restructuring import close_loops
from .rotations import random_quaternions, rotation_matrices

NEAREST = 12  # structures of few particles of which the nearest is taken
SETS = 4  # sets of radii and clusters drawn
CLOSE = 0.015  # relative deviation of Rg that small aggregates try to reach


def sample_aggregate(
    parameters: AggregateParameters, rng: np.random.Generator, crystal_rng: np.random.Generator | None = None
) -> HeteroAggregate:
    """One aggregate, a function of the parameters and the states of the generators alone.

    Stage one divides the exact number of particles of each species into primary clusters with sizes of a
    geometric law (the last one cut to fit), draws the radii and aggregates each cluster. Stage two joins the
    clusters of all species. Both aggregate hierarchically: in rounds, the lightest cluster joins a random
    other one, at the distance of the centres of mass that gives the intermediate target Rg(m) = Rg (m /
    M)^(1/Df) with the measured Rg of both; a spin about a random axis brings them to one exact contact. A
    merge without a contact tries other placements, then other partners, then a changed distance, which later
    merges correct.

    With `hetero_affinity` a, every proposed merge (partner and contact) that joins unlike particles has
    exp(a) times the weight of one that joins like particles: a is the log-odds added to each single merge of
    stage two. What it does to the mixing index of the whole is limited by what is left to join; the primary
    clusters stay as they are.

    The radius of gyration meets the law within 1.5 % from eight particles on. Below, contact leaves little
    freedom (two spheres have one Rg, one sphere ignores the law): the nearest Rg found is accepted. If
    structures fail, radii and clusters are drawn again up to five times; this is rare and concerns sets
    dominated by one large particle.

    Where not all particles are spheres, spheres of their volume are grown, and `bodies.dressing` puts the
    bodies in their places, in contact as the spheres were.

    `rng` draws structure and pose, `crystal_rng` phases and orientations (default: `rng`, afterwards; if not
    all are spheres, before). The centre of mass (masses r³) is at the origin. Raises
    InfeasibleParametersError.
    """
    crystals = crystal_rng if crystal_rng is not None else rng
    if not parameters.spherical:
        return sample_bodies(parameters, _spheres, _phases(parameters, crystals), rng, crystals)
    drawn, centres = _spheres(parameters, rng)
    if parameters.coordination is not None:
        _close_loops(parameters, drawn, centres, rng)
    if parameters.pose == "resting":
        centres = centres @ rotation_matrices(resting_pose(centres, drawn.radii, rng)).T
    return HeteroAggregate.of_own_arrays(
        centres=centres,
        radii=drawn.radii,
        species=drawn.species,
        cluster=drawn.cluster,
        orientations=random_quaternions(len(centres), crystals),
        phase=_phases(parameters, crystals),
        species_names=parameters.species_names,
        phase_names=parameters.phase_names,
    )


def _spheres(parameters: AggregateParameters, rng: np.random.Generator) -> tuple[_Drawn, np.ndarray]:
    """Radii and centres (n, 3) of spheres by the kernel asked for."""
    if parameters.kernel != "tunable":
        return _collision(parameters, rng)
    check_feasible(parameters)
    return _structure(parameters, rng)


@dataclass(frozen=True)
class _Drawn:
    """Particles without places: radii (n,) nm, species (n,); primary clusters are runs of `sizes` (m,)."""

    radii: np.ndarray
    species: np.ndarray
    sizes: np.ndarray

    @property
    def cluster(self) -> np.ndarray:
        """(n,) primary cluster of each particle."""
        return np.arange(len(self.sizes)).repeat(self.sizes)


def _draw(parameters: AggregateParameters, rng: np.random.Generator) -> _Drawn:
    counts, species = parameters.counts, parameters.species
    sizes = [
        cluster_sizes(count, one.mean_cluster_size, one.cluster_sizes, rng)
        for count, one in zip(counts, species, strict=True)
    ]
    radii = [one.radii.sample(count, rng) for count, one in zip(counts, species, strict=True)]
    kinds = np.arange(len(species)).repeat(counts)
    if len(species) == 1:
        return _Drawn(radii[0], kinds, sizes[0])
    return _Drawn(np.concatenate(radii), kinds, np.concatenate(sizes))


def _grow(parameters: AggregateParameters, drawn: _Drawn, strict: bool, rng: np.random.Generator):
    """One structure: (outcome, centres (n, 3) nm, Rg over the one asked for)."""
    return grow(
        drawn.radii,
        drawn.species,
        drawn.sizes,
        len(parameters.species),
        parameters.fractal_dimension,
        parameters.fractal_prefactor,
        parameters.hetero_affinity,
        parameters.overlap,
        strict,
        rng,
    )


def _structure(parameters: AggregateParameters, rng: np.random.Generator) -> tuple[_Drawn, np.ndarray]:
    """Radii and centres (n, 3) that meet the law."""
    if parameters.n_particles < SMALL:
        return _nearest_structure(parameters, rng)
    for _ in range(SETS):
        drawn = _draw(parameters, rng)
        outcome, centres, _ = _grow(parameters, drawn, True, rng)
        if outcome == FOUND:
            return drawn, centres
    _, _, reached = _grow(parameters, drawn, False, rng)
    reason = f"no structure {'so open' if outcome == FAR else 'so compact'} was found"
    law = (parameters.n_particles / parameters.fractal_prefactor) ** (1 / parameters.fractal_dimension)
    raise unmet(parameters, reached * law, reason)


def _nearest_structure(
    parameters: AggregateParameters, rng: np.random.Generator
) -> tuple[_Drawn, np.ndarray]:
    """For few particles: the structure nearest to the law among several."""
    drawn = _draw(parameters, rng)
    best, best_miss = None, math.inf
    for _ in range(NEAREST):
        outcome, centres, reached = _grow(parameters, drawn, False, rng)
        miss = abs(math.log(reached)) if outcome == FOUND else math.inf
        if miss < best_miss:
            best, best_miss = centres, miss
        if best_miss < CLOSE or parameters.n_particles < 3:
            break
    if best is None:
        raise unmet(parameters, 1.0, "no structure was found")
    return drawn, best


def _collision(parameters: AggregateParameters, rng: np.random.Generator) -> tuple[_Drawn, np.ndarray]:
    """Radii and centres (n, 3) of an aggregate whose clusters collide."""
    drawn = _draw(parameters, rng)
    centres = collide(
        drawn.radii,
        drawn.species,
        drawn.cluster,
        len(parameters.species),
        BALLISTIC if parameters.kernel == "ballistic" else DIFFUSION,
        parameters.growth == "particle-cluster",
        parameters.hetero_affinity,
        parameters.overlap,
        rng,
    )
    return drawn, centres


def _close_loops(
    parameters: AggregateParameters, drawn: _Drawn, centres: np.ndarray, rng: np.random.Generator
) -> None:
    """Bend branches of `centres` (n, 3), in place, to the mean coordination asked for."""
    assert parameters.coordination is not None
    n = len(centres)
    wanted = math.ceil(parameters.coordination * n / 2 - 1e-9)
    pairs = contact_pairs(centres, drawn.radii)
    made = close_loops(centres, drawn.radii, pairs, wanted, 1.0, rng)
    centres -= drawn.radii**3 @ centres / (drawn.radii**3).sum()
    if made < wanted:
        reason = f"no branch is free to bend any more ({n} particles)"
        raise InfeasibleParametersError("coordination", parameters.coordination, 2 * made / n, reason)


def _phases(parameters: AggregateParameters, rng: np.random.Generator) -> np.ndarray:
    """(n,) phase of each particle, an index into `phase_names`, drawn by number share within its species."""
    if all(len(species.phases) < 2 for species in parameters.species):
        return np.arange(len(parameters.species)).repeat(parameters.counts)
    uniforms = rng.random(parameters.n_particles)
    phases = np.empty(parameters.n_particles, np.int64)
    particle = phase = 0
    for count, species in zip(parameters.counts, parameters.species, strict=True):
        edges = np.cumsum(list(species.phase_shares.values()))
        own = slice(particle, particle + count)
        phases[own] = phase + np.searchsorted(edges[:-1], uniforms[own], side="right")
        particle, phase = particle + count, phase + len(edges)
    return phases
