"""The Modica-Mortola energy of latent numbers: walls of a width that is set, whose length it measures.

F(u) = ∫ ε |∇u|² + W(u) / ε, where W is 0 in its wells and positive elsewhere. As ε goes to 0, the energy
tends to σ times the length of the walls between regions in different wells, with the surface tension

    σ = 2 ∫ √W ds   along the cheapest way from well to well

(L. Modica & S. Mortola, Boll. Un. Mat. Ital. B 14 (1977) 285; L. Modica, Arch. Rational Mech. Anal. 98 (1987)
123; more than two wells: S. Baldo, Ann. Inst. H. Poincaré C 7 (1990) 67). Divided by σ it is a length.

On the graph ∫ |∇u|² is a sum over edges of border / distance times the squared jump (two-point fluxes of
finite volumes) and ∫ W a sum over cells of their area times W. Unlike total variation this does not lengthen
walls that run across the cells, if ε is no smaller than about the distance of neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from learn.patch_vae.bias.edges import jumps
from learn.patch_vae.bias.graph import PatchGraph

QUARTIC_TENSION = 8 / 3
"""2 ∫ (1 - u²) du from -1 to 1."""
FIRST_ROUNDS = 25


def double_well(values: Tensor) -> Tensor:
    """(n,): W = (1 - u²)², wells at -1 and 1, of values (n, l), summed over the l numbers."""
    return (1 - values.square()).square().sum(dim=1)


@dataclass(frozen=True, eq=False)
class MultiWell:
    """W = squared distance to the nearest well; wells (k, l).

    Along the straight way between two wells at a distance D, 2 ∫ √W ds = 2 (D²/8 + D²/8) = D²/2, which is the
    cheapest unless a third well lies nearby.
    """

    wells: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """(n,) of values (n, l)."""
        return (values[:, None] - self.wells[None]).square().sum(dim=2).amin(dim=1)

    @property
    def tension(self) -> Tensor:
        """Mean surface tension of all pairs of wells, a scalar."""
        count = len(self.wells)
        squared = (self.wells[:, None] - self.wells[None]).square().sum()
        return squared / (2 * count * (count - 1))


def dirichlet(values: Tensor, graph: PatchGraph) -> Tensor:
    """∫ |∇u|² of values (n, l), a scalar, in their unit squared."""
    return (jumps(values, graph).square().sum(dim=1) * graph.border / graph.length).sum()


def quartic_length(values: Tensor, graph: PatchGraph, width_nm: float) -> Tensor:
    """Length in nm of the walls between -1 and 1, mean of the l numbers of each patch (n, l); ε in nm.

    A wall at equilibrium is tanh(x / ε).
    """
    wells = (double_well(values) * graph.area).sum()
    energy = width_nm * dirichlet(values, graph) + wells / width_nm
    return energy / (QUARTIC_TENSION * values.shape[1])


def multi_well_length(values: Tensor, graph: PatchGraph, width_nm: float, well: MultiWell) -> Tensor:
    """Length in nm of the walls between the wells of values (n, l); ε in nm.

    A wall counts by its tension over the mean tension: one between wells far apart counts more. At
    equilibrium the values fall off as exp(-x / ε) to either side.
    """
    wells = (well(values) * graph.area).sum()
    energy = width_nm * dirichlet(values, graph) + wells / width_nm
    return energy / well.tension


def wells_of(values: Tensor, start: Tensor) -> Tensor:
    """Wells (k, l) at the means of the values (n, l) that are nearest to each well of `start` (k, l), with
    gradients to the values. A well that nothing is nearest to stays.
    """
    with torch.no_grad():
        member = torch.cdist(values, start).argmin(dim=1)
    count = torch.bincount(member, minlength=len(start)).to(values.dtype)[:, None]
    sums = torch.zeros_like(start).index_add(0, member, values)
    return torch.where(count > 0, sums / count.clamp(min=1), start)


def first_wells(values: Tensor, count: int) -> Tensor:
    """Wells (count, l) of values (n, l): each next one at the value that is farthest from those before, then
    moved by rounds of `wells_of`, as k-means does.
    """
    wells = values[values.norm(dim=1).argmax()][None]
    for _ in range(count - 1):
        wells = torch.cat([wells, values[torch.cdist(values, wells).amin(dim=1).argmax()][None]])
    for _ in range(FIRST_ROUNDS):
        wells = wells_of(values, wells)
    return wells
