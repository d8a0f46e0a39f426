"""Options of `train --task patch-vae`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from cyclopts import Parameter

CUTTING_OPTIONS = (
    "window_nm", "centres", "step_nm", "sublattice_nm", "separation_nm", "normalise", "condition", "labels",
)  # fmt: skip
SHARED = ("latent_size", "beta", "decoder")
"""Options of both kinds of autoencoders."""


@Parameter(name="*")
@dataclass(frozen=True)
class PatchOptions:
    """Options of `--task patch-vae`; also --latent-size (2), --beta (1), --decoder (spatial, dense or
    convolutional).

    Parameters
    ----------
    window_nm
        Side of the square windows (0.8).
    centres
        What windows are about: atomic columns, or places on a grid.
    step_nm
        Of the grid; a quarter of the window if not given.
    sublattice_nm
        Only columns without a brighter one within that distance; 0.33 keeps one sublattice of a perovskite.
    separation_nm
        Least distance of two columns (0.11).
    normalise
        Mean 0 and standard deviation 1 of each image (which it is if not given) or of each patch, or none.
    invariance
        What a pose of its own accounts for, not the latent numbers: rotation, translation or scale; may be
        given several times.
    symmetry_order
        n: angles count modulo 360 / n degrees (1).
    classes
        Discrete latent classes beside the numbers (0).
    condition
        What the model is told of each patch: phase, domain, kind, micrograph (a class); tilt, polarization,
        brightness (numbers).
    labels
        Classes that are known of some patches: phase, domain, kind or micrograph.
    labelled_share
        Share of the known labels that the training sees (1).
    likelihood
        Of the pixels: gaussian (which it is if not given), bernoulli, continuous-bernoulli.
    noise_sd
        Of the Gaussian likelihood, in units of the normalised patches; learnt if not given.
    width
        Units of a hidden layer (128).
    kl_schedule
        How the weight of the divergence goes over the training.
    bias
        What of the latent maps is penalised: tv, their total variation, modica-mortola, or elbo-factor, the
        published variant.
    bias_weight
        Of the bias, nats per patch (100).
    sample
        Numbers of a corpus' samples to use; all if not given.
    """

    window_nm: float | None = None
    centres: Literal["columns", "grid"] | None = None
    step_nm: float | None = None
    sublattice_nm: float | None = None
    separation_nm: float | None = None
    normalise: Literal["none", "patch", "image"] | None = None
    invariance: Annotated[
        list[Literal["rotation", "translation", "scale"]] | None, Parameter(negative_iterable="")
    ] = None
    symmetry_order: int | None = None
    classes: int | None = None
    condition: str | None = None
    labels: str | None = None
    labelled_share: float | None = None
    likelihood: Literal["gaussian", "bernoulli", "continuous-bernoulli"] | None = None
    noise_sd: float | None = None
    width: int | None = None
    kl_schedule: str | None = None
    bias: Literal["tv", "modica-mortola", "elbo-factor"] | None = None
    bias_weight: float | None = None
    sample: Annotated[list[int] | None, Parameter(negative_iterable="")] = None

    def given(self) -> dict[str, Any]:
        """The options that were given."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


PatchVAEOptions = Annotated[PatchOptions | None, Parameter(name="*")]
