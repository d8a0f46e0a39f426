"""Orders of training rows and streams of random numbers, as functions of (seed, epoch)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def epoch_rows(n: int, first: int, count: int, seed: int) -> NDArray[np.int64]:
    """`count` rows of n from place `first` on of an endless sequence of passes, each in an order of its own.

    Every pass visits each row once.
    """
    places = np.arange(first, first + count)
    orders = {
        one: np.random.default_rng([seed, 0, int(one)]).permutation(n) for one in np.unique(places // n)
    }
    return np.array([orders[one][place] for one, place in zip(places // n, places % n, strict=True)])


def seed_noise(generator: torch.Generator, seed: int, epoch: int) -> None:
    """Set a generator to the stream of random numbers of an epoch."""
    generator.manual_seed(int(np.random.SeedSequence([seed, 1, epoch]).generate_state(1)[0]))
