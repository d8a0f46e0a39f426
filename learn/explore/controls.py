"""The page's controls: from a state, and back to one."""

from __future__ import annotations

from typing import Any, get_args

from learn.explore.axes import number_names
from learn.explore.session import Look
from learn.explore.shades import shades_of
from learn.explore.state import (
    LARGEST_COMPONENTS,
    LARGEST_COUNT,
    ClusterState,
    DescriptorState,
    ExploreState,
    PatchState,
    SourceState,
)
from stochgeom.errors import UserError, require

Values = dict[str, dict[str, Any]]
SOURCES = {"drawn example": "drawn", "corpus of scenes": "corpus", "image file": "image"}
CENTRES = {"around atomic columns": "columns", "on a grid": "grid"}
DESCRIPTORS = {
    "pixels": "raw",
    "principal components": "pca",
    "non-negative components": "nmf",
    "latent numbers of a model": "model",
}
NORMALISATIONS = {"as it is": "none", "each patch": "patch", "whole image": "image"}


def make_controls(state: ExploreState) -> Any:
    """A dictionary of marimo for each part of a state but the view."""
    ui = require("marimo", extra="explore").ui
    return ui.dictionary(
        {
            "source": ui.dictionary(_source(ui, state.source)),
            "patches": ui.dictionary(_patches(ui, state.patches)),
            "descriptor": ui.dictionary(_descriptor(ui, state.descriptor)),
            "clusters": ui.dictionary(_clusters(ui, state.clusters)),
        }
    )


def _source(ui: Any, state: SourceState) -> dict[str, Any]:
    size = "" if state.pixel_size_nm is None else f"{state.pixel_size_nm:g}"
    return {
        "kind": ui.dropdown(SOURCES, value=_name(SOURCES, state.kind), label="image"),
        "drawn": ui.dropdown(_choices(SourceState, "drawn"), value=state.drawn, label="scene"),
        "size_px": ui.slider(128, 1024, 64, value=_size(state.size_px), **_slider("side / px")),
        "seed": ui.number(0, 10_000, value=min(state.seed, 10_000), label="seed", debounce=True),
        "path": ui.text(value=state.path, label="path", full_width=True),
        "sample": ui.number(0, value=state.sample, label="sample", debounce=True),
        "pixel_size_nm": ui.text(value=size, placeholder="as stated", label="pixel / nm"),
        "channel": ui.number(0, 31, value=min(state.channel, 31), label="channel", debounce=True),
    }


def _patches(ui: Any, state: PatchState) -> dict[str, Any]:
    near = "" if state.sublattice_nm is None else f"{state.sublattice_nm:g}"
    return {
        "centres": ui.dropdown(CENTRES, value=_name(CENTRES, state.centres), label="patches"),
        "window_px": ui.slider(4, 128, 1, value=min(max(state.window_px, 4), 128), **_slider("window / px")),
        "step_px": ui.slider(1, 64, 1, value=min(state.step_px, 64), **_slider("step / px")),
        "sublattice_nm": ui.text(value=near, placeholder="all columns", label="brightest within / nm"),
        "normalise": ui.dropdown(
            NORMALISATIONS, value=_name(NORMALISATIONS, state.normalise), label="normalised"
        ),
    }


def _descriptor(ui: Any, state: DescriptorState) -> dict[str, Any]:
    top = LARGEST_COMPONENTS
    return {
        "kind": ui.dropdown(DESCRIPTORS, value=_name(DESCRIPTORS, state.kind), label="numbers"),
        "components": ui.slider(1, top, 1, value=state.components, **_slider("how many")),
        "model": ui.text(value=state.model, label="model's folder", full_width=True),
    }


def _clusters(ui: Any, state: ClusterState) -> dict[str, Any]:
    return {
        "count": ui.slider(1, LARGEST_COUNT, 1, value=state.count, **_slider("clusters")),
        "covariance": ui.dropdown(
            _choices(ClusterState, "covariance"), value=state.covariance, label="covariance"
        ),
        "seed": ui.number(0, 10_000, value=min(state.seed, 10_000), label="seed", debounce=True),
    }


def state_of(values: Values) -> ExploreState:
    """The state that the controls stand for. UserError, one line, for a text that is no number."""
    tables = {name: dict(part) for name, part in values.items()}
    for part, key in (("source", "pixel_size_nm"), ("patches", "sublattice_nm")):
        tables[part][key] = _number(key, tables[part][key])
    for part, key in (("source", "seed"), ("source", "sample"), ("source", "channel"), ("clusters", "seed")):
        tables[part][key] = int(tables[part][key] or 0)
    return ExploreState.of(tables)


def view_controls(look: Look, kept: dict[str, str]) -> Any:
    """What colours the charts, and the pair of numbers in the scatter: as `kept` says, where that exists.

    None while there is nothing to show.
    """
    if look.descriptor is None:
        return None
    ui = require("marimo", extra="explore").ui
    names, colours = list(number_names(look)), list(shades_of(look))
    view = look.state.view
    first = _kept(kept, "across", names, names[min(view.across, len(names)) - 1])
    second = _kept(kept, "up", names, names[min(view.up, len(names)) - 1])
    colour = _kept(kept, "colour", colours, view.colour if view.colour in colours else colours[0])
    return ui.dictionary(
        {
            "colour": ui.dropdown(colours, value=colour, label="colour", allow_select_none=False),
            "across": ui.dropdown(names, value=first, label="across", allow_select_none=False),
            "up": ui.dropdown(names, value=second, label="up", allow_select_none=False),
        }
    )


def with_view(look: Look, values: dict[str, str], kept: dict[str, str]) -> Look:
    """The look in the colours and with the numbers that the view's controls say, which are kept."""
    from dataclasses import replace

    kept.update(values)
    names = number_names(look)
    tables = look.state.model_dump()
    tables["view"] = {
        "colour": values["colour"],
        "across": names.index(values["across"]) + 1,
        "up": names.index(values["up"]) + 1,
    }
    return replace(look, state=ExploreState.of(tables))


def sidebar(controls: Any) -> Any:
    """Those controls that matter for the chosen kinds, in their order."""
    mo = require("marimo", extra="explore")
    source, patches = controls["source"], controls["patches"]
    descriptor, clusters = controls["descriptor"], controls["clusters"]
    kind = source.value["kind"]
    shown = [mo.md("### Image"), source["kind"]]
    if kind == "drawn":
        shown += [source["drawn"], source["size_px"], source["seed"]]
    else:
        shown += [source["path"]] + ([source["sample"]] if kind == "corpus" else [])
        shown += [source["channel"]]
    shown += [source["pixel_size_nm"], mo.md("### Patches"), patches["centres"]]
    model = descriptor.value["kind"] == "model"
    shown += [] if model else [patches["window_px"]]
    shown += [patches["step_px" if patches.value["centres"] == "grid" else "sublattice_nm"]]
    shown += [patches["normalise"], mo.md("### Numbers of a patch"), descriptor["kind"]]
    if model:
        shown.append(descriptor["model"])
    elif descriptor.value["kind"] != "raw":
        shown.append(descriptor["components"])
    shown += [mo.md("### Clusters"), clusters["count"], clusters["covariance"], clusters["seed"]]
    return mo.vstack(shown, gap=0.6)


def _slider(label: str) -> dict[str, Any]:
    return {"label": label, "show_value": True, "debounce": True, "full_width": True}


def _choices(part: Any, field: str) -> list[str]:
    return list(get_args(part.model_fields[field].annotation))


def _name(names: dict[str, str], value: str) -> str:
    return next(name for name, meant in names.items() if meant == value)


def _size(pixels: int) -> int:
    """The nearest that the slider has."""
    return min(max(128, round(pixels / 64) * 64), 1024)


def _kept(kept: dict[str, str], key: str, accepted: list[str], otherwise: str) -> str:
    return kept[key] if kept.get(key) in accepted else otherwise


def _number(key: str, text: str) -> float | None:
    """A positive number, or None for nothing; a decimal comma is understood."""
    if not text.strip():
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise UserError(f"{key.replace('_nm', '')}: {text.strip()!r} is no number of nm") from None
