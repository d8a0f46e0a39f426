"""What a search leaves: a table as CSV and Markdown, a picture, and a verdict as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from learn.plots import png, styled
from stochgeom.errors import UserError
from stochgeom.files import write_bytes, write_text

from .chart import search_figure
from .rows import Row, by_reward, rows_csv, rows_markdown
from .verdict import verdicts

TABLE, PAGE, PICTURE, SUMMARY = "search.csv", "search.md", "search.png", "search.json"


def write_search(rows: Sequence[Row], out: str | Path) -> list[Path]:
    """search.csv (every row), search.md (the best, and what the truth says), search.png and search.json (the
    chosen row, the verdicts) in `out`, made if needed. UserError if it cannot be written.
    """
    out = Path(out)
    found = verdicts(rows)
    summary = {"chosen": by_reward(rows)[0].model_dump(), "verdicts": [asdict(one) for one in found]}
    text = rows_markdown(rows) + "".join(f"\n{one.text}\n" for one in found)
    with styled():
        picture = png(search_figure(rows), 192)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / TABLE, rows_csv(rows))
        write_text(out / PAGE, text)
        write_bytes(out / PICTURE, picture)
        write_text(out / SUMMARY, json.dumps(summary, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"the search cannot be written to {out}: {error.strerror or error}") from error
    return [out / name for name in (TABLE, PAGE, PICTURE, SUMMARY)]
