"""Discrete classes, labels and their losses; what does not fit is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from stochgeom.errors import UserError

torch = pytest.importorskip("torch")

from learn.patch_vae import PatchVAEConfig, train_patch_vae  # noqa: E402
from learn.patch_vae.config import PatchLayout  # noqa: E402
from learn.patch_vae.losses import Batch, Noise, terms_of  # noqa: E402
from learn.patch_vae.model import PatchVAE  # noqa: E402
from learn.patch_vae.preparing import seen_labels  # noqa: E402

from .drawn import MARK, marks, patch_set  # noqa: E402

PATCHES = marks(np.random.default_rng(2).uniform(0, 360, 6), window=(11, 11))


def untrained(**options):
    config = PatchVAEConfig(classes=3, width=12, device="cpu", **options)
    layout = PatchLayout(channels=1, window=(11, 11), offset=(0.0,), unit=(1.0,))
    return PatchVAE.new(config, layout, 0.02).network


def terms(network, labels):
    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.arange(6), torch.from_numpy(PATCHES), None, labels)
    return terms_of(network, batch, Noise.draw(6, network, generator, torch.device("cpu")))


@pytest.mark.parametrize("freedoms", [(), ("rotation",)])
def test_enumeration_is_the_sum_over_classes(freedoms):
    """Distortion with unknown labels = sum of q(c) times that with label c, and so its gradients."""
    network = untrained(invariances=freedoms)
    free, _ = terms(network, torch.full((6,), -1))
    network.decoder.chunk_pixels = None  # below, the loss weights distortions as chunks do not allow for
    _, laws = terms(network, torch.full((6,), -1))
    shares = torch.softmax(laws.class_logits, dim=1)
    each = torch.stack([terms(network, torch.full((6,), c))[0].distortion for c in range(3)], dim=1)
    expected = (shares * each).sum(dim=1)
    torch.testing.assert_close(free.distortion, expected)
    parameters = [one for one in network.parameters() if one.requires_grad]
    found, wanted = (
        torch.autograd.grad(one.mean(), parameters, allow_unused=True) for one in (free.distortion, expected)
    )
    for one, other in zip(found, wanted, strict=True):
        if other is not None:
            torch.testing.assert_close(one, other, atol=2e-4, rtol=2e-3)


def test_labelled_and_unlabelled_patches_of_one_batch():
    network = untrained()
    labels = torch.tensor([0, -1, 2, -1, -1, 1])
    mixed, laws = terms(network, labels)
    known = labels >= 0
    expected = -torch.log_softmax(laws.class_logits, dim=1)[known, labels[known]]
    torch.testing.assert_close(mixed.naming[known], expected)
    assert (mixed.naming[~known] == 0).all()
    assert torch.allclose(mixed.kl_class[known], torch.tensor(math.log(3)))
    assert (mixed.kl_class[~known] < math.log(3)).all()
    alone = terms(network, torch.full((6,), -1))[0]
    torch.testing.assert_close(mixed.distortion[~known], alone.distortion[~known])


def test_few_labels_name_the_classes():
    rng = np.random.default_rng(4)
    kinds = rng.integers(0, 2, 120)
    angles = rng.uniform(0, 360, 120)
    lone = marks(angles, (15, 15), 0.1, places=MARK[:1])
    patches = np.where(kinds[:, None, None, None] == 0, marks(angles, (15, 15), 0.1, seed=9), lone)
    labels = np.where(np.arange(120) < 12, kinds, -1)
    config = PatchVAEConfig(
        classes=2,
        invariances=("rotation",),
        decoder="dense",
        width=24,
        epochs=12,
        batch_size=24,
        device="cpu",
    )
    vae = train_patch_vae(patch_set(patches), config=config, labels=labels)
    found = vae.encode(patches)
    assert (found.classes == kinds)[12:].mean() > 0.95
    assert vae.about["labelled"] == 12
    given = vae.encode(patches[:3], labels=[1, -1, 0])
    assert given.class_probabilities[[0, 2], [1, 0]] == pytest.approx(1)


def test_relaxed_draws_train_too():
    vae = train_patch_vae(
        patch_set(PATCHES),
        config=PatchVAEConfig(classes=3, class_draws="gumbel", width=12, epochs=1, device="cpu"),
    )
    assert vae.encode(PATCHES).class_probabilities.sum(axis=1) == pytest.approx(1)
    assert vae.decode(np.zeros((1, 2)), classes=2).shape == (1, 1, 11, 11)


def test_a_share_of_the_labels_is_seen():
    labels = np.array([0, 1, -1, 1, 0, 1, 1])
    found = seen_labels(labels, 0.5, seed=0)
    assert (found >= 0).sum() == 3
    assert (found[found >= 0] == labels[found >= 0]).all()
    assert np.array_equal(found, seen_labels(labels, 0.5, seed=0))


@pytest.mark.parametrize(
    ("options", "given", "word"),
    [
        ({}, {"labels": np.zeros(6)}, "without classes"),
        ({"classes": 2}, {"labels": np.full(6, 2)}, "0 to 1"),
        ({"classes": 2}, {"labels": np.zeros(5)}, r"accepted: \(6,\)"),
        ({}, {"condition": np.zeros(6)}, "without"),
        ({"condition": "class"}, {}, "missing"),
        ({"condition": "class"}, {"condition": np.full(6, 0.5)}, "whole numbers"),
        ({"condition": "continuous"}, {"condition": np.full(6, np.nan)}, "not finite"),
        ({"condition": "continuous"}, {"condition": np.ones(6)}, "the same for all"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(options, given, word):
    with pytest.raises(UserError, match=word) as error:
        train_patch_vae(patch_set(PATCHES), config=PatchVAEConfig(epochs=1, width=8, **options), **given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [{"classes": 1}, {"symmetry_order": 3}, {"noise_sd": 1, "likelihood": "bernoulli"}, {"width_": 3}],
)
def test_impossible_configurations_are_refused(options):
    with pytest.raises(ValidationError):
        PatchVAEConfig(**options)
