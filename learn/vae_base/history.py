"""The lines of metrics of a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from learn.loop import METRICS


def read_history(folder: Path) -> list[dict[str, Any]]:
    """One table per epoch; none where the folder has no metrics."""
    path = folder / METRICS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    # A run that was killed may have left half a line at the end.
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
