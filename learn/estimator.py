"""The estimator: a network, its targets, and what calibration learnt about its uncertainty.

A saved estimator is two files. `model.safetensors` holds numbers, `model.json` says what they mean; loading
them runs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learn.config import EstimatorConfig
from learn.intervals import LEVEL, NORMAL_90
from learn.model_files import damage_named, folder_of, read_description, read_weights, save_model
from learn.networks import Network, Output, build_network
from learn.symmetries import turned
from learn.targets import TargetSet
from learn.unlike import Familiarity, pixel_statistics
from stochgeom.errors import UserError

MODEL_KIND, MODEL_FORMAT = "heterostem estimator", 2
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """Estimates of n images for t targets, in natural units.

    value, sd, lower, upper: (n, t); lower and upper bound the calibrated 90 % interval, and sd is that of the
    normal law with this interval (to first order where the scale is transformed). strangeness (n,): how far
    the image is from the training data, in units of what is still familiar; unlike (n,): above 1. z and z_sd
    (n, t): value and sd on the standardised scale.
    """

    value: Array
    sd: Array
    lower: Array
    upper: Array
    unlike: NDArray[np.bool_]
    strangeness: Array
    names: tuple[str, ...]
    units: tuple[str, ...]
    z: Array
    z_sd: Array


@dataclass
class Estimator:
    """A network with all that its predictions need; `factors` (t,) scale the stated sd to 90 % intervals."""

    config: EstimatorConfig
    targets: TargetSet
    network: Network
    factors: Array | None = None
    familiarity: Familiarity | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, config: EstimatorConfig, targets: TargetSet, seed: int = 0, **about: Any) -> Estimator:
        """An untrained estimator; its first weights depend on `seed` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(config)
        return cls(config, targets, network, about=dict(about))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self.targets.names

    def predict(
        self,
        images: NDArray[np.floating],
        pixel_size_nm: NDArray[np.floating] | float,
        symmetries: bool = True,
        batch_size: int = 64,
    ) -> Prediction:
        """Estimates for images (n, channel, y, x) as recorded, with pixel sizes (n,) or one for all, in nm.

        Estimates are means over the symmetries that the training used (`config.symmetries`), as the intervals
        are calibrated for; without `symmetries` they are made from the image as it is, several times faster
        and slightly less accurate. Intervals are symmetric on the transformed scale; without calibration they
        assume Gaussian errors. UserError for images of another shape, not finite values, or impossible pixel
        sizes.
        """
        images, log_pixel = self._checked(images, pixel_size_nm)
        parts = [
            self.standardised(
                images[start : start + batch_size], log_pixel[start : start + batch_size], symmetries
            )
            for start in range(0, len(images), batch_size)
        ]
        z, z_sd, features = (np.concatenate(column) for column in zip(*parts, strict=True))
        factors = np.full(len(self.targets), NORMAL_90) if self.factors is None else self.factors
        half = np.where(np.isfinite(factors), factors, np.finfo(np.float32).max) * z_sd
        # Where calibration had too few samples for an interval, the stated deviation stays as it is.
        z_sd = z_sd * np.where(np.isfinite(factors), factors, NORMAL_90) / NORMAL_90
        strangeness = np.full(len(z), np.nan)
        if self.familiarity is not None:
            strangeness = self.familiarity.strangeness(features, pixel_statistics(images))
        return Prediction(
            value=self.targets.decode(z),
            sd=self.targets.decode_sd(z, z_sd),
            lower=self.targets.decode(z - half),
            upper=self.targets.decode(z + half),
            unlike=strangeness > 1,
            strangeness=strangeness,
            names=self.targets.names,
            units=self.targets.units,
            z=z,
            z_sd=z_sd,
        )

    def _checked(
        self, images: NDArray[np.floating], pixel_size_nm: NDArray[np.floating] | float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        images = np.asarray(images, np.float32)
        expected = (self.config.channels, *self.config.shape)
        if images.ndim != 4 or images.shape[1:] != expected or len(images) == 0:
            raise UserError(
                f"images have shape {images.shape}; this model accepts (n, {', '.join(map(str, expected))})"
            )
        if not np.isfinite(images).all():
            raise UserError("the image has values that are not finite; accepted: finite intensities only")
        pixel = np.broadcast_to(np.asarray(pixel_size_nm, np.float64), (len(images),))
        if not (np.isfinite(pixel).all() and (pixel > 0).all()):
            raise UserError(f"pixel size {pixel.min():g} nm is impossible; accepted: above zero")
        return images, np.log(pixel).astype(np.float32)

    def standardised(
        self, images: NDArray[np.float32], log_pixel: NDArray[np.float32], symmetries: bool = True
    ) -> tuple[Array, Array, Array]:
        """Mean (n, t), sd (n, t) as the network states it, and features (n, f), on the standardised scale.

        Mean and sd are averaged over symmetries if asked; features are those of the images as they are.
        """
        device = next(self.network.parameters()).device
        pixel = torch.from_numpy(log_pixel).to(device)
        outputs = []
        for symmetry in self.config.symmetries if symmetries else (0,):
            view = np.ascontiguousarray(turned(images, symmetry))
            outputs.append(self.output(torch.from_numpy(view).to(device), pixel))
        mean = torch.stack([output.mean for output in outputs]).mean(0)
        sd = torch.stack([torch.exp(0.5 * output.log_variance) for output in outputs]).mean(0)
        columns = [part.double().cpu().numpy() for part in (mean, sd, outputs[0].features)]
        return columns[0], columns[1], columns[2]

    def output(self, images: torch.Tensor, log_pixel: torch.Tensor) -> Output:
        """Raw output of the network in evaluation mode, full precision, without gradients."""
        self.network.eval()
        with torch.inference_mode():
            return self.network(images, log_pixel)

    def save(self, folder: str | Path) -> None:
        """Write model.safetensors and model.json into `folder`, which is made if needed."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        if self.familiarity is not None:
            tensors |= {f"familiarity.{k}": torch.from_numpy(v) for k, v in self.familiarity.arrays().items()}
        save_model(
            Path(folder),
            MODEL_KIND,
            MODEL_FORMAT,
            tensors,
            config=self.config.model_dump(mode="json"),
            targets=self.targets.to_json(),
            interval_level=LEVEL,
            interval_factors=None if self.factors is None else [_plain(value) for value in self.factors],
            about=self.about,
        )

    @classmethod
    def load(cls, path: str | Path) -> Estimator:
        """The estimator in a folder (or of a model.json in it). UserError, one line, if it is not usable."""
        folder = folder_of(path)
        description = read_description(folder, MODEL_KIND, MODEL_FORMAT)
        with damage_named(folder):
            config = EstimatorConfig.model_validate(description["config"])
            targets = TargetSet.from_json(description["targets"])
            factors = description["interval_factors"]
            tensors = read_weights(folder)
            estimator = cls.new(config, targets, **description["about"])
            weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
            estimator.network.load_state_dict(weights)
            if factors is not None:
                estimator.factors = np.array(
                    [math.inf if value is None else float(value) for value in factors]
                )
            prefix = "familiarity."
            known = {k.removeprefix(prefix): v.numpy() for k, v in tensors.items() if k.startswith(prefix)}
            estimator.familiarity = Familiarity.of_arrays(known) if known else None
        estimator.network.eval()
        return estimator


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
