"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

SECONDS_BETWEEN_LINES = 20.0


class Progress:
    """Counts `total` units of work on standard error."""

    def __init__(self, label: str, total: int, unit: str = "samples", show: bool = True) -> None:
        self.label, self.total, self.unit, self.show = label, total, unit, show
        self.done = 0
        self._start = self._spoke = time.monotonic()
        self._bar: Any = None
        if show and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=label, unit=f" {unit}", smoothing=0.1, file=sys.stderr)

    def advance(self, units: int) -> None:
        """Report `units` more."""
        self.done += units
        if self._bar is not None:
            self._bar.update(units)
        elif self.show and time.monotonic() - self._spoke >= SECONDS_BETWEEN_LINES:
            self._spoke = time.monotonic()
            self._say()

    def close(self) -> None:
        """Report the end."""
        if self._bar is not None:
            self._bar.close()
        elif self.show and self.done:
            self._say()

    def _say(self) -> None:
        seconds = time.monotonic() - self._start
        line = f"{self.label}: {self.done} of {self.total} {self.unit} in {seconds:.0f} s"
        print(line, file=sys.stderr, flush=True)
