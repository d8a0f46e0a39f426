"""The report on patch autoencoders: one HTML file that needs no network, with `metrics.json`, the latent
numbers of every patch and all pictures beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from learn import report_words
from learn.files import write_text
from learn.plots import png_uri
from learn.report_page import METRICS, REPORT, check_writable, rendered, unwritable
from stochgeom.errors import UserError

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
        raise unwritable(out, error) from error
    return out / REPORT


def render(data: dict[str, Any], made: Sequence[Pictures]) -> str:
    """The page, from the data of the analyses and the pictures of each."""
    rows = words.score_rows(data)
    return rendered(
        TEMPLATE,
        {"number": report_words.number, "percent": report_words.percent},
        data=data,
        summary=words.summary(data),
        rows=rows,
        kinds={kind: name for kind, name in KINDS.items() if any(kind in row["scores"] for row in rows)},
        quantities=words.QUANTITIES,
        parts=[
            (one, {name: png_uri(content) for name, content in pictures_of.items()})
            for one, pictures_of in zip(data["models"], made, strict=True)
        ],
    )
