"""Numbers of recipes, as types: pydantic's own would also take "60" and true for numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AllowInfNan, Field, Strict

Integer = Annotated[int, Strict()]
PositiveInt = Annotated[int, Strict(), Field(gt=0)]
NonNegativeInt = Annotated[int, Strict(), Field(ge=0)]
FiniteFloat = Annotated[float, Strict(), AllowInfNan(False)]
PositiveFloat = Annotated[float, Strict(), AllowInfNan(False), Field(gt=0)]
NonNegativeFloat = Annotated[float, Strict(), AllowInfNan(False), Field(ge=0)]
Switch = Annotated[bool, Strict()]
