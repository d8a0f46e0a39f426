"""The silhouette along the beam of convex bodies: the union of their projections, which are convex polygons.

Polytopes project to polygons; an ellipse counts as one of 96 corners and of the same area, its perimeter is
0.02 % too large.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from ..compiled import fill
from .kernels import Bodies

ELLIPSE_CORNERS = 96
Polygons = list[np.ndarray]
"""Corners (k, 2) of each, anticlockwise, nm."""


def projected_polygons(bodies: Bodies, centres: np.ndarray) -> Polygons:
    """The projection along z of each body."""
    polygons = []
    for k, centre in enumerate(centres):
        own = bodies.vertices[bodies.begin[k] : bodies.begin[k + 1], :2]
        polygon = own[ConvexHull(own).vertices] if len(own) else _ellipse(bodies.forms[k])
        polygons.append(polygon + centre[:2])
    return polygons


def _ellipse(form: np.ndarray) -> np.ndarray:
    """(ELLIPSE_CORNERS, 2) polygon of the area of the ellipse that `form` (3, 3) times a ball projects to."""
    step = 2 * np.pi / ELLIPSE_CORNERS
    angles = step * np.arange(ELLIPSE_CORNERS)
    circle = np.sqrt(step / np.sin(step)) * np.column_stack((np.cos(angles), np.sin(angles)))
    return circle @ np.linalg.cholesky((form @ form.T)[:2, :2]).T


def outline_of(polygons: Polygons) -> tuple[float, float, np.ndarray]:
    """Area (nm²), perimeter (nm) and second central moments over the area (2, 2) nm² of the union."""
    begin = np.concatenate(([0], np.cumsum([len(one) for one in polygons])))
    segments = exposed_segments(np.concatenate(polygons), begin)
    nodes, weights = np.polynomial.legendre.leggauss(3)  # exact for the polynomials of fourth degree
    first, step = segments[:, :2] - polygons[0].mean(axis=0), segments[:, 2:] - segments[:, :2]
    along = (nodes + 1) / 2
    u, v = (first[:, k, None] + step[:, k, None] * along for k in range(2))
    du, dv = (step[:, k, None] * weights / 2 for k in range(2))
    area, tensor = enclosed(u, v, du, dv)
    return area, float(np.hypot(*step.T).sum()), tensor


def enclosed(u: np.ndarray, v: np.ndarray, du: np.ndarray, dv: np.ndarray) -> tuple[float, np.ndarray]:
    """Area and second central moments (2, 2) over it inside a curve, by Green's theorem.

    u, v: nodes on the curve; du, dv: its steps there, times the weights of the quadrature.
    """
    area = float(np.sum(u * dv - v * du)) / 2
    middle = np.array([np.sum(u**2 * dv), -np.sum(v**2 * du)]) / (2 * area)
    cross = np.sum(u**2 * v * dv) / 2
    moments = np.array([[np.sum(u**3 * dv) / 3, cross], [cross, -np.sum(v**3 * du) / 3]])
    return area, moments / area - np.outer(middle, middle)


def width_of(polygons: Polygons) -> float:
    """Largest distance (nm) between two points of the polygons."""
    points = np.concatenate(polygons)
    return float(pdist(points[ConvexHull(points).vertices]).max())


@njit(cache=True)
def exposed_segments(corners, begin):
    """(m, 4) pieces x0, y0, x1, y1 of the edges of convex polygons that no other polygon covers.

    Polygon i has corners[begin[i] : begin[i + 1]], anticlockwise.
    """
    n = len(begin) - 1
    out, m = np.empty((4 * len(corners) + 4, 4)), 0
    start, stop = np.empty(n), np.empty(n)
    for i in range(n):
        for e in range(begin[i], begin[i + 1]):
            p = corners[e]
            q = corners[e + 1 if e + 1 < begin[i + 1] else begin[i]]
            covers = 0
            for j in range(n):
                if j != i:
                    low, high = _inside(p, q, corners[begin[j] : begin[j + 1]], j < i)
                    if high > low:
                        start[covers], stop[covers] = low, high
                        covers += 1
            reached = 0.0
            for k in np.append(np.argsort(start[:covers]), -1):
                low = 1.0 if k < 0 else start[k]
                if low > reached:
                    if m == len(out):
                        out = np.concatenate((out, np.empty_like(out)))
                    fill(out[m], p + reached * (q - p))
                    fill(out[m, 2:], p + low * (q - p))
                    m += 1
                reached = max(reached, low if k < 0 else stop[k])
    return out[:m]


@njit(cache=True)
def _inside(p, q, polygon, first):
    """The part (low, high) of the way from p to q that lies in a convex polygon; empty if low >= high.

    On an edge that both share it is inside, unless the edges run alike and the polygon is not the `first`.
    """
    low, high = 0.0, 1.0
    dx, dy = q[0] - p[0], q[1] - p[1]
    for e in range(len(polygon)):
        a = polygon[e]
        b = polygon[e + 1 if e + 1 < len(polygon) else 0]
        ex, ey = b[0] - a[0], b[1] - a[1]
        room = ex * (p[1] - a[1]) - ey * (p[0] - a[0])  # inside where room + t slope >= 0
        slope = ex * dy - ey * dx
        size = np.sqrt((ex * ex + ey * ey) * (dx * dx + dy * dy))
        if abs(slope) <= 1e-12 * size:
            near = abs(room) <= 1e-12 * size
            if (room < 0.0 and not near) or (near and not first and ex * dx + ey * dy > 0.0):
                return 1.0, 0.0
        elif slope > 0.0:
            low = max(low, -room / slope)
        else:
            high = min(high, -room / slope)
    return low, high
