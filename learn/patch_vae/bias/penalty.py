"""A penalty on the walls of latent maps, as `train_patch_vae(penalty=...)` takes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from learn.micrographs.patch_set import PatchSet
from learn.patch_vae.bias.edges import total_variation
from learn.patch_vae.bias.graph import Neighbours, PatchGraph, graph_of
from learn.patch_vae.bias.memory import LatentMemory
from learn.patch_vae.bias.modica_mortola import (
    MultiWell,
    first_wells,
    multi_well_length,
    quartic_length,
    wells_of,
)
from learn.patch_vae.bias.scale import standardised
from learn.patch_vae.bias.settings import BiasSettings
from stochgeom.errors import UserError

SEEN = 0.5
"""Share of the patches that must have been seen before anything is penalised."""

VAGUE = 0.1
"""Length of a mean direction below which it counts for less."""

Part = tuple[float, str, Tensor, Callable[[Tensor, PatchGraph], Tensor]]
"""Weight beside `weight`, name, values (b, ·) and share of wall of something that is penalised."""


class LatentPenalty:
    """Nats per patch that the walls of latent maps cost: the weight, times the length of the walls over that
    of all borders between neighbouring patches.

    Called with the latent means (b, l) of a batch, the patches' rows (b,) in the patch set and the progress
    of the training, 0 to 1; `angles` (b, m) in radians, of the bins that the encoder has, their probabilities
    `shares` (b, m), and `classes` (b, k), probabilities, are for VAEs that have them. Returns a scalar with
    gradients. It remembers latent numbers from call to call: one penalty is for one training.
    """

    sees_poses = True

    def __init__(self, graph: PatchGraph, settings: BiasSettings, symmetry_order: int = 1) -> None:
        if settings.bias == "elbo-factor":
            raise UserError('a LatentPenalty is for the biases "tv" and "modica-mortola", not "elbo-factor"')
        self.graph, self.settings, self.symmetry_order = graph, settings, symmetry_order
        self.name = settings.model_dump_json()
        self._memories: dict[str, LatentMemory] = {}
        self._wells: Tensor | None = None
        self._part: PatchGraph | None = None

    @classmethod
    def of(
        cls,
        patch_set: PatchSet,
        settings: BiasSettings | None = None,
        graph: Neighbours | None = None,
        symmetry_order: int = 1,
    ) -> LatentPenalty:
        """The penalty for a patch set, with its neighbour graph unless another is given."""
        return cls(graph_of(patch_set, graph), settings or BiasSettings(), symmetry_order)

    def __call__(
        self,
        latent_mean: Tensor,
        rows: Tensor,
        progress: float,
        angles: Tensor | None = None,
        shares: Tensor | None = None,
        classes: Tensor | None = None,
    ) -> Tensor:
        weight = self.settings.weight_at(progress)
        total = latent_mean.new_zeros(())
        directions = None if angles is None else direction_numbers(angles, shares, self.symmetry_order)
        for share, name, values, wall in self._parts(latent_mean, directions, classes):
            memory = self._memory(name, values)
            memory.remember(rows, values)
            if weight * share > 0 and memory.seen >= SEEN:
                energy = partial(_on, wall, self._known_graph(memory))
                total = total + weight * share * memory.replay(energy, rows, values)
        return total

    def _parts(self, latents: Tensor, directions: Tensor | None, classes: Tensor | None) -> list[Part]:
        settings, parts = self.settings, list[Part]()
        if latents.shape[1]:
            parts.append((1.0, "latents", latents, self.of_latents))
        if directions is not None and settings.angle_weight:
            parts.append((settings.angle_weight, "angle", directions, self.of_angle))
        if classes is not None and settings.class_weight:
            parts.append((settings.class_weight, "classes", classes, self.of_classes))
        return parts

    def of_latents(self, latents: Tensor, graph: PatchGraph) -> Tensor:
        """Share of a graph's borders that is wall in the latent numbers (n, l) of its patches."""
        settings = self.settings
        scaled = standardised(latents, settings.scale)
        if settings.bias == "tv":
            joint = settings.scale != "each"
            return total_variation(scaled, graph, settings.delta, joint) / graph.border_nm
        width_nm = settings.width * graph.spacing_nm
        if settings.potential == "quartic":
            return quartic_length(2 * scaled, graph, width_nm) / graph.border_nm
        wells = self._followed_wells(scaled)
        apart = (2 * MultiWell(wells).tension).sqrt()  # so that wells are 1 apart, whatever lies around them
        return multi_well_length(scaled / apart, graph, width_nm, MultiWell(wells / apart)) / graph.border_nm

    def of_angle(self, numbers: Tensor, graph: PatchGraph) -> Tensor:
        """Share of the borders that is wall in (cos, sin) of the angle (n, 2); opposite ones are 1 apart."""
        return total_variation(numbers / 2, graph, self.settings.delta) / graph.border_nm

    def of_classes(self, probabilities: Tensor, graph: PatchGraph) -> Tensor:
        """Share of the borders that is wall in class probabilities (n, k); certain, unlike ones are 1 apart.

        The wells of the Modica-Mortola energy are the certain classes.
        """
        settings, values = self.settings, probabilities / 2**0.5
        if settings.bias == "tv":
            return total_variation(values, graph, settings.delta) / graph.border_nm
        corners = torch.eye(values.shape[1], dtype=values.dtype, device=values.device) / 2**0.5
        width_nm = settings.width * graph.spacing_nm
        return multi_well_length(values, graph, width_nm, MultiWell(corners)) / graph.border_nm

    def _followed_wells(self, values: Tensor) -> Tensor:
        """Wells (k, l) of standardised latent numbers, followed from call to call, with gradients."""
        if self._wells is None or self._wells.shape[1] != values.shape[1]:
            self._wells = first_wells(values.detach(), self.settings.wells)
        wells = wells_of(values, self._wells)
        self._wells = wells.detach()
        return wells

    def _known_graph(self, memory: LatentMemory) -> PatchGraph:
        """The graph of the patches seen yet, on the memory's device."""
        count = int(memory.known.sum())
        if self._part is None or self._part.n != count:
            self._part = self.graph.to(memory.known.device).part(memory.known)
        return self._part

    def _memory(self, name: str, values: Tensor) -> LatentMemory:
        found = self._memories.get(name)
        if found is None or found.values.shape[1] != values.shape[1]:
            found = LatentMemory(self.graph.n, values.shape[1], values.device)
            self._memories[name] = found
        return found


def _on(wall: Callable[[Tensor, PatchGraph], Tensor], graph: PatchGraph, values: Tensor) -> Tensor:
    return wall(values, graph)


def direction_numbers(angles: Tensor, shares: Tensor | None = None, symmetry_order: int = 1) -> Tensor:
    """(n, 2): cos and sin of the mean direction of the angles (n, m) in radians times the order of the
    lattice's symmetry, with shares (n, m), None for equal ones; alike for angles that look the same.

    Through the shares the angle that the encoder takes has a gradient, which a draw of it has not. The length
    is 1 as long as the shares say anything (`VAGUE`): being unsure removes no wall.
    """
    turned = angles * symmetry_order
    numbers = torch.stack([turned.cos(), turned.sin()], dim=-1)
    mean = numbers.mean(dim=1) if shares is None else (shares[:, :, None] * numbers).sum(dim=1)
    return mean / mean.norm(dim=1, keepdim=True).clamp(min=VAGUE)
