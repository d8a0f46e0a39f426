"""Settings of a physical bias; unknown keys and impossible values are refused."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from learn.patch_vae.bias.scale import Scale, share_of_weight

Bias = Literal["tv", "modica-mortola", "elbo-factor"]


class BiasSettings(BaseModel):
    """What of the latent maps is penalised, how strongly, and when.

    weight
        Nats per patch that latent maps cost in which all neighbours are unlike, as far apart as two values in
        equal shares are. For "elbo-factor" what one unit of mean edge magnitude adds to the factor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bias: Bias = "tv"
    weight: float = Field(default=100.0, ge=0, description="nats per patch")
    start: float = Field(default=0.1, ge=0, lt=1, description="share of the training without it")
    full: float = Field(default=0.4, gt=0, le=1, description="share from which the weight is full")
    fade: float = Field(default=1.0, gt=0, le=1, description="share from which it falls to 0; 1: it stays")
    scale: Scale = Field(default="each", description="what latent numbers are measured in")
    delta: float = Field(
        default=0.05, ge=0, description="jumps below are smoothed, in units of two values in equal shares"
    )
    potential: Literal["wells", "quartic"] = Field(
        default="wells",
        description="of the Modica-Mortola energy: wells found among the latent numbers, or -1 and 1 of each",
    )
    wells: int = Field(
        default=2, ge=2, le=32, description="how many are found; as many as there are regions to tell"
    )
    width: float = Field(
        default=1.0, gt=0, description="of walls of the Modica-Mortola energy, in distances of neighbours"
    )
    angle_weight: float = Field(default=0.0, ge=0, description="of jumps of the angle, beside `weight`")
    class_weight: float = Field(default=1.0, ge=0, description="of jumps of classes, beside `weight`")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.start < self.full <= self.fade:
            raise ValueError(
                f"start {self.start}, full {self.full} and fade {self.fade} should follow one another"
            )
        return self

    def weight_at(self, progress: float) -> float:
        """The weight at a progress of the training, 0 to 1."""
        return self.weight * share_of_weight(progress, self.start, self.full, self.fade)
