"""Smooth random curves: sums of sine waves whose amplitudes fall with their frequency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Waves:
    """f(t) = sum over k of amplitudes[k] sin(frequencies[k] t + phases[k]); all (n,), angular frequencies."""

    amplitudes: Array
    frequencies: Array
    phases: Array

    def __call__(self, t: Array) -> Array:
        """Values at t (...)."""
        return np.sin(np.asarray(t)[..., None] * self.frequencies + self.phases) @ self.amplitudes

    def slope(self, t: Array) -> Array:
        """Derivative at t (...)."""
        turned = np.cos(np.asarray(t)[..., None] * self.frequencies + self.phases)
        return np.asarray(turned @ (self.amplitudes * self.frequencies))


def random_waves(rng: np.random.Generator, rms: float, frequencies: Array) -> Waves:
    """Waves of the given angular frequencies (n,), phases at random, amplitudes normal about zero and falling
    as one over the frequency, scaled so that the curve's root mean square is `rms` exactly.
    """
    frequencies = np.asarray(frequencies, float)
    amplitudes = rng.standard_normal(len(frequencies)) / frequencies
    phases = rng.uniform(0, 2 * np.pi, len(frequencies))
    size = np.sqrt((amplitudes**2).sum() / 2)
    return Waves(amplitudes * (rms / size), frequencies, phases)
