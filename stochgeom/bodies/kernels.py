"""Numba kernels for pairs of convex bodies: where they touch along a line, and aggregates made of them.

All in one file, because numba's cache of a function notices changes of its own file only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ..compiled import fill

PRECISION = 1e-10  # relative; touching bodies are left apart by as much
MOST_STEPS = 400  # portals tried; tens are the rule
ASIDE = np.array((0.61803, -0.41421, 0.73205))  # a direction in which no crystal has edges
STEPS_ASIDE = 4  # rays tried: the one asked for and three beside it
TILTS = 300  # directions tried for a particle that others are in the way of
APART = 1e-9  # relative gap that bodies which are not to touch must keep at least


class Bodies(NamedTuple):
    """n convex bodies about the origin, turned to the laboratory frame, nm.

    An ellipsoid is `forms[k]` times the unit ball; a polytope the hull of vertices[begin[k] : begin[k + 1]],
    of which an ellipsoid has none. circumradii (n,).
    """

    forms: np.ndarray  # (n, 3, 3)
    vertices: np.ndarray  # (v, 3)
    begin: np.ndarray  # (n + 1,)
    circumradii: np.ndarray  # (n,)


@njit(cache=True)
def support(bodies, k, sign, dx, dy, dz):
    """The point (x, y, z) of body k, or of its mirror image (`sign` -1), that is furthest along d."""
    dx, dy, dz = sign * dx, sign * dy, sign * dz
    begin, end = bodies.begin[k], bodies.begin[k + 1]
    if end > begin:
        best, furthest = begin, -np.inf
        for v in range(begin, end):
            along = bodies.vertices[v, 0] * dx + bodies.vertices[v, 1] * dy + bodies.vertices[v, 2] * dz
            if along > furthest:
                best, furthest = v, along
        p = bodies.vertices[best]
        return sign * p[0], sign * p[1], sign * p[2]
    m = bodies.forms[k]
    a = m[0, 0] * dx + m[1, 0] * dy + m[2, 0] * dz
    b = m[0, 1] * dx + m[1, 1] * dy + m[2, 1] * dz
    c = m[0, 2] * dx + m[1, 2] * dy + m[2, 2] * dz
    size = sign / np.sqrt(a * a + b * b + c * c)
    return (
        size * (m[0, 0] * a + m[0, 1] * b + m[0, 2] * c),
        size * (m[1, 0] * a + m[1, 1] * b + m[1, 2] * c),
        size * (m[2, 0] * a + m[2, 1] * b + m[2, 2] * c),
    )


@njit(cache=True)
def _difference(bodies, i, j, d):
    """The point of the Minkowski difference of bodies i and j that is furthest along d (3,)."""
    ax, ay, az = support(bodies, i, 1.0, d[0], d[1], d[2])
    bx, by, bz = support(bodies, j, -1.0, d[0], d[1], d[2])
    return np.array((ax + bx, ay + by, az + bz))


@njit(cache=True)
def _cross(a, b):
    return np.array((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))


@njit(cache=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True)
def touch_distance(bodies, i, j, u):
    """Distance (nm) from the centre of i to that of j, along the unit vector u (3,), at which the two touch.

    Beyond it they are apart. It is where the ray along u leaves the Minkowski difference of the two. The
    distance of a plane that holds the difference is returned, so bodies at it never overlap.
    """
    if i != j and _round(bodies, i) and _round(bodies, j):
        return bodies.circumradii[i] + bodies.circumradii[j]
    a = _difference(bodies, i, j, u)
    high = _dot(a, u)
    normal = _cross(a, u)
    if _dot(normal, normal) <= 1e-24 * high * high:
        return high
    for step in range(STEPS_ASIDE):
        # A ray through an edge or a corner may find no portal; one beside it finds the plane as well.
        ray = u + (1e-9 * 100.0 ** (step - 1) * ASIDE if step > 0 else 0.0 * u)
        distance, converged = _portal_distance(bodies, i, j, u, ray)
        high = min(high, distance)
        if converged:
            break
    return high


@njit(cache=True)
def _portal_distance(bodies, i, j, u, ray):
    """Distance along u of the nearest plane found, and whether the `ray` meets the difference as near.

    The "portal" of three points of the difference that the ray passes is refined until the plane beyond it
    is as near (Snethen 2008, "XenoCollide").
    """
    a, b, c, found = _portal(bodies, i, j, ray)
    high = beyond = np.inf
    for _ in range(MOST_STEPS):
        normal = _cross(b - a, c - a)
        size = np.sqrt(_dot(normal, normal))
        slope = _dot(normal, ray)
        if not found or slope <= 1e-13 * size or size == 0.0:  # no portal, or one of no width
            return high, False
        w = _difference(bodies, i, j, normal)
        if _dot(normal, u) > 0.0:
            high = min(high, _dot(normal, w) / _dot(normal, u))
        beyond = min(beyond, _dot(normal, w) / slope)
        if beyond - _dot(normal, a) / slope <= PRECISION * beyond:
            return high, True
        across = _cross(w, ray)
        if _dot(a, across) <= 0.0 <= _dot(b, across):
            c = w
        elif _dot(b, across) <= 0.0 <= _dot(c, across):
            a = w
        else:
            b = w
    return high, False


@njit(cache=True)
def _round(bodies, k):
    """Whether body k is a sphere."""
    m = bodies.forms[k]
    return bodies.begin[k] == bodies.begin[k + 1] and m[0, 0] == m[1, 1] == m[2, 2] == bodies.circumradii[k]


@njit(cache=True)
def _portal(bodies, i, j, u):
    """Three points of the difference whose triangle the ray along u passes, counter-clockwise about u."""
    a = _difference(bodies, i, j, u)
    b = _difference(bodies, i, j, _cross(a, u))
    normal = _cross(a, b)
    if _dot(normal, u) < 0.0:
        a, b = b, a
        normal = -normal
    c = a
    for _ in range(MOST_STEPS):
        if _dot(normal, normal) == 0.0:
            return a, b, c, False
        c = _difference(bodies, i, j, normal)
        if _dot(_cross(a, c), u) > 0.0:
            b = c
            normal = _cross(a, c)
        elif _dot(_cross(c, b), u) > 0.0:
            a = c
            normal = _cross(c, b)
        else:
            return a, b, c, True
    return a, b, c, False


@njit(cache=True)
def touching(bodies, centres, pairs, factor):
    """(m,) whether the bodies of each pair (m, 2) touch or overlap when both are `factor` times as large."""
    found = np.zeros(len(pairs), np.bool_)
    for k in range(len(pairs)):
        found[k] = separation(bodies, centres, pairs[k, 0], pairs[k, 1]) <= factor
    return found


@njit(cache=True)
def separation(bodies, centres, i, j):
    """Distance of the centres of i and j over that at which the bodies would touch on the same line."""
    apart = centres[j] - centres[i]
    distance = np.sqrt(_dot(apart, apart))
    if distance == 0.0:
        return 0.0
    return distance / touch_distance(bodies, i, j, apart / distance)


@njit(cache=True)
def dress(bodies, spheres, order, parents, rng):
    """Centres (n, 3) of bodies that touch as spheres at `spheres` (n, 3) do, and whether all found a place.

    order (n,): particles from the root of the contact tree on; parents (n,). Each body goes along the line
    that its sphere was on from its parent to where the two touch; what hangs on it moves with it, and its
    turn comes later. Where other bodies are in the way, the line tilts, by and by further.
    """
    centres = np.empty_like(spheres)
    fill(centres[order[0]], spheres[order[0]])
    for step in range(1, len(order)):
        k, p = order[step], parents[order[step]]
        line = spheres[k] - spheres[p]
        line /= np.sqrt(_dot(line, line))
        placed = False
        for trial in range(TILTS):
            u = line + 0.03 * trial * rng.standard_normal(3) if trial > 0 else line
            u = u / np.sqrt(_dot(u, u))
            fill(centres[k], centres[p] + touch_distance(bodies, p, k, u) * u)
            if _is_free(bodies, centres, order[:step], k, p):
                placed = True
                break
        if not placed:
            return centres, False
    return centres, True


@njit(cache=True)
def _is_free(bodies, centres, others, k, parent):
    """Whether body k touches none of the `others` but its parent."""
    for j in others:
        if j == parent:
            continue
        apart = centres[j] - centres[k]
        reach = bodies.circumradii[j] + bodies.circumradii[k]
        if _dot(apart, apart) < reach * reach and separation(bodies, centres, k, j) < 1.0 + APART:
            return False
    return True
