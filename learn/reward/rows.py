"""Rows of a search, in a file and as a table."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from stochgeom.errors import UserError


class Row(BaseModel):
    """One grouping of one representation. reward: nats per patch and feature; icl_per_patch, bic_per_patch:
    see `learn.clustering.criteria`, the least is the best; unexplained: share of the patches' scatter that
    the representation leaves; scores against the truth by name, where it is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_nm: float
    latent_size: int
    invariances: str
    features: str
    clusters: int
    patches: int
    reward: float
    icl_per_patch: float
    bic_per_patch: float
    unexplained: float
    seconds: float
    scores: dict[str, float] = {}

    @property
    def words(self) -> str:
        """For a table or a chart."""
        pose = "" if self.invariances == "none" else f", {self.invariances}"
        part = "" if self.features == "latents" else f", {self.features}"
        return f"{self.window_nm:g} nm, {self.latent_size} latent{pose}{part}, {self.clusters} clusters"


def read_rows(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """What the search is of, and the rows of its whole trials. UserError for a file that is none.

    A run that was killed may have left part of a trial at the end: it is left out, and made again.
    """
    try:
        lines = [
            line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"
        ]
        first = dict(json.loads(lines[0]))
        rows = [Row.model_validate_json(line) for line in lines[1:]]
    except (OSError, ValueError, IndexError, TypeError, ValidationError) as error:
        raise UserError(f"{path} cannot be read as rows of a search: {error}") from error
    counts = Counter(_trial(row) for row in rows)
    if rows:
        last, whole = _trial(rows[-1]), max(counts.values())
        features = {row.features for row in rows if _trial(row) == last}
        clusters = len(first.get("settings", {}).get("clusters", ())) or whole
        if counts[last] < clusters * len(features):
            rows = [row for row in rows if _trial(row) != last]
    return first, rows


def rows_csv(rows: Sequence[Row]) -> str:
    """Every row, best reward first."""
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    plain = [name for name in Row.model_fields if name != "scores"]
    writer.writerow([*plain, *names])
    for row in by_reward(rows):
        cells = [getattr(row, name) for name in plain]
        writer.writerow([*cells, *(row.scores.get(name, "") for name in names)])
    return text.getvalue()


def rows_markdown(rows: Sequence[Row], most: int = 15) -> str:
    """A table of the rows of the largest reward."""
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    head = ["window, nm", "latent", "invariances", "features", "clusters", "reward", "unexplained", *names]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in by_reward(rows)[:most]:
        cells = [f"{row.window_nm:g}", row.latent_size, row.invariances, row.features, row.clusters]
        cells += [f"{row.reward:.3f}", f"{row.unexplained:.3f}"]
        cells += [f"{row.scores[name]:.3f}" if name in row.scores else "–" for name in names]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def by_reward(rows: Sequence[Row]) -> list[Row]:
    """Rows, best reward first."""
    return sorted(rows, key=lambda row: -row.reward)


def _trial(row: Row) -> tuple[float, int, str]:
    return row.window_nm, row.latent_size, row.invariances
