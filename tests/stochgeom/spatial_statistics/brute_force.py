"""Spatial statistics of small images by loops over pairs and segments of pixels."""

from __future__ import annotations

import math

import numpy as np


def cross_correlation(a, b, lags_y, lags_x, periodic=True, mask=None, normalise="probability"):
    """Sums over pairs one by one; (ly, lx)."""
    ny, nx = a.shape
    mask = np.ones((ny, nx), bool) if mask is None else mask
    if normalise in ("covariance", "correlation"):
        a, b = a - a[mask].mean(), b - b[mask].mean()
    found = np.full((len(lags_y), len(lags_x)), np.nan)
    for row, dy in enumerate(lags_y):
        for column, dx in enumerate(lags_x):
            total, pairs = 0.0, 0
            for y in range(ny):
                for x in range(nx):
                    y2, x2 = y + dy, x + dx
                    if periodic:
                        y2, x2 = y2 % ny, x2 % nx
                    elif not (0 <= y2 < ny and 0 <= x2 < nx):
                        continue
                    if mask[y, x] and mask[y2, x2]:
                        total += a[y, x] * b[y2, x2]
                        pairs += 1
            if normalise == "count":
                found[row, column] = total
            elif pairs:
                found[row, column] = total / pairs
    if normalise == "correlation":
        found /= a[mask].std() * b[mask].std()
    return found


def lineal_path(values, step, steps, periodic=True, mask=None):
    """Mean products over segments one by one; (steps,)."""
    ny, nx = values.shape
    mask = np.ones((ny, nx), bool) if mask is None else mask
    found = []
    for k in range(steps):
        products = []
        for y in range(ny):
            for x in range(nx):
                points = [(y + i * step[0], x + i * step[1]) for i in range(k + 1)]
                if periodic:
                    points = [(p % ny, q % nx) for p, q in points]
                elif not all(0 <= p < ny and 0 <= q < nx for p, q in points):
                    continue
                if all(mask[p] for p in points):
                    products.append(math.prod(values[p] for p in points))
        found.append(np.mean(products) if products else np.nan)
    return np.array(found)


def clusters(binary, connectivity, periodic):
    """Labels (y, x) by flooding: 1, 2, ... in order of the first pixel, 0 outside."""
    ny, nx = binary.shape
    steps = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    if connectivity == 8:
        steps += [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    labels, count = np.zeros((ny, nx), int), 0
    for start in zip(*np.nonzero(binary), strict=True):
        if labels[start]:
            continue
        count += 1
        labels[start] = count
        front = [start]
        while front:
            y, x = front.pop()
            for dy, dx in steps:
                y2, x2 = y + dy, x + dx
                if periodic:
                    y2, x2 = y2 % ny, x2 % nx
                if 0 <= y2 < ny and 0 <= x2 < nx and binary[y2, x2] and not labels[y2, x2]:
                    labels[y2, x2] = count
                    front.append((y2, x2))
    return labels
