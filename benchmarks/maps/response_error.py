"""How far images by `response` are from whole aggregates by `windowed`: bias, scatter, 1 - R2.

python benchmarks/maps/response_error.py --out FOLDER [--sizes 8 15 30 60 100] [--seeds 3] [--squares 8]
                                         [--workers 2]

Aggregates of the recipe windowed-30 with other numbers of particles, pixels of 0.5 nm. On each, squares of
4 x 4 pixels that touch material are drawn; each pixel is the mean of 2 x 2 probes, one at a random place in
each quarter of it, in two displaced configurations. Both engines compute the same probes. The reference of
each aggregate is kept in FOLDER, so that a stopped run goes on, and another response model is judged by the
same reference. Prints a table and writes `response-error.png`.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from simulate.engines.base import make_engine
from simulate.realise import Realisation, realise
from simulate.recipe import Recipe, WindowedSettings
from stochgeom.projection import chord_lengths

SQUARE, PIXEL_NM, PARTS = 4, 0.5, 2
CONFIGURATIONS = 2


def aggregate(particles: int, seed: int) -> tuple[Recipe, Realisation]:
    """An aggregate of so many particles, in a field that holds it."""
    data = Recipe.load("windowed-30").model_dump(exclude_unset=True, mode="json")
    data |= {
        "name": f"whole-{particles}",
        "seed": seed,
        "field": {"shape": [800, 800], "pixel_size_nm": PIXEL_NM},
    }
    data["aggregate"]["n_particles"] = particles
    recipe = Recipe.from_dict(data)
    return recipe, realise(recipe, 0)


def squares(made: Realisation, count: int, seed: int) -> NDArray[np.int64]:
    """Corners (count, 2), row and column, of different squares that touch material."""
    thickness = chord_lengths(made.aggregate, made.field).sum(axis=0)
    ny, nx = (n // SQUARE for n in thickness.shape)
    touched = thickness.reshape(ny, SQUARE, nx, SQUARE).max(axis=(1, 3)) > 0
    found = np.argwhere(touched)
    return SQUARE * found[default_rng(seed).choice(len(found), size=min(count, len(found)), replace=False)]


def probe_points(made: Realisation, corners: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """Probes (square, pixel, part, 2), x and y in nm: one in each quarter of each pixel."""
    rng = default_rng(seed)
    inside = np.stack(np.meshgrid(np.arange(SQUARE), np.arange(SQUARE), indexing="ij"), -1).reshape(-1, 2)
    pixels = corners[:, None] + inside
    quarter = np.stack(np.meshgrid(np.arange(PARTS), np.arange(PARTS), indexing="ij"), -1).reshape(-1, 2)
    shape = (*pixels.shape[:2], len(quarter), 2)
    offset = (quarter + rng.random(shape)) / PARTS - 0.5
    row_column = pixels[:, :, None] + offset
    return np.array(made.field.origin_nm) + PIXEL_NM * row_column[..., ::-1]


def reference(job: tuple[int, int, int, Path]) -> None:
    """Probes of one aggregate by windowed multislice, kept as a file."""
    particles, seed, count, out = job
    path = out / f"{particles}-{seed}.npz"
    if path.exists():
        return
    recipe, made = aggregate(particles, seed)
    points = probe_points(made, squares(made, count, seed), seed)
    engine = make_engine(WindowedSettings())
    values = np.empty((CONFIGURATIONS, *points.shape[:3]))
    for configuration in range(CONFIGURATIONS):
        scene = replace(made.scene, displacements=SeedSequence([seed, configuration]))
        for k, square in enumerate(points):
            found = engine.probes(scene, recipe.microscope, square.reshape(-1, 2))
            values[configuration, k] = found[:, 0].reshape(square.shape[:2])
    np.savez(path.with_suffix(".part.npz"), points=points, values=values)
    path.with_suffix(".part.npz").rename(path)
    print(f"{path.name}: {points[..., 0].size} probes, mean {values.mean():.4f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 15, 30, 60, 100])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--squares", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    jobs = [(n, s, chosen.squares, chosen.out) for s in range(1, chosen.seeds + 1) for n in chosen.sizes]
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(reference, jobs))
