"""Runs that were stopped, repeated, or had another seed; evaluation that changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from stochgeom.errors import UserError

torch = pytest.importorskip("torch")

from learn.patch_vae import PatchVAE, PatchVAEConfig, train_patch_vae  # noqa: E402

from .drawn import marks, patch_set  # noqa: E402

PATCHES = marks(np.random.default_rng(1).uniform(0, 360, 24), window=(9, 12))
CONFIG = PatchVAEConfig(
    epochs=4, batch_size=10, width=12, invariances=("rotation", "scale"), classes=2, device="cpu", threads=1
)
LABELS = np.where(np.arange(24) % 3, -1, np.arange(24) % 2)


class Stopped(Exception):
    pass


def weights(vae):
    return vae.network.state_dict()


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))


def test_a_resumed_run_ends_with_the_same_numbers(tmp_path):
    def stop(line):
        if line.startswith("epoch 2"):
            raise Stopped

    def penalty(mean, rows, progress):
        return progress * mean.square().mean()

    whole = train_patch_vae(patch_set(PATCHES), tmp_path / "whole", CONFIG, labels=LABELS, penalty=penalty)
    part = tmp_path / "part"
    with pytest.raises(Stopped):
        train_patch_vae(patch_set(PATCHES), part, CONFIG, labels=LABELS, penalty=penalty, tell=stop)
    resumed = train_patch_vae(patch_set(PATCHES), part, CONFIG, labels=LABELS, penalty=penalty)
    assert same(whole, resumed)
    dropped = ("seconds",)
    histories = [
        [{k: v for k, v in line.items() if k not in dropped} for line in vae.history]
        for vae in (whole, resumed)
    ]
    assert histories[0] == histories[1]
    with pytest.raises(UserError, match="belongs to another run"):
        train_patch_vae(patch_set(PATCHES[:20]), part, CONFIG, labels=LABELS[:20], penalty=penalty)


def test_the_seed_decides_everything():
    before = torch.get_rng_state()
    first, again = (train_patch_vae(patch_set(PATCHES), config=CONFIG) for _ in range(2))
    other = train_patch_vae(patch_set(PATCHES), config=CONFIG.model_copy(update={"seed": 1}))
    assert same(first, again)
    assert not same(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_evaluation_changes_neither_weights_nor_generators(tmp_path):
    vae = train_patch_vae(patch_set(PATCHES), tmp_path, CONFIG)
    before = {name: value.clone() for name, value in weights(vae).items()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 (nobody may touch it)
    first = vae.elbo(PATCHES, draws=2)
    found = vae.encode(PATCHES)
    vae.reconstruct(PATCHES)
    vae.log_likelihood(PATCHES, draws=2)
    assert np.array_equal(first, vae.elbo(PATCHES, draws=2))
    assert all(torch.equal(before[name], value) for name, value in weights(vae).items())
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    # A patch's code does not depend on what it is encoded with.
    alone = PatchVAE.load(tmp_path).encode(PATCHES[3:4])
    assert np.allclose(alone.mean[0], found.mean[3], atol=1e-5)
