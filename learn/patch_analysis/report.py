"""The report on patch autoencoders: one HTML file that needs no network, with `metrics.json`, the latent
numbers of every patch and all pictures beside it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learn import report_words
from learn.files import write_text
from learn.report import METRICS, REPORT, check_writable
from stochgeom.errors import UserError, require

from . import words
from .analysis import PatchAnalysis
from .figures import pictures, write_pictures
from .report_data import metrics
from .tables import write_tables
from .truth_scores import KINDS

TEMPLATE = "patch_report.html.j2"
PICTURES = "pictures"
Pictures = dict[str, bytes]


def write_patch_report(analyses: Sequence[PatchAnalysis], out: str | Path) -> Path:
    """Write report.html, metrics.json, latents.csv, latents.npz, pictures/*.png and the angles' calibrations
    (angle-QUANTITY.json) into `out`, made if needed; returns the report's path.

    Of several models the first is the one in question; names of the others' files begin with the model's.
    UserError if there is no model, two have one name, or `out` cannot be written.
    """
    out = Path(out)
    names = [one.name for one in analyses]
    if not names or len(set(names)) < len(names):
        raise UserError(f"models named {', '.join(names) or 'nothing'}; accepted: one or more, named apart")
    check_writable(out)
    data = metrics(analyses)
    made = [pictures(one) for one in analyses]
    page = render(data, made)
    try:
        for k, one in enumerate(analyses):
            prefix = "" if k == 0 else f"{one.name}-"
            write_tables(one, out, prefix)
            write_pictures(made[k], out / PICTURES, prefix)
            for found in one.angles:
                found.calibration.save(out / f"{prefix}angle-{found.quantity}.json")
        write_text(out / METRICS, json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        write_text(out / REPORT, page)
    except OSError as error:
        raise UserError(f"the report cannot be written to {out}: {error.strerror or error}") from error
    return out / REPORT


def render(data: dict[str, Any], made: Sequence[Pictures]) -> str:
    """The page, from the data of the analyses and the pictures of each."""
    rows = words.score_rows(data)
    return str(
        _environment()
        .get_template(TEMPLATE)
        .render(
            data=data,
            summary=words.summary(data),
            rows=rows,
            kinds={kind: name for kind, name in KINDS.items() if any(kind in row["scores"] for row in rows)},
            quantities=words.QUANTITIES,
            parts=[
                (one, {name: _uri(content) for name, content in pictures_of.items()})
                for one, pictures_of in zip(data["models"], made, strict=True)
            ],
        )
    )


def _uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _environment() -> Any:
    jinja2 = require("jinja2", extra="learn")
    loader = jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"number": report_words.number, "percent": report_words.percent}
    return environment
