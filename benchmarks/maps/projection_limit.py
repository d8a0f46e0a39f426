"""What the fractal dimension of an aggregate's model leaves in its projection.

    python benchmarks/maps/projection_limit.py CORPUS

Gradient boosting of Df from the true projected positions and radii of all particles: number, spread, and
quantiles of the distance from the centre; trained on the corpus' training split, tested on its test split.
What sees a noisy image of overlapping particles instead can hardly do better.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from simulate.corpus.reader import Corpus

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
ROUNDS = 500


def features(corpus: Corpus) -> np.ndarray:
    """Logarithms (sample, feature) of number, mean radius, and of projected lengths over that radius."""
    particles = np.asarray(corpus.particles[:], np.float64)
    there = np.isfinite(particles[:, :, 0])
    radii = np.where(there, particles[:, :, 3], 0.0)
    count = there.sum(axis=1)
    mean_radius = ((radii**3).sum(axis=1) / count) ** (1 / 3)
    by_mass = radii**3 / (radii**3).sum(axis=1, keepdims=True)
    by_number = there / count[:, None]
    columns = [np.log(count), np.log(mean_radius)]
    for weight in (by_mass, by_number):
        columns += list(np.log(_principal(particles, there, weight) / mean_radius[:, None] ** 2 + 1e-3).T)
    places = np.where(there[..., None], particles[:, :, :2], 0.0)
    centre = (by_mass[..., None] * places).sum(axis=1, keepdims=True)
    away = np.where(there, np.linalg.norm(places - centre, axis=2), np.nan)
    columns += list(np.log(np.nanquantile(away, QUANTILES, axis=1) / mean_radius))
    return np.stack(columns, axis=1)


def _principal(particles: np.ndarray, there: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Principal second moments (sample, 2) of the projected positions, in nm²."""
    places = np.where(there[..., None], particles[:, :, :2], 0.0)
    offsets = places - (weight[..., None] * places).sum(axis=1, keepdims=True)
    return np.linalg.eigvalsh(np.einsum("nk,nki,nkj->nij", weight, offsets, offsets))


def r2(truth: np.ndarray, found: np.ndarray) -> float:
    return float(1 - ((found - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus")
    corpus = Corpus.open(parser.parse_args().corpus)
    table, dimension = features(corpus), corpus.column("fractal_dimension")
    train, test = corpus.indices("train"), corpus.indices("test")
    model = HistGradientBoostingRegressor(max_iter=400, learning_rate=0.05, random_state=0)
    found = model.fit(table[train], dimension[train]).predict(table[test])
    rng, truth = np.random.default_rng(0), dimension[test]
    picks = [rng.integers(len(test), size=len(test)) for _ in range(ROUNDS)]
    error = np.std([r2(truth[pick], found[pick]) for pick in picks])
    result = f"{r2(truth, found):.3f} +- {error:.3f}"
    print(f"R2 of Df from true projected particles, {len(test)} aggregates: {result}")


if __name__ == "__main__":
    main()
