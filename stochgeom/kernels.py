"""Numba kernels of the aggregate model: cluster-cluster merges at a prescribed distance.

Particles of a cluster form a linked list (`head`, `follower`); their centres are kept relative to the
cluster's centre of mass (masses r³). No fast-math and no threads: the result is a function of the generator's
state alone.
All in one file: numba's cache of a caller does not notice that a callee in another file has changed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

FOUND, FAR, NEAR = (
    0,
    1,
    2,
)  # outcomes of a trial: a contact; the clusters miss each other; they overlap at every angle

TRIALS = 12  # placements tried with one partner at the exact distance
PARTNERS = 3  # partners tried before the distance is moved
FINAL_TRIALS = 120  # placements tried for the last merge at the exact distance
STEPS = 80  # moves of the distance, 3 % each, before a merge is given up
TOLERANCE = 0.014  # relative deviation of the last merge's radius of gyration
REFUSALS = 25  # contacts refused for the affinity before one is taken as it is


class Clusters(NamedTuple):
    """Working arrays of one structure; clusters are named by a particle index."""

    centres: np.ndarray  # (n, 3) relative to the cluster's centre of mass
    radii: np.ndarray  # (n,)
    species: np.ndarray  # (n,)
    head: np.ndarray  # (n,) first particle of each cluster
    tail: np.ndarray  # (n,) its last one
    follower: np.ndarray  # (n,) next particle of the same cluster, -1 at the end
    size: np.ndarray  # (n,) particles
    mass: np.ndarray  # (n,) sum of r³
    gyration: np.ndarray  # (n,) squared radius of gyration
    reach: np.ndarray  # (n,) largest |centre| + radius
    counts: np.ndarray  # (n, species)


class Scratch(NamedTuple):
    """Coordinates of the two clusters of a merge in its own frame, and the forbidden arcs of the spin."""

    first: np.ndarray  # (n, 3)
    second: np.ndarray  # (n, 3)
    nearby: np.ndarray  # (2, n, 2) particles near the other cluster: index, place in the cluster's list
    half_plane: np.ndarray  # (2, n, 2) their distance from the axis and height along it
    start: np.ndarray  # (arcs,)
    stop: np.ndarray  # (arcs,)
    pair: np.ndarray  # (arcs, 2)


@njit(cache=True)
def make_clusters(radii, species, n_species):
    """Every particle a cluster of its own."""
    n = radii.size
    counts = np.zeros((n, n_species), np.int64)
    mass, gyration = np.empty(n), np.empty(n)
    for i in range(n):
        counts[i, species[i]] = 1
        mass[i] = radii[i] ** 3
        gyration[i] = 0.6 * radii[i] ** 2
    return Clusters(
        np.zeros((n, 3)), radii, species, np.arange(n), np.arange(n), np.full(n, -1), np.ones(n, np.int64),
        mass, gyration, radii.copy(), counts,
    )  # fmt: skip


@njit(cache=True)
def make_scratch(n):
    arcs = 64 * n + 64
    return Scratch(
        np.empty((n, 3)), np.empty((n, 3)), np.empty((2, n, 2), np.int64), np.empty((2, n, 2)),
        np.empty(arcs), np.empty(arcs), np.empty((arcs, 2), np.int64),
    )  # fmt: skip


@njit(cache=True)
def random_rotation(rng, matrix):
    """Fill `matrix` (3, 3) with a uniform random rotation (Shoemake 1992)."""
    u = rng.random()
    a, b = 2 * np.pi * rng.random(), 2 * np.pi * rng.random()
    x, y = np.sqrt(1 - u) * np.sin(a), np.sqrt(1 - u) * np.cos(a)
    z, w = np.sqrt(u) * np.sin(b), np.sqrt(u) * np.cos(b)
    matrix[0, 0], matrix[0, 1], matrix[0, 2] = (
        1 - 2 * (y * y + z * z),
        2 * (x * y - z * w),
        2 * (x * z + y * w),
    )
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = (
        2 * (x * y + z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z - x * w),
    )
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = (
        2 * (x * z - y * w),
        2 * (y * z + x * w),
        1 - 2 * (x * x + y * y),
    )


@njit(cache=True)
def place(clusters, cluster, matrix, shift_x, shift_z, out):
    """Rotated and shifted centres of a cluster, in the order of its list."""
    p, k = clusters.head[cluster], 0
    while p >= 0:
        x, y, z = clusters.centres[p, 0], clusters.centres[p, 1], clusters.centres[p, 2]
        out[k, 0] = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + shift_x
        out[k, 1] = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z
        out[k, 2] = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + shift_z
        p, k = clusters.follower[p], k + 1


@njit(cache=True)
def gather_near(clusters, cluster, points, at_rho, at_z, reach, index, half_plane):
    """Particles that can come within `reach` of the ring (at_rho, at_z) about the axis; returns how many."""
    near = 0
    p, k = clusters.head[cluster], 0
    while p >= 0:
        rho = np.sqrt(points[k, 0] ** 2 + points[k, 1] ** 2)
        z = points[k, 2]
        if (rho - at_rho) ** 2 + (z - at_z) ** 2 < (reach + clusters.radii[p]) ** 2:
            index[near, 0], index[near, 1] = p, k
            half_plane[near, 0], half_plane[near, 1] = rho, z
            near += 1
        p, k = clusters.follower[p], k + 1
    return near


@njit(cache=True)
def forbidden_arc(rho_a, z_a, rho_b, z_b, contact):
    """Half-width of the angles at which two particles on rings about one axis are closer than `contact`.

    -1 if there are none, pi if all are. From the law of cosines in cylindrical coordinates.
    """
    gap = (z_a - z_b) ** 2
    if gap + (rho_a - rho_b) ** 2 >= contact * contact:
        return -1.0
    if gap + (rho_a + rho_b) ** 2 <= contact * contact:
        return np.pi
    cosine = (gap + rho_a * rho_a + rho_b * rho_b - contact * contact) / (2.0 * rho_a * rho_b)
    return np.arccos(min(1.0, max(-1.0, cosine)))


@njit(cache=True)
def free_ends(start, stop, n, ends):
    """Ends of the union of n arcs [start, stop) on the circle, start in [0, 2 pi), into rows of `ends`.

    A row is (arc, side), side 0 for its start and 1 for its stop. Returns their number; 0 if the arcs cover
    the circle.
    """
    order = np.argsort(start[:n])
    covered, owner = -np.inf, -1
    for k in range(n):
        if stop[k] - 2 * np.pi > covered:
            covered, owner = stop[k] - 2 * np.pi, k
    found = 0
    for k in order:
        if start[k] > covered:
            ends[found, 0], ends[found, 1] = owner, 1
            ends[found + 1, 0], ends[found + 1, 1] = k, 0
            found += 2
        if stop[k] > covered:
            covered, owner = stop[k], k
    return found


@njit(cache=True)
def collect_arcs(clusters, scratch, near_a, near_b, keep):
    """Put the forbidden arcs of all near pairs into `scratch`.

    Returns their number, or -1 if one covers the circle (or they are more than `scratch` holds).
    """
    n = 0
    for i in range(near_a):
        a, place_a = scratch.nearby[0, i, 0], scratch.nearby[0, i, 1]
        rho_a, z_a, r_a = scratch.half_plane[0, i, 0], scratch.half_plane[0, i, 1], clusters.radii[a]
        for j in range(near_b):
            b = scratch.nearby[1, j, 0]
            rho_b, z_b = scratch.half_plane[1, j, 0], scratch.half_plane[1, j, 1]
            contact = (r_a + clusters.radii[b]) * keep
            if (z_a - z_b) ** 2 + (rho_a - rho_b) ** 2 >= contact * contact:
                continue
            half = forbidden_arc(rho_a, z_a, rho_b, z_b, contact)
            if half >= np.pi or n == scratch.start.size:
                return -1
            pa, pb = scratch.first[place_a], scratch.second[scratch.nearby[1, j, 1]]
            middle = np.arctan2(pb[1], pb[0]) - np.arctan2(pa[1], pa[0])
            begin = (middle - half) % (2 * np.pi)
            scratch.start[n], scratch.stop[n] = begin, begin + 2 * half
            scratch.pair[n, 0], scratch.pair[n, 1] = a, b
            n += 1
    return n


@njit(cache=True)
def spin(clusters, scratch, ends, a, b, distance, keep, rng):
    """One trial: b at `distance` from a in a random direction, both turned at random, a spun to a contact.

    Returns (outcome, angle, particle of a, particle of b); the trial's coordinates stay in `scratch`.
    """
    matrix = np.empty((3, 3))
    random_rotation(rng, matrix)
    place(clusters, a, matrix, 0.0, 0.0, scratch.first)
    random_rotation(rng, matrix)
    cosine = 2 * rng.random() - 1
    rho, z = distance * np.sqrt(1 - cosine * cosine), distance * cosine
    place(clusters, b, matrix, rho, z, scratch.second)
    near_a = gather_near(
        clusters, a, scratch.first, rho, z, clusters.reach[b], scratch.nearby[0], scratch.half_plane[0]
    )
    near_b = gather_near(
        clusters, b, scratch.second, 0.0, 0.0, clusters.reach[a], scratch.nearby[1], scratch.half_plane[1]
    )
    n = collect_arcs(clusters, scratch, near_a, near_b, keep)
    if n == 0:
        return FAR, 0.0, -1, -1
    found = free_ends(scratch.start, scratch.stop, n, ends) if n > 0 else 0
    if found == 0:
        return NEAR, 0.0, -1, -1
    arc, side = ends[min(int(rng.random() * found), found - 1)]
    angle = scratch.stop[arc] if side else scratch.start[arc]
    return FOUND, angle, scratch.pair[arc, 0], scratch.pair[arc, 1]


@njit(cache=True)
def fuse(clusters, scratch, a, b, distance, angle):
    """Make b part of a as placed in `scratch`, a spun by `angle`, and centre the whole on its mass."""
    c, s = np.cos(angle), np.sin(angle)
    p, k = clusters.head[a], 0
    while p >= 0:
        x, y = scratch.first[k, 0], scratch.first[k, 1]
        clusters.centres[p, 0], clusters.centres[p, 1] = c * x - s * y, s * x + c * y
        clusters.centres[p, 2] = scratch.first[k, 2]
        p, k = clusters.follower[p], k + 1
    p, k = clusters.head[b], 0
    while p >= 0:
        for axis in range(3):
            clusters.centres[p, axis] = scratch.second[k, axis]
        p, k = clusters.follower[p], k + 1
    clusters.follower[clusters.tail[a]] = clusters.head[b]
    clusters.tail[a] = clusters.tail[b]
    ma, mb = clusters.mass[a], clusters.mass[b]
    mass = ma + mb
    clusters.gyration[a] = (ma * clusters.gyration[a] + mb * clusters.gyration[b]) / mass + (
        ma * mb * (distance / mass) ** 2
    )
    clusters.mass[a] = mass
    clusters.size[a] += clusters.size[b]
    for s in range(clusters.counts.shape[1]):
        clusters.counts[a, s] += clusters.counts[b, s]
    centre_on_mass(clusters, a)


@njit(cache=True)
def centre_on_mass(clusters, a):
    """Shift a cluster's centre of mass to the origin and measure its reach."""
    x = y = z = reach = 0.0
    p = clusters.head[a]
    while p >= 0:
        share = clusters.radii[p] ** 3 / clusters.mass[a]
        x += share * clusters.centres[p, 0]
        y += share * clusters.centres[p, 1]
        z += share * clusters.centres[p, 2]
        p = clusters.follower[p]
    p = clusters.head[a]
    while p >= 0:
        c = clusters.centres[p]
        c[0] -= x
        c[1] -= y
        c[2] -= z
        reach = max(reach, np.sqrt(c[0] * c[0] + c[1] * c[1] + c[2] * c[2]) + clusters.radii[p])
        p = clusters.follower[p]
    clusters.reach[a] = reach


@njit(cache=True)
def merging_distance(clusters, a, b, gyration):
    """Distance of the centres of mass that gives the joint cluster the squared Rg `gyration`; 0 if none.

    m² Rg² = m (m1 Rg1² + m2 Rg2²) + G² m1 m2 (Moran et al. 2019), with the measured Rg1 and Rg2.
    """
    ma, mb = clusters.mass[a], clusters.mass[b]
    mass = ma + mb
    square = mass * (mass * gyration - ma * clusters.gyration[a] - mb * clusters.gyration[b]) / (ma * mb)
    return np.sqrt(max(0.0, square))


@njit(cache=True)
def accepts(clusters, i, j, affinity, rng):
    """Whether a proposed contact of particles i and j is taken: odds of unlike times exp(affinity)."""
    unlike = clusters.species[i] != clusters.species[j]
    if (affinity > 0 and not unlike) or (affinity < 0 and unlike):
        return rng.random() < np.exp(-abs(affinity))
    return True


@njit(cache=True)
def unlike_share(clusters, a, b):
    """Chance that a random particle of a and one of b are of different species."""
    alike = 0.0
    for s in range(clusters.counts.shape[1]):
        alike += clusters.counts[a, s] * clusters.counts[b, s]
    return 1.0 - alike / (clusters.size[a] * clusters.size[b])


@njit(cache=True)
def try_merge(clusters, scratch, ends, a, b, distance, keep, affinity, trials, rng):
    """Up to `trials` placements at one distance; returns (outcome, net count of NEAR over FAR)."""
    share = unlike_share(clusters, a, b)
    refusals = REFUSALS if 0.0 < share < 1.0 else 0
    balance, k = 0, 0
    while k < trials:
        outcome, angle, i, j = spin(clusters, scratch, ends, a, b, distance, keep, rng)
        if outcome == FOUND:
            if refusals == 0 or accepts(clusters, i, j, affinity, rng):
                fuse(clusters, scratch, a, b, distance, angle)
                return FOUND, balance
            refusals -= 1
            continue
        balance += 1 if outcome == NEAR else -1
        k += 1
    return (NEAR if balance > 0 else FAR), balance


@njit(cache=True)
def touching(clusters, a, b, keep):
    """Largest distance of the centres of mass at which two clusters can touch (exact for two spheres)."""
    if clusters.size[a] == 1 and clusters.size[b] == 1:
        return (clusters.radii[a] + clusters.radii[b]) * keep
    return (clusters.reach[a] + clusters.reach[b]) * (1 - 1e-6)


@njit(cache=True)
def fuse_spheres(clusters, scratch, a, b, keep):
    """Two single particles: one distance, no angle."""
    distance = touching(clusters, a, b, keep)
    for axis in range(3):
        scratch.first[0, axis] = 0.0
        scratch.second[0, axis] = distance if axis == 2 else 0.0
    fuse(clusters, scratch, a, b, distance, 0.0)


@njit(cache=True)
def adjust(clusters, scratch, ends, a, b, distance, keep, affinity, last, gyration, rng):
    """Move the distance to where a contact exists; the last merge stays within TOLERANCE of its target."""
    lower, upper = 0.0, touching(clusters, a, b, keep)
    if last:
        lower = merging_distance(clusters, a, b, gyration * (1 - TOLERANCE) ** 2)
        upper = min(upper, merging_distance(clusters, a, b, gyration * (1 + TOLERANCE) ** 2))
        if lower > upper:
            return FAR
    outcome = FAR
    for _ in range(STEPS):
        distance = min(max(distance, lower), upper)
        if distance < 1e-9:
            return NEAR
        outcome, balance = try_merge(clusters, scratch, ends, a, b, distance, keep, affinity, TRIALS, rng)
        if outcome == FOUND:
            return FOUND
        if last and ((balance > 0 and distance >= upper) or (balance <= 0 and distance <= lower)):
            return outcome
        distance *= 1.03 if balance > 0 else 0.97
    return outcome


@njit(cache=True)
def draw_partner(clusters, waiting, n, a, affinity, rng):
    """Place in `waiting` of a partner for a, drawn with the expected weight of its contacts."""
    if affinity == 0.0:
        return min(int(rng.random() * n), n - 1)
    shift = max(0.0, affinity)  # keeps the weights within (0, 1]
    total = 0.0
    chosen = n - 1
    for k in range(n):
        share = unlike_share(clusters, a, waiting[k])
        weight = (1.0 - share) * np.exp(-shift) + share * np.exp(affinity - shift)
        total += weight
        if rng.random() * total < weight:
            chosen = k
    return chosen


@njit(cache=True)
def merge_pair(clusters, scratch, ends, a, b, law, affinity, keep, last, movable, rng):
    """Join two clusters, the larger one spun; FOUND leaves the result in the first of (outcome, cluster)."""
    if clusters.size[b] > clusters.size[a]:
        a, b = b, a
    if clusters.size[a] == 1:
        fuse_spheres(clusters, scratch, a, b, keep)
        return FOUND, a
    gyration = target_gyration(clusters.mass[a] + clusters.mass[b], law)
    distance = merging_distance(clusters, a, b, gyration)
    upper = touching(clusters, a, b, keep)
    outcome = FAR if distance > upper else NEAR
    if 0.0 < distance <= upper:
        trials = FINAL_TRIALS if last else TRIALS
        outcome, _ = try_merge(clusters, scratch, ends, a, b, distance, keep, affinity, trials, rng)
    if outcome != FOUND and movable:
        if outcome == NEAR and distance <= 0.0:
            distance = 0.2 * upper
        outcome = adjust(clusters, scratch, ends, a, b, distance, keep, affinity, last, gyration, rng)
    return outcome, a


@njit(cache=True)
def target_gyration(mass, law):
    """Squared target Rg of a cluster: Rg(m) = Rg_final (m / M)^(1/Df), stretched below the full mass M."""
    rg_final, mass_final, dimension, stretch = law
    share = mass / mass_final
    return (rg_final * share ** (1.0 / dimension) * stretch ** (1.0 - share)) ** 2


@njit(cache=True)
def shuffle(values, n, rng):
    """Random order of the first n values."""
    for k in range(n - 1, 0, -1):
        other = min(int(rng.random() * (k + 1)), k)
        values[k], values[other] = values[other], values[k]


@njit(cache=True)
def join_lightest(clusters, scratch, ends, waiting, n, law, affinity, keep, last, rng):
    """Join waiting[0] with a random other one of the first n and take both out of `waiting`.

    If a partner offers no contact at the distance asked for, others are tried; with the last one the distance
    may move. Returns (outcome, cluster).
    """
    outcome, place, cluster = FAR, 1, waiting[0]
    for attempt in range(PARTNERS):
        place = 1 + draw_partner(clusters, waiting[1:n], n - 1, waiting[0], affinity, rng)
        movable = attempt == PARTNERS - 1 or n == 2
        outcome, cluster = merge_pair(
            clusters, scratch, ends, waiting[0], waiting[place], law, affinity, keep, last, movable, rng
        )
        if outcome == FOUND or movable:
            break
    for k in range(place, n - 1):
        waiting[k] = waiting[k + 1]
    for k in range(n - 2):
        waiting[k] = waiting[k + 1]
    return outcome, cluster


@njit(cache=True)
def join(clusters, scratch, ends, members, law, affinity, keep, strict, rng):
    """Join the clusters `members`: hierarchically, in rounds, the lightest first, with a random partner.

    Returns (outcome, cluster); with `strict` the last merge must meet the law within TOLERANCE.
    """
    current = members.copy()
    n = current.size
    while n > 1:
        shuffle(current, n, rng)  # so that equal masses come in random order, whatever the species
        waiting = current[:n][np.argsort(clusters.mass[current[:n]])]
        made = 0
        if n % 2:  # the heaviest waits for the next round
            current[0] = waiting[n - 1]
            made = 1
        last = strict and n == 2
        for left in range(n - n % 2, 0, -2):
            outcome, cluster = join_lightest(
                clusters, scratch, ends, waiting, left, law, affinity, keep, last, rng
            )
            if outcome != FOUND:
                return outcome, cluster
            current[made] = cluster
            made += 1
        n = made
    return FOUND, current[0]


@njit(cache=True)
def join_primary(clusters, scratch, ends, begin, stop, law, prefactor, keep, strict, rng):
    """Grow the primary cluster of particles begin to stop, to a law between its own and that of the whole.

    A cluster that holds most of the mass settles the final Rg; a light one would be squeezed or torn.
    """
    mass = clusters.mass[begin:stop].sum()
    count = stop - begin
    own = (mass / count) ** (1 / 3) * (count / prefactor) ** (1 / law[2])
    shared = np.sqrt(target_gyration(mass, law))
    share = mass / law[1]
    own_law = (own ** (1 - share) * shared**share, mass, law[2], 1.0)
    return join(clusters, scratch, ends, np.arange(begin, stop), own_law, 0.0, keep, strict, rng)


@njit(cache=True)
def grow(radii, species, primary, n_species, law, prefactor, affinity, overlap, strict, rng):
    """One structure: primary clusters (equal, consecutive values of `primary`), then all, turned at random.

    `law` is (Rg of the whole, unused, Df, stretch). Returns (outcome, centres (n, 3), Rg or 0 if a merge
    failed).
    """
    n = radii.size
    clusters = make_clusters(radii, species, n_species)
    scratch = make_scratch(n)
    ends = np.empty((2 * scratch.start.size, 2), np.int64)
    keep = 1.0 - overlap
    law = (law[0], clusters.mass.sum(), law[2], law[3])
    roots = np.empty(n, np.int64)
    n_roots, begin = 0, 0
    while begin < n:
        stop = begin + 1
        while stop < n and primary[stop] == primary[begin]:
            stop += 1
        whole = strict and stop - begin == n
        outcome, root = join_primary(clusters, scratch, ends, begin, stop, law, prefactor, keep, whole, rng)
        if outcome != FOUND:
            return outcome, clusters.centres, 0.0
        roots[n_roots] = root
        n_roots, begin = n_roots + 1, stop
    outcome, root = join(clusters, scratch, ends, roots[:n_roots], law, affinity, keep, strict, rng)
    turn = np.empty((3, 3))
    random_rotation(rng, turn)
    place(clusters, root, turn, 0.0, 0.0, scratch.first)
    p, k = clusters.head[root], 0
    while p >= 0:
        for axis in range(3):
            clusters.centres[p, axis] = scratch.first[k, axis]
        p, k = clusters.follower[p], k + 1
    return outcome, clusters.centres, np.sqrt(clusters.gyration[root])
