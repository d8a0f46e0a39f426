"""Aggregation by collision: clusters fly straight (ballistic) or diffuse until they touch, and stick.

Where the tunable kernel prescribes the radius of gyration, these let it come out. Ensembles of many particles
tend to fractal dimensions of about 1.9 (ballistic) and 1.78 (diffusion-limited) where clusters join clusters;
near 3 (ballistic; Vold 1963) and 2.5 (diffusion-limited; Witten and Sander 1981) where particles join one
cluster. Clusters translate; each keeps a random orientation of its own during a collision. All contacts are
exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import fill, kernel
from .merging import random_direction

BALLISTIC, DIFFUSION = 0, 1
CLOSE = 1e-3  # of the smallest radius: a diffusing cluster this near to contact goes straight to it
LOST = 20.0  # launch radii from which a diffusing cluster starts anew
REFUSALS = 25  # contacts refused for the affinity before one is taken as it is


class Pool(NamedTuple):
    """Clusters as linked lists of particles; centres (n, 3) relative to each cluster's centre of mass."""

    centres: np.ndarray
    radii: np.ndarray
    species: np.ndarray
    follower: np.ndarray  # next particle of the same cluster, -1 at the end
    tail: np.ndarray  # by cluster, named by its first particle
    size: np.ndarray
    mass: np.ndarray  # sum of r³
    reach: np.ndarray  # largest |centre| + radius
    counts: np.ndarray  # (n, species)


class Pair(NamedTuple):
    """The two clusters of a collision, turned, each about its own centre of mass."""

    first: np.ndarray  # (n, 3)
    second: np.ndarray
    first_contact: np.ndarray  # (n,) contact radii: the radii less the asked overlap
    second_contact: np.ndarray
    first_index: np.ndarray  # (n,) particle
    second_index: np.ndarray


@kernel
def collide(radii, species, primary, n_species, motion, one_by_one, affinity, overlap, rng):
    """Centres (n, 3), in units of `radii`, of one aggregate; `primary` (n,) numbers runs of one species.

    Primary clusters form first, then all join: in rounds, the lightest with a random other one, or, with
    `one_by_one`, each in turn with the growing aggregate.
    """
    n = radii.size
    pool = _singles(radii, species, n_species)
    pair = Pair(
        np.empty((n, 3)), np.empty((n, 3)), np.empty(n), np.empty(n),
        np.empty(n, np.int64), np.empty(n, np.int64),
    )  # fmt: skip
    keep = 1.0 - overlap
    roots = np.empty(n, np.int64)
    n_roots, begin = 0, 0
    while begin < n:
        stop = begin + 1
        while stop < n and primary[stop] == primary[begin]:
            stop += 1
        roots[n_roots] = _join(pool, pair, np.arange(begin, stop), motion, one_by_one, 0.0, keep, rng)
        n_roots, begin = n_roots + 1, stop
    root = _join(pool, pair, roots[:n_roots].copy(), motion, one_by_one, affinity, keep, rng)
    _turned(pool, root, pair.first, pair.first_contact, pair.first_index, keep, rng)
    for k in range(n):
        fill(pool.centres[pair.first_index[k]], pair.first[k])
    return pool.centres


@kernel
def _singles(radii, species, n_species):
    n = radii.size
    counts = np.zeros((n, n_species), np.int64)
    for i in range(n):
        counts[i, species[i]] = 1
    return Pool(
        np.zeros((n, 3)), radii, species, np.full(n, -1), np.arange(n), np.ones(n, np.int64), radii**3,
        radii.copy(), counts,
    )  # fmt: skip


@kernel
def _join(pool, pair, members, motion, one_by_one, affinity, keep, rng):
    """Join the clusters `members`; returns the one that is left."""
    n = members.size
    for k in range(n - 1, 0, -1):
        other = min(int(rng.random() * (k + 1)), k)
        members[k], members[other] = members[other], members[k]
    if one_by_one:
        root = members[0]
        for k in range(1, n):
            place = k + _partner(pool, members[k:], root, affinity, rng)
            members[k], members[place] = members[place], members[k]
            root = _merge(pool, pair, root, members[k], motion, affinity, keep, rng)
        return root
    while n > 1:
        fill(members, members[:n][np.argsort(pool.mass[members[:n]], kind="mergesort")])
        joined = np.empty((n + 1) // 2, np.int64)
        made, left = 0, n
        if n % 2:
            joined[0] = members[n - 1]
            made, left = 1, n - 1
        while left:
            place = 1 + _partner(pool, members[1:left], members[0], affinity, rng)
            joined[made] = _merge(pool, pair, members[0], members[place], motion, affinity, keep, rng)
            made += 1
            fill(members[place:], members[place + 1 : left])
            fill(members, members[1 : left - 1])
            left -= 2
        fill(members, joined[:made])
        n = made
    return members[0]


@kernel
def _partner(pool, others, cluster, affinity, rng):
    """Place in `others` of a partner, drawn with the expected weight of its contacts."""
    n = others.size
    if affinity == 0.0:
        return min(int(rng.random() * n), n - 1)
    total, chosen, shift = 0.0, n - 1, max(0.0, affinity)
    for k in range(n):
        share = _unlike_share(pool, cluster, others[k])
        weight = (1.0 - share) * np.exp(-shift) + share * np.exp(affinity - shift)
        total += weight
        if rng.random() * total < weight:
            chosen = k
    return chosen


@kernel
def _unlike_share(pool, a, b):
    """Chance that a random particle of a and one of b are of different species."""
    alike = 0.0
    for s in range(pool.counts.shape[1]):
        alike += pool.counts[a, s] * pool.counts[b, s]
    return 1.0 - alike / (pool.size[a] * pool.size[b])


@kernel
def _merge(pool, pair, a, b, motion, affinity, keep, rng):
    """Collide b with a until a contact is taken; the joint cluster, named by the larger one."""
    if pool.size[b] > pool.size[a]:
        a, b = b, a
    share = _unlike_share(pool, a, b)
    refusals = REFUSALS if affinity != 0.0 and 0.0 < share < 1.0 else 0
    na, nb = pool.size[a], pool.size[b]
    shift = np.empty(3)
    while True:
        _turned(pool, a, pair.first, pair.first_contact, pair.first_index, keep, rng)
        _turned(pool, b, pair.second, pair.second_contact, pair.second_index, keep, rng)
        launch = pool.reach[a] + pool.reach[b]
        if motion == BALLISTIC:
            i, j = _fly(pair, na, nb, launch, shift, rng)
        else:
            i, j = _diffuse(pair, na, nb, launch, shift, rng)
        unlike = pool.species[pair.first_index[i]] != pool.species[pair.second_index[j]]
        favoured = unlike if affinity > 0 else not unlike
        if refusals == 0 or favoured or rng.random() < np.exp(-abs(affinity)):
            break
        refusals -= 1
    _fuse(pool, pair, a, b, shift)
    return a


@kernel
def _turned(pool, cluster, out, contact, index, keep, rng):
    """Centres of a cluster, turned at random (Shoemake 1992), its contact radii and its particles."""
    u, a, b = rng.random(), 2 * np.pi * rng.random(), 2 * np.pi * rng.random()
    x, y = np.sqrt(1 - u) * np.sin(a), np.sqrt(1 - u) * np.cos(a)
    z, w = np.sqrt(u) * np.sin(b), np.sqrt(u) * np.cos(b)
    p, k = cluster, 0
    while p >= 0:
        c = pool.centres[p]
        # v + 2 q x (q x v + w v)
        tx = y * c[2] - z * c[1] + w * c[0]
        ty = z * c[0] - x * c[2] + w * c[1]
        tz = x * c[1] - y * c[0] + w * c[2]
        out[k, 0] = c[0] + 2 * (y * tz - z * ty)
        out[k, 1] = c[1] + 2 * (z * tx - x * tz)
        out[k, 2] = c[2] + 2 * (x * ty - y * tx)
        contact[k], index[k] = keep * pool.radii[p], p
        p, k = pool.follower[p], k + 1


@kernel
def travel(pair, na, nb, shift, direction):
    """How far the second cluster, at `shift` (3,), can go along `direction` until it touches the first.

    Returns (distance, first particle, second particle); infinite if it passes. The roots of
    |d + t u| = contact for every pair of spheres.
    """
    best, best_i, best_j = np.inf, -1, -1
    for j in range(nb):
        bx = pair.second[j, 0] + shift[0]
        by = pair.second[j, 1] + shift[1]
        bz = pair.second[j, 2] + shift[2]
        for i in range(na):
            dx, dy, dz = bx - pair.first[i, 0], by - pair.first[i, 1], bz - pair.first[i, 2]
            along = dx * direction[0] + dy * direction[1] + dz * direction[2]
            if along >= 0.0 or -along > best + pair.first_contact[i] + pair.second_contact[j]:
                continue
            contact = pair.first_contact[i] + pair.second_contact[j]
            aside = dx * dx + dy * dy + dz * dz - along * along
            if aside < contact * contact:
                distance = -along - np.sqrt(contact * contact - aside)
                if distance < best:
                    best, best_i, best_j = distance, i, j
    return max(best, 0.0), best_i, best_j


@kernel
def gap(pair, na, nb, shift):
    """Smallest distance of the surfaces of the two clusters, the second at `shift`; (gap, first, second)."""
    best, best_i, best_j = np.inf, -1, -1
    for j in range(nb):
        bx = pair.second[j, 0] + shift[0]
        by = pair.second[j, 1] + shift[1]
        bz = pair.second[j, 2] + shift[2]
        for i in range(na):
            dx, dy, dz = bx - pair.first[i, 0], by - pair.first[i, 1], bz - pair.first[i, 2]
            limit = best + pair.first_contact[i] + pair.second_contact[j]
            square = dx * dx + dy * dy + dz * dz
            if square < limit * limit:
                best = np.sqrt(square) - pair.first_contact[i] - pair.second_contact[j]
                best_i, best_j = i, j
    return best, best_i, best_j


@kernel
def _fly(pair, na, nb, launch, shift, rng):
    """A straight flight at a random impact parameter, again until it hits; leaves the contact in `shift`."""
    down = np.array([0.0, 0.0, -1.0])
    while True:
        aside, angle = launch * np.sqrt(rng.random()), 2 * np.pi * rng.random()
        shift[0], shift[1], shift[2] = aside * np.cos(angle), aside * np.sin(angle), launch
        distance, i, j = travel(pair, na, nb, shift, down)
        if i >= 0:
            shift[2] -= distance
            return i, j


@kernel
def _diffuse(pair, na, nb, launch, shift, rng):
    """Brownian translation from the launch sphere to first contact; leaves the contact in `shift`.

    Steps as long as the gap, in random directions, are exact for the path's exit from the ball of free
    shifts ("walk on spheres", Muller 1956). Far outside, the gap to the sphere of all contacts will do.
    """
    step, limit = np.empty(3), CLOSE * min(pair.first_contact[:na].min(), pair.second_contact[:nb].min())
    step[0], step[1], step[2] = random_direction(rng)
    fill(shift, launch * step)
    while True:
        far = np.sqrt(shift[0] ** 2 + shift[1] ** 2 + shift[2] ** 2)
        if far > LOST * launch:
            step[0], step[1], step[2] = random_direction(rng)
            fill(shift, launch * step)
            continue
        free, i, j = far - launch, -1, -1
        if free < 0.1 * launch:
            free, i, j = gap(pair, na, nb, shift)
        if i >= 0 and free < limit:
            for axis in range(3):
                step[axis] = pair.first[i, axis] - pair.second[j, axis] - shift[axis]
            fill(step, step / np.sqrt(step[0] ** 2 + step[1] ** 2 + step[2] ** 2))
            distance, i, j = travel(pair, na, nb, shift, step)
            fill(shift, shift + distance * step)
            return i, j
        step[0], step[1], step[2] = random_direction(rng)
        fill(shift, shift + free * step)


@kernel
def _fuse(pool, pair, a, b, shift):
    """Append b, moved by `shift`, to a, both as they are turned; origin to the joint centre of mass."""
    for k in range(pool.size[a]):
        fill(pool.centres[pair.first_index[k]], pair.first[k])
    for k in range(pool.size[b]):
        fill(pool.centres[pair.second_index[k]], pair.second[k] + shift)
    share = pool.mass[b] / (pool.mass[a] + pool.mass[b])
    pool.follower[pool.tail[a]] = b
    pool.tail[a] = pool.tail[b]
    pool.mass[a] += pool.mass[b]
    pool.size[a] += pool.size[b]
    fill(pool.counts[a], pool.counts[a] + pool.counts[b])
    reach, p = 0.0, a
    while p >= 0:
        square = 0.0
        for axis in range(3):
            pool.centres[p, axis] -= share * shift[axis]
            square += pool.centres[p, axis] ** 2
        reach = max(reach, np.sqrt(square) + pool.radii[p])
        p = pool.follower[p]
    pool.reach[a] = reach
