"""Checkpoints: one safetensors file with the weights, the optimiser's moments and where the run stands."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from learn.config import Schedule
from stochgeom.errors import UserError

CHECKPOINT = "checkpoint.safetensors"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """Finished epochs, their share of the schedule, their seconds; `identity` says whose run it is."""

    identity: dict[str, Any]
    epoch: int = 0
    share: float = 0.0
    seconds: list[float] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the schedule has ended."""
        return self.share >= 1.0

    def next_share(self, config: Schedule) -> tuple[float, float]:
        """The shares at which the next epoch begins and ends.

        Without a budget, equal parts. With one, what is left of the schedule is spread over as many epochs as
        the rest of the budget holds at the usual pace of the latest ones (their median: a machine that was
        busy for one epoch must not end the schedule); the first is taken to be one of `epochs`.
        """
        left = max(1, config.epochs - self.epoch)
        if config.minutes is not None and self.seconds:
            pace = median(self.seconds[-5:])
            left = min(left, max(1, int((60 * config.minutes - sum(self.seconds)) / pace)))
        return self.share, 1.0 if left == 1 else self.share + (1.0 - self.share) / left

    def advance(self, share: float, seconds: float) -> None:
        """Note a finished epoch."""
        self.epoch, self.share = self.epoch + 1, share
        self.seconds.append(seconds)


def save_checkpoint(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Replace the folder's checkpoint in one step, so that a crash leaves the old one or the new one."""
    tensors = {
        f"network.{name}": value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    for name, parameter in _parameters(network, optimizer):
        for moment in MOMENTS:
            tensors[f"optimizer.{moment}.{name}"] = (
                optimizer.state[parameter][moment].detach().cpu().contiguous()
            )
    part = folder / f"{CHECKPOINT}.part"
    try:
        save_file(tensors, part, metadata={"progress": json.dumps(asdict(progress))})
        part.replace(folder / CHECKPOINT)
    except (OSError, SafetensorError) as error:
        raise UserError(f"the checkpoint cannot be written to {folder}: {error}") from error


def load_checkpoint(
    folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, identity: dict[str, Any]
) -> Progress | None:
    """Put the checkpoint's state into network and optimiser; None if the folder has none.

    UserError if it is damaged or belongs to a run of another corpus or configuration.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads(file.metadata()["progress"]))
            _check(path, progress.identity, identity)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        network.load_state_dict(_under("network.", tensors))
        for name, parameter in _parameters(network, optimizer):
            state: dict[str, Tensor] = {}
            for moment in MOMENTS:
                value = tensors[f"optimizer.{moment}.{name}"]
                # Moments live where, and laid out as, the parameter does; the step count stays on the CPU.
                state[moment] = value if moment == "step" else torch.empty_like(parameter).copy_(value)
            optimizer.state[parameter] = state
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} is damaged ({reason}); remove it to train anew") from error
    return progress


def _check(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    if found == wanted:
        return
    before, now = _flat(found), _flat(wanted)
    keys = [key for key in {**now, **before} if before.get(key) != now.get(key)]
    detail = ", ".join(
        "of other images, or of patches cut otherwise"
        if key == "data"
        else f"{key} was {_short(before.get(key))}, is {_short(now.get(key))}"
        for key in keys[:3]
    )
    raise UserError(
        f"{path} belongs to another run ({detail}); accepted: the same options, another folder, or "
        "--overwrite"
    )


def _flat(identity: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Its values by their keys; those of tables inside by dotted keys, those of `config` by their own."""
    found: dict[str, Any] = {}
    for key, value in identity.items():
        if isinstance(value, dict):
            found |= _flat(value, "" if key == "config" else f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _parameters(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[tuple[str, nn.Parameter]]:
    """Named parameters that the optimiser moves."""
    moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return [(name, p) for name, p in network.named_parameters() if id(p) in moved]
