"""Finds what a recipe's text names: the recipe itself, and its response table."""

from __future__ import annotations

import hashlib
from pathlib import Path

from simulate.recipe_errors import suggestion
from simulate.resources import names, resource
from stochgeom.errors import UserError

CORPUS_TABLE = "response.npz"
"""Name of the copy of the response table that lies beside a corpus."""


def shipped_files(kind: str, suffix: str) -> dict[str, Path]:
    """Shipped files of a kind, by their name without the suffix."""
    return {name.removesuffix(suffix): resource(kind, name) for name in names(kind, suffix)}


def sha256(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def locate(path_or_name: str | Path) -> Path:
    """File of a recipe: an existing one first, then a shipped name; or the folder of a corpus, which holds
    one.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    shipped = shipped_files("recipes", ".toml")
    if str(path_or_name) in shipped:
        return shipped[str(path_or_name)]
    if path.is_dir():
        return path
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise UserError(f"no recipe file at {path}")
    raise UserError(f"no recipe {str(path_or_name)!r}{suggestion(str(path_or_name), list(shipped))}")


def find_table(name: str, folder: Path, wanted: str | None) -> Path:
    """Response table of a recipe in `folder`: a shipped name, a path relative to it, or a corpus' own copy.

    `wanted` is the hash of the table that the recipe was made with, None for a recipe that is new. UserError
    if there is no such table, or only another one.
    """
    shipped = shipped_files("responses", ".npz")
    candidates = [shipped.get(name), folder / name]
    if wanted is not None:  # a corpus' own copy, known by its hash
        candidates.append(folder / CORPUS_TABLE)
    found = [path for path in candidates if path is not None and path.is_file()]
    if not found:
        hint = suggestion(name, list(shipped))
        raise UserError(f"engine.table = {name!r}: no such response table, shipped or as a file{hint}")
    same = [path for path in found if wanted in (None, sha256(path))]
    if not same:
        raise UserError(
            f"engine.table = {name!r} is another table than the one that the recipe was made with"
        )
    return same[0]
