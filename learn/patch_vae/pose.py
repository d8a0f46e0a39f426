"""Poses: how the canonical patch lies in the window, and the grid of coordinates that it is decoded on.

With p a pixel's place (x to the right, y downwards) from the middle of the window, the pixel shows the place
q = R(-angle) p / scale - tau of the canonical patch: R turns x towards y, as angles of lattices are counted,
and the shift seen in the window is scale R(angle) tau. One unit is half the longer side of the window, in
both directions, so that turns are rigid in windows that are not square.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Pose(NamedTuple):
    """Of n patches: angle (n,) in radians, tau (n, 2) as x, y in units of the grid, log_scale (n,); None
    where the model has no such freedom.
    """

    angle: Tensor | None = None
    tau: Tensor | None = None
    log_scale: Tensor | None = None


def unit_px(window: tuple[int, int]) -> float:
    """Pixels of a unit of the grid."""
    return max(window) / 2


def pixel_grid(window: tuple[int, int]) -> Tensor:
    """Places (h * w, 2) of the pixels' middles as x, y, row by row."""
    h, w = window
    y, x = torch.meshgrid(torch.arange(h) - (h - 1) / 2, torch.arange(w) - (w - 1) / 2, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(h * w, 2) / unit_px(window)


def turn(angle: Tensor) -> Tensor:
    """R(angle) (n, 2, 2): takes x towards y."""
    c, s = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([c, -s], dim=-1), torch.stack([s, c], dim=-1)], dim=-2)


def inverse_matrix(pose: Pose, n: int, like: Tensor) -> Tensor:
    """R(-angle) / scale (n, 2, 2)."""
    matrix = torch.eye(2, device=like.device, dtype=like.dtype).expand(n, 2, 2)
    if pose.angle is not None:
        matrix = turn(-pose.angle)
    if pose.log_scale is not None:
        matrix = matrix * torch.exp(-pose.log_scale)[:, None, None]
    return matrix


def canonical_places(pose: Pose, places: Tensor, n: int) -> Tensor:
    """Places (n, m, 2) of the canonical patch that places (m, 2) of the window show."""
    found = places @ inverse_matrix(pose, n, places).transpose(1, 2)
    return found if pose.tau is None else found - pose.tau[:, None, :]


def window_shift(pose: Pose) -> Tensor:
    """Shift (n, 2) as x, y in the window, in units of the grid. Needs tau."""
    assert pose.tau is not None
    shift = pose.tau
    if pose.angle is not None:
        shift = (turn(pose.angle) @ shift[:, :, None])[:, :, 0]
    return shift if pose.log_scale is None else shift * torch.exp(pose.log_scale)[:, None]


def tau_of(shift: Tensor, angle: Tensor | None, log_scale: Tensor | None) -> Tensor:
    """tau of shifts (n, 2) seen in the window: the inverse of `window_shift`."""
    matrix = inverse_matrix(Pose(angle, None, log_scale), len(shift), shift)
    return (matrix @ shift[:, :, None])[:, :, 0]
