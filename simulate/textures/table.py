"""Reads a table of a model's parameters in which numbers may be laws.

What is read is the table with a `Slot` in place of every number that may be drawn, and these numbers by their
path. Whether the values fit the model is the model's own business (`simulate.model_laws`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from simulate.laws import LAWS, Law, Number, Strict, stated
from simulate.recipe_errors import dotted, one_line, suggestion
from stochgeom.errors import UserError

Path = tuple[str | int, ...]
"""Keys and places in lists that lead to a value: ("covariance", "length_nm")."""

FIXED = ("model", "shape", "orientations", "periodic")
"""Keys that hold for all samples: no law may stand in them."""


class Slot:
    """Stands in a table for the number at its path."""

    def __init__(self, path: Path) -> None:
        self.path = path


class _Holder(Strict):
    number: Number


class TableReader:
    """Reads one table; `numbers` holds a number or law by path, `whole` the paths of integers."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.numbers: dict[Path, float | Law] = {}
        self.whole: set[Path] = set()

    def table(self, value: dict[str, Any], model: type[BaseModel], path: Path = ()) -> dict[str, Any]:
        """A table of the keys of `model`. UserError, one line, for unknown keys and what are no laws."""
        found = {}
        for key, inner in value.items():
            field = model.model_fields.get(key)
            if field is None and model.model_config.get("extra") != "allow":  # a law of scipy has more keys
                hint = suggestion(key, sorted(model.model_fields))
                raise UserError(f"{self._dotted((*path, key))}: unknown key{hint}")
            found[key] = self._value(inner, float if field is None else field.annotation, (*path, key))
        return found

    def _value(self, value: Any, annotation: Any, path: Path) -> Any:
        models = list(_models_in(annotation))
        if models:
            return self._one_of(models, value, path)
        if get_origin(annotation) is tuple:
            return self._list(value, get_args(annotation), path)
        leaves = _leaves(annotation)
        words = any(leaf is str or isinstance(leaf, str) for leaf in leaves)
        if path[0] in FIXED and isinstance(value, dict):
            raise UserError(f"{self._dotted(path)}: holds for all samples; no law is accepted")
        if bool in leaves and not isinstance(value, bool):
            raise UserError(f"{self._dotted(path)} = {value!r}: should be true or false")
        if isinstance(value, bool if bool in leaves else str) and (words or bool in leaves):
            return value
        if path[0] in FIXED:
            self._number(value, path)
            return value
        number = self._number(value, path)
        if isinstance(number, float) and isinstance(path[-1], int):
            return value  # within a list only laws take slots: a histogram's numbers would take hundreds
        if int in leaves:
            self._check_whole(number, path)
            self.whole.add(path)
        self.numbers[path] = number
        return Slot(path)

    def _one_of(self, models: list[type[BaseModel]], value: Any, path: Path) -> Any:
        """A table of one of several models; as it is, if its `model` or `law` is none of theirs, which the
        model that holds it will say.
        """
        if not isinstance(value, dict):
            raise UserError(f"{self._dotted(path)} = {value!r}: should be a table")
        named = [model for model in models if _has_name_of(model, value)]
        return self.table(value, named[0], path) if named else value

    def _list(self, value: Any, members: tuple[Any, ...], path: Path) -> list[Any]:
        """A list of as many values as there are `members`, or of any number of the one before an ellipsis."""
        if not isinstance(value, list | tuple):
            raise UserError(f"{self._dotted(path)} = {value!r}: should be a list")
        if members[-1] is Ellipsis:
            members = members[:1] * len(value)
        if len(value) != len(members):
            raise UserError(f"{self._dotted(path)} = {value!r}: should be a list of {len(members)} values")
        each = zip(value, members, strict=True)
        return [self._value(inner, member, (*path, place)) for place, (inner, member) in enumerate(each)]

    def _number(self, value: Any, path: Path) -> float | Law:
        if isinstance(value, dict) and "law" not in value:
            raise UserError(f"{self._dotted((*path, 'law'))} is missing: should be one of {', '.join(LAWS)}")
        try:
            return _Holder(number=value).number
        except ValidationError as error:
            line = one_line(error, _Holder, {"number": value})
            raise UserError(line.replace("number", self._dotted(path), 1)) from None

    def _check_whole(self, number: float | Law, path: Path) -> None:
        for place, value in stated(number).items():
            if not value.is_integer():
                subject = f": {place}" if place else ""
                raise UserError(f"{self._dotted(path)}{subject} = {value:g}: should be a whole number")

    def _dotted(self, path: Path) -> str:
        return dotted(path, self._name)


def filled(value: Any, numbers: dict[Path, Any]) -> Any:
    """What was read, with a number of `numbers` in place of every slot."""
    if isinstance(value, Slot):
        return numbers[value.path]
    if isinstance(value, dict):
        return {key: filled(inner, numbers) for key, inner in value.items()}
    return [filled(inner, numbers) for inner in value] if isinstance(value, list) else value


def _has_name_of(model: type[BaseModel], value: dict[str, Any]) -> bool:
    """Whether `value` names this one of several models by its `model` or `law`."""
    fields = [(key, model.model_fields[key]) for key in ("model", "law") if key in model.model_fields]
    return any(value.get(key) in get_args(field.annotation) for key, field in fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _leaves(annotation: Any) -> set[Any]:
    """Types, and words of literals, that a place takes: unions, tuples and Annotated are opened."""
    inner = get_args(annotation)
    if inner:
        return set().union(*map(_leaves, inner))
    return {annotation} if isinstance(annotation, type | str) else set()
