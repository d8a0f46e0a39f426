"""Pictures of a report on texture autoencoders: images beside reconstructions, samples, walks in latent
space.

Phase 1 is black. Maps of the two-point function share the grey levels of their original's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stochgeom.spatial_statistics import autocorrelation, statistics_distance

from .analysis import TextureAnalysis
from .image_grid import image_grid, name_row, show_difference, show_image, show_map, title
from .methods import Reconstruction, TextureVAE
from .readings import read_images
from .scores import thresholded
from .texture_set import TextureSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 8
STEPS = 9
REACH = 2.5  # standard deviations of a latent number's posterior means that a traversal goes from the middle
SAMPLES = (4, 10)
TRAVERSED = 12


def reconstructions_figure(analysis: TextureAnalysis) -> Figure:
    """Test images at random: the original, each group's reconstruction, the nearest training texture, with
    their two-point functions below; the numbers are f-space MSEs in units of 1e-5.
    """
    n = len(analysis.test)
    rows = np.sort(np.random.default_rng(analysis.settings["seed"]).permutation(n)[: min(SHOWN, n)])
    originals = analysis.test.pictures(rows)
    images: dict[str, np.ndarray] = {"original": originals}
    for group in analysis.groups:
        member = group.members[0]
        images[group.label] = Reconstruction(member, analysis.models[member]).images(originals)
    images["nearest training"] = analysis.train.pictures(analysis.nearest[0][rows, 0])
    return _beside(images, originals)


def _beside(images: dict[str, np.ndarray], originals: np.ndarray) -> Figure:
    count = len(originals)
    titled = range(1, len(images))
    figure, grid = image_grid(2 * len(images), count, originals.shape[1:], left=1.05, titled=titled)
    top = autocorrelation(originals).max(axis=(1, 2))
    for k, (label, found) in enumerate(images.items()):
        maps = autocorrelation(found)
        distance = statistics_distance(found, originals)
        for j in range(count):
            show_image(grid[k, j], found[j])
            show_map(grid[len(images) + k, j], maps[j], float(top[j]))
            if k:
                title(grid[k, j], f"{1e5 * distance[j]:.2f}")
        for line, words in ((k, label), (len(images) + k, f"f of {label}")):
            name_row(grid[line, 0], words)
    return figure


def cases_figure(analysis: TextureAnalysis, each: int = 3) -> Figure:
    """The best, median and worst reconstructions of the first model by f-space MSE: original, reconstruction,
    their two-point functions, and the difference of these.
    """
    mse = analysis.method(analysis.headline).column("f_mse", analysis.threshold)
    each = min(each, max(1, len(mse) // 3))
    order = np.argsort(mse, kind="stable")
    middle = (len(order) - each) // 2
    rows = np.concatenate([order[:each], order[middle : middle + each], order[-each:]])
    originals = analysis.test.pictures(rows)
    found = Reconstruction(analysis.headline, analysis.models[analysis.headline]).images(originals)
    lines: list[tuple[str, np.ndarray]] = [
        ("original", originals),
        ("reconstruction", found),
        ("f of original", autocorrelation(originals)),
        ("f of reconstruction", autocorrelation(found)),
    ]
    difference = lines[3][1] - lines[2][1]
    figure, grid = image_grid(5, len(rows), originals.shape[1:], left=1.05, titled=(0,))
    names = [*["best"] * each, *["median"] * each, *["worst"] * each]
    top = lines[2][1].max(axis=(1, 2))
    for j, row in enumerate(rows):
        show_image(grid[0, j], originals[j])
        show_image(grid[1, j], found[j])
        show_map(grid[2, j], lines[2][1][j], float(top[j]))
        show_map(grid[3, j], lines[3][1][j], float(top[j]))
        show_difference(grid[4, j], difference[j], float(top[j]) / 2)
        title(grid[0, j], f"{names[j]}: {1e5 * mse[row]:.2f}")
    for k, words in enumerate([*(name for name, _ in lines), "f, difference"]):
        name_row(grid[k, 0], words)
    return figure


def samples_figure(analysis: TextureAnalysis, label: str) -> Figure:
    """Images from a model's prior; line textures, or without lines those like the originals, have a green
    border, others a red one.
    """
    images = analysis.sample_images[label][: SAMPLES[0] * SAMPLES[1]]
    found = analysis.samples[label]
    like = found.like_originals if found.line_texture is None else found.line_texture
    rows = -(-len(images) // SAMPLES[1])
    figure, grid = image_grid(rows, SAMPLES[1], images.shape[1:])
    for axes, image, good in zip(grid.ravel(), images, like, strict=False):
        show_image(axes, image)
        axes.spines[:].set_color("#1d7a46" if good else "#a63a3a")
        axes.spines[:].set_linewidth(1.1)
    for axes in figure.axes[len(images) :]:
        axes.set_axis_off()
    return figure


def traversals_figure(analysis: TextureAnalysis) -> Figure | None:
    """A row for each latent number in use, by its divergence: from the code of one test image, that number
    alone goes through its posterior means' middle, up to 2.5 standard deviations either way.
    """
    use, vae = analysis.latents[analysis.headline], analysis.models[analysis.headline]
    order = [int(k) for k in np.argsort(use.kl_nats)[::-1] if use.active[k]][:TRAVERSED]
    if not order:
        return None
    base = use.means[middle_image(analysis)]
    steps = np.linspace(-REACH, REACH, STEPS)
    codes = np.repeat(base[None], len(order) * STEPS, axis=0)
    for k, dimension in enumerate(order):
        middle, sd = use.means[:, dimension].mean(), use.means[:, dimension].std()
        codes[k * STEPS : (k + 1) * STEPS, dimension] = middle + steps * sd
    images = np.asarray(vae.decode(codes.astype(np.float32)), np.float32)
    figure, grid = image_grid(len(order), STEPS, images.shape[1:], left=0.8, titled=(0,))
    for k, dimension in enumerate(order):
        for j in range(STEPS):
            show_image(grid[k, j], images[k * STEPS + j])
            if k == 0:
                title(grid[k, j], f"{steps[j]:+.1f} SD".replace("-", "−"))
        words = f"no. {dimension + 1}\n{use.kl_nats[dimension]:.2f} nats"
        name_row(grid[k, 0], words)
    return figure


def middle_image(analysis: TextureAnalysis) -> int:
    """The test image whose reconstruction by the first model has the median f-space MSE."""
    mse = analysis.method(analysis.headline).column("f_mse", analysis.threshold)
    return int(np.argsort(mse, kind="stable")[len(mse) // 2])


def interpolation_pairs(test: TextureSet) -> list[tuple[int, int]]:
    """Pairs of test images to walk between: unlike in count, in orientation, in volume fraction."""
    pairs = []
    counted, angle = test.count, test.orientation_degrees
    if np.isfinite(counted).any():
        few = int(np.nanargmin(counted))
        same = np.isclose(angle, angle[few]) if np.isfinite(angle[few]) else np.ones(len(test), bool)
        pairs.append((few, int(np.nanargmax(np.where(same, counted, np.nan)))))
    if len(np.unique(angle[np.isfinite(angle)])) > 1:
        first = int(np.flatnonzero(np.isfinite(angle))[0])
        apart = np.abs(np.sin(np.radians(angle - angle[first])))
        alike = np.where(np.isfinite(counted), np.abs(counted - counted[first]), 0)
        pairs.append((first, int(np.nanargmax(apart - 0.01 * alike))))
    if not pairs or not np.isfinite(counted).any():
        pairs.append((int(np.argmin(test.volume_fraction)), int(np.argmax(test.volume_fraction))))
    return pairs


def interpolation_figure(analysis: TextureAnalysis) -> Figure:
    """From one test image to another on a straight line through the codes; originals at both ends. Below
    each: the volume fraction as it is, and the number of lines at the threshold where lines are counted.
    """
    vae: TextureVAE = analysis.models[analysis.headline]
    use, test = analysis.latents[analysis.headline], analysis.test
    pairs = interpolation_pairs(test)
    lines = bool(np.isfinite(test.count).any())
    figure, grid = image_grid(len(pairs), STEPS + 2, test.shape, titled=range(len(pairs)))
    for row, (start, end) in zip(grid, pairs, strict=True):
        share = np.linspace(0, 1, STEPS)[:, None]
        codes = ((1 - share) * use.means[start] + share * use.means[end]).astype(np.float32)
        between = np.asarray(vae.decode(codes), np.float32)
        shown = [*test.pictures([start]), *between, *test.pictures([end])]
        found = read_images(thresholded(np.stack(shown), analysis.threshold), np.full(len(shown), lines))
        for j, (axes, image) in enumerate(zip(row, shown, strict=True)):
            show_image(axes, image)
            words = f"φ {image.mean():.3f}" + (f", {found.count[j]:.0f}" if lines else "")
            title(axes, f"original {words}" if j in (0, STEPS + 1) else words, size=6.2)
    return figure


def nearest_figure(analysis: TextureAnalysis, count: int = 4) -> Figure:
    """Test images at fixed quantiles of their distance to the training set, their reconstruction, and the
    three nearest training textures; numbers are f-space MSEs in units of 1e-5.
    """
    index, distance = analysis.nearest
    order = np.argsort(distance[:, 0], kind="stable")
    rows = order[np.round(np.linspace(0.15, 0.95, count) * (len(order) - 1)).astype(int)]
    originals = analysis.test.pictures(rows)
    vae = Reconstruction(analysis.headline, analysis.models[analysis.headline])
    found = vae.images(originals)
    apart = statistics_distance(found, originals)
    neighbours = index.shape[1]
    figure, grid = image_grid(count, 2 + neighbours, originals.shape[1:], titled=range(count))
    for i, row in enumerate(rows):
        near = analysis.train.pictures(index[row])
        words = ["original", f"reconstruction {1e5 * apart[i]:.2f}"]
        words += [f"training no. {index[row, j]}: {1e5 * distance[row, j]:.2f}" for j in range(neighbours)]
        for axes, image, text in zip(grid[i], [originals[i], found[i], *near], words, strict=True):
            show_image(axes, image)
            title(axes, text)
    return figure
