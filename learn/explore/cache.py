"""Results kept by what they were made from: the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Cache:
    """For each stage, the last so many results by key; safe to use from several threads.

    Two threads that ask for one key get one result, made once. What fails is not kept.
    """

    def __init__(self, kept: dict[str, int]) -> None:
        self._kept = kept
        self._stages: dict[str, OrderedDict[Hashable, Any]] = {stage: OrderedDict() for stage in kept}
        self._lock = threading.RLock()
        self._making: dict[tuple[str, Hashable], threading.Lock] = {}
        self.made: dict[str, int] = dict.fromkeys(kept, 0)
        """How often each stage was worked out."""

    def get(self, stage: str, key: Hashable, make: Callable[[], T]) -> T:
        """The result of `key`, made now if it is not there. Errors of `make` pass through."""
        with self._lock:
            if self.has(stage, key):
                return self._take(stage, key)
            turn = self._making.setdefault((stage, key), threading.Lock())
        with turn:
            with self._lock:
                if self.has(stage, key):
                    return self._take(stage, key)
            try:
                result = make()
                with self._lock:
                    self._put(stage, key, result)
            finally:
                with self._lock:
                    self._making.pop((stage, key), None)
        return result

    def has(self, stage: str, key: Hashable) -> bool:
        """Whether a result is kept."""
        with self._lock:
            return key in self._stages[stage]

    def _take(self, stage: str, key: Hashable) -> Any:
        self._stages[stage].move_to_end(key)
        return cast(Any, self._stages[stage][key])

    def _put(self, stage: str, key: Hashable, result: Any) -> None:
        found = self._stages[stage]
        found[key] = result
        self.made[stage] += 1
        while len(found) > self._kept[stage]:
            found.popitem(last=False)
