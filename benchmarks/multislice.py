"""Seconds of one core per multislice probe and per image (processor time).

Run: python benchmarks/multislice.py [--samples N]

Images: samples of the shipped recipe `multislice-small`. Probes: 10 nm of anatase and of WO3 through the
default soft-edged detector, whose grid is twice as fine; the first in a pixel pays for the potential.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.random import SeedSequence

from simulate.engines.base import make_engine
from simulate.material import Material
from simulate.microscope import Microscope
from simulate.realise import realise
from simulate.recipe import Recipe
from simulate.recipe_settings import MultisliceSettings
from simulate.scene import Scene
from stochgeom.aggregate import HeteroAggregate
from stochgeom.projection import Field


def seconds(call) -> float:
    """Processor time of a call."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def sphere(phase: str, diameter_nm: float) -> Scene:
    """One particle in the middle of a pixel."""
    aggregate = HeteroAggregate(
        centres=np.zeros((1, 3)),
        radii=np.array([diameter_nm / 2]),
        species=np.zeros(1),
        cluster=np.zeros(1),
        orientations=np.array([[0.1, 0.3, 0.5, np.sqrt(0.65)]]),
        phase=np.zeros(1),
        species_names=(phase,),
        phase_names=(phase,),
    )
    return Scene(aggregate, (Material.named(phase),), Field((1, 1), 0.5), SeedSequence(1), SeedSequence(2))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=2)
    samples = parser.parse_args().samples

    engine, microscope = make_engine(MultisliceSettings()), Microscope()
    inside = np.random.default_rng(1).uniform(-0.2, 0.2, (5, 2))
    for phase in ("anatase", "gamma-WO3"):
        scene = sphere(phase, 10.0)
        print(f"{phase}, 10 nm: {engine.cost(scene, microscope)}")
        first = seconds(lambda scene=scene: engine.probes(scene, microscope, inside[:1]))
        five = seconds(lambda scene=scene: engine.probes(scene, microscope, inside))
        print(f"  {first:.1f} s for a probe with its potential, {(five - first) / 4:.2f} s for each further")

    recipe = Recipe.load("multislice-small")
    images = make_engine(recipe.engine_settings)
    for index in range(samples):
        scene = realise(recipe, index).scene
        print(f"multislice-small, sample {index}: {images.cost(scene, recipe.microscope)}")
        print(f"  {seconds(lambda scene=scene: images.image(scene, recipe.microscope)):.1f} s per image")


if __name__ == "__main__":
    main()
