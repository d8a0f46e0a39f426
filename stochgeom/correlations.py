"""Correlations over distance: of the volume of the species, of their pairs, and of the labels.

Distances of ensembles are in units of r_v, the volume-equivalent mean radius of each aggregate, so that
aggregates of different particles compare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from .aggregate import HeteroAggregate
from .errors import UserError
from .mixing import random_hetero_fraction


@dataclass(frozen=True, eq=False)
class Curve:
    """A function of distance: distance (b,), value (b,), and the standard error (b,) of the mean.

    The error comes from the scatter between aggregates and is NaN for a single one.
    """

    distance: np.ndarray
    value: np.ndarray
    standard_error: np.ndarray


def volume_radius(aggregate: HeteroAggregate) -> float:
    """r_v = (mean r³)^(1/3) in nm."""
    return float(np.mean(aggregate.radii**3) ** (1 / 3))


def species_covariance(aggregate: HeteroAggregate, distances_nm: np.ndarray) -> np.ndarray:
    """(k, k, b) nm³: C_st(r), the volume of the points in species s whose partner at distance r lies in t.

    The mean over all directions of the partner (set covariance and cross-covariance, Matheron 1975; the
    integral of 4 pi r² C_st(r) dr is V_s V_t). Exact for spheres that do not overlap; volume in necks counts
    for both.
    """
    return covariance(aggregate, aggregate.species, len(aggregate.species_names), distances_nm)


def covariance(
    aggregate: HeteroAggregate, labels: np.ndarray, kinds: int, distances_nm: np.ndarray
) -> np.ndarray:
    """(kinds, kinds, b) nm³: `species_covariance` between groups of particles, labels (n,) from 0."""
    distances = _checked_distances(distances_nm)
    return np.asarray(
        _covariance(aggregate.centres, aggregate.radii, np.asarray(labels, np.int64), kinds, distances)
    )


def pair_correlation(aggregates: HeteroAggregate | Sequence[HeteroAggregate], scaled: np.ndarray) -> Curve:
    """f(r) = C(r) / V at distances `scaled` (b,) in units of r_v: the share of volume that finds a partner.

    C is the covariance of all particles together; f(0) = 1. Between the size of a particle and that of the
    aggregate f ~ r^(Df - 3), with a cut-off at the radius of gyration (Sorensen 2001). The mean over the
    aggregates.
    """
    rows = []
    for one in _several(aggregates):
        total = covariance(one, np.zeros(len(one), np.int64), 1, np.asarray(scaled) * volume_radius(one))
        rows.append(total[0, 0] / (4 / 3 * math.pi * np.sum(one.radii**3)))
    error = (
        np.std(rows, axis=0, ddof=1) / math.sqrt(len(rows)) if len(rows) > 1 else np.full(len(scaled), np.nan)
    )
    return Curve(np.asarray(scaled, float), np.mean(rows, axis=0), error)


def pair_counts(aggregate: HeteroAggregate, edges_nm: np.ndarray) -> np.ndarray:
    """(k, k, b) int64: ordered pairs of different particles of species s and t by distance between centres.

    Bin b holds edges_nm[b] <= d < edges_nm[b + 1]; each unlike pair counts once in (s, t) and once in (t, s).
    """
    edges = _checked_distances(edges_nm)
    return np.asarray(_pair_counts(aggregate.centres, aggregate.species, len(aggregate.species_names), edges))


def label_correlation(
    aggregates: HeteroAggregate | Sequence[HeteroAggregate], scaled_edges: np.ndarray
) -> Curve:
    """M(r): the share of unlike pairs among those at distance r, over its expectation for random labels.

    The mixing index as a function of distance (a mark connection function; Illian et al. 2008): 1 random,
    below 1 like particles gather, above 1 they alternate; tends to a value near 1 as far as labels forget
    each other. `scaled_edges` (b + 1,) are in units of r_v; distances given back are the bins' geometric
    means (arithmetic where a bin starts at 0). NaN in bins without pairs. Ratio of sums over the aggregates,
    its standard error by the jackknife over them. UserError if an aggregate has one species only.
    """
    unlike, expected = [], []
    for one in _several(aggregates):
        counts = pair_counts(one, np.asarray(scaled_edges) * volume_radius(one))
        share = random_hetero_fraction(np.bincount(one.species, minlength=len(one.species_names)))
        if math.isnan(share):
            raise UserError("the correlation of labels needs particles of at least two species")
        total = counts.sum(axis=(0, 1))
        unlike.append(total - np.trace(counts))
        expected.append(share * total)
    value, error = jackknifed_ratio(np.array(unlike, float), np.array(expected))
    lower, upper = np.asarray(scaled_edges, float)[:-1], np.asarray(scaled_edges, float)[1:]
    return Curve(np.where(lower > 0, np.sqrt(lower * upper), (lower + upper) / 2), value, error)


def jackknifed_ratio(above: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ratio (b,) of the sums over the rows of two (n, b) tables, and its jackknife standard error (b,)."""
    n = len(above)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = above.sum(axis=0) / below.sum(axis=0)
        others = (above.sum(axis=0) - above) / (below.sum(axis=0) - below)
    if n < 2:
        return ratio, np.full(ratio.shape, np.nan)
    return ratio, np.sqrt((n - 1) * np.mean((others - others.mean(axis=0)) ** 2, axis=0))


def _several(aggregates: HeteroAggregate | Sequence[HeteroAggregate]) -> Sequence[HeteroAggregate]:
    several = [aggregates] if isinstance(aggregates, HeteroAggregate) else list(aggregates)
    if not several:
        raise UserError("a correlation needs at least one aggregate")
    return several


def _checked_distances(distances: np.ndarray) -> np.ndarray:
    checked = np.ascontiguousarray(distances, dtype=float)
    if (
        checked.ndim != 1
        or not np.isfinite(checked).all()
        or (checked < 0).any()
        or (np.diff(checked) <= 0).any()
    ):
        raise UserError("distances must be a rising list of finite numbers of at least 0")
    return checked


@njit(cache=True)
def lens_volume(distance, first, second):
    """Volume common to two spheres of radii `first` and `second`."""
    if distance >= first + second:
        return 0.0
    if distance <= abs(first - second):
        return 4 / 3 * np.pi * min(first, second) ** 3
    both, gap = first + second, first - second
    rest = distance * distance + 2 * distance * both - 3 * gap * gap
    return np.pi * (both - distance) ** 2 * rest / (12 * distance)


@njit(cache=True)
def _moment(distance, first, second):
    """Integral of s lens_volume(s) ds from 0 to `distance`: a polynomial within |r1 - r2| <= s <= r1 + r2."""
    both, gap = first + second, abs(first - second)
    inner = 2 / 3 * np.pi * min(first, second) ** 3 * min(distance, gap) ** 2
    if distance <= gap:
        return inner
    outer = 0.0
    for s, sign in ((min(distance, both), 1.0), (gap, -1.0)):
        outer += (
            sign
            * s
            * (
                s**4 / 5
                - (gap**2 + both**2) * s**2
                + (3 * both * gap**2 + both**3) * s
                - 3 * gap**2 * both**2
            )
        )
    return inner + np.pi / 12 * outer


@njit(cache=True)
def sphere_covariance(distance, apart, first, second):
    """Mean over directions of the volume that two spheres share once one is shifted by `distance`.

    Their centres are `apart`: the lens at distance s = |R + r u|, whose density over directions is s / (2 R
    r) between |R - r| and R + r.
    """
    smaller, larger = min(distance, apart), max(distance, apart)
    if smaller <= 1e-9 * larger or larger == 0.0:
        return lens_volume(larger, first, second)
    difference = _moment(distance + apart, first, second) - _moment(larger - smaller, first, second)
    return difference / (2 * distance * apart)


@njit(cache=True)
def _covariance(centres, radii, labels, kinds, distances):
    out = np.zeros((kinds, kinds, distances.size))
    for i in range(radii.size):
        s = labels[i]
        for b in range(distances.size):
            out[s, s, b] += lens_volume(distances[b], radii[i], radii[i])
        for j in range(i):
            apart = np.sqrt(np.sum((centres[i] - centres[j]) ** 2))
            for b in range(distances.size):
                if abs(apart - distances[b]) < radii[i] + radii[j]:
                    both = sphere_covariance(distances[b], apart, radii[i], radii[j])
                    out[s, labels[j], b] += both
                    out[labels[j], s, b] += both
    return out


@njit(cache=True)
def _pair_counts(centres, species, kinds, edges):
    out = np.zeros((kinds, kinds, edges.size - 1), np.int64)
    for i in range(species.size):
        for j in range(i):
            apart = np.sqrt(np.sum((centres[i] - centres[j]) ** 2))
            b = np.searchsorted(edges, apart, side="right") - 1
            if 0 <= b < edges.size - 1:
                out[species[i], species[j], b] += 1
                out[species[j], species[i], b] += 1
    return out
