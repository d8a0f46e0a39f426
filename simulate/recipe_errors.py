"""Turns what pydantic finds wrong with a recipe into one line with the key's path, the value and what is
accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

Location = Sequence[str | int]


def one_line(error: ValidationError, model: type[BaseModel], data: Any, prefix: str = "") -> str:
    """The first complaint of `error` about `data` (as read from TOML), and how many more there are.

    `prefix` is the path at which `data` stands in the file.
    """
    problems = sorted(
        error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden"
    )
    first = _describe(problems[0], model, data, prefix)
    return first if len(problems) == 1 else f"{first} (and {len(problems) - 1} more)"


def _describe(problem: Any, model: type[BaseModel], data: Any, prefix: str) -> str:
    kind, location, text = problem["type"], problem["loc"], problem["msg"]
    missing = kind == "missing"
    keys = _real_keys(location, data, keep_last=missing)
    path = dotted(keys, prefix)
    if missing:
        return f"{path} is missing"
    if kind == "extra_forbidden":
        return f"{path}: unknown key{suggestion(str(location[-1]), sorted(_names_at(model, location[:-1])))}"
    if kind.startswith("union_tag"):
        return f"{path}: {_tag_problem(problem)}"
    text = text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be", "should be").replace(", unable to parse string as a number", "")
    value = problem["input"]
    if kind == "value_error" and isinstance(value, dict | BaseModel):
        return f"{path}: {text}"
    return f"{path} = {_short(value)}: {text[0].lower()}{text[1:]}"


def _tag_problem(problem: Any) -> str:
    """Which kinds there are where the kind of a table (its `law` or `name`) is unknown or not stated."""
    context = problem.get("ctx", {})
    key = str(context.get("discriminator", "")).strip("'")
    if not key.isidentifier():  # a number or a law: the discriminator is a function
        law = problem["input"].get("law") if isinstance(problem["input"], dict) else problem["input"]
        return f"law = {law!r}: should be one of uniform, log-uniform, choice"
    accepted = context.get("expected_tags", "")
    return (
        f"{key} = {context['tag']!r}: should be one of {accepted}"
        if "tag" in context
        else f"{key} is missing"
    )


def dotted(keys: Location, prefix: str = "") -> str:
    """TOML path of a key: a.b[0].c."""
    path = prefix
    for key in keys:
        path += f"[{key}]" if isinstance(key, int) else f".{key}"
    return path.lstrip(".") or "recipe"


def suggestion(key: str, accepted: Sequence[str]) -> str:
    """Hint for an unknown name: the nearest accepted one, or all of them."""
    near = difflib.get_close_matches(key, accepted, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; accepted: {', '.join(accepted)}" if accepted else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _real_keys(location: Location, data: Any, keep_last: bool) -> list[str | int]:
    """Components of pydantic's location that are keys of the data; the others are tags of unions."""
    keys: list[str | int] = []
    for place, key in enumerate(location):
        found, inner = _inside(data, key)
        if found:
            data = inner
        elif not (keep_last and place == len(location) - 1):
            continue
        keys.append(key)
    return keys


def _inside(data: Any, key: str | int) -> tuple[bool, Any]:
    """Whether `data` has the key or index, and what it holds there."""
    if isinstance(data, dict):
        return key in data, data.get(key)
    if isinstance(data, list | tuple) and isinstance(key, int) and key < len(data):
        return True, data[key]
    return False, None


def _names_at(model: type[BaseModel], location: Location) -> set[str]:
    """Names of the fields that the models at `location` accept."""
    models = [model]
    for key in location:
        inner = [
            found
            for candidate in models
            for name, field in candidate.model_fields.items()
            if key in (name, field.alias)
            for found in _models_in(field.annotation)
        ]
        models = inner or [one for one in models if _is_tagged(one, key)] or models
    return {field.alias or name for one in models for name, field in one.model_fields.items()}


def _is_tagged(model: type[BaseModel], tag: str | int) -> bool:
    """Whether `tag` is the value of the model's discriminating field."""
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models inside an annotation: unions, containers and Annotated are opened."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for inner in get_args(annotation):
        yield from _models_in(inner)
