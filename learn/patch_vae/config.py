"""Typed configuration of the autoencoders of patches; unknown keys and impossible values are refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from learn.config import Schedule
from learn.vae_base.schedules import KLSchedule

Invariance = Literal["rotation", "translation", "scale"]
Likelihood = Literal["bernoulli", "continuous-bernoulli", "gaussian"]
INVARIANCES: tuple[Invariance, ...] = ("rotation", "translation", "scale")


class PatchVAEConfig(Schedule):
    """What an autoencoder of patches is built from, and how it is trained.

    The loss of a patch is, in nats, -ln p(patch | latent numbers, pose, class) + w beta KL(latent numbers) +
    w beta_pose KL(pose) + beta_class KL(class), w following `kl_schedule`.
    """

    epochs: int = Field(default=60, ge=1, le=100_000)
    batch_size: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    latent_size: int = Field(default=2, ge=1, le=1024, description="continuous latent numbers")
    invariances: tuple[Invariance, ...] = Field(
        default=(), description="of the latent numbers: what a pose of its own accounts for"
    )
    symmetry_order: int = Field(default=1, ge=1, le=12, description="n: angles count modulo 360 / n degrees")
    shift_prior_px: float = Field(default=2.0, gt=0, description="standard deviation of shifts in the prior")
    scale_prior: float = Field(default=0.1, gt=0, le=1, description="of the logarithm of the scale, likewise")
    pose_first: float = Field(
        default=0.15,
        ge=0,
        lt=1,
        description="first share of the training in which latent numbers are held at 0, of models with an "
        "angle and a shift or a scale: else they draw the same thing anew at a wrong pose",
    )
    classes: int = Field(default=0, ge=0, le=256, description="k discrete latent classes; 0: none")
    class_draws: Literal["enumeration", "gumbel"] = Field(
        default="enumeration", description="exact sum over the classes, k decodings, or one relaxed draw"
    )
    temperature: float = Field(default=0.67, gt=0, description="of the relaxed draws")
    condition: Literal["class", "continuous"] | None = None
    labelled_share: float = Field(
        default=1.0, ge=0, le=1, description="share of the known labels that the training sees"
    )
    label_weight: float = Field(
        default=10.0, ge=0, description="of ln q(label | patch), for labelled patches"
    )
    likelihood: Likelihood = "gaussian"
    noise_sd: float | None = Field(
        default=None, gt=0, description="of the Gaussian likelihood, in units of the patches; None: learnt"
    )
    decoder: Literal["spatial", "convolutional", "dense"] = "spatial"
    width: int = Field(default=128, ge=4, le=4096, description="units of a hidden layer")
    layers: int = Field(
        default=2, ge=0, le=8, description="hidden layers of the spatial decoder after its first"
    )
    beta: float = Field(default=1.0, ge=0)
    beta_pose: float = Field(default=1.0, ge=0)
    beta_class: float = Field(default=1.0, ge=0)
    kl_schedule: KLSchedule = "linear"
    kl_rise: float = Field(default=0.2, ge=0, le=1, description="share of the schedule, or of a cycle")
    kl_cycles: int = Field(default=4, ge=1)
    capacity_nats: float = Field(
        default=10.0, ge=0, description="divergence of the latent numbers at the end, schedule `capacity`"
    )

    @field_validator("invariances", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        """Any collection of names, in one order and once each."""
        if isinstance(value, str) or not isinstance(value, Iterable):
            return value
        names = list(value)
        known = [name for name in INVARIANCES if name in names]
        return tuple(known + [name for name in names if name not in INVARIANCES])

    @model_validator(mode="after")
    def _fits(self) -> PatchVAEConfig:
        if self.classes == 1:
            raise ValueError("classes: 1 class tells nothing apart; accepted: 0, or 2 and more")
        if self.symmetry_order > 1 and "rotation" not in self.invariances:
            raise ValueError(
                "symmetry_order: an angle is needed; accepted: 1 without the invariance rotation"
            )
        if self.noise_sd is not None and self.likelihood != "gaussian":
            raise ValueError(f"noise_sd: the likelihood {self.likelihood} has none; accepted: None")
        return self

    @property
    def rotation(self) -> bool:
        """Whether there is an angle."""
        return "rotation" in self.invariances

    @property
    def translation(self) -> bool:
        """Whether there is a shift."""
        return "translation" in self.invariances

    @property
    def scale(self) -> bool:
        """Whether there is a scale."""
        return "scale" in self.invariances


class PatchLayout(BaseModel):
    """What a network has to know of the patches; stored with the model.

    offset, unit: per channel, intensity = offset + unit * (what the network sees and makes).
    condition_middle, condition_unit: zero and unit of the continuous variables of a condition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(ge=1)
    window: tuple[int, int]
    offset: tuple[float, ...]
    unit: tuple[float, ...]
    condition_size: int = Field(default=0, ge=0, description="classes, or variables, of the condition")
    condition_middle: tuple[float, ...] = ()
    condition_unit: tuple[float, ...] = ()
