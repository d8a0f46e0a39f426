"""Contact sheets: images of a corpus with scale bars and the parameters that made them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.realism import Realism
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from simulate.corpus.reader import Corpus

GAMMA = 0.6
"""Exponent of the grey scale, so that thin particles show beside thick ones."""


def contact_sheet(corpus: Corpus, path: str | Path, count: int = 12, noisy: bool = True) -> Path:
    """Write a PNG with `count` finished samples spread over the corpus: the first channel, clean and
    recorded. Textures are drawn with the second phase black, beside their images if they have some; of
    scenes at most six, with their columns, walls and domains.

    UserError if no sample is finished or the file cannot be written.
    """
    if corpus.kind == "scene":
        from simulate.micrographs.pictures import scene_sheet

        return scene_sheet(corpus, path, count, noisy)
    require("matplotlib", extra="simulate")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    indices = corpus.indices()
    if len(indices) == 0:
        raise UserError(f"{corpus.path}: no sample is finished yet")
    chosen = indices[np.unique(np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(int))]
    texture = corpus.kind == "texture"
    noisy = noisy and not (texture and corpus.recipe.realism == Realism())
    beside = texture and corpus.imaged  # the image that an engine made, beside the phase map
    across = 1 + beside + noisy
    columns = min(4 if texture and not beside else 3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(2.6 * columns * across, 3.1 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns * across)).reshape(rows, columns * across)
    for axis in axes.flat:
        axis.set_axis_off()
    for place, index in enumerate(int(i) for i in chosen):
        row, column = divmod(place, columns)
        clean = axes[row, column * across]
        if texture:
            _show_texture(clean, corpus, index)
        else:
            _show(clean, corpus.clean(index)[0], float(corpus.pixel_size[index]))
            clean.set_title(caption(corpus, index), fontsize=7, loc="left")
        if beside:
            image = axes[row, column * across + 1]
            _show(image, corpus.clean(index)[0], float(corpus.pixel_size[index]))
            image.set_title(corpus.channel_names[0], fontsize=7, loc="left")
        if noisy:
            recorded = axes[row, column * across + across - 1]
            _show(recorded, corpus.noisy(index)[0], float(corpus.pixel_size[index]))
            recorded.set_title("as recorded", fontsize=7, loc="left")
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return Path(path)


def caption(corpus: Corpus, index: int) -> str:
    """Two lines about a sample: number of particles and dimension, then number fraction and radius per
    species.
    """
    values = dict(zip(corpus.parameter_names, corpus.parameters[index], strict=True))
    lines = [f"sample {index}: {values['n_particles']:.0f} particles, Df {values['fractal_dimension']:.2f}"]
    for name in corpus.attributes["species_names"]:
        fraction, radius = values[f"fraction_{name}"], values[f"median_radius_nm_{name}"]
        lines.append(
            f"{name}: {100 * fraction:.0f} %, radius {radius:.1f} nm × {values[f'geometric_sd_{name}']:.2f}"
        )
    return "\n".join(lines)


def _show_texture(axis: Axes, corpus: Corpus, index: int) -> None:
    from stochgeom.textures.pictures import draw_phase

    draw_phase(axis, corpus.phases(np.array([index]))[0], corpus.field(index))
    axis.set_axis_on()
    axis.set_title(texture_caption(corpus, index), fontsize=7, loc="left")


def texture_caption(corpus: Corpus, index: int) -> str:
    """Two lines about a texture: its volume fraction, and what else there is of orientation and count."""
    truth = dict(zip(corpus.descriptor_names, corpus.descriptors[index], strict=True))
    words = {"orientation_degrees": "{:.0f}°", "count": "count {:.0f}"}
    words["lamella_thickness_nm"] = "{:.3g} nm thick"
    more = [text.format(truth[name]) for name, text in words.items() if np.isfinite(truth.get(name, np.nan))]
    return f"sample {index}: {100 * truth['volume_fraction']:.1f} %\n{', '.join(more)}"


def _show(axis: Axes, image: NDArray[np.floating[Any]], pixel_size_nm: float) -> None:
    low, high = float(image.min()), float(np.quantile(image, 0.9995))
    grey = np.clip((image - low) / max(high - low, 1e-12), 0, 1) ** GAMMA
    axis.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ny, nx = image.shape
    length = round_length(0.25 * nx * pixel_size_nm)
    left, bottom, pixels = 0.05 * nx, 0.94 * ny, length / pixel_size_nm
    below = grey[int(0.85 * ny) : int(0.96 * ny) + 1, int(left) : int(left + pixels) + 1]
    colour = "white" if below.mean() < 0.6 else "black"
    axis.plot([left, left + pixels], [bottom, bottom], color=colour, linewidth=2.5, solid_capstyle="butt")
    axis.text(left, bottom - 0.03 * ny, f"{length:g} nm", color=colour, fontsize=7, va="bottom")


def round_length(length: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is at most `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step for step in (1.0, 2.0, 5.0) if step <= length / power * (1 + 1e-9)) * power)
