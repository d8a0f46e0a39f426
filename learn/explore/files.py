"""What the page writes: its state as a recipe, its pictures, the clusters as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learn.explore import figures
from learn.explore.axes import chart_axes
from learn.explore.session import Look
from learn.explore.shades import shade_of
from learn.plots import png, styled
from stochgeom.errors import UserError
from stochgeom.files import write_bytes, write_text

RECIPE = "explore.toml"
TABLE = "patches.csv"


def export(look: Look, folder: str | Path) -> list[Path]:
    """Write the recipe, the pictures that there are, and the table of patches into `folder`; their paths.

    UserError if nothing could be worked out, or the folder cannot be written.
    """
    if look.patches is None or look.descriptor is None:
        raise UserError(f"nothing to export: {look.problem or 'there are no patches'}")
    folder = Path(folder)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        look.state.save(folder / RECIPE)
        written.append(folder / RECIPE)
        for name, content in pictures(look):
            write_bytes(folder / name, content)
            written.append(folder / name)
        write_text(folder / TABLE, table(look))
        written.append(folder / TABLE)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error
    return written


def pictures(look: Look) -> Iterator[tuple[str, bytes]]:
    """Names and PNG files of the pictures of a look."""
    across, up, names = chart_axes(look)
    shade = shade_of(look, look.state.view.colour)
    with styled():
        yield "map.png", png(figures.map_figure(look, shade))
        yield "scatter.png", png(figures.scatter_figure(across, up, names, shade))
        if look.groups is not None:
            yield "means.png", png(figures.means_figure(look))
        components = figures.components_figure(look)
        if components is not None:
            yield "components.png", png(components)
        manifold = figures.manifold_of(look)
        if manifold is not None:
            yield "manifold.png", png(manifold)


def table(look: Look) -> str:
    """A line for each patch: its middle, its cluster with the probability, the numbers of the descriptor."""
    assert look.patches is not None
    assert look.descriptor is not None
    columns: list[NDArray] = [look.patches.centres_px[:, 0], look.patches.centres_px[:, 1]]
    header = ["y_px", "x_px"]
    if look.groups is not None:
        header += ["cluster", "probability"]
        columns += [look.groups.labels + 1, look.groups.probabilities.max(axis=1)]
    header += [*look.descriptor.names, *look.descriptor.extras]
    columns += [*look.descriptor.chart.T, *look.descriptor.extras.values()]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in zip(*columns, strict=True):
        writer.writerow([int(one) if isinstance(one, np.integer) else f"{one:.6g}" for one in row])
    return file.getvalue()
