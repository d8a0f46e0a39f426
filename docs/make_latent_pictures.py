"""Make the pictures of docs/reading-latents.md: a rotation-invariant autoencoder on drawn graphene.

    python docs/make_latent_pictures.py

Two flakes are drawn, an autoencoder is trained on the patches of both (about a minute), and its maps, its
manifold and its angle against the truth are drawn.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from learn.micrographs.drawn import draw_micrograph
from learn.patch_analysis.analysis import PatchAnalysis, analyse_patches
from learn.patch_analysis.cutting import PatchCutting
from learn.patch_analysis.latent_charts import distributions_figure, manifold_figure
from learn.patch_analysis.manifold import latent_manifold
from learn.patch_analysis.map_charts import PatchMap, latent_maps, maps_figure
from learn.patch_analysis.patch_charts import angle_figure
from learn.patch_vae import PatchVAEConfig, train_patch_vae
from learn.plots import png, styled
from stochgeom.files import write_bytes

PICTURES = Path(__file__).parent / "pictures"


def analysed() -> PatchAnalysis:
    """The model and what it says of both flakes."""
    flakes = [draw_micrograph("graphene", size_px=183, pixel_size_nm=0.03, seed=seed) for seed in (0, 1)]
    patches = PatchCutting(window_nm=0.6).cut(flakes)
    config = PatchVAEConfig(
        invariances=("rotation",), symmetry_order=3, epochs=12, batch_size=64, width=64, threads=1
    )
    model = train_patch_vae(patches, None, config)
    return analyse_patches(model, patches, "rVAE", groups=3, fold=6, baselines=False)


def main() -> None:
    """Draw everything."""
    found = analysed()
    (angle,) = found.angles
    print(angle.score, angle.inside)
    domain = np.where(found.truth.domain == 255, -1, found.truth.domain.astype(np.int64))
    grains = next(one for one in found.groupings if one.features == "angle")
    maps = [
        *latent_maps(found.encoding, 3),
        PatchMap("lattice rotation from the angle (°, modulo 60°)", angle.found_degrees, "cyclic", 60.0),
        PatchMap(f"{grains.groups.count} groups by the angle", grains.groups.labels, "group"),
        PatchMap("true grains", domain, "group"),
    ]
    kinds = found.truth.kind.astype(np.int64)
    kinds = np.where(kinds == 255, -1, kinds)
    latents = np.asarray(found.encoding.mean)
    with styled():
        for name, figure in (
            ("latent-maps", maps_figure(found.patch_set, maps)),
            ("latent-manifold", manifold_figure(latent_manifold(found.model, latents))),
            ("latent-distributions", distributions_figure(latents, (kinds, ("C", "Si")))),
            ("latent-angle", angle_figure(angle.found_degrees, angle.true_degrees, 60.0, groups=domain)),
        ):
            write_bytes(PICTURES / f"{name}.png", png(figure, 128))


if __name__ == "__main__":
    main()
