"""What simple predictors reach on freshly drawn line textures, in two-point statistics: the figures that a
texture autoencoder must beat, beside those of datasets/reference/texture-vae.json.

Run: python benchmarks/texture_baselines.py [--training N] [--test N] [--components L] [--seed K] [--set NAME]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from learn.texture_analysis.baselines import AllWhite, ClassMeans, NearestTexture, PrincipalComponents
from learn.texture_analysis.evaluation import MethodResult, evaluate
from learn.texture_analysis.methods import Method
from learn.texture_analysis.published import PublishedFigures
from learn.texture_analysis.scores import FIGURES, THRESHOLD, Bootstrap
from learn.texture_analysis.statistics_vectors import VectorBlocks
from learn.texture_analysis.texture_set import draw_textures, orientation_classes
from stochgeom.textures import LineTextureParameters

SETS = {"lines-1-4": (1, 4), "lines-3-7": (3, 7)}
HEADS = ("f-space MSE mean [95 %]", "reference", "median", "orientation", "count", "volume fraction", "CPU s")
WIDTHS = (27, 11, 8, 13, 19, 22, 7)


def baselines(train: VectorBlocks, components: int) -> dict[str, Callable[[], Method]]:
    """What makes each, by its name in the reference file."""
    return {
        "white": AllWhite,
        "class_means": lambda: ClassMeans(train),
        "principal_components": lambda: PrincipalComponents(train, components),
        "nearest": lambda: NearestTexture(train, k=1),
    }


def row(result: MethodResult, wanted: dict[str, float], seconds: float) -> str:
    """A line of the table: MSEs in units of 1e-5, the rest in per cent."""
    found = {one.key: result.figure(one, THRESHOLD) for one in FIGURES}
    mse = found["f_mse_mean"]

    def share(key: str) -> str:
        one = found[key]
        return (
            f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"
            if one.value == one.value
            else "n/a"
        )

    reference = f"{1e5 * wanted['f_mse_mean']:.2f}" if "f_mse_mean" in wanted else ""
    cells = (
        f"{1e5 * mse.value:.2f} [{1e5 * mse.low:.2f}, {1e5 * mse.high:.2f}]",
        reference,
        f"{1e5 * found['f_mse_median'].value:.2f}",
        f"{100 * found['orientation_kept'].value:.1f}" if result.kind == "images" else "n/a",
        share("count_kept"),
        share("relative_volume_difference_mean"),
        f"{seconds:.0f}",
    )
    return f"{result.label:26}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)
    )


def measure(name: str, training: int, test: int, components: int, seed: int) -> None:
    """Draw, score and print one set."""
    parameters = LineTextureParameters(count=SETS[name])
    train, held_out = (
        draw_textures(parameters, n, seed=2 * seed + k, name=name) for k, n in enumerate((training, test))
    )
    reference = PublishedFigures.load(name)
    vectors, targets = VectorBlocks(train), VectorBlocks(held_out)
    classes = orientation_classes(np.concatenate([train.orientation_degrees, held_out.orientation_degrees]))
    bootstrap = Bootstrap(test, seed)
    print(f"{name}: {training} training, {test} test images; MSE in units of 1e-5, shares in per cent")
    print(" " * 26 + "".join(f"{head:>{width}}" for head, width in zip(HEADS, WIDTHS, strict=True)))
    for key, make in baselines(vectors, components).items():
        start = time.process_time()
        method = make()
        kind = "statistics" if key in ("class_means", "principal_components") else "images"
        result = evaluate(method, kind, targets, classes, THRESHOLD, bootstrap)  # type: ignore[arg-type]
        print(row(result, reference.figures.get(key, {}), time.process_time() - start), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=int, default=6000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--components", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", choices=sorted(SETS), help="only this set")
    arguments = parser.parse_args()
    for name in [arguments.set] if arguments.set else SETS:
        measure(name, arguments.training, arguments.test, arguments.components, arguments.seed)


if __name__ == "__main__":
    main()
