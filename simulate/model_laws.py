"""A table of a recipe that names a model, of a texture or a scene: a number or a law for each of its numbers.

The keys are those of the model's parameters, tables inside them included. A law may stand wherever a number
may, also in a list: `count = [1, {law = "choice", values = [3, 4]}]`.

Stage 0 of a sample draws one vector of uniforms; `ModelLaws.slots` says which number feeds which key, in
the alphabetical order of the keys. Every number that the table states has a slot (within lists, every law),
so replacing a law by a number leaves the other draws as they were.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from simulate.laws import Law, describe_law, extremes, quantiles, value_at
from simulate.recipe_errors import dotted, one_line
from simulate.textures.table import Path, Slot, TableReader, filled
from stochgeom.errors import UserError

MOST_COMBINED = 6
"""Laws whose ends are tried in all combinations; of more laws, one at a time."""


P = TypeVar("P")
"""Parameters of the models."""


class ModelLaws(Generic[P]):
    """The laws of a table, read once. UserError, one line, for a table that is none. Its `name` in a recipe
    and the parameters' classes by `model` are those of a kind of recipe.
    """

    name: ClassVar[str]
    models: ClassVar[Mapping[str, type[BaseModel]]]

    def __init__(self, table: dict[str, Any]) -> None:
        model = table.get("model")
        if not isinstance(model, str) or model not in self.models:
            said = f"{self.name}.model is missing" if model is None else f"{self.name}.model = {model!r}"
            raise UserError(f"{said}: should be one of {', '.join(self.models)}")
        self.model = model
        self._class: type[BaseModel] = self.models[model]
        reader = TableReader(self.name)
        self._table = reader.table(table, self._class)
        self._numbers, self._whole = reader.numbers, reader.whole
        self._paths = sorted(reader.numbers, key=dotted)

    def check(self) -> None:
        """The model must accept every value that a choice lists, and the ends of every other law."""
        for uniforms in self._corners():
            values = self.at(uniforms)
            try:
                self._class.model_validate(values)
            except ValidationError as error:
                raise UserError(one_line(error, self._class, values, prefix=self.name)) from None

    @property
    def slots(self) -> list[tuple[str, float | Law]]:
        """Key and number or law of each uniform of stage 0, in the order in which they are consumed."""
        return [(dotted(path), self._numbers[path]) for path in self._paths]

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the slots."""
        return [key for key, _ in self.slots]

    @cached_property
    def drawn(self) -> list[str]:
        """Keys of the slots that hold a law."""
        return [key for key, number in self.slots if isinstance(number, Law)]

    def at(self, uniforms: NDArray[np.float64]) -> dict[str, Any]:
        """Keyword arguments of the model's parameters at a vector of uniforms, one for each slot."""
        pairs = zip(self._paths, np.asarray(uniforms, float).tolist(), strict=True)
        found: dict[str, Any] = filled(self._table, {path: self._value(path, u) for path, u in pairs})
        return found

    def parameters(self, uniforms: NDArray[np.float64]) -> P:
        """Parameters of one sample at a vector of uniforms (slot,) in [0, 1)."""
        if not self.drawn:
            return self.middle
        return self._class.model_validate(self.at(uniforms))  # type: ignore[return-value]

    @cached_property
    def middle(self) -> P:
        """Parameters with every law at its median."""
        return self._class.model_validate(self.at(self._uniforms({})))  # type: ignore[return-value]

    def some(self) -> Iterator[P]:
        """Parameters with the laws in their middle and at their ends."""
        return (self._class.model_validate(self.at(uniforms)) for uniforms in self._corners())  # type: ignore[misc]

    def in_words(self) -> list[tuple[str, str]]:
        """Key and value or law of everything that the table states."""
        return [("model", self.model), *_in_words(self._table, self._numbers, ())]

    def _value(self, path: Path, u: float) -> float | int:
        number = self._numbers[path]
        if path not in self._whole:
            return value_at(number, u)
        return number.integer(u) if isinstance(number, Law) else int(number)

    def _corners(self) -> Iterator[NDArray[np.float64]]:
        """Vectors of uniforms that take every choice to each of its values and every other law to its ends:
        one law at a time, the others in their middle; and a few laws in all combinations of their extremes,
        because they may bound each other (a fibre's width and its length).
        """
        yield self._uniforms({})
        laws = {path: number for path, number in self._numbers.items() if isinstance(number, Law)}
        for path, number in laws.items():
            yield from (self._uniforms({path: u}) for u in quantiles(number))
        if 1 < len(laws) <= MOST_COMBINED:
            for u in itertools.product(*(extremes(number) for number in laws.values())):
                yield self._uniforms(dict(zip(laws, u, strict=True)))

    def _uniforms(self, chosen: dict[Path, float]) -> NDArray[np.float64]:
        """A vector of uniforms: those chosen by path, one half elsewhere."""
        return np.array([chosen.get(path, 0.5) for path in self._paths])


def _in_words(table: dict[str, Any], numbers: dict[Path, float | Law], path: Path) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in table.items():
        here = (*path, key)
        if isinstance(value, dict):
            rows += _in_words(value, numbers, here)
        elif here != ("model",):
            rows.append((dotted(here), _value_in_words(value, numbers)))
    return rows


def _value_in_words(value: Any, numbers: dict[Path, float | Law]) -> str:
    if isinstance(value, Slot):
        return describe_law(numbers[value.path])
    if isinstance(value, list):
        return "[" + ", ".join(_value_in_words(inner, numbers) for inner in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
