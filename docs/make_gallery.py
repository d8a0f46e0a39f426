"""Draws the pictures of docs/gallery.md (aggregates over the parameter space) and docs/textures.md.

Run: python docs/make_gallery.py [--out docs/pictures] [--seed K]
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from stochgeom import (
    AggregateParameters,
    Field,
    HeteroAggregate,
    LognormalRadii,
    Species,
    describe,
    sample_aggregate,
)
from stochgeom.pictures import draw_aggregate, draw_projection, species_colour
from stochgeom.textures import (
    BooleanDiscParameters,
    BooleanFibreParameters,
    GaussianCovariance,
    GaussianFieldParameters,
    LamellaeParameters,
    LineTextureParameters,
    MaternCovariance,
    RingCovariance,
    VoronoiParameters,
)
from stochgeom.textures.pictures import draw_gallery

DIMENSIONS, CLUSTER_SIZES = (1.6, 1.8, 2.0, 2.2), (1, 5, 15)
RATIOS, FRACTIONS = (1.0, 1.5, 2.5), (0.2, 0.5, 0.8)
AFFINITIES = (-4, -2, 0, 2, 4)
OVERLAPS = (0.0, 0.1, 0.2, 0.3)
KERNELS = ("diffusion-limited", "ballistic")
GROWTHS = ("cluster-cluster", "particle-cluster")
COORDINATIONS = (None, 2.3, 2.6, 2.9)


def parameters(
    cluster: float = 1.0, ratio: float = 1.0, fraction: float = 0.5, **others
) -> AggregateParameters:
    """Two species: A of median radius 5 nm, B of 5 nm times `ratio`; `fraction` is that of A."""
    species = tuple(
        Species(
            name=name,
            fraction=share,
            radii=LognormalRadii(median_nm=median, geometric_sd=1.2),
            mean_cluster_size=cluster,
        )
        for name, share, median in (("A", fraction, 5.0), ("B", 1 - fraction, 5.0 * ratio))
    )
    return AggregateParameters(species=species, **{"n_particles": 100, **others})


def grid(
    rows: tuple, columns: tuple, of: Callable[..., AggregateParameters], words: Callable[..., str], seed: int
) -> Figure:
    """A figure with one aggregate for each pair of values, drawn to one scale in each column."""
    figure = new_figure(2.3 * len(columns), 2.6 * len(rows) + 0.3)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for j, column in enumerate(columns):
        drawn = [sample_aggregate(of(row, column), np.random.default_rng(seed)) for row in rows]
        for ax, row, aggregate, field in zip(axes[:, j], rows, drawn, fields(drawn), strict=True):
            found = describe(aggregate)
            draw_aggregate(ax, aggregate, field, legend=False)
            values = f"Rg {found['radius_of_gyration_nm']:.0f} nm, M {found['mixing_index']:.2f}"
            ax.set_title(f"{words(row, column)}\n{values}", fontsize=8)
    return figure


def new_figure(width: float, height: float) -> Figure:
    """Empty but for the legend of the species."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.06, hspace=0.02)
    marks = [
        Line2D([], [], marker="o", linestyle="", color=species_colour(k), label=f"species {name}")
        for k, name in enumerate("AB")
    ]
    figure.legend(handles=marks, loc="outside upper left", ncols=2, fontsize=9, frameon=False)
    return figure


def fields(aggregates: list[HeteroAggregate]) -> list[Field]:
    """Fields of one size that hold every aggregate, each about the middle of its own."""
    own = [Field.around(one, (480, 480), 1.1) for one in aggregates]
    pixel = max(field.pixel_size_nm for field in own)
    return [Field((480, 480), pixel, field.centre_nm) for field in own]


def fractal(seed: int) -> Figure:
    return grid(
        CLUSTER_SIZES, DIMENSIONS,
        lambda size, df: parameters(size, fractal_dimension=df),
        lambda size, df: f"Df {df:.1f}, clusters of {size:g}", seed,
    )  # fmt: skip


def size_ratio(seed: int) -> Figure:
    return grid(
        FRACTIONS, RATIOS,
        lambda fraction, ratio: parameters(3, ratio, fraction, n_particles=60),
        lambda fraction, ratio: f"radii A : B = 1 : {ratio:g}, {100 * fraction:.0f} % A", seed,
    )  # fmt: skip


def affinity(seed: int) -> Figure:
    return grid(
        (1, 5), AFFINITIES,
        lambda size, value: parameters(size, hetero_affinity=value),
        lambda size, value: f"affinity {value:g}, clusters of {size:g}", seed,
    )  # fmt: skip


def overlap(seed: int) -> Figure:
    """Necks: spheres above, projected thickness below, all to one scale."""
    figure = new_figure(2.6 * len(OVERLAPS), 4.9)
    axes = figure.subplots(2, len(OVERLAPS))
    drawn = [
        sample_aggregate(parameters(3, n_particles=30, overlap=value), np.random.default_rng(seed))
        for value in OVERLAPS
    ]
    for (above, below), value, aggregate, field in zip(axes.T, OVERLAPS, drawn, fields(drawn), strict=True):
        area = describe(aggregate)["hetero_contact_area_nm2"]
        draw_aggregate(above, aggregate, field, legend=False)
        draw_projection(below, aggregate, field)
        above.set_title(f"overlap {value:g}\nhetero-contact area {area:.0f} nm²", fontsize=8)
    return figure


def kernels(seed: int) -> Figure:
    """Kernels that collide, above; loops by bending one and the same aggregate, below."""
    asked = [
        (f"{kernel}\n{growth}", parameters(kernel=kernel, growth=growth, n_particles=300))
        for growth in GROWTHS
        for kernel in KERNELS
    ]
    for value in COORDINATIONS:
        text = "as aggregated" if value is None else f"coordination {value:g}"
        asked.append((f"diffusion-limited\n{text}", parameters(kernel=KERNELS[0], coordination=value)))
    figure = new_figure(2.3 * 4, 5.5)
    axes = figure.subplots(2, 4)
    for row in range(2):
        own = asked[4 * row : 4 * row + 4]
        drawn = [sample_aggregate(one, np.random.default_rng(seed)) for _, one in own]
        for ax, (words, _), aggregate, field in zip(axes[row], own, drawn, fields(drawn), strict=True):
            found = describe(aggregate)
            draw_aggregate(ax, aggregate, field, legend=False)
            rg, contacts = found["radius_of_gyration_nm"], found["coordination"]
            ax.set_title(f"{words}\nRg {rg:.0f} nm, {contacts:.2f} contacts", fontsize=8)
    return figure


def textures(seed: int) -> Figure:
    """All models of textures, 224 nm wide, with their two-point functions."""
    field, fibres = GaussianFieldParameters, BooleanFibreParameters
    gaussian, matern = GaussianCovariance(length_nm=14), MaternCovariance(length_nm=12, smoothness=0.5)
    ring = RingCovariance(wavelength_nm=22, length_nm=40)
    entries = [
        ("lines, 1-4\nhorizontal or vertical", LineTextureParameters()),
        ("lines, 3-7\nhorizontal or vertical", LineTextureParameters(count=(3, 7))),
        ("lines, 3-7\ndiagonal", LineTextureParameters(count=(3, 7), orientations=("diagonal",))),
        ("field, Gaussian covariance\nfraction 0.5", field(covariance=gaussian)),
        ("field, Matérn, smoothness 1/2\nfraction 0.3", field(covariance=matern, volume_fraction=0.3)),
        ("field, spectral ring\nfraction 0.5", field(covariance=ring)),
        (
            "field, spectral ring stretched 2.5\nat 90°, fraction 0.4",
            field(covariance=ring, stretch=2.5, orientation_degrees=90, volume_fraction=0.4),
        ),
        (
            "discs, lognormal radii\nfraction 0.35",
            BooleanDiscParameters(radii=LognormalRadii(median_nm=7, geometric_sd=1.5), volume_fraction=0.35),
        ),
        ("fibres, isotropic\nfraction 0.35", fibres(volume_fraction=0.35)),
        (
            "fibres, 15° about horizontal\nfraction 0.35",
            fibres(volume_fraction=0.35, orientation_spread_degrees=15),
        ),
        ("Voronoi grains of 20 nm\nfraction 0.4", VoronoiParameters(volume_fraction=0.4)),
        (
            "lamellae of random widths, 60°\nfraction 0.4",
            LamellaeParameters(
                periodic=False, width_cv=1, orientation_degrees=60, volume_fraction=0.4, period_nm=20
            ),
        ),
    ]
    return draw_gallery(entries, np.random.default_rng(seed))


def save(figure: Figure, path: Path) -> None:
    """As a PNG of 256 colours, a third of the size of one of all colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130)
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1024:.0f} KB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, draw in {
        "fractal-dimension": fractal,
        "size-ratio": size_ratio,
        "affinity": affinity,
        "overlap": overlap,
        "kernels": kernels,
    }.items():
        save(draw(options.seed), options.out / f"gallery-{name}.png")
    save(textures(options.seed), options.out / "textures.png")


if __name__ == "__main__":
    main()
