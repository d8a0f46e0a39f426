"""Columns of a corpus of textures: what was asked of the model, and what is true of an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from stochgeom.textures import TextureParameters
from stochgeom.textures.models import truth_names as names_of

DOUBLED = ("orientation_cos2", "orientation_sin2")
"""Cosine and sine of twice the orientation: an orientation as two numbers that do not jump where it turns
over."""

_NO_COLUMNS = ("model", "shape", "pixel_size_nm", "orientations")


def parameter_columns(parameters: BaseModel) -> dict[str, float]:
    """Numbers asked of the model, by `asked_` and their key; tables inside are joined by underscores.

    The two numbers of a span are `..._smallest` and `..._largest`; measured histograms have no columns. Names
    differ from those of the truth: the volume fraction asked for is the mean over all images, the true one
    that of an image.
    """
    return {f"asked_{name}": value for name, value in _numbers(parameters.model_dump(), "")}


def _numbers(table: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, float]]:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if name in _NO_COLUMNS:
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}_")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
        elif isinstance(value, tuple) and len(value) == 2 and not prefix:
            yield from ((f"{name}_smallest", float(value[0])), (f"{name}_largest", float(value[1])))


def truth_names(some: Iterable[TextureParameters]) -> tuple[str, ...]:
    """Columns of the truth that have a value for at least some of the parameters; an orientation comes with
    the cosine and sine of its double.
    """
    found: dict[str, None] = {}
    for parameters in some:
        for name in names_of(parameters):
            found[name] = None
            if name == "orientation_degrees":
                found |= dict.fromkeys(DOUBLED)
    return tuple(sorted(found, key=_rank))


_FIRST = ("volume_fraction", "orientation_degrees", *DOUBLED, "count")


def _rank(name: str) -> tuple[int, str]:
    return (_FIRST.index(name), "") if name in _FIRST else (len(_FIRST), name)


def truth_columns(truth: Mapping[str, float]) -> dict[str, float]:
    """The truth of one texture, the orientation also as cosine and sine of its double."""
    angle = 2 * math.radians(truth["orientation_degrees"])
    return {**truth, DOUBLED[0]: math.cos(angle), DOUBLED[1]: math.sin(angle)}
