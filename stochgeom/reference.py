"""The kernels again in plain NumPy: slow, short, written another way. Tests compare the two."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from .projection import Field


def contact_pairs(centres: np.ndarray, radii: np.ndarray, tolerance: float) -> np.ndarray:
    """(m, 2) pairs i < j with d_ij <= (r_i + r_j)(1 + tolerance), sorted."""
    touching = cdist(centres, centres) <= (radii[:, None] + radii) * (1 + tolerance)
    return np.argwhere(np.triu(touching, 1))


def same_species_clusters(species: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """(n,) smallest particle index in each particle's component of the contacts between like particles."""
    n = len(species)
    i, j = contacts[species[contacts[:, 0]] == species[contacts[:, 1]]].T
    _, labels = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    _, first = np.unique(labels, return_index=True)
    return first[labels]


def extent(centres: np.ndarray, radii: np.ndarray) -> float:
    """Largest distance between two points of the spheres."""
    return float(np.max(cdist(centres, centres) + radii[:, None] + radii))


def lacey_index(centres: np.ndarray, species: np.ndarray, size: int) -> float:
    """Lacey's index of samples of each particle with its nearest ones, `size` particles in each."""
    samples = species[np.argsort(cdist(centres, centres), axis=1)[:, :size]]
    shares = np.stack([(samples == s).mean(axis=1) for s in range(species.max() + 1)], axis=1)
    whole = np.bincount(species) / len(species)
    variance = np.mean((shares - whole) ** 2, axis=0).sum()
    segregated = whole @ (1 - whole)
    random = segregated / size * (len(species) - size) / (len(species) - 1)
    return float((segregated - variance) / (segregated - random))


def gyration_tensor(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(3, 3) gyration tensor of solid spheres of equal density, from all pairs."""
    share = radii**3 / np.sum(radii**3)
    apart = centres[:, None] - centres
    return np.einsum("i,j,ija,ijb->ab", share, share, apart, apart) / 2 + share @ radii**2 / 5 * np.eye(3)


def sphere_covariance(distance: float, apart: float, first: float, second: float) -> float:
    """Mean over directions of the volume that two spheres share once one is shifted by `distance`.

    Midpoints of 200 000 equal steps in the cosine of the direction.
    """
    cosine = (np.arange(200_000) + 0.5) / 100_000 - 1
    s = np.sqrt(np.maximum(apart**2 + distance**2 + 2 * apart * distance * cosine, 1e-24))
    both, gap = first + second, first - second
    lens = np.pi * (both - s) ** 2 * (s**2 + 2 * s * both - 3 * gap**2) / (12 * s)
    lens = np.where(s <= abs(gap), 4 / 3 * np.pi * min(first, second) ** 3, np.where(s < both, lens, 0.0))
    return float(lens.mean())


def exposed_share(x: np.ndarray, y: np.ndarray, radii: np.ndarray, samples: int = 20_000) -> np.ndarray:
    """(n,) share of each circle that no other disc covers, by trying angles; accurate to 1 / samples."""
    angles = 2 * np.pi * (np.arange(samples) + 0.5) / samples
    shares = []
    for i, r in enumerate(radii):
        px, py = x[i] + r * np.cos(angles), y[i] + r * np.sin(angles)
        others = np.arange(len(radii)) != i
        squares = (px[:, None] - x[others]) ** 2 + (py[:, None] - y[others]) ** 2
        shares.append(np.mean((squares >= radii[others] ** 2).all(axis=1)))
    return np.array(shares)


def chord_lengths_at(centres: np.ndarray, radii: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(p, n) path lengths along z at points (p, 2) x, y: between the surfaces, cut at every radical plane.

    The plane of spheres i and j holds the points of equal power |p - c|² - r²; i keeps those where its own is
    smaller. All pairs that intersect are treated, one after the other.
    """
    square = radii**2 - np.sum((points[:, None, :] - centres[None, :, :2]) ** 2, axis=2)
    half = np.sqrt(np.clip(square, 0, None))
    low, high = centres[:, 2] - half, centres[:, 2] + half
    constant = np.sum(centres**2, axis=1) - radii**2
    for i in range(len(radii)):
        for j in range(len(radii)):
            gap = radii[i] + radii[j] - np.linalg.norm(centres[i] - centres[j])
            if i == j or gap <= 0:
                continue
            slope = 2 * (centres[j, 2] - centres[i, 2])
            rest = constant[j] - constant[i] - 2 * points @ (centres[j] - centres[i])[:2]
            if slope > 0:
                high[:, i] = np.minimum(high[:, i], rest / slope)
            elif slope < 0:
                low[:, i] = np.maximum(low[:, i], rest / slope)
            else:
                high[rest < 0, i] = low[rest < 0, i]
    return np.where(square > 0, np.clip(high - low, 0, None), 0.0)


def chord_images(centres: np.ndarray, radii: np.ndarray, field: Field, oversampling: int = 1) -> np.ndarray:
    """(n, ny, nx) path lengths through each particle, the mean over k x k rays in every pixel."""
    k = oversampling
    within = ((np.arange(k) + 0.5) / k - 0.5) * field.pixel_size_nm
    x = (field.x_nm[:, None] + within).ravel()
    y = (field.y_nm[:, None] + within).ravel()
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    ny, nx = field.shape
    lengths = chord_lengths_at(centres, radii, points).reshape(ny, k, nx, k, len(radii))
    return np.moveaxis(lengths.mean(axis=(1, 3)), -1, 0)


def forbidden_arc(first: np.ndarray, second: np.ndarray, contact: float, samples: int = 200_001) -> float:
    """Half-width of the spin angles about z at which two points (3,) are closer than `contact`.

    -1 if there are none. By trying angles; accurate to pi / samples.
    """
    angles = np.linspace(-np.pi, np.pi, samples)
    turned = np.stack([np.cos(angles) * first[0] - np.sin(angles) * first[1],
                       np.sin(angles) * first[0] + np.cos(angles) * first[1],
                       np.full(samples, first[2])], axis=1)  # fmt: skip
    share = np.mean(np.linalg.norm(turned - second, axis=1)[:-1] < contact)
    return float(np.pi * share) if share > 0 else -1.0


def free_ends(start: np.ndarray, stop: np.ndarray) -> list[tuple[int, int]]:
    """(arc, 0 start or 1 stop) of the arcs' ends that no other arc on the circle covers, sorted."""
    ends = []
    for k in range(len(start)):
        for side, angle in ((0, start[k]), (1, stop[k])):
            inside = (angle - start) % (2 * np.pi) < stop - start
            inside[k] = False
            if not inside.any():
                ends.append((k, side))
    return ends


def radius_of_gyration(centres: np.ndarray, radii: np.ndarray) -> float:
    """Rg of solid spheres of equal density, from all pairs.

    Rg² = sum m_i m_j d_ij² / (2 M²) + sum m_i 3/5 r_i² / M.
    """
    share = radii**3 / np.sum(radii**3)
    return float(np.sqrt(share @ cdist(centres, centres, "sqeuclidean") @ share / 2 + 0.6 * share @ radii**2))


def links(
    first_arms: np.ndarray,
    first_radii: np.ndarray,
    second_arms: np.ndarray,
    second_radii: np.ndarray,
    distance: float,
    keep: float,
) -> np.ndarray:
    """(m, 2) pairs of particles that can touch while the centres of mass are `distance` apart, sorted.

    Four bars (arm, contact, arm, distance) close to a chain if none is longer than the others together.
    """
    found = []
    for i in range(len(first_radii)):
        for j in range(len(second_radii)):
            contact = keep * (first_radii[i] + second_radii[j])
            bars = np.array([first_arms[i], contact, second_arms[j], distance])
            if (2 * bars <= bars.sum()).all():
                found.append((i, j))
    return np.array(found, dtype=int).reshape(-1, 2)
