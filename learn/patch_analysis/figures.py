"""Every picture of an analysis, by name: for the report, and as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from learn.plots import png, styled
from stochgeom.errors import UserError
from stochgeom.files import write_bytes

from .analysis import PatchAnalysis
from .latent_charts import Groups, distributions_figure, manifold_figure, traversals_figure
from .manifold import latent_manifold, traversals
from .map_charts import PatchMap, latent_maps, maps_figure
from .patch_charts import angle_figure, history_figure, reconstructions_figure
from .told import class_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAPS_OF = 4
"""Micrographs of which maps are drawn, at most."""
MANIFOLDS_OF = 6
"""Classes of which a manifold is drawn, at most."""
CHARTS = ("distributions", "history", "angle")
"""Names, or their beginnings, of charts of few colours."""


def pictures(analysis: PatchAnalysis) -> dict[str, bytes]:
    """PNGs by name: maps-K of micrograph K, truth-K, manifold or manifold-K of class K, distributions,
    traversals, reconstructions, angle-QUANTITY, history; those there is something to draw of.
    """
    found = {}
    with styled():
        for name, draw in _drawings(analysis).items():
            figure = draw()
            if figure is not None:
                found[name] = png(figure, 192 if name.startswith(CHARTS) else 256)
    return found


def write_pictures(made: dict[str, bytes], folder: Path, prefix: str = "") -> list[Path]:
    """The pictures as files NAME.png in `folder`, made if needed. UserError if it cannot be written."""
    paths = [folder / f"{prefix}{name}.png" for name in made]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, made.values(), strict=True):
            write_bytes(path, content)
    except OSError as error:
        raise UserError(f"pictures cannot be written to {folder}: {error.strerror or error}") from error
    return paths


def _drawings(analysis: PatchAnalysis) -> dict[str, Callable[[], Figure | None]]:
    encoding, patch_set = analysis.encoding, analysis.patch_set
    latents = np.asarray(encoding.mean)
    found: dict[str, Callable[[], Figure | None]] = {}
    for k in range(min(MAPS_OF, len(patch_set.micrographs))):
        if (patch_set.source == k).sum() > 2:
            found[f"maps-{k}"] = lambda k=k: maps_figure(patch_set, own_maps(analysis), k)  # type: ignore[misc]
            if patch_set.micrographs[k].truth is not None:
                found[f"truth-{k}"] = lambda k=k: maps_figure(patch_set, true_maps(analysis), k)  # type: ignore[misc]
    found |= _manifolds(analysis)
    found["distributions"] = lambda: distributions_figure(latents, latent_groups(analysis), analysis.names)
    found["traversals"] = lambda: traversals_figure(
        *traversals(analysis.model, latents, 9, **_told(analysis)), analysis.names
    )
    words = [f"{value:.2g}" for value in analysis.unexplained[analysis.examples]]
    found["reconstructions"] = lambda: reconstructions_figure(
        analysis.originals, analysis.reconstructions, words
    )
    for one in analysis.angles:
        found[f"angle-{one.quantity}"] = lambda one=one: angle_figure(  # type: ignore[misc]
            one.found_degrees,
            one.true_degrees,
            one.calibration.period_degrees,
            one.quantity,
            _truth_groups(analysis),
        )
    found["history"] = lambda: history_figure(analysis.model.history)
    return found


def own_maps(analysis: PatchAnalysis) -> list[PatchMap]:
    """What the model says of patches, their groups and their reconstruction."""
    maps = latent_maps(analysis.encoding, analysis.model.config.symmetry_order)
    maps += [
        PatchMap(f"{one.groups.count} groups by {one.features}", one.groups.labels, "group")
        for one in analysis.groupings
    ]
    return [*maps, PatchMap("unexplained share", analysis.unexplained)]


def true_maps(analysis: PatchAnalysis) -> list[PatchMap]:
    """What is true of the patches, where it varies."""
    truth = analysis.truth
    assert truth is not None
    maps = []
    for kind in ("phase", "domain", "kind"):
        numbers = getattr(truth, kind).astype(np.int64)
        numbers = np.where(numbers == 255, -1, numbers)
        if len(np.unique(numbers)) > 1:
            names = class_names(analysis.patch_set, kind)
            maps.append(PatchMap(f"true {kind}", numbers, "group", names=names))
    for one in analysis.angles:
        period = one.calibration.period_degrees
        title = f"true {one.quantity} (°, modulo {period:g}°)"
        maps.append(PatchMap(title, one.true_degrees, "cyclic", period))
        maps.append(PatchMap(f"error of {one.quantity} (°)", one.errors))
    return maps or [PatchMap("distance to the nearest wall (nm)", truth.wall_distance_nm)]


def latent_groups(analysis: PatchAnalysis) -> Groups | None:
    """Groups that colour the distributions: the truth's first kind of region, else those that were found."""
    if analysis.truth is not None:
        for kind in ("phase", "kind", "domain"):
            numbers = getattr(analysis.truth, kind).astype(np.int64)
            numbers = np.where(numbers == 255, -1, numbers)
            if len(np.unique(numbers[numbers >= 0])) > 1:
                return numbers, class_names(analysis.patch_set, kind)
    if not analysis.groupings:
        return None
    labels = analysis.groupings[0].groups.labels
    return labels, [f"group {k}" for k in range(int(labels.max()) + 1)]


def _truth_groups(analysis: PatchAnalysis) -> Any:
    truth = analysis.truth
    return None if truth is None else np.where(truth.domain == 255, -1, truth.domain.astype(np.int64))


def _manifolds(analysis: PatchAnalysis) -> dict[str, Callable[[], Figure | None]]:
    latents, classes = np.asarray(analysis.encoding.mean), analysis.encoding.class_probabilities
    told = _told(analysis)
    if classes is None:
        return {"manifold": lambda: manifold_figure(latent_manifold(analysis.model, latents, **told))}
    likeliest = classes.argmax(axis=1)
    present = [int(k) for k in np.unique(likeliest)][:MANIFOLDS_OF]
    return {
        f"manifold-{k}": lambda k=k: manifold_figure(  # type: ignore[misc]
            latent_manifold(analysis.model, latents[likeliest == k], of_class=k, **told)
        )
        for k in present
    }


def _told(analysis: PatchAnalysis) -> dict[str, Any]:
    """The condition under which pictures are decoded: the commonest class, or the median."""
    given = analysis.condition
    if given is None:
        return {}
    if given.dtype.kind in "iu":
        return {"condition": int(np.bincount(given).argmax())}
    return {"condition": np.median(np.asarray(given, np.float64).reshape(len(given), -1), axis=0)}
