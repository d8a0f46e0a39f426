"""Pictures of micrographs and of what is known of their patches, drawn into given axes in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from learn.micrographs.cells import image_tiling
from learn.micrographs.micrograph import Micrograph
from learn.micrographs.neighbours import NeighbourGraph, neighbour_graph
from learn.micrographs.patch_set import PatchSet
from learn.plots import bare_panel
from stochgeom.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL_COLOURS = (
    "#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE",
    "#AA3377", "#EE8866", "#44BB99", "#882255", "#999933",
)  # fmt: skip # Tol's bright and muted schemes, which the colour-blind tell apart
UNKNOWN = "#d0d3da"
FOUND, TRUE = "#ffcc33", "#00e5ff"
GREYS = (0.5, 99.8)


def label_colour(label: int) -> str:
    """Colour of a cluster, class or region; grey for a negative number."""
    return UNKNOWN if label < 0 else LABEL_COLOURS[label % len(LABEL_COLOURS)]


def plot_image(axes: Axes, micrograph: Micrograph, channel: int = 0, bar: bool = True) -> None:
    """One channel in greys, with a scale bar."""
    image = micrograph.image[channel]
    low, high = np.percentile(image, GREYS)
    axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest")
    _bare(axes, micrograph)
    if bar:
        _scale_bar(axes, micrograph)


def plot_map(
    axes: Axes,
    patch_set: PatchSet,
    values: ArrayLike,
    micrograph: int = 0,
    *,
    opacity: float = 1.0,
    colours: Any = None,
    limits: tuple[float, float] | None = None,
    cyclic: bool = False,
    names: Sequence[str] | None = None,
) -> Any:
    """Values (n,) of all patches of the set as the colours of their Voronoi cells, in one micrograph.

    Whole numbers are labels: colours of their own, and a legend if `names` are given. Others are shown from
    `limits` (their 2nd and 98th percentile if None) by the colour map `colours` (viridis, or twilight for
    `cyclic` ones, whose limits are one period); NaN stays grey. Returns the collection, for a colour bar.
    With `opacity` below 1 the image shows through.
    """
    values = np.asarray(values)
    if values.shape != (len(patch_set),):
        raise UserError(
            f"a map of {values.shape} values for {len(patch_set)} patches; one for each is needed"
        )
    rows, tiles = image_tiling(patch_set, micrograph)
    shown = patch_set.micrographs[micrograph]
    if opacity < 1:
        plot_image(axes, shown, bar=False)
    _bare(axes, shown)
    if tiles is None:
        return None
    polygons = [corners[:, ::-1] for corners in tiles.polygons]
    labels = values.dtype.kind in "iub"
    found = (
        _labels(polygons, values[rows], opacity)
        if labels
        else _levels(polygons, values[rows], _limits(values, limits), opacity, colours, cyclic)
    )
    axes.add_collection(found)
    if labels and names is not None:
        _legend(axes, np.unique(values[rows]), names)
    _scale_bar(axes, shown)
    return found


def plot_walls(
    axes: Axes,
    patch_set: PatchSet,
    labels: ArrayLike,
    micrograph: int = 0,
    *,
    graph: NeighbourGraph | None = None,
    colour: str = FOUND,
    width: float = 1.4,
) -> None:
    """The borders between patches of unlike labels (n,)."""
    from matplotlib.collections import LineCollection

    graph = neighbour_graph(patch_set) if graph is None else graph
    borders = graph.borders_px[graph.unlike(labels) & (graph.source == micrograph)]
    axes.add_collection(
        LineCollection(list(borders[..., ::-1]), colors=colour, linewidths=width, capstyle="round")
    )


def plot_true_walls(axes: Axes, micrograph: Micrograph, colour: str = TRUE, width: float = 1.4) -> None:
    """The walls of the micrograph's truth; nothing without one."""
    from matplotlib.collections import LineCollection

    if micrograph.truth is None:
        return
    walls = micrograph.truth.walls
    ends = np.stack([micrograph.pixels_of(walls[:, k : k + 2])[:, ::-1] for k in (0, 2)], axis=1)
    axes.add_collection(LineCollection(list(ends), colors=colour, linewidths=width, linestyles=(0, (4, 2))))


def patch_montage(
    figure: Figure,
    patches: NDArray[np.floating],
    titles: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
    columns: int = 8,
    alike: bool = True,
) -> None:
    """Patches (n, channel, h, w) side by side, one row of pictures for each channel, in one grey scale if
    `alike`.
    """
    n, channels = patches.shape[:2]
    columns = min(columns, n)
    lines = -(-n // columns)
    grid = figure.subplots(lines * channels, columns, squeeze=False)
    for place, axes in np.ndenumerate(grid):
        bare_panel(axes)
        k, channel = (place[0] // channels) * columns + place[1], place[0] % channels
        if k >= n:
            axes.set_visible(False)
            continue
        scale = patches[:, channel] if alike else patches[k, channel]
        low, high = np.percentile(scale, (0.2, 99.8))
        axes.imshow(patches[k, channel], cmap="gray", vmin=low, vmax=max(high, low + 1e-12))
        if colours is not None:
            _frame(axes, colours[k])
        if titles is not None and channel == 0:
            axes.set_title(titles[k], fontsize=7.5, fontweight="normal", loc="center")


def _labels(polygons: list[NDArray[np.float64]], labels: NDArray[Any], opacity: float) -> Any:
    from matplotlib.collections import PolyCollection

    colours = [label_colour(int(label)) for label in labels]
    return PolyCollection(polygons, facecolors=colours, edgecolors=colours, linewidths=0.3, alpha=opacity)


def _levels(
    polygons: list[NDArray[np.float64]],
    values: NDArray[Any],
    limits: tuple[float, float],
    opacity: float,
    colours: Any,
    cyclic: bool,
) -> Any:
    from matplotlib import colormaps
    from matplotlib.collections import PolyCollection

    name = colours or ("twilight" if cyclic else "viridis")
    table = colormaps[name].with_extremes(bad=UNKNOWN) if isinstance(name, str) else name
    if cyclic:
        values = limits[0] + (values - limits[0]) % (limits[1] - limits[0])
    found = PolyCollection(polygons, cmap=table, linewidths=0.3, edgecolors="face", alpha=opacity)
    found.set_array(np.ma.masked_invalid(values))
    found.set_clim(*limits)
    return found


def _limits(values: NDArray[Any], limits: tuple[float, float] | None) -> tuple[float, float]:
    if limits is not None:
        return limits
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return 0.0, 1.0
    low, high = np.percentile(known, (2, 98))
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _legend(axes: Axes, labels: NDArray[Any], names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=label_colour(int(label)), label=names[int(label)])
        for label in labels
        if 0 <= label < len(names)
    ]
    columns = min(2 if max(map(len, names)) > 12 else 4, len(handles))
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=columns,
        fontsize=7, handlelength=1, columnspacing=1,
    )  # fmt: skip


def _bare(axes: Axes, micrograph: Micrograph) -> None:
    bare_panel(axes)
    ny, nx = micrograph.shape
    axes.set_xlim(-0.5, nx - 0.5)
    axes.set_ylim(ny - 0.5, -0.5)
    axes.set_aspect("equal")


def _frame(axes: Axes, colour: str) -> None:
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(colour)
        spine.set_linewidth(2.5)


def _scale_bar(axes: Axes, micrograph: Micrograph) -> None:
    ny, nx = micrograph.shape
    length = _round_length(0.25 * nx * micrograph.pixel_size_nm)
    x, y, wide = 0.05 * nx, 0.95 * ny, length / micrograph.pixel_size_nm
    axes.add_patch(_box(x - 0.02 * nx, y - 0.075 * ny, wide + 0.04 * nx, 0.105 * ny))
    axes.plot([x, x + wide], [y, y], color="white", linewidth=2.5, solid_capstyle="butt", zorder=3)
    axes.text(
        x + wide / 2, y - 0.012 * ny, f"{length:g} nm", color="white", fontsize=7, ha="center", va="bottom"
    )


def _box(x: float, y: float, width: float, height: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, color="black", alpha=0.45, linewidth=0, zorder=2.5)


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(power * max(step for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))
