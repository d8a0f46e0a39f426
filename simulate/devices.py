"""Where waves are computed: on the processor, or on a CUDA device that torch sees.

A device is no part of a recipe: the numbers are the same to a few parts in a million. Only the engine
`windowed` has a use for one; the others compute on the processor whatever the device.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from simulate.recipe_settings import WindowedSettings
from stochgeom.errors import UserError, require

if TYPE_CHECKING:
    from simulate.recipe import Recipe

CPU = "cpu"
_CUDA = re.compile(r"cuda(?::(\d{1,4}))?")


def resolved(name: str) -> str:
    """`cpu` or `cuda:N` for cpu, cuda (the current one), cuda:N or auto (cuda where there is one).

    UserError, one line, for another name or a device that torch does not see.
    """
    checked(name)
    if name == CPU or (name == "auto" and not _any_cuda()):
        return CPU
    cuda = require("torch", extra="learn").cuda
    if not cuda.is_available():
        raise UserError(f"device = {name}: torch sees no CUDA device here; cpu is accepted")
    asked = _CUDA.fullmatch(name)
    number = int(asked[1]) if asked and asked[1] else int(cuda.current_device())
    if number >= cuda.device_count():
        raise UserError(f"device = {name}: torch sees cuda:0 to cuda:{cuda.device_count() - 1} here")
    return f"cuda:{number}"


def checked(name: str) -> str:
    """The name, if it can be one of a device. UserError otherwise."""
    if name not in (CPU, "auto") and not _CUDA.fullmatch(name):
        raise UserError(f"device = {name}: accepted are cpu, cuda, cuda:N and auto")
    return name


def device_for(recipe: Recipe, name: str, here: bool = True) -> str:
    """The device for a recipe: resolved, or the name itself where the workers are not `here`.

    UserError if a CUDA device is asked for and no engine of the recipe has a use for one.
    """
    checked(name)
    engine = getattr(recipe, "engine", None)
    engines = [engine] + ([] if recipe.probes is None else [recipe.probes.engine])
    if not any(isinstance(engine, WindowedSettings) for engine in engines):
        if name in (CPU, "auto"):
            return CPU
        raise UserError(
            f"device = {name}: only the engine windowed computes there, and this recipe's is "
            f"{'none' if engine is None else engine.name}; cpu is accepted"
        )
    return resolved(name) if here else name


def facts(device: str) -> dict[str, str]:
    """What a resolved device adds to the provenance of a corpus."""
    if device == CPU:
        return {"device": CPU}
    torch = require("torch", extra="learn")
    return {
        "device": device,
        "device_name": torch.cuda.get_device_name(device),
        "torch": str(torch.__version__),
    }


def _any_cuda() -> bool:
    return find_spec("torch") is not None and bool(require("torch", extra="learn").cuda.is_available())
