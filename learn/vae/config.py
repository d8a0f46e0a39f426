"""Typed configuration of variational autoencoders and of their training."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from learn.config import Schedule

Encoder = Literal["statistics", "registered", "image"]
Decoder = Literal["profiles", "convolutions"]


class VAEConfig(BaseModel):
    """What a network is built from; stored with the model.

    encoder
        "statistics" sees the autocorrelation of the image, whole and its middle in detail, so that where
        things lie makes no difference; "registered" sees the image moved to the middle; "image" sees it as it
        is.
    decoder
        "profiles": the logit of pixel (y, x) is a sum of products u_k(y) v_k(x), the profiles being made by
        convolutions along each axis: cheap and sharp for what runs along the axes. "convolutions": any
        texture, some ten times the work.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: tuple[int, int] = Field(description="(y, x) in pixels")
    latent_size: int = Field(default=9, ge=1, le=4096)
    encoder: Encoder = "statistics"
    decoder: Decoder = "profiles"
    width: int = Field(default=512, ge=8, le=8192, description="units of the hidden layers")
    channels: int = Field(default=48, ge=4, le=1024, multiple_of=4, description="of the decoder")
    profiles: int = Field(default=16, ge=1, le=1024, description="terms u_k(y) v_k(x) of the logit")
    octaves: int = Field(default=0, ge=0, le=12, description="of sines of the latent numbers")


class VAETraining(Schedule):
    """How an autoencoder is trained.

    The loss is alpha D / D0 + w A / A0 + v G / A0 + beta KL, a mean over images in nats.

    D: mean squared difference of the two-point functions (`loss` "statistics") or of the pixels ("pixels").
    D0, A0: scatter of the training images in the same measures, so that the weights mean the same for every
    texture.
    A: squared difference of the pixels after the original was moved, or turned by half a turn, to where it
    agrees best with the reconstruction, which leaves its statistics as they are. It leads the first part of
    the training to images instead of other patterns of nearly the same statistics, and then fades.
    G: sum of x (1 - x) over the pixels. It rises meanwhile: a pixel belongs to one phase or to the other.
    """

    epochs: int = Field(default=30, ge=1, le=100_000)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    warmup: float = Field(default=0.02, ge=0, lt=1)
    epoch_images: int = Field(
        default=10_000, ge=1, description="training images between two lines of metrics, two checkpoints"
    )
    latent_size: int = Field(default=9, ge=1, le=4096)
    encoder: Encoder | None = Field(
        default=None, description='None: "statistics", or "image" if the loss is of pixels'
    )
    decoder: Decoder = "profiles"
    width: int = Field(default=512, ge=8, le=8192)
    channels: int = Field(default=48, ge=4, le=1024, multiple_of=4)
    profiles: int = Field(default=16, ge=1, le=1024)
    octaves: int = Field(default=0, ge=0, le=12)
    loss: Literal["statistics", "pixels"] = "statistics"
    by: Literal["parseval", "f"] = Field(
        default="parseval", description="two-point functions compared in Fourier space or as they are"
    )
    indicator: Literal["linear", "gaussian"] = Field(
        default="linear", description="how far a grey pixel belongs to phase 1"
    )
    eps: tuple[float, float] = Field(
        default=(1.0, 0.25), description="width of the gaussian indicator at the start and at the end"
    )
    alpha: float = Field(default=500.0, gt=0, description="weight of the distance")
    beta: float = Field(default=1.0, ge=0, description="weight of the divergence from the prior")
    beta_rise: float = Field(default=0.2, ge=0, le=1, description="share of the schedule in which beta rises")
    alpha_rise: float = Field(
        default=0.3, ge=0, le=1, description="share in which alpha rises, while the images are led"
    )
    alignment: float = Field(default=150.0, ge=0, description="weight of the moved pixels at the start")
    alignment_end: float = Field(default=6.0, ge=0, description="and at the end")
    alignment_hold: float = Field(default=0.25, ge=0, le=1, description="share before it begins to fade")
    purity: float = Field(default=10.0, ge=0, description="weight of greyness at the end")

    @property
    def chosen_encoder(self) -> Encoder:
        """The encoder asked for, or the one that suits the loss."""
        return self.encoder or ("image" if self.loss == "pixels" else "statistics")

    def network(self, shape: tuple[int, int]) -> VAEConfig:
        """The network for images of a shape."""
        return VAEConfig(
            shape=shape,
            latent_size=self.latent_size,
            encoder=self.chosen_encoder,
            decoder=self.decoder,
            width=self.width,
            channels=self.channels,
            profiles=self.profiles,
            octaves=self.octaves,
        )
