"""A model's two files: `model.safetensors` holds numbers, `model.json` says what they mean. Loading them runs
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from learn.files import write_text
from stochgeom.errors import UserError

WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


def save_model(folder: Path, kind: str, version: int, tensors: Mapping[str, Tensor], **content: Any) -> None:
    """Write a model's files into `folder`, which is made if needed; a folder with model.json is a whole
    model.
    """
    description = {
        "format": kind,
        "format_version": version,
        **content,
        "versions": {name: metadata.version(name) for name in ("heterostem", "torch", "numpy")},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The description goes first and comes last.
        (folder / DESCRIPTION).unlink(missing_ok=True)
        part = folder / f"{WEIGHTS}.part"
        save_file({name: value.contiguous() for name, value in tensors.items()}, part)
        part.replace(folder / WEIGHTS)
        write_text(folder / DESCRIPTION, json.dumps(description, indent=1, allow_nan=False) + "\n")
    except (OSError, SafetensorError) as error:
        raise UserError(f"the model cannot be written to {folder}: {error}") from error


def folder_of(path: str | Path) -> Path:
    """The folder of a model: the path itself, or that of one of its files."""
    return Path(path).parent if Path(path).name in (DESCRIPTION, WEIGHTS) else Path(path)


def model_kind(folder: Path) -> str:
    """What kind of model lies in a folder, as its description says. UserError if there is none."""
    return str(_read(folder).get("format", "unknown"))


def read_description(folder: Path, kind: str, version: int) -> dict[str, Any]:
    """What model.json says. UserError if there is none, or of another kind or version."""
    description = _read(folder)
    path = folder / DESCRIPTION
    if description.get("format") != kind:
        raise UserError(f"{path} does not describe a {kind}")
    if description.get("format_version") != version:
        found = description.get("format_version")
        raise UserError(f"{path} is of format version {found}; this version of heterostem reads {version}")
    return description


def _read(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"no model at {folder}: {DESCRIPTION} is missing") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    return description if isinstance(description, dict) else {}


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a model."""
    return load_file(folder / WEIGHTS)


@contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """Whatever goes wrong when a model is put together becomes one line that names its folder."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"model {folder} is damaged or not whole: {reason}") from error
