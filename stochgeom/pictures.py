"""Pictures of an aggregate: shaded particles in the colours of the species, and the projected thickness."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .aggregate import HeteroAggregate
from .bodies.chords import crossings, entry_normals
from .descriptors import describe
from .errors import require
from .projection import Field, beam_bodies, chord_lengths, particle_windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (
    "#2a78b5",
    "#e08a1e",
    "#3d9a57",
    "#8e5bb0",
    "#c2443f",
    "#7a7a7a",
)  # by species, told apart by the colour-blind
LIGHT = np.array([-0.45, -0.55, -0.70])  # from above left, towards the viewer, who looks along +z


def species_colour(species: int) -> tuple[float, float, float]:
    """RGB of a species index."""
    colours = require("matplotlib.colors", extra="simulate")
    return colours.to_rgb(COLOURS[species % len(COLOURS)])


def draw_aggregate(
    ax: Axes, aggregate: HeteroAggregate, field: Field | None = None, legend: bool = True
) -> None:
    """The particles as the beam meets them (from -z), shaded, y downwards as in images; scale bar in nm."""
    view = Field.around(aggregate, (480, 480), 1.12) if field is None else _finer(field, 480)
    image = _smoothed(_shaded(aggregate, _finer(view, 2 * max(view.shape))))
    ax.imshow(image, extent=view.extent_nm, origin="upper", interpolation="antialiased")
    _finish(ax, view, "black")
    if legend:
        _add_legend(ax, aggregate)


def draw_projection(ax: Axes, aggregate: HeteroAggregate, field: Field | None = None) -> None:
    """Projected thickness in nm on a field (default: one around the aggregate), with a colour bar."""
    view = Field.around(aggregate, (256, 256), 1.12) if field is None else field
    thickness = chord_lengths(aggregate, view, oversampling=2).sum(axis=0)
    image = ax.imshow(thickness, extent=view.extent_nm, origin="upper", cmap="gray", vmin=0)
    _finish(ax, view, "white")
    ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.03, label="thickness (nm)")


def save_picture(aggregate: HeteroAggregate, path: str | os.PathLike, title: str = "") -> None:
    """Particles beside the projected thickness, as an image file."""
    figure_module = require("matplotlib.figure", extra="simulate")
    figure = figure_module.Figure(figsize=(9.6, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    field = Field.around(aggregate, (320, 320), 1.12)
    draw_aggregate(left, aggregate, field)
    draw_projection(right, aggregate, field)
    row = describe(aggregate)
    facts = f"{len(aggregate)} particles, Rg {row['radius_of_gyration_nm']:.1f} nm"
    if not np.isnan(row["mixing_index"]):
        facts += f", {row['hetero_contacts']:.0f} of {row['contacts']:.0f} contacts join unlike particles"
    figure.suptitle(f"{title}: {facts}" if title else facts, fontsize=10)
    figure.savefig(path, dpi=130)


def _finer(field: Field, pixels: int) -> Field:
    """The same view with at least `pixels` pixels on its longer side."""
    factor = max(1, -(-pixels // max(field.shape)))
    ny, nx = field.shape
    return Field((ny * factor, nx * factor), field.pixel_size_nm / factor, field.centre_nm)


def _smoothed(image: np.ndarray) -> np.ndarray:
    """An RGB image of half the size, each pixel the mean of four: smooth edges."""
    ny, nx = image.shape[0] // 2, image.shape[1] // 2
    return image[: 2 * ny, : 2 * nx].reshape(ny, 2, nx, 2, 3).mean(axis=(1, 3))


def _shaded(aggregate: HeteroAggregate, view: Field) -> np.ndarray:
    """(ny, nx, 3) RGB: the particle nearest to the source at each pixel, darker with depth."""
    image = np.ones((*view.shape, 3))
    front = np.full(view.shape, np.inf)
    nearest = aggregate.bounds[0][2]
    depth_range = max(np.ptp(aggregate.centres[:, 2]), 1e-9)
    light = LIGHT / np.linalg.norm(LIGHT)
    surfaces = _sphere_surfaces if aggregate.spherical else _body_surfaces
    for species, (iy, ix, z, normal, edge) in zip(aggregate.species, surfaces(aggregate, view), strict=True):
        visible = z < front[iy, ix]
        lit = np.clip(normal @ light, 0, 1)
        near = 1 - 0.35 * np.clip((np.where(visible, z, nearest) - nearest) / depth_range, 0, 1)
        shade = near * (0.42 + 0.58 * lit) * np.where(edge, 0.72, 1.0)
        colour = (
            shade[..., None] * np.array(species_colour(int(species)))
            + 0.35 * near[..., None] * lit[..., None] ** 24
        )
        image[iy, ix][visible] = np.clip(colour, 0, 1)[visible]
        front[iy, ix][visible] = z[visible]
    return image


Surface = tuple[slice, slice, np.ndarray, np.ndarray, np.ndarray]
"""Rows and columns of a view; the height (r, c) nm of a particle's surface towards the source, infinite
beside it; its outward normals (r, c, 3); where an edge is drawn.
"""


def _sphere_surfaces(aggregate: HeteroAggregate, view: Field) -> Iterator[Surface]:
    x, y = view.x_nm, view.y_nm
    for centre, radius in zip(aggregate.centres, aggregate.radii, strict=True):
        ix = slice(*np.searchsorted(x, (centre[0] - radius, centre[0] + radius)))
        iy = slice(*np.searchsorted(y, (centre[1] - radius, centre[1] + radius)))
        dx, dy = np.meshgrid((x[ix] - centre[0]) / radius, (y[iy] - centre[1]) / radius)
        square = dx**2 + dy**2
        dz = -np.sqrt(np.clip(1 - square, 0, None))
        z = np.where(square < 1, centre[2] + radius * dz, np.inf)
        yield iy, ix, z, np.stack((dx, dy, dz), axis=-1), square > 0.93


def _body_surfaces(aggregate: HeteroAggregate, view: Field) -> Iterator[Surface]:
    beam = beam_bodies(aggregate)
    for k, (y0, y1, x0, x1) in enumerate(particle_windows(aggregate, view)):
        x, y, height = aggregate.centres[k]
        xs, ys = view.x_nm[x0:x1] - x, view.y_nm[y0:y1] - y
        low, high = crossings(beam, k, xs, ys)
        normal = entry_normals(beam, k, xs, ys)
        edge = normal[..., 2] > -0.26 if aggregate.shape[k] != "polytope" else _steps(normal)
        yield slice(y0, y1), slice(x0, x1), np.where(high > low, low + height, np.inf), normal, edge


def _steps(normal: np.ndarray) -> np.ndarray:
    """(r, c) where the normal (r, c, 3) of a pixel differs from that of one beside it: edges of facets."""
    found = np.zeros(normal.shape[:2], bool)
    across = np.abs(np.diff(normal, axis=1)).max(axis=2) > 1e-6
    down = np.abs(np.diff(normal, axis=0)).max(axis=2) > 1e-6
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


def _finish(ax: Axes, view: Field, colour: str) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    effects = require("matplotlib.patheffects", extra="simulate")
    left, right, bottom, top = view.extent_nm
    width, height = right - left, bottom - top
    length = _round_length(0.25 * width)
    x, y = left + 0.05 * width, bottom - 0.05 * height
    ax.plot([x, x + length], [y, y], color=colour, linewidth=3, solid_capstyle="butt")
    ax.text(
        x,
        y - 0.015 * height,
        f"{length:g} nm",
        color=colour,
        ha="left",
        va="bottom",
        fontsize=9,
        path_effects=[effects.withStroke(linewidth=2, foreground="white" if colour == "black" else "black")],
    )
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))


def _add_legend(ax: Axes, aggregate: HeteroAggregate) -> None:
    lines = require("matplotlib.lines", extra="simulate")
    counts = np.bincount(aggregate.species, minlength=len(aggregate.species_names))
    handles = [
        lines.Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markersize=8,
            color=species_colour(k),
            label=f"{name} ({counts[k]})",
        )
        for k, name in enumerate(aggregate.species_names)
    ]
    ax.legend(
        handles=handles, loc="upper left", fontsize=9, frameon=False, handletextpad=0.2, borderaxespad=0.2
    )
