"""Numba kernels that grow a structure: rounds of merges, each to its intermediate radius of gyration.

The clusters of every round are kept: a merge that fails sends the growth back by a round, not to its start.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import kernel, step
from .merging import (
    FAR,
    FOUND,
    NEAR,
    SPHERE,
    count_links,
    fill_frame,
    find_link,
    link,
    make_scratch,
    place,
    random_below,
    random_direction,
    spin,
)

LINKED = 4  # second clusters up to this size are linked, larger ones spun
TRIALS = 12  # placements tried with one partner at the exact distance
LINK_TRIALS = 5  # the same, for linked clusters
MOVED_TRIALS = 4  # placements tried at each moved distance
PARTNERS = 3  # partners tried before the distance is moved
FINAL_TRIALS = 60  # placements tried for the last merge at the exact distance
STEPS = 60  # moves of the distance before a merge is given up
STEP = 1.05
TOLERANCE = 0.014  # relative deviation of the last merge's radius of gyration
REFUSALS = 25  # contacts refused for the affinity before one is taken as it is
FAILURES = 12  # rounds done again before a structure is given up
STRETCH = 1.03  # change of the intermediate targets after a failed merge


class Law(NamedTuple):
    """Intermediate targets: Rg(m) = gyration (m / mass)^(1 / dimension), stretched below the full mass."""

    gyration: float
    mass: float
    dimension: float


CLUSTER = np.dtype(
    [
        ("begin", np.int64),  # its first sphere
        ("end", np.int64),  # the one after its last
        ("mass", np.float64),  # sum of r³
        ("gyration", np.float64),  # squared radius of gyration
        ("reach", np.float64),  # largest |centre| + radius
    ]
)


class Clusters(NamedTuple):
    """The clusters of all rounds of merges; those of round k have the numbers k n, k n + 1, ...

    A cluster's spheres lie one after the other. Records, since every array costs reference counts at a call.
    """

    number: np.ndarray  # (rounds,) how many clusters a round has
    table: np.ndarray  # (rounds n,) CLUSTER
    spheres: np.ndarray  # (rounds n,) SPHERE
    counts: np.ndarray  # (rounds n, species) particles of each species


@kernel
def make_clusters(n, n_species):
    """Room for all rounds of n particles."""
    rounds = 1
    while 2 ** (rounds - 1) < n:
        rounds += 1
    size = rounds * n
    return Clusters(
        np.zeros(rounds, np.int64), np.empty(size, CLUSTER), np.empty(size, SPHERE),
        np.empty((size, n_species), np.int64),
    )  # fmt: skip


@step
def new_cluster(clusters, round):
    """The next number in a round; its spheres begin where those of the one before end."""
    n = clusters.table.size // clusters.number.size
    k = clusters.number[round]
    new = round * n + k
    begin = clusters.table[new - 1].end if k > 0 else round * n
    clusters.table[new].begin = clusters.table[new].end = begin
    clusters.table[new].reach = 0.0
    clusters.number[round] = k + 1
    return new


@step
def add_sphere(clusters, new, particle, x, y, z, r):
    """Append a sphere to the newest cluster."""
    cluster = clusters.table[new]
    s = clusters.spheres[cluster.end]
    s.x, s.y, s.z, s.r, s.particle = x, y, z, r, particle
    s.arm = np.sqrt(x * x + y * y + z * z)
    cluster.reach = max(cluster.reach, s.arm + r)
    cluster.end += 1


@step
def add_particle(clusters, particle, radius, species):
    """A particle as a cluster of its own in the first round."""
    new = new_cluster(clusters, 0)
    add_sphere(clusters, new, particle, 0.0, 0.0, 0.0, radius)
    clusters.table[new].mass = radius**3
    clusters.table[new].gyration = 0.6 * radius**2
    for s in range(clusters.counts.shape[1]):
        clusters.counts[new, s] = s == species


@step
def add_copy(source, a, clusters, round):
    """Cluster a of `source` once more, in a round of `clusters`."""
    new = new_cluster(clusters, round)
    for k in range(source.table[a].begin, source.table[a].end):
        s = source.spheres[k]
        add_sphere(clusters, new, s.particle, s.x, s.y, s.z, s.r)
    clusters.table[new].mass = source.table[a].mass
    clusters.table[new].gyration = source.table[a].gyration
    for s in range(clusters.counts.shape[1]):
        clusters.counts[new, s] = source.counts[a, s]


@step
def add_union(clusters, a, b, distance, pose, placed, round):
    """Clusters a and b, b's centres as `placed`, as one cluster of a round."""
    new = new_cluster(clusters, round)
    one, other, both = clusters.table[a], clusters.table[b], clusters.table[new]
    both.mass = one.mass + other.mass
    share = other.mass / both.mass
    cx, cy, cz = share * pose[6, 0], share * pose[6, 1], share * pose[6, 2]
    for k in range(one.begin, one.end):
        s = clusters.spheres[k]
        add_sphere(clusters, new, s.particle, s.x - cx, s.y - cy, s.z - cz, s.r)
    for k in range(other.end - other.begin):
        s = clusters.spheres[other.begin + k]
        x, y, z = placed[k, 0] - cx, placed[k, 1] - cy, placed[k, 2] - cz
        add_sphere(clusters, new, s.particle, x, y, z, s.r)
    both.gyration = (1 - share) * (one.gyration + share * distance * distance) + share * other.gyration
    for k in range(clusters.counts.shape[1]):
        clusters.counts[new, k] = clusters.counts[a, k] + clusters.counts[b, k]


@step
def merging_distance(one, other, gyration):
    """Distance of the centres of mass that gives the joint cluster the squared Rg `gyration`; 0 if none.

    m² Rg² = m (m1 Rg1² + m2 Rg2²) + G² m1 m2 (Moran et al. 2019), with the measured Rg1 and Rg2.
    """
    ma, mb = one.mass, other.mass
    mass = ma + mb
    square = mass * (mass * gyration - ma * one.gyration - mb * other.gyration) / (ma * mb)
    return np.sqrt(max(0.0, square))


@step
def target_gyration(mass, law, stretch):
    """Squared target Rg of a cluster: Rg(m) = Rg_final (m / M)^(1/Df), stretched below the full mass M."""
    share = mass / law.mass
    return (law.gyration * share ** (1.0 / law.dimension) * stretch ** (1.0 - share)) ** 2


@step
def accepts(unlike, affinity, rng):
    """Whether a proposed contact is taken: odds of unlike particles times exp(affinity)."""
    if (affinity > 0 and not unlike) or (affinity < 0 and unlike):
        return rng.random() < np.exp(-abs(affinity))
    return True


@step
def unlike_share(counts, a, b):
    """Chance that random particles of clusters a and b differ, from counts (clusters, species)."""
    alike, na, nb = 0.0, 0, 0
    for s in range(counts.shape[1]):
        alike += counts[a, s] * counts[b, s]
        na += counts[a, s]
        nb += counts[b, s]
    return 1.0 - alike / (na * nb)


@step
def draw_partner(counts, a, waiting, n, affinity, rng):
    """Place in `waiting` of a partner for a among the first n, by the expected weight of its contacts."""
    if affinity == 0.0:
        return random_below(n, rng)
    shift = max(0.0, affinity)  # keeps the weights within (0, 1]
    like, unlike = np.exp(-shift), np.exp(affinity - shift)
    total = 0.0
    chosen = n - 1
    for k in range(n):
        share = unlike_share(counts, a, waiting[k])
        weight = (1.0 - share) * like + share * unlike
        total += weight
        if rng.random() * total < weight:
            chosen = k
    return chosen


@kernel
def try_merge(clusters, scratch, a, b, distance, trials, round, species, keep, affinity, rng):
    """Up to `trials` placements of b at one distance from a; returns (outcome, NEAR less FAR)."""
    one, other = clusters.table[a], clusters.table[b]
    first, second = clusters.spheres[one.begin : one.end], clusters.spheres[other.begin : other.end]
    pose, placed = scratch.pose, scratch.placed
    linked, links, farthest = second.size <= LINKED, 0, 0.0
    if linked:
        links, farthest = count_links(first, second, distance, keep)
        if links == 0:
            return (FAR, -trials) if distance > farthest else (NEAR, trials)
    refusals = 0
    if affinity != 0.0 and 0.0 < unlike_share(clusters.counts, a, b) < 1.0:
        refusals = REFUSALS
    balance, k, angle = 0, 0, 0.0
    while k < trials:
        if linked:
            i, j = find_link(first, second, distance, keep, random_below(links, rng))
            outcome = FOUND if link(first, second, i, j, distance, keep, pose, placed, rng) else NEAR
        else:
            outcome, angle, i, j = spin(
                first,
                second,
                other.reach,
                distance,
                keep,
                pose,
                scratch.rings,
                scratch.arcs,
                scratch.ends,
                rng,
            )
        if outcome == FOUND:
            if refusals > 0:
                unlike = species[first[i].particle] != species[second[j].particle]
                if not accepts(unlike, affinity, rng):
                    refusals -= 1
                    continue
            if not linked:
                place(second, pose, angle, placed)
            add_union(clusters, a, b, distance, pose, placed, round)
            return FOUND, balance
        balance += 1 if outcome == NEAR else -1
        k += 1
    return (NEAR if balance > 0 else FAR), balance


@kernel
def adjust(clusters, scratch, a, b, distance, gyration, last, round, species, keep, affinity, rng):
    """Move the distance to where a contact exists; the last merge stays within TOLERANCE of its target."""
    one, other = clusters.table[a], clusters.table[b]
    lower = 0.4 * (np.sqrt(one.gyration) + np.sqrt(other.gyration))
    upper = (one.reach + other.reach) * (1 - 1e-6)
    if last:
        lower = merging_distance(one, other, gyration * (1 - TOLERANCE) ** 2)
        upper = min(upper, merging_distance(one, other, gyration * (1 + TOLERANCE) ** 2))
        if lower > upper:
            return FAR
    outcome = FAR
    for _ in range(STEPS):
        distance = min(max(distance, lower), upper)
        if distance < 1e-9:
            return NEAR
        outcome, balance = try_merge(
            clusters, scratch, a, b, distance, MOVED_TRIALS, round, species, keep, affinity, rng
        )
        if outcome == FOUND:
            return FOUND
        if last and ((balance > 0 and distance >= upper) or (balance <= 0 and distance <= lower)):
            return outcome
        distance *= STEP if balance > 0 else 1 / STEP
    return outcome


@step
def touch(clusters, scratch, a, b, keep, round):
    """Two single particles: one distance, no angle."""
    distance = (clusters.table[a].reach + clusters.table[b].reach) * keep
    for k in range(3):
        scratch.pose[6, k] = scratch.placed[0, k] = distance if k == 2 else 0.0
    add_union(clusters, a, b, distance, scratch.pose, scratch.placed, round)


@kernel
def merge(clusters, scratch, a, b, law, stretch, last, movable, round, species, keep, affinity, rng):
    """Join two clusters into one of a round; the smaller one is moved."""
    one, other = clusters.table[a], clusters.table[b]
    size_a, size_b = one.end - one.begin, other.end - other.begin
    if size_b > size_a:
        a, b = b, a
    if size_a == 1 and size_b == 1:
        touch(clusters, scratch, a, b, keep, round)
        return FOUND
    gyration = target_gyration(one.mass + other.mass, law, stretch)
    distance = merging_distance(one, other, gyration)
    upper = one.reach + other.reach
    outcome = FAR if distance > upper else NEAR
    if 0.0 < distance <= upper:
        trials = FINAL_TRIALS if last else LINK_TRIALS if min(size_a, size_b) <= LINKED else TRIALS
        outcome, _ = try_merge(clusters, scratch, a, b, distance, trials, round, species, keep, affinity, rng)
    if outcome != FOUND and movable:
        outcome = adjust(
            clusters, scratch, a, b, distance, gyration, last, round, species, keep, affinity, rng
        )
    return outcome


@kernel
def pair_up(clusters, scratch, round, law, stretch, strict, species, keep, affinity, rng):
    """Make the next round: every cluster joins a random partner; of an odd number the heaviest waits.

    If a partner offers no contact at the distance asked for, others are tried; with the last one the distance
    may move.
    """
    n = clusters.number[round]
    last = strict and n == 2
    waiting = round * (clusters.table.size // clusters.number.size) + np.arange(n)
    clusters.number[round + 1] = 0
    if n % 2:
        n -= 1
        heaviest = n
        for k in range(n):
            if clusters.table[waiting[k]].mass > clusters.table[waiting[heaviest]].mass:
                heaviest = k
        add_copy(clusters, waiting[heaviest], clusters, round + 1)
        waiting[heaviest] = waiting[n]
    while n > 0:
        mine = random_below(n, rng)
        a, waiting[mine] = waiting[mine], waiting[n - 1]
        k = 0
        for attempt in range(PARTNERS):
            movable = attempt == PARTNERS - 1 or n == 2
            k = draw_partner(clusters.counts, a, waiting, n - 1, affinity, rng)
            outcome = merge(
                clusters, scratch, a, waiting[k], law, stretch, last, movable, round + 1, species, keep,
                affinity, rng,
            )  # fmt: skip
            if outcome == FOUND:
                break
            if movable:
                return outcome
        waiting[k] = waiting[n - 2]
        n -= 2
    return FOUND


@kernel
def join(clusters, scratch, law, strict, species, keep, affinity, rng):
    """Join the clusters of the first round hierarchically; returns (outcome, the whole).

    A failed round takes the growth back by a round, then by more. With `strict` the last merge must meet the
    law within TOLERANCE.
    """
    round, failures, stretch = 0, 0, 1.0
    while clusters.number[round] > 1:
        outcome = pair_up(clusters, scratch, round, law, stretch, strict, species, keep, affinity, rng)
        if outcome == FOUND:
            round += 1
            continue
        failures += 1
        if failures > FAILURES:
            return outcome, -1
        stretch *= STRETCH if outcome == FAR else 1 / STRETCH
        round = max(0, round - 1 - failures // 6)
    return FOUND, round * (clusters.table.size // clusters.number.size)


@kernel
def primary_law(mass, count, law, prefactor):
    """Law of a primary cluster, between its own and that of the whole.

    A cluster that holds most of the mass settles the final Rg; a light one would be squeezed or torn.
    """
    own = (mass / count) ** (1 / 3) * (count / prefactor) ** (1 / law.dimension)
    shared = np.sqrt(target_gyration(mass, law, 1.0))
    share = mass / law.mass
    return Law(own ** (1 - share) * shared**share, mass, law.dimension)


@kernel
def grow(radii, species, sizes, n_species, dimension, prefactor, affinity, overlap, strict, rng):
    """One structure: primary clusters of `sizes` consecutive particles, then all, turned at random.

    Returns (outcome, centres (n, 3), Rg over the Rg asked for, or 0 if a merge failed). Asked for is
    r_v (N / kf)^(1/Df), r_v the volume-equivalent mean radius.
    """
    n = radii.size
    keep = 1.0 - overlap
    centres = np.zeros((n, 3))
    scratch = make_scratch(n)
    mass = np.sum(radii**3)
    gyration = (mass / n) ** (1 / 3) * (n / prefactor) ** (1 / dimension)
    law = Law(gyration, mass, dimension)
    clusters = make_clusters(n, n_species)
    primary = make_clusters(sizes.max(), n_species) if sizes.size < n else clusters
    p = 0
    for size in sizes:
        if size == 1:
            add_particle(clusters, p, radii[p], species[p])
            p += 1
            continue
        primary.number[0] = 0
        for _ in range(size):
            add_particle(primary, p, radii[p], species[p])
            p += 1
        own = primary_law(np.sum(radii[p - size : p] ** 3), size, law, prefactor)
        outcome, whole = join(primary, scratch, own, strict and size == n, species, keep, 0.0, rng)
        if outcome != FOUND:
            return outcome, centres, 0.0
        add_copy(primary, whole, clusters, 0)
    outcome, whole = join(clusters, scratch, law, strict, species, keep, affinity, rng)
    if outcome != FOUND:
        return outcome, centres, 0.0
    turn_out(clusters, whole, centres, scratch, rng)
    return outcome, centres, np.sqrt(clusters.table[whole].gyration) / gyration


@kernel
def turn_out(clusters, whole, centres, scratch, rng):
    """Fill `centres` (n, 3) with those of a cluster, turned at random, in the order of the particles."""
    pose, placed = scratch.pose, scratch.placed
    for row in (0, 3):
        x, y, z = random_direction(rng)
        fill_frame(x, y, z, pose, row)
    pose[6] = 0.0
    spheres = clusters.spheres[clusters.table[whole].begin : clusters.table[whole].end]
    place(spheres, pose, 2.0 * np.pi * rng.random(), placed)
    for k in range(spheres.size):
        for axis in range(3):
            centres[spheres[k].particle, axis] = placed[k, axis]
