"""How the optical depth of a crystal depends on the beam's direction in it, from measured directions.

Most of the variation follows the lattice planes: a beam within about its own convergence of a plane channels
along it. So ln s(d) = ln s0 + sum over families of planes of bands + the rest, a band being a Gaussian of
the angle between beam and plane, narrow and wide ones, the same for all planes of a family; the rest is a
smooth function of the direction under the crystal's symmetry, which comes to its own near zone axes. Both
are Gaussian processes and found in one least-squares solution (kriging). Bands let a few hundred directions
predict what lies between them, 55 to 75 mrad apart, though signals change within 20 mrad.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial import cKDTree

from simulate.lattice_planes import PlaneFamilies

Array = NDArray[np.float64]

BAND_WIDTHS = (0.6, 1.25)
"""Of the Gaussians across a plane, in units of the convergence angle."""
_SCALES, _REACHES, _SHARES = (0.75, 1.0, 1.4), (0.7, 1.0, 1.5), (0.8, 0.95)  # what `fit` chooses from
_LEAST_RAD = 5e-3
_FAR = 4.0  # reaches, beyond which the rest counts nothing: exp(-8)
_ROWS = 256  # directions at a time, to bound memory
_QUIETEST = 3e-3  # relative noise that is assumed at least: what few repetitions say must not be believed


@dataclass(frozen=True, eq=False)
class DirectionModel:
    """Depth s = scale exp(y), y = bands + rest. Shapes: T thicknesses, c channels, d directions.

    normals (m, 3), family (m,): lattice planes; widths (w,) rad of their bands; coefficients (f w, T, c);
    directions (d, 3), laue (g, 3, 3), reach in rad and rest (d, T, c) of the smooth rest; scale (T, c);
    error (T, c): relative rms error of predicting a direction from all others, noise taken off.
    """

    scale: Array
    normals: Array
    family: NDArray[np.int64]
    widths: Array
    coefficients: Array
    directions: Array
    laue: Array
    reach: float
    rest: Array
    error: Array

    @property
    def fits(self) -> bool:
        """Whether the arrays have shapes that go together, and finite values."""
        shape, families = self.scale.shape, len(np.unique(self.family))
        arrays = (self.scale, self.normals, self.coefficients, self.directions, self.rest, self.error)
        return (
            self.rest.shape == (len(self.directions), *shape)
            and self.directions.shape[1:] == (3,)
            and self.coefficients.shape == (families * len(self.widths), *shape)
            and self.normals.shape == (len(self.family), 3)
            and self.error.shape == shape
            and all(bool(np.isfinite(array).all()) for array in arrays)
        )

    @cached_property
    def _copies(self) -> tuple[cKDTree, NDArray[np.int64]]:
        """All symmetric copies of the directions, and which direction each is a copy of."""
        copies = np.einsum("gij,dj->gdi", self.laue, self.directions).reshape(-1, 3)
        return cKDTree(copies), np.tile(np.arange(len(self.directions)), len(self.laue))

    @cached_property
    def _neighbours(self) -> int:
        """How many copies to ask for: half as many again as lie within _FAR reaches on average, and some."""
        copies = len(self.directions) * len(self.laue)
        within = copies * (_FAR * self.reach) ** 2 / 4
        return min(copies, math.ceil(1.5 * within) + 8)

    def averaged(self) -> DirectionModel:
        """The same mean depth for all directions: that of the measured ones."""
        mean = np.mean(self.depths(self.directions), axis=0)
        nothing = np.zeros_like
        return replace(self, scale=mean, coefficients=nothing(self.coefficients), rest=nothing(self.rest))

    def depths(self, directions: Array) -> Array:
        """Optical depth (n, T, c) of beams along `directions` (n, 3), unit vectors of the crystal's frame."""
        beams = np.atleast_2d(np.asarray(directions, dtype=float))
        parts = [self._part(beams[k : k + _ROWS]) for k in range(0, len(beams), _ROWS)]
        return np.concatenate(parts)

    def _part(self, beams: Array) -> Array:
        tree, number = self._copies
        distance, copy = tree.query(beams, k=self._neighbours)
        distance, found = distance.reshape(len(beams), -1), number[copy].reshape(len(beams), -1)
        weight = np.exp(-0.5 * (distance / self.reach) ** 2)
        # einsum without BLAS: sums of one order, whatever the machine
        y = np.einsum("nk,nktc->ntc", weight, self.rest[found])
        if len(self.normals):
            seen = band_features(beams, self.normals, self.family, self.widths)
            y += np.einsum("nf,ftc->ntc", seen, self.coefficients)
        return self.scale * np.exp(y)


def band_features(directions: Array, normals: Array, family: NDArray[np.int64], widths: Array) -> Array:
    """Bands (n, f w) of all families at directions (n, 3): for each width a sum over a family's planes."""
    if len(normals) == 0:
        return np.zeros((len(directions), 0))
    across = np.einsum("nj,mj->nm", directions, normals)
    first = np.flatnonzero(np.diff(family, prepend=-1))
    seen = [np.add.reduceat(np.exp(-0.5 * (across / w) ** 2), first, axis=1) for w in widths]
    return np.stack(seen, axis=2).reshape(len(directions), -1)


def fit(
    directions: Array,
    depths: Array,
    noise: Array,
    laue: Array,
    planes: PlaneFamilies | None,
    convergence_mrad: float,
) -> DirectionModel:
    """Model of measured depths (d, T, c), the first thickness being 0; `noise` (T, c) is relative.

    Widths of the bands, reach of the rest and the share of both are those of a few that predict best.
    """
    scale = np.median(depths, axis=0)
    y = np.log(depths[:, 1:] / scale[1:])
    shape, y = y.shape[1:], y.reshape(len(y), -1)
    quiet = np.maximum(noise[1:], _QUIETEST).reshape(-1) ** 2
    angle = max(1e-3 * convergence_mrad, _LEAST_RAD)
    best: tuple[float, _Solution] | None = None
    for scaled, reach, share in product(_SCALES, _REACHES, _SHARES if planes is not None else (0.0,)):
        solution = _solve(directions, y, quiet, laue, planes, scaled * angle, reach * angle, share)
        score = float((solution.left_out**2).mean())
        if best is None or score < best[0]:
            best = score, solution
        if planes is None and scaled != _SCALES[0]:
            break
    assert best is not None
    chosen = best[1]
    own = np.minimum(noise[1:].reshape(-1) ** 2, 1.0)
    error = np.sqrt(np.maximum((np.expm1(chosen.left_out) ** 2).mean(axis=0) - own, 0.0)).reshape(shape)

    def whole(values: Array) -> Array:
        """With a first thickness, 0, at which nothing is known and nothing is needed."""
        values = values.reshape(len(values), *shape)
        return np.concatenate([np.zeros_like(values[:, :1]), values], axis=1)

    return DirectionModel(
        scale=np.concatenate([np.zeros((1, shape[1])), scale[1:] * np.exp(chosen.mean.reshape(shape))]),
        normals=np.zeros((0, 3)) if planes is None else planes.normals,
        family=np.zeros(0, np.int64) if planes is None else planes.family,
        widths=chosen.widths,
        coefficients=whole(chosen.coefficients),
        directions=directions,
        laue=laue,
        reach=chosen.reach,
        rest=whole(chosen.rest),
        error=np.concatenate([np.zeros((1, shape[1])), error]),
    )


@dataclass(frozen=True, eq=False)
class _Solution:
    """Of one choice of widths: values (k,) by thickness and channel. left_out: prediction - measurement."""

    mean: Array
    widths: Array
    coefficients: Array
    reach: float
    rest: Array
    left_out: Array


def _solve(
    directions: Array,
    y: Array,
    quiet: Array,
    laue: Array,
    planes: PlaneFamilies | None,
    width: float,
    reach: float,
    share: float,
) -> _Solution:
    """Least squares of y (d, k) with noise variances `quiet` (k,); `share` of the variance is for bands."""
    widths = width * np.array(BAND_WIDTHS)
    normals, family = (np.zeros((0, 3)), np.zeros(0, np.int64)) if planes is None else planes[:2]
    features = band_features(directions, normals, family, widths)
    strength = np.zeros(0) if planes is None else np.repeat(planes.strength, len(widths))
    level = (features * strength).mean(axis=0)
    centred = features * strength - level
    smooth = np.zeros((len(directions), len(directions)))
    for operation in laue:
        apart = np.maximum(2 - 2 * directions @ (operation @ directions.T), 0)
        smooth += np.exp(-0.5 * apart / reach**2)
    bands = centred @ centred.T
    for_bands = share / max(float(np.trace(bands)) / len(y), 1e-300)
    for_rest = (1 - share) / (float(np.trace(smooth)) / len(y))
    values, vectors = eigh(for_bands * bands + for_rest * smooth)
    values = np.maximum(values, 0)
    mean, variance = y.mean(axis=0), np.maximum(y.var(axis=0), 1e-8)
    ridge = quiet / np.maximum(variance - quiet, 0.1 * variance)
    turned = vectors.T @ (y - mean)
    solved = vectors @ (turned / (values[:, None] + ridge))
    own = (vectors**2) @ (1 / (values[:, None] + ridge))
    coefficients = for_bands * strength[:, None] * (centred.T @ solved)
    return _Solution(
        mean=mean - for_bands * (level @ (centred.T @ solved)),
        widths=widths,
        coefficients=coefficients,
        reach=reach,
        rest=for_rest * solved,
        left_out=-solved / own,
    )
