"""Total variation of latent numbers on the neighbour graph: the length of their walls, times the jumps there.

For an image, TV(u) = ∫ |∇u|; where u has two values it is the length of the wall between them times the jump
(Rudin, Osher & Fatemi, Physica D 60 (1992) 259; the co-area formula). On a graph it is a sum over edges of
the border between two cells, times the jump from one cell to the other. A wall that runs across the cells
follows their borders and is found longer than it is: of the border times the distance of neighbours, cells
have twice their area, and the mean of |cos| is 2/π, so that a wall of all directions is 4/π times as long on
any Voronoi graph. `wall_length_nm` takes this off; a penalty compares walls with each other and needs no such
factor.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from learn.patch_vae.bias.graph import PatchGraph


def huber(size: Tensor, delta: float) -> Tensor:
    """|x| with a round tip: x² / 2δ below δ, |x| - δ/2 above; 0 at 0, slope 1 beyond (Huber 1964).

    size: |x|, not negative. Small jumps, mostly noise, are pulled less than walls are.
    """
    if delta <= 0:
        return size
    return torch.where(size < delta, size.square() / (2 * delta), size - delta / 2)


def jumps(values: Tensor, graph: PatchGraph) -> Tensor:
    """(m, l): differences of the values (n, l) across each edge."""
    return values[graph.first] - values[graph.second]


def total_variation(values: Tensor, graph: PatchGraph, delta: float = 0.0, joint: bool = True) -> Tensor:
    """Sum over edges of border times |jump|, in nm times the unit of the values (n, l); a scalar.

    joint
        The jump is the length of the vector of all l differences, or else the mean of their sizes.
    delta
        Jumps below are smoothed (`huber`); those far above it count delta / 2 less.
    Of values that are 0 or 1 it is the length of the wall between them, exactly so without smoothing.
    """
    difference = jumps(values, graph)
    if joint:
        # The square root has no slope at 0, where neighbours are equal: a jump below it counts as none.
        tiny = torch.finfo(difference.dtype).tiny
        size = difference.square().sum(dim=1).clamp(min=tiny).sqrt()
        return (huber(size, delta) * graph.border).sum()
    return (huber(difference.abs(), delta).mean(dim=1) * graph.border).sum()


def wall_length_nm(labels: Tensor, graph: PatchGraph) -> float:
    """Length of the walls between patches of different labels (n,), nm, right for walls of all directions."""
    unlike = labels[graph.first] != labels[graph.second]
    return float(graph.border[unlike].sum()) * math.pi / 4
