"""What a search tries; unknown keys and impossible values are refused."""

from __future__ import annotations

from itertools import product
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from learn.clustering.settings import Covariance
from learn.patch_analysis.cutting import PatchCutting

Criterion = Literal["icl", "bic"]
Features = Literal["latents", "angle", "latents and angle"]
INVARIANCES = ("rotation", "translation", "scale")
NONE = "none"


class Trial(NamedTuple):
    """One representation of patches: what a model is trained for. `invariances` joined by +, or none."""

    window_nm: float
    latent_size: int
    invariances: str

    @property
    def poses(self) -> tuple[str, ...]:
        """The invariances by name."""
        return () if self.invariances == NONE else tuple(self.invariances.split("+"))


class SearchSettings(BaseModel):
    """Every combination is tried of windows, latent sizes, invariances and numbers of clusters.

    invariances
        Sets of rotation, translation and scale, joined by "+", or "none".
    embedding
        "vae": an autoencoder of patches for each window, size and set; "pca": as many principal components,
        which have no invariances.
    features
        What of a representation is grouped: see `learn.patch_analysis.latent_groups.latent_features`; those
        that a representation does not have are left out.
    criterion
        Of the reward: "icl" or "bic".
    training_patches
        At most so many, drawn at random, are trained on; all are grouped and scored.
    fold
        Of the angle among the features: 6 for grains of graphene.
    cutting
        Everything else about the patches; its window is that of each trial, and all trials have the centres
        of the largest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    windows_nm: tuple[float, ...] = Field(default=(0.4, 0.6, 0.8), min_length=1)
    latent_sizes: tuple[int, ...] = Field(default=(1, 2, 4), min_length=1)
    invariances: tuple[str, ...] = Field(default=(NONE, "rotation", "rotation+translation"), min_length=1)
    clusters: tuple[int, ...] = Field(default=(2, 3, 4, 5, 6), min_length=1)
    embedding: Literal["vae", "pca"] = "vae"
    features: tuple[Features, ...] = Field(default=("latents",), min_length=1)
    criterion: Criterion = "icl"
    covariance: Covariance = "full"
    epochs: int = Field(default=20, ge=1)
    width: int = Field(default=64, ge=4)
    batch_size: int = Field(default=32, ge=1, description="few patches need many small steps")
    symmetry_order: int = Field(default=1, ge=1, le=12)
    fold: int = Field(default=1, ge=1, le=12)
    training_patches: int = Field(default=2000, ge=10)
    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    cutting: PatchCutting = PatchCutting()

    @field_validator("windows_nm")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0:
            raise ValueError("windows are above zero")
        return tuple(sorted(set(value)))

    @field_validator("latent_sizes", "clusters")
    @classmethod
    def _counts(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value) < 1:
            raise ValueError("numbers are 1 or more")
        return tuple(sorted(set(value)))

    @field_validator("invariances")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            names = one.split("+")
            if one != NONE and (set(names) - set(INVARIANCES) or len(set(names)) < len(names)):
                raise ValueError(f"{one!r}: accepted: none, or rotation, translation, scale joined by +")
        return tuple(dict.fromkeys(value))

    @property
    def trials(self) -> list[Trial]:
        """Representations, window by window; principal components come without invariances."""
        sets = (NONE,) if self.embedding == "pca" else self.invariances
        return [Trial(*one) for one in product(self.windows_nm, self.latent_sizes, sets)]
