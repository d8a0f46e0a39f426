"""The one training loop: schedule, steps, checkpoints, metrics. What is trained says the rest.

A run's folder holds metrics.jsonl (one line per epoch), checkpoint.safetensors (everything needed to go on)
and, once done, the model. A run draws every order and every random number as functions of (seed, epoch), so
that one which was stopped and resumed between epochs ends with the same numbers as one which was not, on the
same machine.
"""

from __future__ import annotations

import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from learn.checkpoint import CHECKPOINT, Progress, load_checkpoint, save_checkpoint
from learn.config import Schedule
from learn.model_files import DESCRIPTION
from stochgeom.errors import UserError

METRICS = "metrics.jsonl"
GRADIENT_NORM = 10.0
FREE = ("minutes", "device", "threads", "memory_gb", "precision")
"""Options that may change when a run is resumed: how long, where and how fast it runs."""

Batch = TypeVar("Batch")
Model = TypeVar("Model")
Settings = TypeVar("Settings", bound=Schedule)
Say = Callable[[str], None]
log = logging.getLogger(__name__)


class TrainingRun(ABC, Generic[Model, Batch, Settings]):
    """State of one training run. `go` starts it or goes on with it, and returns the trained model."""

    gradient_norm = GRADIENT_NORM
    judged = "the validation split"
    """What `evaluate` measures on, for the reader."""

    def __init__(
        self, out: Path, config: Settings, network: nn.Module, identity: dict[str, Any], tell: Say | None
    ) -> None:
        """identity: whose run it is; one of another identity in `out` is not gone on with."""
        self.out, self.config, self.tell = out, config, tell or log.info
        self.device = chosen_device(config.device)
        self.network = network.to(self.device)
        self.optimizer = _optimizer(self.network, config)
        plain = {key: value for key, value in config.model_dump(mode="json").items() if key not in FREE}
        self.progress = Progress(identity={**identity, "config": plain})

    @abstractmethod
    def batches(self, epoch: int) -> Iterable[Batch]:
        """What the steps of an epoch (from 0) see."""

    @abstractmethod
    def steps(self) -> int:
        """About how many batches an epoch has."""

    @abstractmethod
    def loss(self, batch: Batch, share: float) -> tuple[Tensor, int]:
        """Loss of a batch and its number of images; `share` of the schedule has passed."""

    @abstractmethod
    def evaluate(self) -> tuple[dict[str, Any], str]:
        """Figures of the network as it is, for the metrics, and a word on them for the reader."""

    @abstractmethod
    def finish(self) -> Model:
        """Whatever follows the last step; saves the model."""

    @abstractmethod
    def load(self) -> Model:
        """The finished model in the folder."""

    def after_step(self, batch: Batch) -> None:
        """Called after each step of the optimiser."""

    def before_evaluation(self) -> None:
        """Called after the last step of an epoch."""

    def go(self, resume: bool) -> Model:
        """Train to the end of the schedule. With `resume`, an unfinished run in the folder goes on where its
        last epoch ended and a finished one is loaded; otherwise an earlier run there is forgotten.
        """
        with _threads(self.config.threads):
            if resume:
                self._restore()
            else:
                self._clear()
            while not self.progress.done:
                self._one_epoch()
            return self.load() if (self.out / DESCRIPTION).exists() else self.finish()

    def _restore(self) -> None:
        found = load_checkpoint(self.out, self.network, self.optimizer, self.progress.identity)
        if found is not None:
            self.progress = found
        elif (self.out / DESCRIPTION).exists():
            raise UserError(
                f"{self.out} holds a model without the checkpoint it was trained with; choose another "
                "folder, or overwrite it"
            )
        _keep_lines(self.out / METRICS, self.progress.epoch)

    def _clear(self) -> None:
        for name in (CHECKPOINT, DESCRIPTION, METRICS):
            (self.out / name).unlink(missing_ok=True)

    def _one_epoch(self) -> None:
        """One epoch, its metrics and its checkpoint."""
        started = time.perf_counter()
        first, last = self.progress.next_share(self.config)
        loss = self._steps(first, last)
        self.before_evaluation()
        figures, word = self.evaluate()
        self.progress.advance(last, time.perf_counter() - started)
        seconds = self.progress.seconds[-1]
        line = {
            "epoch": self.progress.epoch,
            "share": round(last, 6),
            "learning_rate": rate(last, self.config),
            "training_loss": loss,
            **figures,
            "seconds": round(seconds, 2),
        }
        save_checkpoint(self.out, self.network, self.optimizer, self.progress)
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.tell(
            f"epoch {self.progress.epoch}: {100 * last:.0f} % of the schedule, {seconds:.0f} s, "
            f"loss {loss:.4g}, {word} on {self.judged}"
        )

    def _steps(self, first: float, last: float) -> float:
        """Steps of one epoch, while the schedule goes from `first` to `last`; returns the mean loss."""
        self.network.train()
        total, seen, steps = torch.zeros((), device=self.device), 0, max(1, self.steps())
        # A bar on a terminal; elsewhere the line of each epoch says enough.
        bar = tqdm(
            self.batches(self.progress.epoch),
            f"epoch {self.progress.epoch + 1}",
            steps,
            leave=False,
            disable=None,
        )
        for step, batch in enumerate(bar):
            share = first + (last - first) * min(step / steps, 1.0)
            for group in self.optimizer.param_groups:
                group["lr"] = rate(share, self.config)
            loss, images = self.loss(batch, share)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_norm)
            self.optimizer.step()
            total += loss.detach() * images
            seen += images
            self.after_step(batch)
        mean = float(total) / seen
        if not math.isfinite(mean):
            raise UserError(
                f"the training loss is {mean}; a smaller learning rate than {self.config.learning_rate:g} "
                "may help"
            )
        return mean


def rate(share: float, config: Schedule) -> float:
    """Learning rate after a share of the schedule: a linear rise, then half a cosine down to a thousandth."""
    if share < config.warmup:
        return config.learning_rate * (0.02 + 0.98 * share / config.warmup)
    down = 0.5 * (1 + math.cos(math.pi * (share - config.warmup) / (1 - config.warmup)))
    return config.learning_rate * (0.001 + 0.999 * down)


def chosen_device(name: str) -> torch.device:
    """The device of a name; auto: a CUDA device where there is one. UserError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r}: accepted: auto, cpu, cuda, cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r}: torch finds no CUDA device here; accepted: auto or cpu")
    return device


def half_precision(precision: str, device: torch.device) -> bool:
    """Whether convolutions run in bfloat16; `auto` does so where the hardware computes in it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported is not None and supported())


def make_folder(out: Path) -> None:
    """A folder that can be written, or a UserError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"the output folder {out} cannot be written: {error.strerror or error}") from error


def _optimizer(network: nn.Module, config: Schedule) -> torch.optim.AdamW:
    """AdamW that decays matrices and filters, not biases and norms."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)  # one pass over the moments


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _keep_lines(path: Path, count: int) -> None:
    """Cut metrics that were written after the checkpoint."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) > count:
            path.write_text("".join(lines[:count]), encoding="utf-8")
