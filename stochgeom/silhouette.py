"""The silhouette along the beam, the union of the particles' discs, measured exactly and without pixels."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .aggregate import HeteroAggregate
from .bodies.silhouette import enclosed, outline_of, projected_polygons, width_of
from .compiled import fill
from .shape import gyration_tensor, particle_volumes

NODES = 24  # Gauss-Legendre: arcs of a circle integrate to rounding


def describe_projection(aggregate: HeteroAggregate) -> dict[str, float]:
    """Descriptors of the projection along +z; they depend on the pose. Lengths in nm, area in nm².

    Of the silhouette, the union of the particles' discs, ellipses (as polygons of 96 corners) and polygons:
    projected_area_nm2; projected_perimeter_nm, holes included; projected_circularity = 4 pi A / P²;
    projected_aspect_ratio, of the principal radii of gyration; projected_equivalent_diameter_nm = sqrt(4 A /
    pi); projected_radius_of_gyration_nm, of the area (R / sqrt 2 for a disc); projected_extent_nm, the
    largest distance between two of its points. Of the thickness: projected_mass_radius_of_gyration_nm
    (sqrt(2/5) R for a sphere); mean_thickness_nm = V / A and, per species S, mean_thickness_nm_S = V_S / A.
    """
    x, y = aggregate.centres[:, 0], aggregate.centres[:, 1]
    if aggregate.spherical:
        arcs = exposed_arcs(x, y, aggregate.radii)
        (area, perimeter, tensor), width = (
            _outline(x, y, aggregate.radii, arcs),
            _width(x, y, aggregate.radii),
        )
    else:
        polygons = projected_polygons(aggregate.bodies, aggregate.centres)
        (area, perimeter, tensor), width = outline_of(polygons), width_of(polygons)
    small, large = np.linalg.eigvalsh(tensor)
    volumes = particle_volumes(aggregate)
    row = {
        "projected_area_nm2": area,
        "projected_perimeter_nm": perimeter,
        "projected_circularity": 4 * math.pi * area / perimeter**2,
        "projected_aspect_ratio": math.sqrt(large / small),
        "projected_equivalent_diameter_nm": math.sqrt(4 * area / math.pi),
        "projected_radius_of_gyration_nm": math.sqrt(large + small),
        "projected_extent_nm": width,
        "projected_mass_radius_of_gyration_nm": math.sqrt(np.trace(gyration_tensor(aggregate)[:2, :2])),
        "mean_thickness_nm": volumes.sum() / area,
    }
    for k, name in enumerate(aggregate.species_names):
        row[f"mean_thickness_nm_{name}"] = volumes[aggregate.species == k].sum() / area
    return {name: float(value) for name, value in row.items()}


def _outline(
    x: np.ndarray, y: np.ndarray, radii: np.ndarray, arcs: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Area (nm²), perimeter (nm) and second central moments over the area (2, 2) nm² of a union of discs.

    By Green's theorem, on the arcs (m, 3) of its outline.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    disc, start, stop = arcs[:, 0].astype(np.int64), arcs[:, 1:2], arcs[:, 2:3]
    angles = (start + stop) / 2 + (stop - start) / 2 * nodes
    r = radii[disc][:, None]
    length = (stop - start) / 2 * weights * r  # of the outline, at each node
    u, v = x[disc][:, None] - x.mean() + r * np.cos(angles), y[disc][:, None] - y.mean() + r * np.sin(angles)
    du, dv = -np.sin(angles) * length, np.cos(angles) * length
    area, tensor = enclosed(u, v, du, dv)
    return area, float(length.sum()), tensor


@njit(cache=True)
def exposed_arcs(x, y, radii):
    """(m, 3) disc, start and stop angle of the arcs of circles that no other disc covers, anticlockwise."""
    n = radii.size
    out, m = np.empty((4 * n + 4, 3)), 0
    start, stop = np.empty(2 * n + 1), np.empty(2 * n + 1)
    for i in range(n):
        covers = _covers(x, y, radii, i, start, stop)
        if covers < 0:
            continue
        start[covers], stop[covers] = 2 * np.pi, 2 * np.pi
        order = np.argsort(start[: covers + 1])
        reached = 0.0
        for k in order:
            if start[k] > reached:
                if m == out.shape[0]:
                    grown = np.empty((2 * m, 3))
                    for row in range(m):
                        fill(grown[row], out[row])
                    out = grown
                out[m, 0], out[m, 1], out[m, 2] = i, reached, start[k]
                m += 1
            reached = max(reached, stop[k])
    return out[:m]


@njit(cache=True)
def _covers(x, y, radii, i, start, stop):
    """Arcs of circle i that other discs cover, within 0 to 2 pi; returns their number, -1 if all of it."""
    count = 0
    for j in range(radii.size):
        dx, dy = x[j] - x[i], y[j] - y[i]
        square = dx * dx + dy * dy
        if j == i or square >= (radii[i] + radii[j]) ** 2:
            continue
        if square <= (radii[i] - radii[j]) ** 2:  # one within the other; of two equal discs the first stays
            if radii[i] < radii[j] or (radii[i] == radii[j] and j < i):
                return -1
            continue
        distance = np.sqrt(square)
        cosine = (square + radii[i] ** 2 - radii[j] ** 2) / (2 * distance * radii[i])
        half, middle = np.arccos(min(1.0, max(-1.0, cosine))), np.arctan2(dy, dx)
        low = (middle - half) % (2 * np.pi)
        start[count], stop[count] = low, min(low + 2 * half, 2 * np.pi)
        count += 1
        if low + 2 * half > 2 * np.pi:
            start[count], stop[count] = 0.0, low + 2 * half - 2 * np.pi
            count += 1
    return count


@njit(cache=True)
def _width(x, y, radii):
    """Largest distance between two points of the discs."""
    largest = 2.0 * radii.max()
    for i in range(radii.size):
        for j in range(i):
            largest = max(largest, np.hypot(x[i] - x[j], y[i] - y[j]) + radii[i] + radii[j])
    return largest
