"""Errors that a user can act on: one line that says what, where, and what would be accepted."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType


class UserError(Exception):
    """Something the user can put right. The command line prints it as one line and exits with 1."""


class InfeasibleParametersError(UserError, ValueError):
    """A parameter for which no aggregate exists (or is ever found).

    Attributes: `parameter` (its name), `value` (as asked), `nearest` (the nearest feasible value, or None).
    """

    def __init__(self, parameter: str, value: float, nearest: float | None, reason: str) -> None:
        hint = "" if nearest is None else f"; nearest feasible: {nearest:.4g}"
        super().__init__(f"{parameter} = {value:.6g} is infeasible: {reason}{hint}")
        self.parameter, self.value, self.nearest = parameter, value, nearest

    def __reduce__(self):  # keeps its fields when a worker process sends it back
        return _rebuild, (self.parameter, self.value, self.nearest, str(self))


def _rebuild(parameter: str, value: float, nearest: float | None, text: str) -> InfeasibleParametersError:
    error = InfeasibleParametersError(parameter, value, nearest, "")
    error.args = (text,)
    return error


class MissingExtraError(UserError, ImportError):
    """A package of an optional extra is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or raise MissingExtraError naming the extra of heterostem that brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(_missing(error.name, extra)) from error


def check_installed(module: str, extra: str) -> None:
    """MissingExtraError where `require` would raise it, without the seconds that importing may take."""
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(_missing(module, extra))


def _missing(module: str | None, extra: str) -> str:
    return f"{module} is not installed; it comes with: pip install 'heterostem[{extra}]'"
