"""Kernels that bring two clusters into one exact contact at a given distance of their centres of mass.

A cluster is an array of SPHERE records. The first cluster (the larger one) stays where it is; the second is
turned and shifted. Contacts come from closed formulas, without a tolerance:

- `link`, for a small second cluster, takes a pair of particles that can touch at this distance, closes the
  chain centre of mass - particle - particle - centre of mass at random, and turns the second cluster about
  the arm that this leaves free.
- `spin`, for large clusters, puts the second at a random place and spins it about a random axis through its
  centre of mass: each pair of particles forbids an interval of angles, and the ends of the intervals' union
  are the contacts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import kernel, step

# outcomes of a trial: a contact; the clusters miss each other; they overlap
FOUND, FAR, NEAR = 0, 1, 2
FEW = 40  # up to so many arcs are sorted by plain insertion


SPHERE = np.dtype(
    [
        ("x", np.float64),  # relative to the cluster's centre of mass
        ("y", np.float64),
        ("z", np.float64),
        ("r", np.float64),
        ("arm", np.float64),  # distance from the cluster's centre of mass
        ("particle", np.int64),  # index in the structure
    ]
)
RING = np.dtype(
    [("rho", np.float64), ("z", np.float64), ("phi", np.float64), ("r", np.float64), ("k", np.int64)]
)
ARC = np.dtype([("start", np.float64), ("stop", np.float64), ("i", np.int64), ("j", np.int64)])


class Scratch(NamedTuple):
    """Working arrays of one merge (few: each costs reference counts at every call)."""

    pose: (
        np.ndarray
    )  # (7, 3) frames of the first and second cluster (two normals, axis); where the second goes
    placed: np.ndarray  # (n, 3) the second cluster's centres, turned and shifted
    rings: np.ndarray  # (2 n,) RING: nearby particles of the first, then of the second
    arcs: np.ndarray  # (arcs,) ARC: forbidden angles of the spin
    ends: np.ndarray  # (arcs, 2) free ends: arc that stops, arc that starts


@kernel
def make_scratch(n):
    arcs = 24 * n + 64
    return Scratch(
        np.empty((7, 3)), np.empty((n, 3)), np.empty(2 * n, RING), np.empty(arcs, ARC),
        np.empty((arcs, 2), np.int64),
    )  # fmt: skip


@step
def random_below(n, rng):
    """Uniform integer in [0, n)."""
    return min(int(rng.random() * n), n - 1)


@step
def random_direction(rng):
    """Uniform random unit vector (x, y, z)."""
    z = 2.0 * rng.random() - 1.0
    angle = 2.0 * np.pi * rng.random()
    rho = np.sqrt(1.0 - z * z)
    return rho * np.cos(angle), rho * np.sin(angle), z


@step
def fill_frame(x, y, z, pose, row):
    """Three rows of `pose`: two normals of the unit vector (x, y, z) and the vector (Duff et al. 2017)."""
    sign = 1.0 if z >= 0.0 else -1.0
    a = -1.0 / (sign + z)
    b = x * y * a
    pose[row, 0], pose[row, 1], pose[row, 2] = 1.0 + sign * x * x * a, sign * b, -sign * x
    pose[row + 1, 0], pose[row + 1, 1], pose[row + 1, 2] = b, sign + y * y * a, -y
    pose[row + 2, 0], pose[row + 2, 1], pose[row + 2, 2] = x, y, z


@step
def off_axis(pose, cosine, angle):
    """Unit vector at an angle (its cosine) from the axis of the first frame, at an azimuth."""
    sine = np.sqrt(max(0.0, 1.0 - cosine * cosine))
    c, s = sine * np.cos(angle), sine * np.sin(angle)
    return (
        c * pose[0, 0] + s * pose[1, 0] + cosine * pose[2, 0],
        c * pose[0, 1] + s * pose[1, 1] + cosine * pose[2, 1],
        c * pose[0, 2] + s * pose[1, 2] + cosine * pose[2, 2],
    )


@step
def place(second, pose, angle, placed):
    """Centres (n, 3) after turning the second frame onto the first, spun by `angle`, and shifting."""
    c, s = np.cos(angle), np.sin(angle)
    for p in range(second.size):
        x, y, z = second[p].x, second[p].y, second[p].z
        u = pose[3, 0] * x + pose[3, 1] * y + pose[3, 2] * z
        v = pose[4, 0] * x + pose[4, 1] * y + pose[4, 2] * z
        w = pose[5, 0] * x + pose[5, 1] * y + pose[5, 2] * z
        u, v = c * u - s * v, s * u + c * v
        placed[p, 0] = u * pose[0, 0] + v * pose[1, 0] + w * pose[2, 0] + pose[6, 0]
        placed[p, 1] = u * pose[0, 1] + v * pose[1, 1] + w * pose[2, 1] + pose[6, 1]
        placed[p, 2] = u * pose[0, 2] + v * pose[1, 2] + w * pose[2, 2] + pose[6, 2]


@step
def chain(arm, contact, other, distance):
    """Range of the distance from the first centre of mass to the second particle of a contact.

    `arm` and `other` are the distances of the two particles from their own centres of mass, `distance` is
    that of the centres of mass. Empty (low > high) if the chain cannot be closed.
    """
    return max(abs(arm - contact), abs(distance - other)), min(arm + contact, distance + other)


@step
def count_links(first, second, distance, keep):
    """Pairs of particles that can touch at this distance: their number, and the largest distance of any."""
    count, farthest = 0, 0.0
    for i in range(first.size):
        for j in range(second.size):
            contact = (first[i].r + second[j].r) * keep
            low, high = chain(first[i].arm, contact, second[j].arm, distance)
            count += low <= high
            farthest = max(farthest, first[i].arm + contact + second[j].arm)
    return count, farthest


@step
def find_link(first, second, distance, keep, wanted):
    """The pair number `wanted` of those that `count_links` counts."""
    for i in range(first.size):
        for j in range(second.size):
            contact = (first[i].r + second[j].r) * keep
            low, high = chain(first[i].arm, contact, second[j].arm, distance)
            if low <= high:
                if wanted == 0:
                    return i, j
                wanted -= 1
    return -1, -1


@step
def overlaps(first, second, placed, keep, i, j):
    """Whether any pair of particles but (i, j), which touches, is closer than a contact."""
    for q in range(second.size):
        x, y, z, r = placed[q, 0], placed[q, 1], placed[q, 2], second[q].r
        for p in range(first.size):
            dx, dy, dz = first[p].x - x, first[p].y - y, first[p].z - z
            contact = (first[p].r + r) * keep
            if dx * dx + dy * dy + dz * dz < contact * contact and not (p == i and q == j):
                return True
    return False


@kernel
def link(first, second, i, j, distance, keep, pose, placed, rng):
    """Place the second cluster at `distance`, its particle j in contact with i; whether nothing overlaps."""
    a, b, contact = first[i].arm, second[j].arm, (first[i].r + second[j].r) * keep
    low, high = chain(a, contact, b, distance)
    s = np.sqrt(low * low + (high * high - low * low) * rng.random())
    if a > 0.0:  # where particle j goes: at s from the first centre of mass
        fill_frame(first[i].x / a, first[i].y / a, first[i].z / a, pose, 0)
        cosine = (a * a + s * s - contact * contact) / (2.0 * a * s)
        x, y, z = off_axis(pose, min(1.0, max(-1.0, cosine)), 2.0 * np.pi * rng.random())
    else:
        x, y, z = random_direction(rng)
    fill_frame(x, y, z, pose, 0)
    cosine = (s * s + distance * distance - b * b) / (2.0 * s * distance)
    cx, cy, cz = off_axis(pose, min(1.0, max(-1.0, cosine)), 2.0 * np.pi * rng.random())
    pose[6, 0], pose[6, 1], pose[6, 2] = cx * distance, cy * distance, cz * distance
    x, y, z = x * s, y * s, z * s
    ax, ay, az = x - pose[6, 0], y - pose[6, 1], z - pose[6, 2]
    arm = np.sqrt(ax * ax + ay * ay + az * az)  # b but for rounding, which is large in a short arm
    if b > 0.0 and arm > 0.0:
        fill_frame(ax / arm, ay / arm, az / arm, pose, 0)
        fill_frame(second[j].x / b, second[j].y / b, second[j].z / b, pose, 3)
    else:
        fill_frame(0.0, 0.0, 1.0, pose, 3)
    for k in range(3):  # so that the contact is exact, and the distance correct to rounding
        pose[6, k] += (arm - b) * pose[2, k]
    place(second, pose, 2.0 * np.pi * rng.random(), placed)
    return not overlaps(first, second, placed, keep, i, j)


@step
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


@kernel
def sort_arcs(arcs, n):
    """Order the first n arcs by their starts: by insertion, of many first those far apart (Shell 1959)."""
    apart = 1
    while n > FEW and apart < n // 9:
        apart = 3 * apart + 1
    while apart > 0:
        for k in range(apart, n):
            start, stop, i, j = arcs[k].start, arcs[k].stop, arcs[k].i, arcs[k].j
            m = k
            while m >= apart and arcs[m - apart].start > start:
                other = arcs[m - apart]
                move_arc(arcs, m, other.start, other.stop, other.i, other.j)
                m -= apart
            move_arc(arcs, m, start, stop, i, j)
        apart //= 3


@step
def move_arc(arcs, k, start, stop, i, j):
    arcs[k].start, arcs[k].stop, arcs[k].i, arcs[k].j = start, stop, i, j


@kernel
def free_gaps(arcs, n, ends):
    """Gaps between the n arcs [start, stop) on the circle, start in [0, 2 pi); sorts the arcs.

    A row of `ends` names the arc that stops where the gap begins, and the one that starts where it ends.
    Returns the number of gaps; 0 if the arcs cover the circle.
    """
    sort_arcs(arcs, n)
    covered, owner = -np.inf, -1
    for k in range(n):
        if arcs[k].stop - 2 * np.pi > covered:
            covered, owner = arcs[k].stop - 2 * np.pi, k
    found = 0
    for k in range(n):
        if arcs[k].start > covered:
            ends[found, 0], ends[found, 1] = owner, k
            found += 1
        if arcs[k].stop > covered:
            covered, owner = arcs[k].stop, k
    return found


@step
def put_on_ring(x, y, z, r, k, pose, row, rings, at):
    """Cylindrical coordinates of a point (x, y, z) about a frame's axis."""
    u = pose[row, 0] * x + pose[row, 1] * y + pose[row, 2] * z
    v = pose[row + 1, 0] * x + pose[row + 1, 1] * y + pose[row + 1, 2] * z
    rings[at].rho = np.sqrt(u * u + v * v)
    rings[at].z = pose[row + 2, 0] * x + pose[row + 2, 1] * y + pose[row + 2, 2] * z
    rings[at].phi = np.arctan2(v, u)
    rings[at].r, rings[at].k = r, k


@step
def gather_first(first, reach, pose, rings):
    """Rings of the first cluster's particles within `reach` of the second's centre of mass.

    Returns their number and the distance to the nearest surface.
    """
    near, nearest = 0, np.inf
    for p in range(first.size):
        x, y, z, r = first[p].x - pose[6, 0], first[p].y - pose[6, 1], first[p].z - pose[6, 2], first[p].r
        square = x * x + y * y + z * z
        if square < (reach + r) ** 2:
            put_on_ring(x, y, z, r, p, pose, 0, rings, near)
            nearest = min(nearest, np.sqrt(square) - r)
            near += 1
    return near, nearest


@step
def gather_second(second, nearest, pose, rings, begin):
    """Rings of the second cluster's particles that get as far as `nearest`; returns where they end."""
    for p in range(second.size):
        if second[p].arm + second[p].r > nearest:
            put_on_ring(second[p].x, second[p].y, second[p].z, second[p].r, p, pose, 3, rings, begin)
            begin += 1
    return begin


@step
def collect_arcs(rings, border, end, keep, arcs):
    """Forbidden arcs of all pairs of rings before and from `border` on.

    Returns their number, or -1 if one covers the circle (or they are more than `arcs` holds).
    """
    n = 0
    for i in range(border):
        rho_a, z_a, phi_a, r_a = rings[i].rho, rings[i].z, rings[i].phi, rings[i].r
        for j in range(border, end):
            rho_b, z_b = rings[j].rho, rings[j].z
            contact = (r_a + rings[j].r) * keep
            if (z_a - z_b) ** 2 + (rho_a - rho_b) ** 2 >= contact * contact:
                continue
            half = forbidden_arc(rho_a, z_a, rho_b, z_b, contact)
            if half >= np.pi or n == arcs.size:
                return -1
            begin = phi_a - rings[j].phi - half
            begin -= 2.0 * np.pi * np.floor(begin / (2.0 * np.pi))
            move_arc(arcs, n, begin, begin + 2.0 * half, rings[i].k, rings[j].k)
            n += 1
    return n


@kernel
def spin(first, second, reach, distance, keep, pose, rings, arcs, ends, rng):
    """One trial: the second cluster at `distance` in a random direction, spun about a random axis to contact.

    Returns (outcome, angle, particle of the first, particle of the second).
    """
    x, y, z = random_direction(rng)
    pose[6, 0], pose[6, 1], pose[6, 2] = x * distance, y * distance, z * distance
    x, y, z = random_direction(rng)
    fill_frame(x, y, z, pose, 0)
    border, nearest = gather_first(first, reach, pose, rings)
    if border == 0:
        return FAR, 0.0, -1, -1
    x, y, z = random_direction(rng)
    fill_frame(x, y, z, pose, 3)
    end = gather_second(second, nearest, pose, rings, border)
    n = collect_arcs(rings, border, end, keep, arcs)
    if n == 0:
        return FAR, 0.0, -1, -1
    found = free_gaps(arcs, n, ends) if n > 0 else 0
    if found == 0:
        return NEAR, 0.0, -1, -1
    chosen = random_below(2 * found, rng)
    arc = ends[chosen // 2, chosen % 2]
    angle = arcs[arc].start if chosen % 2 else arcs[arc].stop
    return FOUND, angle, arcs[arc].i, arcs[arc].j
