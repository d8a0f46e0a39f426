"""Which numbers of the descriptor the scatter shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from learn.explore.session import Look


def number_names(look: Look) -> tuple[str, ...]:
    """Names of the numbers that the scatter can show."""
    assert look.descriptor is not None
    return (*look.descriptor.names, *look.descriptor.extras)


def chart_axes(look: Look) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, str]]:
    """Values (n,) to the right and upwards, and their names; those that the view asks for, or the last.

    Of a descriptor of one number, the other axis is the rank of the patch.
    """
    assert look.descriptor is not None
    names = number_names(look)
    columns = [*look.descriptor.chart.T, *look.descriptor.extras.values()]
    first = min(look.state.view.across, len(names)) - 1
    second = min(look.state.view.up, len(names)) - 1
    if len(names) == 1:
        rank = np.argsort(np.argsort(columns[0], kind="stable")) / max(len(columns[0]) - 1, 1)
        return columns[0], rank, (names[0], "share of patches below")
    if first == second:
        second = first - 1 if first else 1
    return columns[first], columns[second], (names[first], names[second])
