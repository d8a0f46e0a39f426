"""Published figures of spatial-statistics autoencoders, to compare with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from stochgeom.errors import UserError
from stochgeom.textures import LineTextureParameters

OURS = "statistics"
"""The method that the figures were published for."""

TASK_KEYS = (
    "model",
    "shape",
    "pixel_size_nm",
    "count",
    "orientations",
    "length_nm",
    "thickness_nm",
    "gap_nm",
)
"""Parameters of a line texture that make the set."""


@dataclass(frozen=True)
class PublishedFigures:
    """Of one set of textures: figures by method and by key of `scores.FIGURES`; `methods` describes the
    methods.

    The method `ours` is that which the set was published for; `regenerated` names the methods that were
    computed on a set drawn again by its description, not published.
    """

    name: str
    source: str
    statement: str
    methods: dict[str, str]
    labels: dict[str, str]
    figures: dict[str, dict[str, float]]
    regenerated: tuple[str, ...]

    @classmethod
    def load(cls, name: str) -> PublishedFigures:
        """The figures of a set. UserError if there is none of that name."""
        data = _data()
        if name not in data["sets"]:
            raise UserError(f"no published figures of “{name}”; accepted: {', '.join(data['sets'])}")
        one = data["sets"][name]
        return cls(
            name,
            data["source"],
            data["statement"],
            data["methods"],
            data["labels"],
            one["figures"],
            tuple(data["regenerated"]),
        )

    @classmethod
    def of_texture(cls, parameters: Mapping[str, Any] | None) -> PublishedFigures | None:
        """The figures of the set that such parameters draw (plain data of a texture's); None for any
        other.
        """
        if not parameters or parameters.get("model") != "lines":
            return None
        try:
            wanted = _task(LineTextureParameters.model_validate(parameters))
        except ValidationError:  # a recipe may hold laws where the set has numbers
            return None
        for name, one in _data()["sets"].items():
            if _task(LineTextureParameters.model_validate(one["texture"])) == wanted:
                return cls.load(name)
        return None


def _task(parameters: LineTextureParameters) -> dict[str, Any]:
    plain = parameters.model_dump(mode="json")
    return {key: plain[key] for key in TASK_KEYS} | {"orientations": sorted(plain["orientations"])}


def _data() -> dict[str, Any]:
    from simulate.resources import resource

    return dict(json.loads(resource("reference", "texture-vae.json").read_text("utf-8")))
