"""Typed configuration of estimators and of their training; unknown keys and impossible values are refused."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

VAE_KIND = "heterostem texture-vae"
"""What the description of an autoencoder calls it."""
PATCH_VAE_KIND = "heterostem patch-vae"
"""The same of autoencoders of patches."""

Gain = Literal["recipe", "known", "unknown"]
UNKNOWN_GAIN = {"law": "log-uniform", "low": 0.1, "high": 10.0}
"""The law of the detector's level when nothing is known of it (as simulate.realism.Realism reads it)."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EstimatorConfig(_Strict):
    """What a network is built from; stored with the model."""

    network: str = "small"
    channels: int = Field(default=1, ge=1, le=64)
    shape: tuple[int, int] = Field(default=(128, 128), description="(y, x) in pixels")
    intensity: Literal["absolute", "relative"] = Field(
        default="absolute",
        description="absolute: fractions of the beam; relative: whatever the gain and the offset",
    )
    levels: tuple[float, ...] = Field(
        default=(0.02,), description="typical intensity of each channel's foreground"
    )
    log_pixel_mean: float = 0.0
    log_pixel_scale: float = Field(default=1.0, gt=0)
    outputs: int = Field(default=1, ge=1, description="number of targets")
    maps: int = Field(default=0, ge=0, description="number of density maps that the network also learns")
    symmetries: tuple[int, ...] = Field(
        default=(0,), min_length=1, description="those of learn.symmetries that its images have"
    )


class Schedule(_Strict):
    """How long and how fast something is trained, and where; what every training has."""

    epochs: int = Field(default=20, ge=1, le=100_000)
    minutes: float | None = Field(
        default=None, gt=0, description="wall-clock budget; ends earlier than `epochs` if needed"
    )
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    warmup: float = Field(
        default=0.1, ge=0, lt=1, description="share of the schedule in which the rate rises"
    )
    seed: int = Field(default=0, ge=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads of torch; None leaves torch's choice"
    )


class TrainingConfig(Schedule):
    """How an estimator is trained."""

    targets: tuple[str, ...] | None = Field(
        default=None, description="columns; None: the usual ones of the corpus"
    )
    network: str = Field(default="small", description="small, or a torchvision classifier such as resnet18")
    map_weight: float = Field(
        default=1.0, ge=0, description="weight of the density maps' loss; 0 leaves the maps out"
    )
    variance_weight: float = Field(
        default=0.1, ge=0, description="weight of the loss that teaches the stated uncertainty"
    )
    noise_refresh_epochs: int = Field(
        default=4, ge=1, description="epochs for which a sample keeps its draw of realism"
    )
    gain: Gain = Field(
        default="recipe", description="recipe: its law; known: exactly one; unknown: log-uniform 0.1-10"
    )
    init: str | None = Field(default=None, description="a trained model to start from")
    memory_gb: float = Field(
        default=4.0, gt=0, description="images held in memory; larger corpora are read shard by shard"
    )
