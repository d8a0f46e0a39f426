"""Unit quaternions (x, y, z, w): active rotations, crystal or body frame to laboratory frame."""

from __future__ import annotations

import numpy as np


def random_quaternions(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 4) uniform random rotations: normalised 4D Gaussians."""
    q = rng.standard_normal((n, 4))
    q /= np.sqrt(np.einsum("ij,ij->i", q, q))[:, None]
    return q


def rotation_matrices(quaternions: np.ndarray) -> np.ndarray:
    """(..., 3, 3) matrices of (..., 4) unit quaternions; they act on column vectors."""
    x, y, z, w = np.moveaxis(np.asarray(quaternions, dtype=float), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(..., 4) quaternion of "second, then first" (the Hamilton product first x second)."""
    x1, y1, z1, w1 = np.moveaxis(np.asarray(first, dtype=float), -1, 0)
    x2, y2, z2, w2 = np.moveaxis(np.asarray(second, dtype=float), -1, 0)
    product = [
        w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
        w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
        w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
    ]
    return np.stack(product, axis=-1)
