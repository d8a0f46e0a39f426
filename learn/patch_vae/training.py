"""Training of an autoencoder on patches. The loop is learn.loop's."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from learn.loop import Say, TrainingRun, make_folder
from learn.micrographs.patch_set import PatchSet
from learn.patch_vae.config import PatchVAEConfig
from learn.patch_vae.losses import Batch, Noise, Terms, bound, pose_alone, terms_of, total
from learn.patch_vae.model import PatchVAE
from learn.patch_vae.network import Laws
from learn.patch_vae.preparing import condition_rows, label_rows, layout_of, scaled, seen_labels
from learn.vae_base.orders import epoch_rows, seed_noise

Penalty = Callable[..., Tensor]
"""penalty(latent means (b, l), rows (b,) int64 of the patch set, share of the schedule that has passed): a
scalar, added to the mean loss per patch, in nats; gradients flow through the means."""
ACTIVE_NATS = 0.1


def train_patch_vae(
    patch_set: PatchSet,
    out: str | Path | None = None,
    config: PatchVAEConfig | None = None,
    condition: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    penalty: Penalty | None = None,
    tell: Say | None = None,
    resume: bool = True,
) -> PatchVAE:
    """Train an autoencoder on all patches of a set, and save it into the folder `out` if there is one.

    condition: (n,) whole numbers from 0 (`condition` "class"), or (n,) or (n, s) numbers ("continuous").
    labels: (n,) int, class of each patch, -1 where it is not known. With `resume`, an unfinished run in `out`
    goes on where its last epoch ended, with the numbers it would have had, and a finished one is loaded;
    otherwise an earlier run there is forgotten. `tell` is called with a line for each epoch.
    UserError for patches, condition or labels that do not fit the configuration or each other, or a folder
    that holds a run of others.
    """
    config = config or PatchVAEConfig()
    if out is None:
        with tempfile.TemporaryDirectory(prefix="patch-vae-") as folder:
            run = PatchVAERun(patch_set, Path(folder), config, condition, labels, penalty, tell)
            return run.go(resume=False)
    run = PatchVAERun(patch_set, Path(out), config, condition, labels, penalty, tell)
    make_folder(run.out)  # not before: patches that do not fit leave no folder
    return run.go(resume)


class PatchVAERun(TrainingRun[PatchVAE, Batch, PatchVAEConfig]):
    """The training of an autoencoder of patches."""

    gradient_norm = 1e3
    judged = "the training patches"

    def __init__(
        self,
        patch_set: PatchSet,
        out: Path,
        config: PatchVAEConfig,
        condition: ArrayLike | None,
        labels: ArrayLike | None,
        penalty: Penalty | None,
        tell: Say | None,
    ) -> None:
        patches = patch_set.patches
        layout = layout_of(patches, config, condition)
        self.count = len(patches)
        seen = condition_rows(condition, self.count, layout, config)
        given = label_rows(labels, self.count, config)
        if given is not None:
            given = seen_labels(given, config.labelled_share, config.seed)
        self.vae = PatchVAE.new(config, layout, patch_set.pixel_size_nm)
        self.vae.about = {
            "patches": self.count,
            "micrographs": [one.name for one in patch_set.micrographs],
            "labelled": 0 if given is None else int((given >= 0).sum()),
        }
        digest = hashlib.blake2b(patches.tobytes(), digest_size=8)
        for part in (seen, given):
            digest.update(b"" if part is None else part.tobytes())
        bias = None if penalty is None else str(getattr(penalty, "name", type(penalty).__name__))
        super().__init__(out, config, self.vae.network, {"data": digest.hexdigest(), "penalty": bias}, tell)
        self.penalty = penalty
        self.noise = torch.Generator()
        self.patches = torch.from_numpy(scaled(patches, layout, config)).to(self.device)
        self.condition = None if seen is None else torch.from_numpy(seen).to(self.device)
        self.labels = None if given is None else torch.from_numpy(given).to(self.device)
        self.sums: Tensor | None = None

    def steps(self) -> int:
        """Batches of an epoch, a pass over all patches."""
        return -(-self.count // self.config.batch_size)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """All patches, in an order of the epoch's own."""
        seed_noise(self.noise, self.config.seed, epoch)
        order = torch.from_numpy(epoch_rows(self.count, epoch * self.count, self.count, self.config.seed))
        for rows in order.to(self.device).split(self.config.batch_size):
            yield Batch(
                rows,
                self.patches[rows],
                None if self.condition is None else self.condition[rows],
                None if self.labels is None else self.labels[rows],
            )

    def loss(self, batch: Batch, share: float) -> tuple[Tensor, int]:
        """Mean loss of a batch, in nats per patch, and its number of patches."""
        n = len(batch.rows)
        noise = Noise.draw(n, self.vae.network, self.noise, self.device)
        terms, laws = terms_of(self.vae.network, batch, noise, pose_alone(self.config, share))
        loss = total(terms, self.config, share).mean()
        if self.penalty is not None:
            loss = self._biased(loss, laws, batch.rows, share)
        self._note(terms)
        return loss, n

    def _biased(self, loss: Tensor, laws: Laws, rows: Tensor, share: float) -> Tensor:
        """The loss and the penalty. One with a `factor` multiplies the loss, one with `sees_poses` is told
        the angles of the bins (n, m), in radians, their probabilities (n, m), and those of classes (n, k).
        """
        assert self.penalty is not None
        if hasattr(self.penalty, "factor"):
            loss = loss * self.penalty.factor(laws.latent.mean, rows, share)
        if not getattr(self.penalty, "sees_poses", False):
            return loss + self.penalty(laws.latent.mean, rows, share)
        angles, shares = self.vae.network.bin_angles(laws)
        classes = None if laws.class_logits is None else torch.softmax(laws.class_logits, dim=1)
        seen = {"angles": angles, "shares": shares, "classes": classes}
        return loss + self.penalty(laws.latent.mean, rows, share, **seen)

    def _note(self, terms: Terms) -> None:
        """Sum up an epoch's terms, without waiting for a device."""
        columns = [
            terms.distortion,
            bound(terms),
            terms.kl_pose,
            terms.kl_class,
            terms.matching,
            terms.naming,
        ]
        found = torch.cat([torch.stack(columns, dim=1), terms.kl_latent], dim=1).detach().sum(dim=0)
        self.sums = found if self.sums is None else self.sums + found

    def evaluate(self) -> tuple[dict[str, Any], str]:
        """Means over the epoch's patches, nats per patch in the units of the network."""
        assert self.sums is not None
        means, self.sums = (self.sums / self.count).tolist(), None
        kl = means[6:]
        names = ("distortion", "elbo", "kl_pose", "kl_class", "matching", "naming")
        figures = dict(zip(names, means[:6], strict=True))
        figures |= {"kl_latent": sum(kl), "active": sum(one > ACTIVE_NATS for one in kl)}
        return figures, f"bound {figures['elbo']:.5g} nats, KL {sum(kl):.3g} + {figures['kl_pose']:.3g}"

    def finish(self) -> PatchVAE:
        """Save."""
        self.network.to("cpu")
        self.vae.about["training"] = {
            "epochs": self.progress.epoch,
            "seconds": round(sum(self.progress.seconds), 1),
            "penalty": self.progress.identity["penalty"],
        }
        self.vae.save(self.out)
        return self.load()

    def load(self) -> PatchVAE:
        """The finished autoencoder in the folder."""
        return PatchVAE.load(self.out)
