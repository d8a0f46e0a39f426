"""Stable poses on a flat film: local minima of the height of the centre of mass above the film.

The aggregate rolls from a random orientation: on one sphere, then on two, then on three, over an edge
whenever the centre of mass lies beyond it, until it stands. The height falls with every step, so this ends.
"""

from __future__ import annotations

import numpy as np

from .rotations import random_quaternions, rotation_matrices

_NONE = 1e-12


def support_height(centres: np.ndarray, radii: np.ndarray, normal: np.ndarray) -> float:
    """Height (nm) of the origin above a film under the spheres; `normal` (3,) points up from the film."""
    return float(np.max(radii - centres @ normal))


def resting_pose(centres: np.ndarray, radii: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(4,) unit quaternion that turns an aggregate into a random stable pose on a film whose normal is +z.

    centres (n, 3) and radii (n,) in nm; masses r³. Poses come up as often as a random orientation rolls to
    them.
    """
    return rolled_pose(centres - np.average(centres, axis=0, weights=radii**3), radii, rng)


def rolled_pose(about: np.ndarray, radii: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same for spheres about any centre of mass, the origin; corners are spheres of radius 0."""
    start = rotation_matrices(random_quaternions(1, rng)[0])[2]
    return _shortest_to_z(_roll(about, radii, start))


def _roll(centres: np.ndarray, radii: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(3,) normal of the film at the stable pose reached from `normal`; the origin is the centre of mass."""
    standing = [int(np.argmax(radii - centres @ normal))]
    for _ in range(20 * len(radii) + 100):
        step = _next_roll(centres, standing, normal)
        if step is None:
            break
        standing, middle, along, ahead = step
        furthest = np.arctan2(ahead @ centres[standing[0]], along @ centres[standing[0]])
        angles = _touch_angles(centres, radii, standing, middle, along, ahead)
        touching = int(np.argmin(angles))
        angle = min(float(angles[touching]), float(furthest))
        normal = middle + along * np.cos(angle) + ahead * np.sin(angle)
        normal = normal / np.linalg.norm(normal)
        if angles[touching] >= furthest:
            break
        standing = [*standing, touching]
    return normal


def _next_roll(centres: np.ndarray, standing: list[int], normal: np.ndarray):
    """The spheres to roll on and the circle of normals (middle, along, ahead), or None if it stands."""
    if len(standing) < 3:
        path = _circle(centres, standing, normal)
        return None if path is None else (standing, *path)
    best, steepest = None, 0.0
    for lifted in standing:
        edge = [k for k in standing if k != lifted]
        path = _circle(centres, edge, normal)
        if path is None:
            continue
        ahead = path[2]
        slope = ahead @ centres[edge[0]] / np.linalg.norm(ahead)
        if ahead @ (centres[lifted] - centres[edge[0]]) > 0 and slope > steepest:
            best, steepest = (edge, *path), slope
    return best


def _circle(centres: np.ndarray, standing: list[int], normal: np.ndarray):
    """Circle middle + along cos + ahead sin of normals on which the height falls; None if it cannot."""
    first = centres[standing[0]]
    scale = np.linalg.norm(first) + _NONE
    if len(standing) == 1:
        middle, along = np.zeros(3), normal
        ahead = first - (first @ normal) * normal
        size = np.linalg.norm(ahead)
        if size < 1e-9 * scale:
            return None
        return middle, along, ahead / size
    axis = centres[standing[1]] - first
    axis = axis / np.linalg.norm(axis)
    middle = (axis @ normal) * axis
    along = normal - middle
    ahead = np.cross(axis, along)
    slope = ahead @ first
    if abs(slope) < 1e-9 * scale:
        return None
    return middle, along, ahead * np.sign(slope)


def _touch_angles(centres, radii, standing, middle, along, ahead) -> np.ndarray:
    """(n,) angle at which each sphere reaches the film on the way; inf for those that never do."""
    first = standing[0]
    apart = centres - centres[first]
    level = (radii - radii[first]) - apart @ middle
    on, off = apart @ along, apart @ ahead
    size = np.hypot(on, off)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = level / size
    angles = (np.arctan2(off, on) + np.arccos(np.clip(ratio, -1, 1))) % (2 * np.pi)
    angles[angles > 2 * np.pi - 1e-9] = 0.0
    angles[~(ratio > -1) | (size < 1e-9 * radii)] = np.inf
    angles[standing] = np.inf
    return angles


def _shortest_to_z(normal: np.ndarray) -> np.ndarray:
    """(4,) the shortest rotation that takes the unit vector `normal` to +z."""
    x, y, z = normal
    if 1.0 + z < _NONE:  # half a turn about x
        return np.array([1.0, 0.0, 0.0, 0.0])
    quaternion = np.array([y, -x, 0.0, 1.0 + z])
    return quaternion / np.linalg.norm(quaternion)
