"""Loops: branches of an aggregate bend about a particle until they touch another part of it.

Aggregation makes trees, N - 1 contacts for N particles; aggregates that were sintered or that relaxed have
more. A branch that hangs on one particle can roll about that particle's centre without losing a contact; the
first angle at which it touches the rest is exact, and closes a loop.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import fill, kernel
from .merging import random_direction

CANDIDATES = 24  # bends compared for each loop; the one that moves least is made
PATIENCE = 20  # rounds of candidates without one possible bend before giving up


class Bend(NamedTuple):
    """Working arrays of one candidate."""

    inside: np.ndarray  # (n,) particles of the branch
    axis: np.ndarray  # (3,) unit vector
    rho: np.ndarray  # (n,) distance from the axis through the hinge
    z: np.ndarray  # (n,) height along it
    azimuth: np.ndarray  # (n,) angle about it
    stack: np.ndarray  # (n,)


@kernel
def close_loops(centres, radii, contacts, wanted, keep, rng):
    """Bend branches of `centres` (n, 3), in place, until there are `wanted` contacts; returns how many.

    contacts: (m, 2) pairs that touch, at `keep` times the sum of their radii. Of CANDIDATES random branches
    and axes, the bend that moves least (angle times particles) closes the next loop. Fewer contacts than
    wanted are returned when no branch is free to bend.
    """
    n = radii.size
    links = np.empty((max(wanted, len(contacts)), 2), np.int64)
    for k in range(len(contacts)):
        fill(links[k], contacts[k])
    made = len(contacts)
    bend = Bend(
        np.zeros(n, np.bool_), np.empty(3), np.empty(n), np.empty(n), np.empty(n), np.empty(n, np.int64)
    )  # fmt: skip
    best_inside, best_axis = np.zeros(n, np.bool_), np.empty(3)
    rounds = 0
    while made < wanted and rounds < PATIENCE:
        neighbours, begin = _adjacency(n, links, made)
        least, angle, hinge, first, second = np.inf, 0.0, -1, -1, -1
        for _ in range(CANDIDATES):
            h, size = _branch(links, made, neighbours, begin, bend, rng)
            if h < 0:
                continue
            bend.axis[0], bend.axis[1], bend.axis[2] = random_direction(rng)
            _cylindrical(centres, h, bend)
            found, i, j = smallest_turn(radii, h, bend, keep)
            if abs(found) * size < least:
                least, angle, hinge, first, second = abs(found) * size, found, h, i, j
                fill(best_axis, bend.axis)
                fill(best_inside, bend.inside)
        if hinge < 0:
            rounds += 1
            continue
        rounds = 0
        turn(centres, best_inside, hinge, best_axis, angle)
        links[made, 0], links[made, 1] = first, second
        made += 1
    return made


@kernel
def _adjacency(n, links, made):
    """Neighbours of all particles in one array, and where each particle's begin (n + 1,)."""
    begin = np.zeros(n + 1, np.int64)
    for k in range(made):
        begin[links[k, 0] + 1] += 1
        begin[links[k, 1] + 1] += 1
    for particle in range(n):
        begin[particle + 1] += begin[particle]
    neighbours, filled = np.empty(2 * made, np.int64), begin.copy()
    for k in range(made):
        for side in range(2):
            particle = links[k, side]
            neighbours[filled[particle]] = links[k, 1 - side]
            filled[particle] += 1
    return neighbours, begin


@kernel
def _branch(links, made, neighbours, begin, bend, rng):
    """Mark a random branch that hangs on one particle, the hinge, in `bend.inside`; (hinge, particles in it).

    The branch, at most half of the particles, may touch the hinge several times. (-1, 0) if the link that was
    drawn belongs to no branch.
    """
    n = bend.inside.size
    chosen = min(int(rng.random() * 2 * made), 2 * made - 1)
    hinge, start = links[chosen // 2, chosen % 2], links[chosen // 2, 1 - chosen % 2]
    bend.inside[:] = False
    bend.inside[start] = True
    bend.stack[0] = start
    size, top = 1, 1
    while top:
        top -= 1
        p = bend.stack[top]
        for k in range(begin[p], begin[p + 1]):
            q = neighbours[k]
            if q != hinge and not bend.inside[q]:
                bend.inside[q] = True
                bend.stack[top] = q
                top, size = top + 1, size + 1
    if size == n - 1:
        return -1, 0
    if 2 * size > n - 1:
        for k in range(n):
            bend.inside[k] = not bend.inside[k]
        bend.inside[hinge] = False
        size = n - 1 - size
    return hinge, size


@kernel
def _cylindrical(centres, hinge, bend):
    """Cylindrical coordinates of all centres about the axis through the hinge."""
    axis = bend.axis
    u, v = np.zeros(3), np.empty(3)
    u[np.argmin(np.abs(axis))] = 1.0
    u -= (u @ axis) * axis
    u /= np.sqrt(u @ u)
    v[0] = axis[1] * u[2] - axis[2] * u[1]
    v[1] = axis[2] * u[0] - axis[0] * u[2]
    v[2] = axis[0] * u[1] - axis[1] * u[0]
    for k in range(len(centres)):
        x, y, z = (
            centres[k, 0] - centres[hinge, 0],
            centres[k, 1] - centres[hinge, 1],
            centres[k, 2] - centres[hinge, 2],
        )
        along, across = x * u[0] + y * u[1] + z * u[2], x * v[0] + y * v[1] + z * v[2]
        bend.z[k] = x * axis[0] + y * axis[1] + z * axis[2]
        bend.rho[k] = np.sqrt(along * along + across * across)
        bend.azimuth[k] = np.arctan2(across, along)


@kernel
def smallest_turn(radii, hinge, bend, keep):
    """Smallest angle, of either sign, by which the branch turns about the axis until it touches the rest.

    Returns (angle, particle of the branch, particle of the rest); the angle is infinite if it never does.
    Two particles on rings about one axis touch at a cosine of their relative azimuth (law of cosines).
    """
    best, best_i, best_j = np.inf, -1, -1
    for i in range(radii.size):
        if not bend.inside[i]:
            continue
        rho_i, z_i = bend.rho[i], bend.z[i]
        for j in range(radii.size):
            contact = keep * (radii[i] + radii[j])
            rho_j = bend.rho[j]
            square = (z_i - bend.z[j]) ** 2 - contact * contact
            if square + (rho_i - rho_j) ** 2 >= 0.0 or bend.inside[j] or j == hinge:
                continue
            if square + (rho_i + rho_j) ** 2 <= 0.0 or rho_i * rho_j == 0.0:
                continue
            cosine = (square + rho_i * rho_i + rho_j * rho_j) / (2 * rho_i * rho_j)
            half = np.arccos(min(1.0, max(-1.0, cosine)))
            azimuth = (bend.azimuth[i] - bend.azimuth[j]) % (2 * np.pi)
            forwards, backwards = 2 * np.pi - half - azimuth, half - azimuth
            if abs(forwards) < abs(best):
                best, best_i, best_j = forwards, i, j
            if abs(backwards) < abs(best):
                best, best_i, best_j = backwards, i, j
    return best, best_i, best_j


@kernel
def turn(centres, inside, hinge, axis, angle):
    """Turn the particles `inside` by `angle` about `axis` through the hinge, in place (Rodrigues)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    for i in range(len(centres)):
        if inside[i]:
            p = centres[i] - centres[hinge]
            across = np.empty(3)
            across[0] = axis[1] * p[2] - axis[2] * p[1]
            across[1] = axis[2] * p[0] - axis[0] * p[2]
            across[2] = axis[0] * p[1] - axis[1] * p[0]
            turned = cosine * p + sine * across + (1 - cosine) * (axis @ p) * axis
            for k in range(3):
                centres[i, k] = centres[hinge, k] + turned[k]
