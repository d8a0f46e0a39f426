"""Progress of a long analysis: a bar on a terminal, a line for each finished step elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from tqdm import tqdm


class Steps:
    """Called with (what, done, of); use in a `with` block."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._bar: tqdm | None = None
        self._what, self._start = "", time.monotonic()

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, what: str, done: int, of: int) -> None:
        if what != self._what:
            self._close()
            self._what, self._start = what, time.monotonic()
            if self._terminal:
                self._bar = tqdm(total=of, desc=what, file=self._stream, leave=True)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        elif done >= of:
            seconds = time.monotonic() - self._start
            print(f"{what}: {of} in {seconds:.0f} s", file=self._stream, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
