"""The `[sampling]` table of a recipe: how the uniform numbers behind a sample's parameters are joined.

Each parameter's own law is given where the parameter is; here stands what joins them. `points` chooses
independent random numbers or a scrambled Sobol sequence, which fills the parameter space more evenly: sample
i is point i of the sequence, whatever the shard. `correlations` couple parameters by a Gaussian copula, which
leaves every parameter's own law as it is.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import ndtr, ndtri

from simulate.exact_numbers import FiniteFloat
from simulate.laws import Strict
from stochgeom.errors import UserError

BLOCK = 1024  # points of a Sobol sequence made together
SOBOL_STAGE = 5  # key of the sequence's own seed, beside the stages of samples
INSIDE = 2.0**-53  # keeps uniforms off 0, where a copula would be infinite


class Sampling(Strict):
    """Point set, and correlations as triples (key, other key, coefficient)."""

    points: Literal["random", "sobol"] = "random"
    correlations: tuple[tuple[str, str, FiniteFloat], ...] = Field(
        default=(), description="of the normal scores of two parameters' laws"
    )

    @model_validator(mode="after")
    def _are_correlations(self) -> Sampling:
        seen: set[frozenset[str]] = set()
        for one, other, value in self.correlations:
            pair = frozenset((one, other))
            if len(pair) == 1 or pair in seen:
                raise ValueError(f"{one}, {other}: each pair of two parameters may be correlated once")
            if not -1 < value < 1:
                raise ValueError(f"{one}, {other}: {value:g} should lie between -1 and 1")
            seen.add(pair)
        if self._keys and np.linalg.eigvalsh(self._matrix)[0] < 1e-9:
            raise ValueError("no joint law has these correlations; smaller ones would be accepted")
        return self

    @property
    def _keys(self) -> list[str]:
        return sorted({key for one, other, _ in self.correlations for key in (one, other)})

    @property
    def _matrix(self) -> NDArray[np.float64]:
        matrix = np.eye(len(self._keys))
        for one, other, value in self.correlations:
            i, j = self._keys.index(one), self._keys.index(other)
            matrix[i, j] = matrix[j, i] = value
        return matrix

    @cached_property
    def _mixing(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.cholesky(self._matrix))

    def check(self, keys: list[str]) -> None:
        """UserError if a correlated parameter is none of `keys`, the recipe's slots that hold a law."""
        from simulate.recipe_errors import suggestion

        for key in self._keys:
            if key not in keys:
                raise UserError(f"sampling.correlations: no law at {key!r}{suggestion(key, tuple(keys))}")

    def uniforms(
        self, seed: int, index: int, keys: list[str], own: SeedSequence, attempt: int = 0
    ) -> NDArray[np.float64]:
        """Uniform numbers (slot,) of a sample, one for each of `keys`.

        `own` seeds the sample's independent numbers. A point of a Sobol sequence that turned out infeasible
        is replaced by independent numbers, and counts as a further draw.
        """
        if self.points == "sobol" and attempt == 0:
            drawn = _sobol(len(keys), seed, index // BLOCK)[index % BLOCK].copy()
        else:
            drawn = default_rng(own).random(len(keys))
        if self._keys:
            rows = [keys.index(key) for key in self._keys]
            drawn[rows] = ndtr(self._mixing @ ndtri(np.maximum(drawn[rows], INSIDE)))
            drawn[rows] = np.minimum(drawn[rows], 1 - INSIDE)
        return drawn


@lru_cache(maxsize=4)
def _sobol(dimensions: int, seed: int, block: int) -> NDArray[np.float64]:
    """Points (BLOCK, dimensions) of a scrambled Sobol sequence from block * BLOCK on."""
    from scipy.stats import qmc

    rng = default_rng(SeedSequence(seed, spawn_key=(SOBOL_STAGE,)))
    sequence = qmc.Sobol(dimensions, scramble=True, rng=rng)
    if block:
        sequence.fast_forward(block * BLOCK)
    return sequence.random(BLOCK)
