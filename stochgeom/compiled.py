"""The decorator of the kernels that grow aggregates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from numba import njit

_FILES = ("compiled.py", "merging.py", "growth.py", "collisions.py", "restructuring.py")
STAMP = hashlib.sha256(b"".join(Path(__file__).with_name(name).read_bytes() for name in _FILES)).hexdigest()


def kernel(function: Callable, inline: bool = False) -> Callable:
    """Compile with numba and cache on disk.

    No fast-math and no threads: what a kernel returns is a function of its arguments and the generator's
    state alone. numba's cache of a function notices a change of its own file only, and these kernels call one
    another across files: all of them carry the stamp of all the files.
    """
    compiled = njit(cache=True, error_model="numpy", forceinline=inline)(function)
    cache = getattr(compiled, "_cache", None)
    cached = getattr(cache, "_cache_file", None)  # absent where nothing can be cached
    if cached is not None:
        cached._source_stamp = (cached._source_stamp, STAMP)
    return compiled


def step(function: Callable) -> Callable:
    """A kernel that becomes part of its callers: a call would cost as much as what it does."""
    return kernel(function, inline=True)


@step
def fill(target, values):  # type: ignore[no-untyped-def]
    """target[: len(values)] = values, of one dimension.

    Written so, numba would compile for 5 s how to say that the two do not fit, in every new process.
    """
    for k in range(len(values)):
        target[k] = values[k]
