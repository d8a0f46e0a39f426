"""Draws the pictures of docs/lamella.md: phase maps beside the images of lamellae.

Run: python docs/make_lamella_pictures.py [--out docs/pictures] [--corpus FOLDER]

By response, lamellae of four texture models; with --corpus, the finished samples of a corpus of lamellae made
by multislice (heterostem generate lamella-multislice --out FOLDER).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.random import SeedSequence, default_rng

from simulate.corpus.reader import Corpus
from simulate.engines.base import make_engine
from simulate.lamella.orientations import CrystalOrientation
from simulate.lamella.scene import LamellaPhase, LamellaScene
from simulate.material import Material
from simulate.microscope import Microscope
from simulate.recipe_settings import ResponseSettings
from stochgeom.projection import Field
from stochgeom.textures import (
    BooleanDiscParameters,
    GaussianFieldParameters,
    LineTextureParameters,
    MaternCovariance,
    TextureParameters,
    VoronoiParameters,
    sample_texture,
)
from stochgeom.textures.pictures import draw_phase

PIXELS, FINER = 160, 3
GRID = {"shape": (FINER * PIXELS, FINER * PIXELS), "pixel_size_nm": 1 / FINER}
GRAINS, ALONG_C = CrystalOrientation(grains=True), CrystalOrientation(zone_axis=(0, 0, 1))
CASES: list[tuple[str, TextureParameters, tuple[str, str], CrystalOrientation, float]] = [
    (
        "lines of anatase in WO3",
        LineTextureParameters(
            **GRID, count=(5, 5), orientations=("diagonal",), length_nm=(60, 140), thickness_nm=(5, 12)
        ),
        ("gamma-WO3", "anatase"), CrystalOrientation(), 20.0,
    ),
    (
        "a Gaussian field, both along [001]",
        GaussianFieldParameters(
            **GRID, volume_fraction=0.4, covariance=MaternCovariance(length_nm=9.0, smoothness=2.5)
        ),
        ("gamma-WO3", "anatase"), ALONG_C, 20.0,
    ),
    (
        "Voronoi grains, each a crystal",
        VoronoiParameters(**GRID, grain_diameter_nm=22),
        ("gamma-WO3", "anatase"), GRAINS, 20.0,
    ),
    (
        "pores in anatase, 60 nm under focus",
        BooleanDiscParameters(**GRID, volume_fraction=0.3),
        ("anatase", "vacuum"), CrystalOrientation(), 20.0,
    ),
]  # fmt: skip


def scene_of(case: tuple, seed: int) -> LamellaScene:
    """The lamella of a case, in pixels of 1 nm."""
    _, parameters, names, lie, thickness = case
    texture = sample_texture(parameters, default_rng(seed))
    first, second = (
        LamellaPhase(name) if name == "vacuum" else LamellaPhase(name, Material.named(name), lie)
        for name in names
    )
    seeds = SeedSequence(seed, spawn_key=(2,)), SeedSequence(seed, spawn_key=(3,))
    return LamellaScene(texture, thickness, (first, second), Field((PIXELS, PIXELS), 1.0), *seeds)


def show_image(figure: Figure, axis: Axes, image: np.ndarray, field: Field, gamma: float = 1.0) -> None:
    """An image in percent of the beam, from 0 on, with a colour bar."""
    norm = PowerNorm(gamma, vmin=0, vmax=100 * float(image.max()))
    shown = axis.imshow(100 * image, cmap="gray", norm=norm, extent=field.extent_nm, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=axis, shrink=0.8, pad=0.02)


def by_response(path: Path, seed: int) -> None:
    """Phase maps above, images below."""
    engine = make_engine(ResponseSettings(table="tio2-wo3-300kv-axes", oversampling=3, cone_rays=4))
    figure = Figure(figsize=(13, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(CASES))
    for place, case in enumerate(CASES):
        scene = scene_of(case, seed + place)
        draw_phase(axes[0, place], scene.texture.phase, scene.texture.field)
        axes[0, place].set_title(case[0], fontsize=10)
        scope = Microscope(focus_nm=-60.0 if "under focus" in case[0] else 0.0)
        show_image(figure, axes[1, place], engine.image(scene, scope)[0], scene.field)
    figure.savefig(path, dpi=80)


def by_multislice(corpus: Corpus, path: Path) -> None:
    """Phase map and image of each finished sample, side by side."""
    indices = corpus.indices()[:2]
    figure = Figure(figsize=(6.5 * len(indices), 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 * len(indices))
    for place, index in enumerate(int(i) for i in indices):
        left, right = axes[2 * place : 2 * place + 2]
        draw_phase(left, corpus.phases(np.array([index]))[0], corpus.field(index))
        show_image(figure, right, corpus.clean(index)[0], corpus.field(index), gamma=0.5)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    by_response(options.out / "lamella.png", options.seed)
    if options.corpus is not None:
        by_multislice(Corpus.open(options.corpus), options.out / "lamella-multislice.png")


if __name__ == "__main__":
    main()
