"""Textures per second of one core, by model, 224 x 224 pixels (processor time); and how well lines are read.

With --corpus N also a corpus of N images of the recipe lines-1-4 (100 000 if all): wall time of making and of
checking it, size, and what reading takes.

Run: python benchmarks/textures.py [--seconds S] [--images N] [--seed K] [--corpus N [--workers W]]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stochgeom import LognormalRadii
from stochgeom.textures import (
    BooleanDiscParameters,
    BooleanFibreParameters,
    ExponentialCovariance,
    GaussianCovariance,
    GaussianFieldParameters,
    LamellaeParameters,
    LineTextureParameters,
    MaternCovariance,
    VoronoiParameters,
    sample_texture,
)
from stochgeom.textures.measure import axial_difference, count_lines, orientation_degrees

DIAGONAL = ("diagonal",)
LINES = {
    "lines, 1-4": LineTextureParameters(),
    "lines, 3-7": LineTextureParameters(count=(3, 7)),
    "lines, diagonal, 1-4": LineTextureParameters(orientations=DIAGONAL),
    "lines, diagonal, 3-7": LineTextureParameters(count=(3, 7), orientations=DIAGONAL),
}
LOGNORMAL = LognormalRadii(median_nm=7, geometric_sd=1.5)
MODELS = LINES | {
    "field, periodic": GaussianFieldParameters(),
    "field, window": GaussianFieldParameters(periodic=False),
    "field, exponential, window": GaussianFieldParameters(
        periodic=False, covariance=ExponentialCovariance(length_nm=12)
    ),
    "discs of one radius": BooleanDiscParameters(),
    "discs, lognormal": BooleanDiscParameters(radii=LOGNORMAL),
    "fibres, isotropic": BooleanFibreParameters(),
    "grains of 20 nm": VoronoiParameters(),
    "grains of 5 nm": VoronoiParameters(grain_diameter_nm=5),
    "lamellae": LamellaeParameters(),
    "lamellae, random widths": LamellaeParameters(periodic=False, width_cv=0.5, orientation_degrees=None),
}


def milliseconds(make: Callable[[], object], seconds: float) -> float:
    """Processor time of a call, after a first one that is not counted."""
    make()
    made, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        make()
        made += 1
    return 1e3 * spent / made


def new_fields(rng: np.random.Generator) -> dict[str, Callable[[], object]]:
    """Fields of which no two have one covariance, as a law over its length gives."""
    kinds = {"gaussian": GaussianCovariance, "matern": MaternCovariance}
    return {
        f"field, new {name} length": lambda kind=kind: sample_texture(  # type: ignore[misc]
            GaussianFieldParameters(covariance=kind(length_nm=rng.uniform(5, 20))), rng
        )
        for name, kind in kinds.items()
    }


def reading(parameters: LineTextureParameters, images: int, rng: np.random.Generator) -> str:
    """Shares of line textures whose orientation (to 22.5 degrees) and count are measured right."""
    oriented = counted = 0
    worst = 0.0
    for _ in range(images):
        texture = sample_texture(parameters, rng)
        off = axial_difference(orientation_degrees(texture.phase), texture.truth["orientation_degrees"])
        worst = max(worst, float(off))
        oriented += off < 22.5
        counted += count_lines(texture.phase) == texture.truth["count"]
    share, count = 100 * oriented / images, 100 * counted / images
    return f"orientation {share:.2f} % (largest error {worst:.2f} degrees), count {count:.2f} %"


def corpus_times(samples: int, workers: int) -> list[tuple[str, str]]:
    """Making, checking and reading a corpus of line textures in a temporary folder."""
    from simulate.corpus.reader import Corpus
    from simulate.corpus.verify import verify
    from simulate.generate import generate
    from simulate.recipe import Recipe

    rows = []

    def timed(what: str, call: Callable[[], object], images: int) -> object:
        wall, spent = time.perf_counter(), time.process_time()
        result = call()
        wall, spent = time.perf_counter() - wall, time.process_time() - spent
        rows.append((what, f"{wall:.2f} s, {spent:.2f} s of this processor, {images / wall:.0f} images/s"))
        return result

    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe.load("lines-1-4")
        timed(f"made by {workers} workers", lambda: generate(recipe, folder, samples, workers), samples)
        corpus = Corpus.open(folder)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        rows.append(
            ("stored", f"{size / 1e6:.1f} MB, {size / samples:.0f} bytes an image, {len(files)} files")
        )
        timed("checked", lambda: verify(corpus, recompute=10), samples)
        train = corpus.indices("train")
        timed("training set as bits", lambda: corpus.phase_bits(train), len(train))
        some = train[: len(train) // 10]
        timed("a tenth of it as bytes", lambda: corpus.phases(some), len(some))
        scattered = np.random.default_rng(0).choice(samples, min(256, samples), replace=False)
        timed("256 anywhere", lambda: corpus.phases(scattered), len(scattered))
        timed("one after the other", lambda: [corpus.clean(int(i)) for i in scattered[:50]], 50)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each line")
    parser.add_argument("--images", type=int, default=500, help="line textures read, of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=int, default=0, help="images of a corpus to make and read")
    parser.add_argument("--workers", type=int, default=2, help="that make it")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    cases: dict[str, Callable[[], object]] = {
        name: lambda parameters=parameters: sample_texture(parameters, rng)  # type: ignore[misc]
        for name, parameters in MODELS.items()
    }
    lines = sample_texture(LINES["lines, 3-7"], rng).phase
    cases |= new_fields(rng)
    cases |= {
        "measure: orientation": lambda: orientation_degrees(lines),
        "measure: count of lines": lambda: count_lines(lines),
    }
    print(f"{'one core':>28}{'ms':>9}{'per second':>12}")
    for name, make in cases.items():
        spent = milliseconds(make, options.seconds)
        print(f"{name:>28}{spent:9.3f}{1e3 / spent:12.0f}")
    print(f"read back, {options.images} images each:")
    for name, parameters in LINES.items():
        print(f"{name:>28}: {reading(parameters, options.images, rng)}")
    if options.corpus:
        print(f"corpus lines-1-4, {options.corpus} images:")
        for name, value in corpus_times(options.corpus, options.workers):
            print(f"{name:>28}: {value}")


if __name__ == "__main__":
    main()
