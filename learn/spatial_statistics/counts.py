"""Statistics that count: connected clusters, chords. They are steps in every pixel and have no gradient.

A pixel that changes joins two clusters or cuts a chord, or does nothing, and no soft version agrees with the
count. What has a gradient and sees the same: `two_point` for short lags, and `lineal_path`, whose second
derivative is the density of chord lengths. Here tensors go through NumPy; one that asks for a gradient is
refused rather than cut off without a word.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stochgeom import spatial_statistics as numpy_version
from stochgeom.errors import UserError


def _without_gradient(function: Callable[..., np.ndarray]) -> Callable[..., Tensor]:
    def array(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.requires_grad:
            raise UserError(
                f"{function.__name__} has no gradient; detach the tensor, or use two_point or lineal_path"
            )
        return value.cpu().numpy()

    @functools.wraps(function)
    def on_tensors(first: Tensor, *others: Any, **named: Any) -> Tensor:
        found = function(
            array(first), *map(array, others), **{name: array(value) for name, value in named.items()}
        )
        result = torch.from_numpy(np.ascontiguousarray(found))
        return result.to(first.device) if isinstance(first, Tensor) else result

    on_tensors.__doc__ = (
        f"{function.__doc__}\n    Takes and gives tensors; refuses those that require a gradient.\n    "
    )
    return on_tensors


label_clusters = _without_gradient(numpy_version.label_clusters)
two_point_cluster = _without_gradient(numpy_version.two_point_cluster)
phase_chord_lengths = _without_gradient(numpy_version.phase_chord_lengths)
chord_length_density = _without_gradient(numpy_version.chord_length_density)
