"""Connected clusters of a phase and the two-point cluster function."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import fft, ndimage, sparse
from scipy.sparse.csgraph import connected_components

from ..errors import UserError
from .checks import check_normalisation, checked_binary, checked_mask
from .correlations import normalised, pairs_of
from .lags import Cutoff, PixelSize, lag_grid


def label_clusters(phase: np.ndarray, *, connectivity: int = 4, periodic: bool = True) -> np.ndarray:
    """Clusters (y, x) int64 of the connected pixels of a phase (y, x): 1, 2, ... and 0 outside the phase.

    Pixels are connected by sides (4) or by sides and corners (8); in a periodic image also across the border.
    """
    binary = checked_binary(phase)
    if binary.ndim != 2:
        raise UserError(f"phase of shape {binary.shape}: expected one image (y, x)")
    if connectivity not in (4, 8):
        raise UserError(f"connectivity = {connectivity}: 4 (sides) or 8 (sides and corners)")
    labels, count = ndimage.label(binary, ndimage.generate_binary_structure(2, connectivity // 4))
    labels = labels.astype(np.int64)
    if periodic and count > 1:
        shifts = (0,) if connectivity == 4 else (-1, 0, 1)
        ends = [(labels[-1], np.roll(labels[0], s)) for s in shifts]
        ends += [(labels[:, -1], np.roll(labels[:, 0], s)) for s in shifts]
        one, other = (np.concatenate(side) for side in zip(*ends, strict=True))
        met = (one > 0) & (other > 0)
        graph = sparse.coo_array((np.ones(met.sum()), (one[met], other[met])), (count + 1, count + 1))
        joined = connected_components(graph, directed=False)[1]
        # Label 0 meets nothing and comes first, so that it stays 0.
        labels = np.asarray(joined, np.int64)[labels]
    return labels


def two_point_cluster(
    phase: np.ndarray,
    *,
    connectivity: int = 4,
    periodic: bool = True,
    mask: np.ndarray | None = None,
    cutoff: Cutoff = None,
    pixel_size_nm: PixelSize = 1.0,
    normalise: str = "probability",
    centred: bool = True,
) -> np.ndarray:
    """C2(r) (..., ly, lx) float64: the probability that both ends of r lie in one cluster of a phase.

    (Torquato, Beasley, Chiew 1988.) `phase` (..., y, x) holds 0 and 1. C2(0) is the share of the phase, and
    C2 is at most its two-point function. Clusters: `label_clusters`; a mask cuts them. `normalise` is
    "probability" or "count"; the other arguments are those of `cross_correlation`.
    """
    check_normalisation(normalise, ("probability", "count"))
    binary = checked_binary(phase)
    inside = None if mask is None else checked_mask(mask, binary.shape)
    grid = lag_grid(binary.shape[-2:], periodic, cutoff, pixel_size_nm, centred)
    kept = binary if inside is None else binary & inside
    flat = kept.reshape(-1, *binary.shape[-2:])
    sums = np.empty((len(flat), len(grid.y), len(grid.x)))
    for image, out in zip(flat, sums, strict=True):
        labels = label_clusters(image, connectivity=connectivity, periodic=periodic)
        out[...] = _cluster_pairs(labels, grid.fft_shape)[grid.y[:, None], grid.x]
    pairs = None if inside is None else pairs_of(inside, grid)
    sums = sums.reshape(*binary.shape[:-2], len(grid.y), len(grid.x))
    return normalised(sums, grid, pairs, np.ones(()), normalise)


def _cluster_pairs(labels: np.ndarray, fft_shape: tuple[int, int]) -> np.ndarray:
    """Ordered pairs of pixels of one cluster at each lag, in the order of a Fourier transform."""
    sizes = np.bincount(labels.ravel())
    counts = np.zeros(fft_shape, np.int64)
    order = np.argsort(labels, axis=None, kind="stable")[sizes[0] :]
    y, x = np.divmod(order, labels.shape[1])
    # A transform of n pixels costs as much as some 4 n log2 n pairs counted one by one.
    small = sizes[1:].astype(float) ** 2 < 4 * counts.size * np.log2(counts.size + 1)
    _count_pairs(y, x, sizes[1:], small, counts)
    power = np.zeros((fft_shape[0], fft_shape[1] // 2 + 1))
    for label in np.flatnonzero(~small) + 1:
        spectrum = fft.rfft2((labels == label).astype(float), fft_shape)
        power += spectrum.real**2 + spectrum.imag**2
    if not small.all():
        counts += np.rint(fft.irfft2(power, fft_shape)).astype(np.int64)
    return counts.astype(float)


@njit(cache=True)
def _count_pairs(y, x, sizes, chosen, counts):
    ny, nx = counts.shape
    begin = 0
    for cluster in range(sizes.size):
        end = begin + sizes[cluster]
        if chosen[cluster]:
            for i in range(begin, end):
                for j in range(begin, end):
                    counts[(y[j] - y[i]) % ny, (x[j] - x[i]) % nx] += 1
        begin = end
