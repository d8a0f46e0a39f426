"""Where the shipped data lies: `datasets/` in a checkout, `simulate/_datasets/` in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from stochgeom.errors import UserError

_HERE = Path(__file__).resolve().parent


def datasets_root() -> Path:
    """The folder that holds recipes/, materials/, responses/ and reference/."""
    for candidate in (_HERE / "_datasets", _HERE.parent / "datasets"):
        if (candidate / "materials").is_dir():
            return candidate
    raise UserError(
        f"the shipped data are missing: neither {_HERE}/_datasets nor a datasets/ folder beside it"
    )


def resource(kind: str, name: str) -> Path:
    """The shipped file `datasets/KIND/NAME`; UserError lists what is there if it is not."""
    folder = datasets_root() / kind
    path = folder / name
    if not path.is_file() or path.resolve().parent != folder.resolve():
        raise UserError(f"no shipped {kind} file {name!r}; there are: {', '.join(names(kind)) or 'none'}")
    return path


def names(kind: str, suffix: str = "") -> list[str]:
    """Sorted names of the shipped files of a kind, for example names("recipes", ".toml")."""
    folder = datasets_root() / kind
    return sorted(p.name for p in folder.glob(f"*{suffix}") if p.is_file()) if folder.is_dir() else []


def find(kind: str, name_or_path: str | Path, suffix: str) -> Path:
    """A user's file if there is one of that path, else the shipped file of that name, suffix or not."""
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    shipped = [n.removesuffix(suffix) for n in names(kind, suffix)]
    if str(name_or_path).removesuffix(suffix) in shipped:
        return resource(kind, str(name_or_path).removesuffix(suffix) + suffix)
    raise UserError(
        f"{kind}: no file {str(name_or_path)!r}, and none of that name is shipped ({', '.join(shipped)})"
    )
