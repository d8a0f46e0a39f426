"""What all reports share: a page from a template, and a folder that can be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stochgeom.errors import UserError, require

REPORT, METRICS, PREDICTIONS = "report.html", "metrics.json", "predictions.csv"


def rendered(template: str, filters: Mapping[str, Callable[..., str]], **content: Any) -> str:
    """The page of a template of `learn/templates`; a name that it asks for and does not get is an error."""
    jinja2 = require("jinja2", extra="learn")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= filters
    return str(environment.get_template(template).render(**content))


def check_writable(out: Path) -> None:
    """Make the folder `out` and try it, before work that would be lost; UserError if it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".{REPORT}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable(out, error) from error


def unwritable(out: Path, error: OSError) -> UserError:
    """What to say of a folder in which a report cannot be written."""
    return UserError(f"the report cannot be written to {out}: {error.strerror or error}")
