"""What an autoencoder's angle means: its zero and its sense, fitted where the truth is known.

A rotation-invariant autoencoder chooses which way up its own picture of a patch lies, so its angles are right
up to one offset, and its sense need not be the truth's. Both are fitted on one scene and hold for others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learn.files import write_text
from stochgeom.errors import UserError

from .arrays import Array
from .circular import circular_errors, circular_mean, circular_median

FORMAT = "heterostem angle calibration"
FEWEST = 8
"""Patches that an offset and a sense are fitted on, at least."""
Quantity = Literal["rotation", "polarization"]


@dataclass(frozen=True)
class AngleScore:
    """Circular error of calibrated angles, in degrees: median, 90 % quantile; share within 2 degrees.

    `chance_median_degrees`: of angles that know nothing, a quarter of the period.
    """

    patches: int
    median_degrees: float
    p90_degrees: float
    within_2_degrees: float
    chance_median_degrees: float


class AngleCalibration(BaseModel):
    """truth = offset + sense * angle, modulo the period.

    quantity
        "rotation": of the lattice; "polarization": the direction of the polar displacement. Both in degrees
        from x towards y, as `simulate.corpus.scene_truth` has them.
    period_degrees
        After which both repeat: 60 for the lattice of graphene, 90 for a square one, 360 for a direction.
    spread_degrees
        Median absolute circular difference that is left on the patches it was fitted on.
    resultant
        Length, 0 to 1, of their mean difference: near 0 the angle says nothing about the quantity.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantity: Quantity
    period_degrees: float = Field(gt=0, le=360)
    offset_degrees: float
    sense: Literal[1, -1]
    fitted_on: str
    patches: int = Field(ge=1)
    spread_degrees: float = Field(ge=0)
    resultant: float = Field(ge=0, le=1)

    @classmethod
    def fit(
        cls,
        angle_degrees: ArrayLike,
        true_degrees: ArrayLike,
        period_degrees: float,
        quantity: Quantity,
        fitted_on: str,
    ) -> AngleCalibration:
        """The offset and sense of least mean absolute circular difference, of angles and truths (n,).

        Rows where either is not finite are left out. UserError if fewer than eight are left.
        """
        angle, true = (np.asarray(one, np.float64).ravel() for one in (angle_degrees, true_degrees))
        known = np.isfinite(angle) & np.isfinite(true)
        if known.sum() < FEWEST:
            raise UserError(
                f"{fitted_on}: {int(known.sum())} patches with an angle and a true {quantity}; "
                f"at least {FEWEST} are needed to fit an offset"
            )
        fits = [_fitted(angle[known], true[known], sense, period_degrees) for sense in (1, -1)]
        offset, mean_error, spread, resultant = min(fits, key=lambda fit: fit[1])
        sense: Literal[1, -1] = 1 if mean_error == fits[0][1] else -1
        return cls(
            quantity=quantity,
            period_degrees=period_degrees,
            offset_degrees=offset,
            sense=sense,
            fitted_on=fitted_on,
            patches=int(known.sum()),
            spread_degrees=spread,
            resultant=resultant,
        )

    def apply(self, angle_degrees: ArrayLike) -> Array:
        """The quantity (n,) in degrees, 0 to the period, that angles (n,) stand for."""
        turned = self.sense * np.asarray(angle_degrees, np.float64)
        return (self.offset_degrees + turned) % self.period_degrees

    def errors(self, angle_degrees: ArrayLike, true_degrees: ArrayLike) -> Array:
        """Absolute circular errors (n,) in degrees; NaN where either is."""
        return circular_errors(self.apply(angle_degrees), true_degrees, self.period_degrees)

    def score(self, angle_degrees: ArrayLike, true_degrees: ArrayLike) -> AngleScore | None:
        """Errors in figures; None where nothing is known."""
        errors = self.errors(angle_degrees, true_degrees)
        errors = errors[np.isfinite(errors)]
        if len(errors) == 0:
            return None
        return AngleScore(
            len(errors),
            float(np.median(errors)),
            float(np.quantile(errors, 0.9)),
            float((errors <= 2).mean()),
            self.period_degrees / 4,
        )

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        data = {"format": FORMAT, **self.model_dump(mode="json")}
        try:
            write_text(path, json.dumps(data, indent=1) + "\n")
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: str | Path) -> AngleCalibration:
        """Read what `save` wrote. UserError for another file."""
        try:
            data: dict[str, Any] = dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path} cannot be read as an angle calibration: {error}") from error
        if data.pop("format", None) != FORMAT:
            raise UserError(f"{path} is no angle calibration; accepted: what `heterostem report` writes")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{path}: {key} = {first['input']}: {first['msg']}") from None


def _fitted(angle: Array, true: Array, sense: int, period: float) -> tuple[float, float, float, float]:
    """Offset, mean and median absolute difference left, resultant length."""
    differences = true - sense * angle
    offset = circular_median(differences, period)
    left = circular_errors(differences, offset, period)
    return offset, float(left.mean()), float(np.median(left)), circular_mean(differences, period)[1]
