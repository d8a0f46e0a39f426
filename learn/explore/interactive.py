"""Charts in which points can be picked: clusters and numbers on the image, and against each other."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.explore.shades import Shade
from learn.micrographs import Micrograph, PatchSet
from stochgeom.errors import require

MOST_POINTS = 12_000
"""Drawn in a chart; of more patches, an even choice."""
MOST_PIXELS = 1200
"""Along a side of the image that is sent to the browser."""
HEIGHT = 520
PICK = "#ff2d55"
FRAME = {"l": 10, "r": 10, "t": 10, "b": 10}
GRID = "#e3e5e8"
CONFIG = {"scrollZoom": True, "displaylogo": False, "modeBarButtonsToRemove": ["toImage", "autoScale2d"]}


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure of plotly, and for each of its traces the rows of the patch set that its points stand for."""

    figure: Any
    rows: tuple[NDArray[np.int64], ...]

    def picked(self, points: list[dict[str, Any]] | None) -> NDArray[np.int64]:
        """Rows (r,) of points that were picked, as marimo tells them."""
        found = []
        for point in points or []:
            trace, place = point.get("curveNumber"), point.get("pointIndex", point.get("pointNumber"))
            if isinstance(trace, int) and isinstance(place, int) and 0 <= trace < len(self.rows):
                rows = self.rows[trace]
                if 0 <= place < len(rows):
                    found.append(int(rows[place]))
        return np.unique(np.array(found, np.int64))


def map_chart(micrograph: Micrograph, channel: int, patches: PatchSet, shade: Shade) -> Chart:
    """The image with a dot at the middle of each patch, axes in nm from the upper left corner."""
    graphs = require("plotly.graph_objects", extra="explore")
    pixel = micrograph.pixel_size_nm
    places = (patches.centres_px + 0.5) * pixel
    height, width = (side * pixel for side in micrograph.shape)
    figure = graphs.Figure()
    rows = _dots(figure, places[:, 1], places[:, 0], shade, _dot_size(patches, micrograph), "nm")
    figure.add_layout_image(
        source=image_uri(micrograph.image[channel]),
        xref="x",
        yref="y",
        x=0,
        y=0,
        sizex=width,
        sizey=height,
        sizing="stretch",
        layer="below",
    )
    axis = {"showgrid": False, "zeroline": False, "constrain": "domain", "ticks": "outside"}
    figure.update_xaxes(range=[0, width], title="x / nm", **axis)
    figure.update_yaxes(range=[height, 0], title="y / nm", scaleanchor="x", **axis)
    return Chart(_framed(figure), rows)


def scatter_chart(across: NDArray, up: NDArray, names: tuple[str, str], shade: Shade) -> Chart:
    """Two numbers of each patch (n,) against each other."""
    graphs = require("plotly.graph_objects", extra="explore")
    figure = graphs.Figure()
    rows = _dots(figure, across, up, shade, 5.0, "")
    grid = {"gridcolor": GRID, "zerolinecolor": GRID}
    figure.update_xaxes(title=names[0], **grid)
    figure.update_yaxes(title=names[1], **grid)
    return Chart(_framed(figure), rows)


def image_uri(image: NDArray[np.float32]) -> str:
    """An image (y, x) as a grey picture inside a web address, its darkest and brightest 0.2 % clipped.

    Sides beyond `MOST_PIXELS` are shrunk by whole factors.
    """
    pictures = require("PIL.Image", extra="explore")
    factor = int(np.ceil(max(image.shape) / MOST_PIXELS))
    if factor > 1:
        ny, nx = (side // factor * factor for side in image.shape)
        image = image[:ny, :nx].reshape(ny // factor, factor, nx // factor, factor).mean(axis=(1, 3))
    low, high = np.quantile(image, (0.002, 0.998))
    grey = np.clip((image - low) / max(high - low, 1e-30), 0, 1)
    file = io.BytesIO()
    pictures.fromarray(np.uint8(np.rint(grey * 255))).save(file, "JPEG", quality=92)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _dots(
    figure: Any, x: NDArray, y: NDArray, shade: Shade, size: float, unit: str
) -> tuple[NDArray[np.int64], ...]:
    """One trace for each group of a shade of groups, else one; the rows of each."""
    unit = f" {unit}" if unit else ""
    shown = _even_choice(len(x))
    traces = []
    for name, colour, rows in shade.parts(shown):
        marker: dict[str, Any] = {"size": size, "opacity": 0.75, "color": colour}
        if colour is None:
            low, high = shade.limits
            bar = {"thickness": 12, "title": {"text": shade.name, "side": "right"}}
            marker |= {"color": shade.values[rows], "cmin": low, "cmax": high, "colorbar": bar}
            marker |= {"colorscale": shade.scale}
        figure.add_scattergl(
            x=x[rows].astype(np.float32),
            y=y[rows].astype(np.float32),
            mode="markers",
            marker=marker,
            unselected={"marker": {"opacity": marker["opacity"]}},
            selected={"marker": {"color": PICK, "size": size + 4, "opacity": 1}},
            name=name,
            showlegend=colour is not None,
            hovertemplate=f"%{{x:.3g}}{unit}, %{{y:.3g}}{unit}<extra>{shade.label(name)}</extra>",
        )
        traces.append(rows)
    if shade.groups is not None:
        figure.update_layout(legend_title_text=f"{shade.name} ")
    return tuple(traces)


def _even_choice(n: int) -> NDArray[np.int64]:
    if n <= MOST_POINTS:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, MOST_POINTS, replace=False))


def _dot_size(patches: PatchSet, micrograph: Micrograph) -> float:
    """About half the distance of neighbours, as the image fills the chart's height."""
    spacing = np.sqrt(micrograph.shape[0] * micrograph.shape[1] / len(patches))
    return float(np.clip(0.55 * spacing * HEIGHT / max(micrograph.shape), 3, 14))


def _framed(figure: Any) -> Any:
    return figure.update_layout(
        height=HEIGHT,
        margin=FRAME,
        dragmode="lasso",
        clickmode="event+select",
        hovermode="closest",
        modebar={"orientation": "v", "bgcolor": "rgba(255, 255, 255, 0.6)"},
        plot_bgcolor="white",
        paper_bgcolor="white",
        font={"size": 12, "color": "#2b2f36"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "itemsizing": "constant"},
    )
