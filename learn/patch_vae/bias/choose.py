"""The bias that settings ask for."""

from __future__ import annotations

from learn.micrographs.patch_set import PatchSet
from learn.patch_vae.bias.elbo_factor import ElboFactor
from learn.patch_vae.bias.graph import Neighbours
from learn.patch_vae.bias.penalty import LatentPenalty
from learn.patch_vae.bias.settings import BiasSettings


def physical_bias(
    patch_set: PatchSet, settings: BiasSettings, graph: Neighbours | None = None, symmetry_order: int = 1
) -> LatentPenalty | ElboFactor:
    """What `train_patch_vae(penalty=...)` takes for a patch set, of one training."""
    if settings.bias == "elbo-factor":
        return ElboFactor.of(patch_set, settings, graph)
    return LatentPenalty.of(patch_set, settings, graph, symmetry_order)
