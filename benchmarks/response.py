"""Response images per second of one core, and where the time goes.

python benchmarks/response.py [RECIPE] [SAMPLES]
"""

from __future__ import annotations

import os
import sys
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numpy.random import default_rng

from simulate.engines.base import make_engine
from simulate.realise import particle_table, realise, render
from simulate.realism import apply_realism
from simulate.recipe import Recipe
from stochgeom.descriptors import describe
from stochgeom.projection import particle_chords


def main(name: str = "reference", samples: int = 300) -> None:
    """Print milliseconds per sample for each step, on processor time."""
    recipe = Recipe.load(name)
    engine = make_engine(recipe.engine_settings)
    render(recipe, 0, engine)  # compiles
    apply_realism(
        engine.image(realise(recipe, 0).scene, recipe.microscope), 1.0, recipe.realism, default_rng(0)
    )

    made, aggregates = timed(lambda i: realise(recipe, i), range(samples))
    images, image = timed(lambda one: engine.image(one.scene, recipe.microscope), made)
    _, chords = timed(lambda one: particle_chords(one.aggregate, one.field), made)
    _, descriptors = timed(lambda one: (describe(one.aggregate), particle_table(one.aggregate)), made)
    pairs = list(zip(images, made, strict=True))
    _, realism = timed(
        lambda pair: apply_realism(
            pair[0], pair[1].field.pixel_size_nm, recipe.realism, default_rng(pair[1].index)
        ),
        pairs,
    )
    particles = np.mean([len(one.aggregate) for one in made])
    shape = "x".join(map(str, recipe.field.shape))
    print(
        f"recipe {name}: {samples} samples of {shape} pixels, {particles:.0f} particles on average, one core"
    )
    for label, seconds in (
        ("parameters, aggregate, field", aggregates),
        ("image", image),
        ("  of which chords (at one point per pixel)", chords),
        ("descriptors, particle table", descriptors),
        ("realism, on reading", realism),
    ):
        print(f"{label:<44}{1e3 * seconds / samples:8.2f} ms")
    print(f"{'response images per second':<44}{samples / image:8.0f}")
    print(f"{'samples per second (all but realism)':<44}{samples / (aggregates + image + descriptors):8.0f}")


def timed(function, values):
    """Results for every value, and the processor time of all."""
    start = process_time()
    results = [function(value) for value in values]
    return results, process_time() - start


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
