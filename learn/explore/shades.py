"""What colours the dots of the charts: clusters, probabilities, numbers of the descriptor, truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.explore.agreement import true_values
from learn.explore.session import Look
from learn.micrographs.plots import LABEL_COLOURS, UNKNOWN

CLUSTER = "cluster"
PROBABILITY = "probability of the cluster"
DISCRETE = ("true phase", "true domain", "true kind", "model's class")
CYCLIC = ("angle (degrees)", "true rotation (degrees)")


@dataclass(frozen=True, eq=False)
class Shade:
    """Values (n,) that colour n patches; with `groups`, the names of the whole numbers that they are.

    NaN, and numbers below zero, mean that nothing is known.
    """

    name: str
    values: NDArray[np.float64]
    groups: tuple[str, ...] | None = None

    def parts(self, rows: NDArray[np.int64]) -> Iterator[tuple[str, str | None, NDArray[np.int64]]]:
        """Name, colour (None: by value) and rows of each part of `rows` that is drawn alike."""
        values = self.values[rows]
        known = np.isfinite(values) & ((values >= 0) if self.groups else True)
        if not known.all():
            yield "unknown", UNKNOWN, rows[~known]
        if self.groups is None:
            yield self.name, None, rows[known]
            return
        for number, name in enumerate(self.groups):
            part = rows[known & (values == number)]
            if len(part):
                yield name, LABEL_COLOURS[number % len(LABEL_COLOURS)], part

    def label(self, part: str) -> str:
        """What a part is called beside a dot."""
        return part if part == self.name else f"{self.name} {part}"

    @property
    def limits(self) -> tuple[float, float]:
        """Between which the colours run: all but the extreme 1 % of either end."""
        known = self.values[np.isfinite(self.values)]
        if len(known) == 0:
            return 0.0, 1.0
        low, high = (float(limit) for limit in np.quantile(known, (0.01, 0.99)))
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    @property
    def scale(self) -> str:
        """Name of the colours in plotly; a ring of colours for angles."""
        return "HSV" if self.name in CYCLIC else "Viridis"


def shades_of(look: Look) -> dict[str, Shade]:
    """All that can colour the charts of a look, by name, clusters first."""
    found: dict[str, Shade] = {}
    if look.groups is not None:
        names = tuple(str(k + 1) for k in range(look.groups.count))
        found[CLUSTER] = Shade(CLUSTER, look.groups.labels.astype(np.float64), names)
        found[PROBABILITY] = Shade(PROBABILITY, look.groups.probabilities.max(axis=1))
    if look.descriptor is not None:
        for name, values in zip(look.descriptor.names, look.descriptor.chart.T, strict=True):
            found[name] = Shade(name, values)
        for name, values in look.descriptor.extras.items():
            found[name] = _named(look, name, values)
    if look.truth is not None and look.patches is not None:
        for name, values in true_values(look.truth).items():
            found[name] = _named(look, name, values)
    return found


def shade_of(look: Look, name: str) -> Shade:
    """The one of a name, or the first there is: a model's angle is gone when the model is."""
    found = shades_of(look)
    return found.get(name) or next(iter(found.values()))


def _named(look: Look, name: str, values: NDArray[np.float64]) -> Shade:
    """Whole numbers get the names that the truth has for them."""
    if name not in DISCRETE:
        return Shade(name, values)
    truth = look.micrograph.truth if look.micrograph is not None else None
    names: tuple[str, ...] = ()
    if truth is not None:
        by_kind = {
            "true phase": truth.phase_names,
            "true domain": truth.domain_names,
            "true kind": truth.kind_names,
        }
        names = by_kind.get(name, ())
    highest = int(np.nanmax(values, initial=-1)) + 1
    names = (*names, *(f"{name} {k + 1}" for k in range(len(names), highest)))
    return Shade(name, values, names)
