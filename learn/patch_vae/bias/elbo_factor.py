"""The published way to a physical bias, for comparison: the ELBO times a number of edges.

A. Biswas, M. Ziatdinov & S. V. Kalinin, Mach. Learn.: Sci. Technol. 4 (2023) 045004, and the code they
published with it, take the magnitude of edges in the latent images of a batch and multiply the ELBO by a
constant plus this number. The number is computed outside of automatic differentiation: it tells the network
by how much to change, not in which direction. Every parameter's gradient is multiplied by the same factor,
which an optimiser that divides gradients by their size (Adam) undoes but for changes from step to step.

Here the magnitude is taken on the neighbour graph of all patches instead of batches that are laid out as
square images in the order in which they come, and without the bilateral filter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from learn.micrographs.patch_set import PatchSet
from learn.patch_vae.bias.edges import jumps
from learn.patch_vae.bias.graph import Neighbours, PatchGraph, graph_of
from learn.patch_vae.bias.memory import LatentMemory
from learn.patch_vae.bias.penalty import SEEN
from learn.patch_vae.bias.settings import BiasSettings
from stochgeom.errors import UserError


def edge_magnitude(values: Tensor, graph: PatchGraph) -> float:
    """Mean over patches and latent numbers (n, l), each stretched to 0 to 1, of |∇z| times the distance of
    neighbours.

    |∇z|² of a cell is half the sum over its edges of border / distance times the squared jump, over its area:
    the sum over all cells is that of two-point fluxes.
    """
    low, high = values.amin(dim=0), values.amax(dim=0)
    stretched = (values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny)
    flux = jumps(stretched, graph).square() * (graph.border / graph.length / 2)[:, None]
    squares = torch.zeros_like(values).index_add(0, graph.first, flux).index_add(0, graph.second, flux)
    inside = graph.area > 0
    slope = (squares[inside] / graph.area[inside][:, None]).sqrt()
    return float(slope.mean()) * graph.spacing_nm


class ElboFactor:
    """The factor 1 + weight * edge magnitude that a batch's loss is multiplied by.

    Called as a `LatentPenalty` is, it adds nothing to the loss; `factor` is what the loss is multiplied by.
    """

    def __init__(self, graph: PatchGraph, settings: BiasSettings) -> None:
        if settings.bias != "elbo-factor":
            raise UserError(f'an ElboFactor is for the bias "elbo-factor", not {settings.bias!r}')
        self.graph, self.settings = graph, settings
        self.name = settings.model_dump_json()
        self._memory: LatentMemory | None = None

    @classmethod
    def of(cls, patch_set: PatchSet, settings: BiasSettings, graph: Neighbours | None = None) -> ElboFactor:
        """The factor for a patch set, with its neighbour graph unless another is given."""
        return cls(graph_of(patch_set, graph), settings)

    def factor(self, latent_mean: Tensor, rows: Tensor, progress: float) -> float:
        """Of the loss of a batch: latent means (b, l) of the patches' rows (b,); 1 until half of the patches
        were seen.
        """
        if self._memory is None or self._memory.values.shape[1] != latent_mean.shape[1]:
            self._memory = LatentMemory(self.graph.n, latent_mean.shape[1], latent_mean.device)
            self.graph = self.graph.to(latent_mean.device)
        self._memory.remember(rows, latent_mean)
        weight = self.settings.weight_at(progress)
        known = self._memory.known
        if weight == 0 or self._memory.seen < SEEN:
            return 1.0
        graph = self.graph if bool(known.all()) else self.graph.part(known)
        return 1.0 + weight * edge_magnitude(self._memory.values[known], graph)

    def __call__(self, latent_mean: Tensor, rows: Tensor, progress: float) -> Tensor:
        return latent_mean.new_zeros(())
