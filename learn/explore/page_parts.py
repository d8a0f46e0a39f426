"""What the page shows below its controls."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learn.explore import figures
from learn.explore.axes import chart_axes
from learn.explore.controls import Values, state_of
from learn.explore.files import export
from learn.explore.interactive import CONFIG, Chart, map_chart, scatter_chart
from learn.explore.mixtures import StoppedError
from learn.explore.session import Look, Session, with_count
from learn.explore.shades import shade_of
from learn.explore.state import ExploreState
from learn.micrographs import PatchSet
from learn.plots import data_uri, styled
from stochgeom.errors import UserError, require

MOST_CHOICES = 10
"""Numbers of clusters that the page compares."""
PIXELS_PER_INCH = 112
"""Of figures on the page."""
BEGIN = "Click on a dot in either chart, or draw a lasso round some."


def opening(request: Any) -> ExploreState:
    """The state that a page begins with: the one that came with its request, if one did."""
    meta = getattr(request, "meta", None) or {}
    return ExploreState.from_toml(meta["state"]) if "state" in meta else ExploreState()


class Turns:
    """Counts what a page was asked for, so that what nobody waits for any more stops at once: it would slow
    down what is asked for now.
    """

    def __init__(self) -> None:
        self._now = 0

    def begin(self) -> None:
        """Something else is asked for."""
        self._now += 1

    def over(self, ended: Callable[[], bool]) -> Callable[[], bool]:
        """Tells, whenever called, whether the present turn is over, or `ended` says so."""
        own = self._now
        return lambda: self._now != own or ended()


def look_at(session: Session, values: Values, view: Any, turns: Turns) -> Look:
    """What the controls ask for; a problem instead of an error."""
    turns.begin()
    try:
        return session.look(state_of(values).model_copy(update={"view": view}))
    except UserError as error:
        return Look(ExploreState(), problem=" ".join(str(error).split()))


def notice(look: Look) -> Any:
    """One line: what is wrong, or what is being worked out, or what is shown."""
    mo = require("marimo", extra="explore")
    if look.problem is not None:
        return mo.callout(_plain(look.problem), kind="danger")
    if look.slow_seconds is not None:
        assert look.descriptor is not None
        n, numbers = look.descriptor.values.shape
        text = (
            f"Working out {look.state.clusters.count} clusters of {n} patches in {numbers} dimensions, "
            f"{look.state.clusters.covariance} covariance: about {_duration(look.slow_seconds)}. "
            "The page stays usable; any change of a control stops it. Principal components are quicker."
        )
        return mo.callout(_plain(text), kind="warn")
    return _plain(summary(look))


def summary(look: Look) -> str:
    """What is shown: image, patches, criteria, agreement with the truth."""
    assert look.micrograph is not None
    assert look.patches is not None
    ny, nx = look.micrograph.shape
    h, w = look.patches.window
    pixel = look.micrograph.pixel_size_nm
    parts = [
        f"{look.micrograph.name}, {nx} x {ny} pixels of {pixel:.4g} nm",
        f"{len(look.patches)} patches of {w} x {h} pixels ({w * pixel:.3g} nm)",
    ]
    if look.groups is not None:
        bic, icl = look.groups.bic_per_patch, look.groups.icl_per_patch
        parts.append(f"BIC {bic:.3f} and ICL {icl:.3f} nats per patch")
    parts += [f"{name} {value:.2f}" for name, value in look.scores.items()]
    return "; ".join(parts) + "."


def make_charts(look: Look) -> tuple[Chart, Chart]:
    """The map and the scatter."""
    assert look.micrograph is not None
    assert look.patches is not None
    shade = shade_of(look, look.state.view.colour)
    across, up, names = chart_axes(look)
    on_image = map_chart(look.micrograph, look.state.source.channel, look.patches, shade)
    return on_image, scatter_chart(across, up, names, shade)


class Picks:
    """What was picked last, in whichever chart; it stays picked as long as the patches stay."""

    def __init__(self) -> None:
        self._rows = np.zeros(0, np.int64)
        self._patches: PatchSet | None = None

    def take(self, rows: NDArray[np.int64]) -> None:
        """From now on these rows of the patches are picked."""
        self._rows = rows

    def of(self, patches: PatchSet | None) -> NDArray[np.int64]:
        """Rows (r,) of these patches; none if others were shown before."""
        if patches is not self._patches:
            self._patches, self._rows = patches, np.zeros(0, np.int64)
        return self._rows


def plot_of(chart: Chart, picks: Picks) -> Any:
    """A chart as an element of the page, which tells `picks` what is picked in it."""
    plotly = require("marimo", extra="explore").ui.plotly
    return plotly(chart.figure, config=CONFIG, on_change=lambda points: picks.take(chart.picked(points)))


def picked(look: Look, rows: NDArray[np.int64]) -> Any:
    """The picked patches, `rows` (r,) of the look, as a picture and a line."""
    mo = require("marimo", extra="explore")
    if len(rows) == 0:
        return mo.md(f"*{BEGIN}*")
    across, up, _ = chart_axes(look)
    picture = _picture(lambda: figures.picked_figure(look, rows, across, up), "picked patches")
    return mo.vstack([_plain(told(look, rows)), picture], gap=0.3)


def told(look: Look, rows: NDArray[np.int64]) -> str:
    """Where a picked patch is and what it belongs to; of several, how they fall into clusters."""
    assert look.patches is not None
    if len(rows) == 1:
        row = int(rows[0])
        y, x = look.patches.centres_px[row]
        nm = look.patches.pixel_size_nm
        text = f"Patch {row}: x = {(x + 0.5) * nm:.3f} nm, y = {(y + 0.5) * nm:.3f} nm"
        text += f" (pixel {x:.1f}, {y:.1f})"
        if look.groups is not None:
            label = int(look.groups.labels[row])
            text += f"; cluster {label + 1}, probability {look.groups.probabilities[row, label]:.3f}"
        return text + "."
    text = f"{len(rows)} patches"
    if look.groups is not None:
        counts = np.bincount(look.groups.labels[rows], minlength=look.groups.count)
        text += ": " + ", ".join(f"{n} of cluster {k + 1}" for k, n in enumerate(counts) if n)
    return text + "."


def below(look: Look) -> dict[str, Any]:
    """Still pictures by the name of their tab; each is drawn when its tab is opened first."""
    mo = require("marimo", extra="explore")
    tabs = {}
    if look.groups is not None:
        tabs["Cluster means"] = mo.lazy(lambda: _picture(lambda: figures.means_figure(look), "cluster means"))
    if look.descriptor is not None and look.descriptor.pictures is not None:
        tabs["Components"] = mo.lazy(lambda: _picture(lambda: figures.components_figure(look), "components"))
    if look.descriptor is not None and look.descriptor.model is not None:
        tabs["Manifold"] = mo.lazy(lambda: _picture(lambda: figures.manifold_of(look), "manifold"))
    return tabs


def tabs_of(tabs: dict[str, Any], kept: dict[str, str]) -> Any:
    """Tabs that open where the page's last ones were, which `kept` says."""
    ui = require("marimo", extra="explore").ui
    return ui.tabs(tabs, value=kept.get("tab"), on_change=lambda name: kept.update(tab=name))


def choices(session: Session, look: Look) -> Any:
    """BIC and ICL of all numbers of clusters that were worked out for these numbers of these patches."""
    mo = require("marimo", extra="explore")
    found = session.choices(look.state) if look.descriptor is not None else []
    if len(found) < 2:
        return mo.md("*Only one number of clusters was worked out so far.*")
    return _picture(lambda: figures.choices_figure(found, look.state.clusters.count), "criteria")


def work(session: Session, state: ExploreState, counts: list[int], done: Any, stop: Any) -> None:
    """Work out mixtures of so many clusters, telling `done` after each, until `stop` says so."""
    try:
        for count in counts:
            other = with_count(state, count)
            if not session.has_clusters(other):
                session.clusters(other, stop)
                done(lambda number: number + 1)
    except (StoppedError, UserError):
        return


def export_to(look: Look, folder: str) -> Any:
    """Write the files, and say which."""
    mo = require("marimo", extra="explore")
    try:
        written = export(look, Path(folder.strip() or "explore-export"))
    except UserError as error:
        return mo.callout(_plain(str(error)), kind="danger")
    names = ", ".join(path.name for path in written)
    return mo.callout(_plain(f"Written to {written[0].parent.resolve()}: {names}"), kind="success")


def _picture(draw: Callable[[], Any], alt: str) -> Any:
    """A figure as wide as it was made for, or as the page is. It is part of the page's text: a file of its
    own would be gone when a browser that lags behind asks for it.
    """
    with styled():
        figure = draw()
        uri = data_uri(figure, colours=None)
    width = round(figure.get_figwidth() * PIXELS_PER_INCH)
    style = f"width: {width}px; max-width: 100%"
    return require("marimo", extra="explore").Html(f'<img src="{uri}" alt="{alt}" style="{style}">')


def _plain(text: str) -> Any:
    """Text that is shown as it is, whatever a path or an error may hold."""
    return require("marimo", extra="explore").Html(f'<span class="told">{html.escape(text)}</span>')


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes"
