"""FFTW, called from compiled code.

pyfftw brings FFTW's library along and keeps its plans to itself. Here the same library makes plans whose
addresses compiled functions can call, so that a wave need not leave the cache between one-dimensional
transforms and what is done in between. Wisdom is the library's: pyfftw exports and imports that of these
plans as well.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from functools import lru_cache
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from stochgeom.errors import UserError, require

FORWARD, BACKWARD = -1, 1
"""Signs of the exponent."""
# From fftw3.h, part of its interface.
_FLAGS = {"FFTW_MEASURE": 0, "FFTW_PATIENT": 1 << 5, "FFTW_ESTIMATE": 1 << 6, "FFTW_WISDOM_ONLY": 1 << 21}
PATIENCE_S = 5.0
"""For a plan; what FFTW has found by then is taken, by a lesser effort if need be."""
_ONE_AT_A_TIME = threading.Lock()  # FFTW's planner is not thread-safe, its transforms are


@lru_cache(maxsize=1)
def library() -> Any:
    """FFTW in single precision, as pyfftw has loaded it. UserError where it cannot be reached."""
    pyfftw = require("pyfftw", extra="simulate")
    try:
        found = ctypes.CDLL(pyfftw.pyfftw.__file__)  # looks into the libraries that this one needs, too
        found.fftwf_plan_many_dft.restype = ctypes.c_void_p
        found.fftwf_destroy_plan.argtypes = [ctypes.c_void_p]
        found.fftwf_destroy_plan.restype = None
        found.fftwf_set_timelimit.argtypes = [ctypes.c_double]
        found.fftwf_set_timelimit.restype = None
        found.fftwf_execute_dft  # noqa: B018  # looked up here, so that what is missing is found here
    except (OSError, AttributeError) as error:
        raise UserError(
            f"engine windowed: FFTW is not to be reached through pyfftw {pyfftw.__version__} ({error}); "
            "pyfftw's own wheels and conda-forge's packages for Linux and macOS are known to do"
        ) from None
    return found


def execute_address() -> int:
    """Address of `fftwf_execute_dft`, for `execute`."""
    return ctypes.cast(library().fftwf_execute_dft, ctypes.c_void_p).value or 0


class Plan:
    """Plan of `count` transforms of `size` points, from `source` to `target`, complex64; not normalised.

    source, target: arrays in which the first points lie first; steps: from point to point and from transform
    to transform, for each of them, in elements. efforts: FFTW's flags, of which the first set that gives a
    plan is taken. Arrays that are transformed later have to be aligned in the same way. `address` is what
    `execute` calls.
    """

    def __init__(
        self,
        size: int,
        count: int,
        arrays: tuple[NDArray[Any], NDArray[Any]],
        steps: tuple[tuple[int, int], tuple[int, int]],
        sign: int,
        efforts: tuple[tuple[str, ...], ...],
    ) -> None:
        fftw, points = library(), (ctypes.c_int * 1)(size)
        sides = []
        for array, (step, apart) in zip(arrays, steps, strict=True):
            sides += [ctypes.c_void_p(array.ctypes.data), points, ctypes.c_int(step), ctypes.c_int(apart)]
        address = None
        with _ONE_AT_A_TIME:
            if hasattr(fftw, "fftwf_plan_with_nthreads"):
                # Who planned before, abTEM for one, may have asked for threads, and wisdom is kept by them.
                fftw.fftwf_plan_with_nthreads(1)
            fftw.fftwf_set_timelimit(PATIENCE_S)
            for flags in efforts:
                effort = sum(_FLAGS[flag] for flag in flags)
                address = fftw.fftwf_plan_many_dft(
                    1, points, ctypes.c_int(count), *sides, ctypes.c_int(sign), ctypes.c_uint(effort)
                )
                if address is not None:
                    break
            fftw.fftwf_set_timelimit(-1.0)  # no limit, as FFTW begins: abTEM plans with the same library
        if address is None:
            raise UserError(f"FFTW has no plan for {count} transforms of {size} points ({efforts})")
        self.address: int = address
        weakref.finalize(self, fftw.fftwf_destroy_plan, ctypes.c_void_p(address))


def _execute(context, function, plan, source, target):  # type: ignore[no-untyped-def]
    """`fftwf_execute_dft` at the address `function`, in compiled code."""

    def call(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer] * 3)
        address, *given = arguments
        called = builder.inttoptr(address, kind.as_pointer())
        builder.call(called, [builder.inttoptr(value, pointer) for value in given])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), call


execute: Any = intrinsic(_execute)
"""`execute(function, plan, source, target)` for compiled functions, all intp: the addresses of
`fftwf_execute_dft` (`execute_address`), of a plan, and of two arrays (`array.ctypes.data`).
"""
