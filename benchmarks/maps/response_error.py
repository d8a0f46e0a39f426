"""How far images by `response` are from whole aggregates by `windowed`: bias, scatter, 1 - R2.

python benchmarks/maps/response_error.py --out FOLDER [--sizes 8 15 30 60 100] [--seeds 3] [--squares 8]
                                         [--workers 2] [--table NAME] [--image CORPUS]

Aggregates of the recipe windowed-30 with other numbers of particles, pixels of 0.5 nm. On each, squares of
4 x 4 pixels that touch material are drawn. In each of two displaced configurations a pixel is the mean of
2 x 2 probes, one at a random place in each quarter of it; what both configurations differ by is the
reference's own variance. Both engines compute the same probes. The reference of each aggregate is kept in
FOLDER, so that a stopped run goes on, and another response model is judged by the same reference. Prints a
table and writes `response-error.png`, and `response-image.png` beside a whole image.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray

from simulate.corpus.reader import Corpus
from simulate.engines.base import make_engine
from simulate.engines.response import ResponseEngine
from simulate.realise import Realisation, realise
from simulate.recipe import Recipe
from simulate.recipe_settings import ResponseSettings, WindowedSettings
from simulate.validation import summarise
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


def probe_points(made: Realisation, corners: NDArray[np.int64], seed: list[int]) -> NDArray[np.float64]:
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
    corners = squares(made, count, seed)
    points = np.stack([probe_points(made, corners, [seed, k]) for k in range(CONFIGURATIONS)])
    engine = make_engine(WindowedSettings())
    values = np.empty(points.shape[:-1])
    for configuration in range(CONFIGURATIONS):
        scene = replace(made.scene, displacements=SeedSequence([seed, configuration]))
        for k, square in enumerate(points[configuration]):
            found = engine.probes(scene, recipe.microscope, square.reshape(-1, 2))
            values[configuration, k] = found[:, 0].reshape(square.shape[:2])
    np.savez(path.with_suffix(".part.npz"), points=points, values=values)
    path.with_suffix(".part.npz").rename(path)
    print(f"{path.name}: {points[..., 0].size} probes, mean {values.mean():.4f}", flush=True)


@dataclass(frozen=True)
class Found:
    """Probes of one aggregate: values (configuration, square, pixel, part), points (..., 2)."""

    particles: int
    seed: int
    points: NDArray[np.float64]
    values: NDArray[np.float64]

    @property
    def pixels(self) -> NDArray[np.float64]:
        """Reference of each pixel (square, pixel)."""
        return self.values.mean(axis=(0, 3))

    @property
    def errors(self) -> NDArray[np.float64]:
        """Standard error of that, from what the configurations differ by (square, pixel)."""
        means = self.values.mean(axis=3)
        return means.std(axis=0, ddof=1) / np.sqrt(len(means))


def load(out: Path) -> list[Found]:
    """All references that are there, by number of particles."""
    found = []
    for path in out.glob("*-*.npz"):
        name = path.stem.split("-")
        if len(name) == 2 and all(part.isdigit() for part in name):
            with np.load(path, allow_pickle=False) as data:
                found.append(Found(int(name[0]), int(name[1]), data["points"], data["values"]))
    return sorted(found, key=lambda one: (one.particles, one.seed))


def response(found: Found, engine: ResponseEngine) -> NDArray[np.float64]:
    """The response engine's values (square, pixel) at the same probes."""
    recipe, made = aggregate(found.particles, found.seed)
    values = engine.probes(made.scene, recipe.microscope, found.points.reshape(-1, 2))[:, 0]
    return values.reshape(found.values.shape).mean(axis=(0, 3))


def compare(found: list[Found], responses: list[NDArray[np.float64]]) -> dict[str, float]:
    """`simulate.validation.summarise` of some aggregates."""
    pixels = [one.pixels.size for one in found]
    columns = {
        "sample": np.repeat(np.arange(len(found)), pixels),
        "place": np.arange(sum(pixels)),
        "intensity": np.concatenate([one.pixels.ravel() for one in found])[:, None],
        "standard_error": np.concatenate([one.errors.ravel() for one in found])[:, None],
        "response": np.concatenate([values.ravel() for values in responses])[:, None],
    }
    own = (columns["standard_error"] ** 2).mean() / columns["intensity"].var()
    return summarise(columns) | {"reference": float(own)}


def models(name: str) -> dict[str, ResponseEngine]:
    """The response models that are compared; the last is the default."""

    def model(**changes: Any) -> ResponseEngine:
        return ResponseEngine(ResponseSettings(table=name, **changes))

    plain = model(cone_rays=1, broadening=False)
    assert plain.table is not None
    means = {
        phase: replace(known, model=known.model.averaged())
        for phase, known in plain.table.phase_responses.items()
    }
    undirected = model(cone_rays=1, broadening=False)
    undirected.table = replace(plain.table, phase_responses=means)
    return {
        "mean over directions": undirected,
        "own direction": plain,
        "and the beam's cone": model(broadening=False),
        "and broadening": model(),
    }


def report(out: Path, table: str) -> None:
    """Print what was found, and draw it."""
    found = load(out)
    sizes = sorted({one.particles for one in found})
    head = ("N", "aggregates", "pixels", "model", "sum over windowed", "RMSE / sd", "1 - R2", "corrected",
            "of it the reference's")  # fmt: skip
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    values = {label: [response(one, engine) for one in found] for label, engine in models(table).items()}
    for size in [*sizes, 0]:
        own = [k for k, one in enumerate(found) if size in (one.particles, 0)]
        pixels = sum(found[k].pixels.size for k in own)
        for label, everyone in values.items():
            figures = compare([found[k] for k in own], [everyone[k] for k in own])
            print(
                f"| {size or 'all'} | {len(own)} | {pixels} | {label} "
                f"| {figures['ratio']:.3f} ± {figures['ratio_standard_error']:.3f} "
                f"| {figures['rmse_over_sd']:.3f} | {figures['unexplained']:.4f} "
                f"| {figures['unexplained_corrected']:.4f} "
                f"| {figures['reference']:.4f} |",
                flush=True,
            )
    draw(found, values, out / "response-error.png")


def draw(found: list[Found], values: dict[str, list[NDArray[np.float64]]], path: Path) -> None:
    """Pixels by both engines, and the largest differences by model and aggregate."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    last = list(values)[-1]
    reference = np.concatenate([one.pixels.ravel() for one in found])
    errors = np.concatenate([one.errors.ravel() for one in found])
    sizes = np.concatenate([np.full(one.pixels.size, one.particles) for one in found])
    model = np.concatenate([v.ravel() for v in values[last]])
    for size, colour in zip(
        np.unique(sizes), plt.get_cmap("viridis")(np.linspace(0, 0.9, 9)[::2]), strict=False
    ):
        of = sizes == size
        left.errorbar(100 * reference[of], 100 * model[of], xerr=100 * errors[of], fmt="o", ms=2.5, lw=0.5,
                      color=colour, alpha=0.6, label=f"{size} particles")  # fmt: skip
    top = 105 * max(reference.max(), model.max())
    left.plot([0, top], [0, top], color="0.3", lw=1)
    left.set(
        xlabel="windowed multislice, % of the beam",
        ylabel="response, % of the beam",
        xlim=(0, top),
        ylim=(0, top),
    )
    left.legend(frameon=False, markerscale=2)
    names = [f"{one.particles}, {one.seed}" for one in found]
    for k, (label, everyone) in enumerate(values.items()):
        left_over = [
            compare([one], [v])["unexplained_corrected"] for one, v in zip(found, everyone, strict=True)
        ]
        places = np.arange(len(found)) + 0.15 * (k - 1.5)
        right.plot(places, np.maximum(left_over, 1e-4), "o", ms=4.5, color=f"C{k}", label=label)
    right.axhline(0.015, color="0.3", lw=1, ls="--")
    right.set(
        yscale="log",
        ylabel="1 - R², without the reference's own variance",
        xlabel="aggregate: particles, seed",
    )
    right.set_xticks(range(len(names)), names, rotation=60, fontsize=8)
    right.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    figure.savefig(path, dpi=110)


def draw_image(corpus: Path, table: str, path: Path) -> None:
    """The first image of a corpus by windowed multislice, the response to the same scene, the difference."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    recipe = Recipe.load(corpus)
    made = realise(recipe, 0)
    whole = np.asarray(Corpus.open(corpus).images[0])[0]
    found = ResponseEngine(ResponseSettings(table=table)).image(made.scene, recipe.microscope)[0]
    top = 100 * np.quantile(whole[whole > 0], 0.998)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained", sharey=True)
    shown = (("windowed multislice", whole, 0, "gray"), ("response", found, 0, "gray"),
             ("response - windowed", found - whole, -top / 2, "RdBu_r"))  # fmt: skip
    for axis, (label, image, least, colours) in zip(axes, shown, strict=True):
        drawn = axis.imshow(100 * image, cmap=colours, vmin=least, vmax=top if least == 0 else -least,
                            extent=made.field.extent_nm)  # fmt: skip
        axis.set(title=label, xlabel="x (nm)")
        figure.colorbar(drawn, ax=axis, shrink=0.8, label="% of the beam")
    axes[0].set_ylabel("y (nm)")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 15, 30, 60, 100])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--squares", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", default="tio2-wo3-300kv")
    parser.add_argument(
        "--image", type=Path, help="a corpus by windowed multislice: draw its first image, too"
    )
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    jobs = [(n, s, chosen.squares, chosen.out) for s in range(1, chosen.seeds + 1) for n in chosen.sizes]
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(reference, jobs))
    report(chosen.out, chosen.table)
    if chosen.image is not None:
        draw_image(chosen.image, chosen.table, chosen.out / "response-image.png")
