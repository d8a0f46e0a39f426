"""The one training loop: schedule, steps, checkpoints, metrics, calibration.

A run folder holds metrics.jsonl (one line per epoch), checkpoint.safetensors (everything needed to go on)
and, once done, the model. Orders, noise and symmetries are functions of (seed, epoch), so a run that was
stopped and resumed between epochs ends with the same numbers as one that was not, on the same machine.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from learn.calibration import calibrate, evaluate
from learn.checkpoint import Progress, load_checkpoint, save_checkpoint
from learn.config import TrainingConfig
from learn.data import Batch, Samples, TrainingCorpus, ahead, with_gain
from learn.estimator import Estimator
from learn.networks import Output, loss_of
from learn.starting import initial_estimator
from stochgeom.errors import UserError

METRICS = "metrics.jsonl"
SETTLING_IMAGES = 1024
log = logging.getLogger(__name__)


def train(
    corpus: TrainingCorpus,
    out: str | Path,
    config: TrainingConfig | None = None,
    resume: bool = True,
    tell: Callable[[str], None] | None = None,
) -> Estimator:
    """Train an estimator on the split `train`, calibrate it on `calibration`, and save it into the folder
    `out`.

    With `resume`, an unfinished run in `out` goes on where its last epoch ended, and a finished one is
    loaded; otherwise an earlier run there is forgotten. `tell` is called with a line for each epoch.
    UserError if `out` holds a run of another corpus or configuration, or cannot be written.
    """
    config = config or TrainingConfig()
    out = Path(out)
    _make_folder(out)
    run = _Run(corpus, out, config, tell or log.info)
    with _threads(config.threads):
        if resume:
            run.restore()
        else:
            run.clear()
        while not run.progress.done:
            run.one_epoch()
        return run.finish()


class _Run:
    """State of one training run."""

    def __init__(
        self, corpus: TrainingCorpus, out: Path, config: TrainingConfig, tell: Callable[[str], None]
    ) -> None:
        self.corpus, self.out, self.config, self.tell = corpus, out, config, tell
        if len(corpus.indices("calibration")) == 0:  # needed at the end; better said at the start
            raise UserError("the corpus has no finished samples in the split 'calibration'")
        self.realism = with_gain(corpus.recipe.realism, config.gain)
        self.device = _device(config.device)
        self.estimator = initial_estimator(corpus, config, self.realism)
        self.network = self.estimator.network.to(self.device)
        self.samples = {split: self._samples(split) for split in ("train", "validation")}
        self.validation = list(self.samples["validation"].fixed(config.batch_size))
        self.optimizer = _optimizer(self.network, config)
        self.progress = Progress(identity=_identity(corpus, config))

    def _samples(self, split: str) -> Samples:
        maps = split == "train" and self.estimator.config.maps > 0
        targets = self.estimator.targets
        return Samples(self.corpus, split, targets, self.realism, maps=maps, memory_gb=self.config.memory_gb)

    def restore(self) -> None:
        """Go on from the checkpoint in the folder, if there is one."""
        found = load_checkpoint(self.out, self.network, self.optimizer, self.progress.identity)
        if found is not None:
            self.progress = found
        elif (self.out / "model.json").exists():
            raise UserError(
                f"{self.out} holds a model without the checkpoint it was trained with; choose another "
                "folder, or overwrite it"
            )
        _keep_lines(self.out / METRICS, self.progress.epoch)

    def clear(self) -> None:
        """Forget an earlier run in the folder."""
        for name in ("checkpoint.safetensors", "model.json", METRICS):
            (self.out / name).unlink(missing_ok=True)

    def one_epoch(self) -> None:
        """One pass over the training samples, its metrics and its checkpoint."""
        started = time.perf_counter()
        first, last = self.progress.next_share(self.config)
        loss = self._steps(first, last)
        scores = evaluate(self.estimator, self.validation)
        self.progress.advance(last, time.perf_counter() - started)
        line = {
            "epoch": self.progress.epoch,
            "share": round(last, 6),
            "learning_rate": _rate(last, self.config),
            "training_loss": loss,
            **scores,
            "seconds": round(self.progress.seconds[-1], 2),
        }
        save_checkpoint(self.out, self.network, self.optimizer, self.progress)
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        mean_r2 = float(np.mean(list(scores["r2"].values())))
        seconds = self.progress.seconds[-1]
        self.tell(
            f"epoch {self.progress.epoch}: {100 * last:.0f} % of the schedule, {seconds:.0f} s, "
            f"loss {loss:.4f}, mean R2 {mean_r2:.3f} on the validation split"
        )

    def _steps(self, first: float, last: float) -> float:
        """Steps of one epoch, while the schedule goes from `first` to `last`; returns the mean loss."""
        config, samples = self.config, self.samples["train"]
        self.network.train()
        total, seen = torch.zeros((), device=self.device), 0
        latest: deque[Batch] = deque(maxlen=-(-SETTLING_IMAGES // config.batch_size))
        steps = max(1, round(len(samples) / config.batch_size))
        batches = samples.epoch(
            self.progress.epoch, config.batch_size, config.seed, config.noise_refresh_epochs
        )
        # A bar on a terminal; elsewhere the line of each epoch says enough.
        bar = tqdm(ahead(batches), f"epoch {self.progress.epoch + 1}", steps, leave=False, disable=None)
        for step, batch in enumerate(bar):
            share = first + (last - first) * min(step / steps, 1.0)
            for group in self.optimizer.param_groups:
                group["lr"] = _rate(share, config)
            loss = batch_loss(self.network, batch, config, self.device)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
            self.optimizer.step()
            total += loss.detach() * len(batch.images)
            seen += len(batch.images)
            latest.append(batch)
        settle_norms(self.network, latest, config, self.device)
        mean = float(total) / seen
        if not math.isfinite(mean):
            raise UserError(
                f"the training loss is {mean}; a smaller learning rate than {config.learning_rate:g} may help"
            )
        return mean

    def finish(self) -> Estimator:
        """Calibrate and save."""
        if (self.out / "model.json").exists():
            return Estimator.load(self.out)
        self.network.to("cpu")
        self.estimator.about["training"] = {
            "epochs": self.progress.epoch,
            "seconds": round(sum(self.progress.seconds), 1),
            "samples": len(self.samples["train"]),
        }
        calibrate(self.estimator, self.corpus, self.config, self.samples["train"])
        self.estimator.save(self.out)
        return self.estimator


def batch_loss(
    network: torch.nn.Module, batch: Batch, config: TrainingConfig, device: torch.device
) -> Tensor:
    """Loss of a batch, the network in training mode and in the precision asked for."""
    targets = torch.from_numpy(batch.targets).to(device)
    maps = None if batch.maps is None else torch.from_numpy(batch.maps).to(device)
    output = _output(network, batch, config, device)
    return loss_of(output, targets, maps, config.variance_weight, config.map_weight)


def settle_norms(
    network: torch.nn.Module, batches: Iterable[Batch], config: TrainingConfig, device: torch.device
) -> None:
    """Set the batch normalisations' statistics to the means over `batches`, for the weights as they are.

    In training they follow the weights at a distance; while the learning rate is high, that alone can make a
    good network's predictions worthless.
    """
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
    network.train()
    with torch.no_grad():
        for batch in batches:
            _output(network, batch, config, device)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _output(network: torch.nn.Module, batch: Batch, config: TrainingConfig, device: torch.device) -> Output:
    images = torch.from_numpy(batch.images).to(device)
    log_pixel = torch.from_numpy(batch.log_pixel).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=_half_precision(config.precision, device)):
        output: Output = network(images, log_pixel)
    return output


def _optimizer(network: torch.nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW that decays matrices and filters, not biases and norms."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _rate(share: float, config: TrainingConfig) -> float:
    """Learning rate after a share of the schedule: a linear rise, then half a cosine down to a thousandth."""
    if share < config.warmup:
        return config.learning_rate * (0.02 + 0.98 * share / config.warmup)
    down = 0.5 * (1 + math.cos(math.pi * (share - config.warmup) / (1 - config.warmup)))
    return config.learning_rate * (0.001 + 0.999 * down)


def _identity(corpus: TrainingCorpus, config: TrainingConfig) -> dict[str, Any]:
    """What must agree for a run to be resumed; how long, where and how fast it runs may change."""
    free = {"minutes", "device", "threads", "memory_gb", "precision"}
    plain = {key: value for key, value in config.model_dump(mode="json").items() if key not in free}
    return {"recipe_hash": corpus.recipe.hash, "samples": len(corpus.indices("train")), "config": plain}


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r}: accepted: auto, cpu, cuda, cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r}: torch finds no CUDA device here; accepted: auto or cpu")
    return device


def _half_precision(precision: str, device: torch.device) -> bool:
    """Whether convolutions run in bfloat16; `auto` does so where the hardware computes in it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported is not None and supported())


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"the output folder {out} cannot be written: {error.strerror or error}") from error


def _keep_lines(path: Path, count: int) -> None:
    """Cut metrics that were written after the checkpoint."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) > count:
            path.write_text("".join(lines[:count]), encoding="utf-8")
