"""Beam directions spread evenly over what a crystal's symmetry leaves of the sphere."""

from __future__ import annotations

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

_PLASTIC = 1.32471795724474602596
"""x^3 = x + 1: multiples of 1 / x and 1 / x^2 fill the unit square evenly, however many there are."""


def even_directions(laue: NDArray[np.float64], count: int, seed: SeedSequence) -> NDArray[np.float64]:
    """Unit vectors (count, 3) of the crystal's frame, evenly over an asymmetric part of the sphere.

    laue: (g, 3, 3) Laue group. A larger set begins with the smaller one of the same seed.
    """
    rng = default_rng(seed)
    turn, start = Rotation.random(rng=rng), rng.random(2)
    reference = np.array([0.3, 0.5, 0.81])  # on no symmetry element of a crystal in a usual setting
    images = laue @ (reference / np.linalg.norm(reference))
    # One point in g lies in the part that is nearer to the reference than to its images.
    points = np.arange(round(len(laue) * (count + 10) * 1.2) + 200)
    u, v = ((start[:, None] + np.outer([1 / _PLASTIC, 1 / _PLASTIC**2], points)) % 1.0).tolist()
    z, phi = 1 - 2 * np.array(u), 2 * np.pi * np.array(v)
    flat = np.sqrt(1 - z**2)
    sphere = turn.apply(np.stack([flat * np.cos(phi), flat * np.sin(phi), z], axis=1))
    nearest = (sphere @ images.T).max(axis=1)
    found = sphere[sphere @ reference / np.linalg.norm(reference) >= nearest - 1e-12]
    return found[:count]


def rotation_onto_beam(direction: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation (3, 3) that turns the crystal direction (3,) onto +z, with a random turn about z."""
    onto, _ = Rotation.align_vectors([[0.0, 0.0, 1.0]], [direction])
    return (Rotation.from_rotvec([0, 0, rng.uniform(0, 2 * np.pi)]) * onto).as_matrix()
