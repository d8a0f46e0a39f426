"""Maps show each patch's value in its own cell."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from learn.micrographs.drawn import draw_micrograph
from learn.micrographs.plots import (
    label_colour,
    patch_montage,
    plot_image,
    plot_map,
    plot_true_walls,
    plot_walls,
)
from learn.micrographs.windows import cut_patches, grid_centres
from stochgeom.errors import UserError


@pytest.fixture(scope="module")
def patches():
    images = [draw_micrograph("film", (100, 140), seed=seed) for seed in (0, 1)]
    return cut_patches(images, [grid_centres(one.shape, 20) for one in images], 10)


def drawn(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def test_cells_have_the_colours_of_their_labels(patches):
    figure = Figure(figsize=(1.4, 1.0), dpi=200)
    axes = figure.add_axes((0, 0, 1, 1))
    labels = np.arange(len(patches)) % 7 - 1
    plot_map(axes, patches, labels, micrograph=1)
    picture = drawn(figure)
    scale = picture.shape[0] / 100
    for row in np.flatnonzero(patches.source == 1):
        y, x = patches.centres_px[row]
        if y < 80:  # the scale bar's box lies below
            shown = picture[round((y + 0.5) * scale), round((x + 0.5) * scale)]
            assert shown == pytest.approx(to_rgb(label_colour(labels[row])), abs=0.02)


def test_continuous_values_and_unknown_ones(patches):
    figure = Figure()
    values = np.linspace(-1, 1, len(patches))
    values[3] = np.nan
    found = plot_map(figure.add_subplot(), patches, values, opacity=0.5, limits=(-1, 1))
    assert found.get_array().mask.tolist() == [k == 3 for k in range(35)]
    assert found.get_clim() == (-1, 1)
    drawn(figure)


def test_angles_wrap(patches):
    figure = Figure()
    angles = np.linspace(-720, 720, len(patches))
    found = plot_map(figure.add_subplot(), patches, angles, limits=(0, 90), cyclic=True)
    assert found.get_array().data == pytest.approx(angles[:35] % 90)


def test_all_else_draws(patches):
    figure = Figure()
    axes = figure.add_subplot()
    plot_image(axes, patches.micrographs[0])
    plot_walls(axes, patches, np.arange(len(patches)) % 3)
    plot_true_walls(axes, patches.micrographs[0])
    plot_map(axes, patches, np.full(len(patches), np.nan))
    plot_map(axes, patches, np.arange(len(patches)) % 3, names=("a", "b", "c"))
    drawn(figure)
    wide = Figure()
    patch_montage(
        wide, patches.patches[:11], titles=[str(k) for k in range(11)], colours=["red"] * 11, columns=4
    )
    assert len(wide.axes) == 12
    drawn(wide)


def test_values_of_another_number_are_refused(patches):
    with pytest.raises(UserError, match="one for each"):
        plot_map(Figure().add_subplot(), patches, np.zeros(3))
