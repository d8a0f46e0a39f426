"""Training of an estimator: what its steps see and lose, and its calibration. The loop is learn.loop's.

Orders, noise and symmetries are functions of (seed, epoch).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learn.calibration import calibrate, evaluate
from learn.config import TrainingConfig
from learn.data import Batch, Samples, TrainingCorpus, ahead, with_gain
from learn.estimator import Estimator
from learn.loop import Say, TrainingRun, half_precision, make_folder
from learn.networks import Output, loss_of
from learn.starting import initial_estimator
from stochgeom.errors import UserError

SETTLING_IMAGES = 1024


def train(
    corpus: TrainingCorpus,
    out: str | Path,
    config: TrainingConfig | None = None,
    resume: bool = True,
    tell: Say | None = None,
) -> Estimator:
    """Train an estimator on the split `train`, calibrate it on `calibration`, and save it into the folder
    `out`.

    With `resume`, an unfinished run in `out` goes on where its last epoch ended, and a finished one is
    loaded; otherwise an earlier run there is forgotten. `tell` is called with a line for each epoch.
    UserError if `out` holds a run of another corpus or configuration, or cannot be written.
    """
    out = Path(out)
    make_folder(out)
    return EstimatorRun(corpus, out, config or TrainingConfig(), tell).go(resume)


class EstimatorRun(TrainingRun[Estimator, Batch, TrainingConfig]):
    """The training of an estimator on a corpus."""

    def __init__(self, corpus: TrainingCorpus, out: Path, config: TrainingConfig, tell: Say | None) -> None:
        if len(corpus.indices("calibration")) == 0:  # needed at the end; better said at the start
            raise UserError("the corpus has no finished samples in the split 'calibration'")
        self.corpus = corpus
        self.realism = with_gain(corpus.recipe.realism, config.gain)
        self.estimator = initial_estimator(corpus, config, self.realism)
        identity: dict[str, Any] = {
            "recipe_hash": corpus.recipe.hash,
            "samples": len(corpus.indices("train")),
        }
        super().__init__(out, config, self.estimator.network, identity, tell)
        self.samples = {split: self._samples(split) for split in ("train", "validation")}
        self.validation = list(self.samples["validation"].fixed(config.batch_size))
        self.latest: deque[Batch] = deque(maxlen=-(-SETTLING_IMAGES // config.batch_size))

    def _samples(self, split: str) -> Samples:
        maps = split == "train" and self.estimator.config.maps > 0
        targets = self.estimator.targets
        return Samples(self.corpus, split, targets, self.realism, maps=maps, memory_gb=self.config.memory_gb)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """All training samples once, in the epoch's order, noise and symmetries."""
        config = self.config
        self.latest.clear()
        return ahead(
            self.samples["train"].epoch(epoch, config.batch_size, config.seed, config.noise_refresh_epochs)
        )

    def steps(self) -> int:
        """About how many batches an epoch has."""
        return round(len(self.samples["train"]) / self.config.batch_size)

    def loss(self, batch: Batch, share: float) -> tuple[Tensor, int]:
        """Loss of a batch and its number of images."""
        return batch_loss(self.network, batch, self.config, self.device), len(batch.images)

    def after_step(self, batch: Batch) -> None:
        """Remember the batch: the norms' statistics are taken over the latest ones."""
        self.latest.append(batch)

    def before_evaluation(self) -> None:
        """Settle the norms' statistics."""
        settle_norms(self.network, self.latest, self.config, self.device)

    def evaluate(self) -> tuple[dict[str, Any], str]:
        """Scores on the validation split."""
        scores = evaluate(self.estimator, self.validation)
        return scores, f"mean R2 {float(np.mean(list(scores['r2'].values()))):.3f}"

    def finish(self) -> Estimator:
        """Calibrate and save."""
        self.network.to("cpu")
        self.estimator.about["training"] = {
            "epochs": self.progress.epoch,
            "seconds": round(sum(self.progress.seconds), 1),
            "samples": len(self.samples["train"]),
        }
        calibrate(self.estimator, self.corpus, self.config, self.samples["train"])
        self.estimator.save(self.out)
        return self.estimator

    def load(self) -> Estimator:
        """The finished estimator in the folder."""
        return Estimator.load(self.out)


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
    with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(config.precision, device)):
        output: Output = network(images, log_pixel)
    return output
