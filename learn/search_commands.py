"""Command: search. Heavy libraries are imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Numbers = Annotated[list[float] | None, Parameter(negative_iterable="")]
Counts = Annotated[list[int] | None, Parameter(negative_iterable="")]
Names = Annotated[list[str] | None, Parameter(negative_iterable="")]
Parts = Annotated[
    list[Literal["latents", "angle", "latents and angle"]] | None, Parameter(negative_iterable="")
]


def search(
    source: Path,
    *,
    out: Path,
    window_nm: Numbers = None,
    latent_size: Counts = None,
    invariance: Names = None,
    clusters: Counts = None,
    features: Parts = None,
    embedding: Literal["vae", "pca"] | None = None,
    criterion: Literal["icl", "bic"] | None = None,
    covariance: Literal["full", "tied", "diag", "spherical"] | None = None,
    epochs: int | None = None,
    width: int | None = None,
    batch_size: int | None = None,
    symmetry_order: int | None = None,
    fold: int | None = None,
    training_patches: int | None = None,
    centres: Literal["columns", "grid"] | None = None,
    step_nm: float | None = None,
    sublattice_nm: float | None = None,
    normalise: Literal["none", "patch", "image"] | None = None,
    sample: Counts = None,
    pixel_size_nm: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    overwrite: bool = False,
) -> None:
    """Choose window, latent numbers, invariances and clusters of patches by a reward that needs no truth.

    Writes a table, a picture and, where the truth is known, whether the reward chooses what it would.

    Parameters
    ----------
    source
        A corpus of scenes, own micrographs in a folder, or one.
    out
        Folder of the results. Running again goes on with what is missing.
    window_nm
        Side of the windows; may be given several times (0.4, 0.6, 0.8).
    latent_size
        Latent numbers (1, 2, 4).
    invariance
        none, or rotation, translation and scale joined by + (none, rotation, rotation+translation).
    clusters
        Gaussians of the mixture (2 to 6).
    features
        What is grouped: latents (which it is if not given), angle, or latents and angle.
    embedding
        vae: an autoencoder for each trial (which it is if not given); pca: principal components.
    criterion
        Of the reward (icl).
    covariance
        Of the mixture (full).
    epochs
        Passes over the patches in each training (20).
    width
        Units of a hidden layer (64).
    batch_size
        Patches per step (32). Few patches need small ones: an unexplained share near or above 1 in the table
        says that trials were trained too briefly for their rewards to mean anything.
    symmetry_order
        n: angles count modulo 360 / n degrees (1).
    fold
        Of the angle among the features: 6 for grains of graphene (1).
    training_patches
        Patches that are trained on, at most (2000).
    centres
        What windows are about: atomic columns, or places on a grid.
    step_nm
        Of the grid; a quarter of the largest window if not given.
    sublattice_nm
        Only columns without a brighter one within that distance.
    normalise
        Mean 0 and standard deviation 1 of each image (which it is if not given) or of each patch, or none.
    sample
        Numbers of a corpus' samples to use; all if not given.
    pixel_size_nm
        Side of a pixel of own micrographs that do not state it.
    seed
        Of the trainings and the groups.
    threads
        CPU threads of torch.
    overwrite
        Start anew although the folder holds a search.
    """
    from learn.cli import validated
    from learn.micrographs.reading import micrographs_at
    from learn.patch_analysis.cutting import PatchCutting
    from learn.reward import SearchSettings, run_search
    from learn.reward.outputs import write_search
    from learn.reward.rows import rows_markdown
    from learn.reward.verdict import verdicts

    cut = {"centres": centres, "step_nm": step_nm, "sublattice_nm": sublattice_nm, "normalise": normalise}
    given = {
        "windows_nm": window_nm,
        "latent_sizes": latent_size,
        "invariances": invariance,
        "clusters": clusters,
        "features": features,
        "embedding": embedding,
        "criterion": criterion,
        "covariance": covariance,
        "epochs": epochs,
        "width": width,
        "batch_size": batch_size,
        "symmetry_order": symmetry_order,
        "fold": fold,
        "training_patches": training_patches,
        "seed": seed,
        "threads": threads,
    }
    known = {name: value for name, value in given.items() if value is not None}
    known["cutting"] = validated(
        PatchCutting, {name: value for name, value in cut.items() if value is not None}
    )
    settings = validated(
        SearchSettings,
        known,
        {"windows_nm": "window_nm", "latent_sizes": "latent_size", "invariances": "invariance"},
    )
    micrographs = micrographs_at([source], sample, pixel_size_nm)
    rows = run_search(micrographs, settings, out, tell=print, resume=not overwrite)
    paths = write_search(rows, out)
    print(rows_markdown(rows, 5), end="")
    for one in verdicts(rows):
        print(one.text)
    for path in paths:
        print(f"written: {path}")
