"""Sampling laws: what a recipe may write where it could write a number.

A law is the inverse distribution function of a number in [0, 1), so any point set can drive it: independent
random numbers, a Sobol sequence, a grid.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from simulate.exact_numbers import FiniteFloat
from stochgeom.errors import UserError


class Strict(BaseModel):
    """Base of the schema's models: immutable, and nothing it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=False)


class Uniform(Strict):
    """Every value between `low` and `high` is equally likely."""

    law: Literal["uniform"] = "uniform"
    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if not self.low <= self.high:
            raise ValueError(f"low = {self.low:g} is above high = {self.high:g}")
        return self

    def quantile(self, u: float) -> float:
        """Value below which a share `u` of the draws lies."""
        return self.low + u * (self.high - self.low)

    def integer(self, u: float) -> int:
        """The same over the integers low..high, both ends included with full weight."""
        return min(math.floor(self.low + u * (self.high + 1 - self.low)), math.floor(self.high))

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.low, self.high


class LogUniform(Strict):
    """The logarithm of the value is uniform between those of `low` and `high`; both are positive."""

    law: Literal["log-uniform"] = "log-uniform"
    low: FiniteFloat = Field(gt=0)
    high: FiniteFloat = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> LogUniform:
        if not self.low <= self.high:
            raise ValueError(f"low = {self.low:g} is above high = {self.high:g}")
        return self

    def quantile(self, u: float) -> float:
        """Value below which a share `u` of the draws lies."""
        return min(max(self.low * (self.high / self.low) ** u, self.low), self.high)

    def integer(self, u: float) -> int:
        """Integers low..high with probability ln((n + 1) / n), up to normalisation."""
        return min(math.floor(self.low * ((self.high + 1) / self.low) ** u), math.floor(self.high))

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.low, self.high


class Choice(Strict):
    """One of `values`, all equally likely."""

    law: Literal["choice"] = "choice"
    values: tuple[FiniteFloat, ...] = Field(min_length=1)

    def quantile(self, u: float) -> float:
        """The value at place floor(u k) of the k values."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def integer(self, u: float) -> int:
        """The same, as an integer."""
        return round(self.quantile(u))

    @property
    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return min(self.values), max(self.values)


LAWS = ("uniform", "log-uniform", "choice")


def _kind(value: Any) -> str:
    law = value.get("law") if isinstance(value, dict) else getattr(value, "law", None)
    if law in LAWS:
        return str(law)
    return "unknown law" if isinstance(value, dict) else "number"


Law = Uniform | LogUniform | Choice
Number = Annotated[
    Annotated[FiniteFloat, Tag("number")]
    | Annotated[Uniform, Tag("uniform")]
    | Annotated[LogUniform, Tag("log-uniform")]
    | Annotated[Choice, Tag("choice")],
    Discriminator(_kind),
]
"""A finite number, or a law to draw it from."""


def value_at(number: float | Law, u: float) -> float:
    """`number` itself, or the value of its law at the quantile `u` in [0, 1)."""
    return number.quantile(u) if isinstance(number, Law) else float(number)


def integer_at(number: float | Law, u: float) -> int:
    """`number` as an integer, or the integer of its law at the quantile `u`. UserError when it is not
    whole.
    """
    if isinstance(number, Law):
        return number.integer(u)
    if number != int(number):
        raise UserError(f"{number:g} should be a whole number")
    return int(number)


def bounds(number: float | Law) -> tuple[float, float]:
    """Smallest and largest value that `number` can take."""
    return number.bounds if isinstance(number, Law) else (float(number), float(number))


def stated(number: float | Law) -> dict[str, float]:
    """The numbers that a recipe states, by where they stand in the law; `""` for a plain number."""
    if isinstance(number, Choice):
        return {f"values[{k}]": value for k, value in enumerate(number.values)}
    if isinstance(number, Law):
        return {"low": number.low, "high": number.high}
    return {"": float(number)}


def quantiles(number: float | Law) -> list[float]:
    """Quantiles (of a number in [0, 1)) that reach every value of a choice, and the ends of another law."""
    if isinstance(number, Choice):
        return [(k + 0.5) / len(number.values) for k in range(len(number.values))]
    return [0.0, 1.0 - 2.0**-53] if isinstance(number, Law) else [0.5]


def extremes(number: float | Law) -> list[float]:
    """Quantiles of the smallest and the largest value."""
    reached = sorted(quantiles(number), key=lambda u: value_at(number, u))
    return [reached[0], reached[-1]] if len(reached) > 1 else reached


def describe_law(number: float | Law | tuple[float, ...]) -> str:
    """A number, a law or a list of numbers in words, for a dataset card."""
    if isinstance(number, tuple):
        return "[" + ", ".join(f"{value:g}" for value in number) + "]"
    if isinstance(number, Choice):
        return "one of " + ", ".join(f"{value:g}" for value in number.values)
    if isinstance(number, Law):
        return f"{number.law} in {number.low:g} to {number.high:g}"
    return f"{number:g}"
