"""Training, encoding and decoding of autoencoders of patches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from stochgeom.errors import UserError

torch = pytest.importorskip("torch")

from learn.patch_vae import PatchVAE, PatchVAEConfig, train_patch_vae  # noqa: E402

from .drawn import marks, patch_set  # noqa: E402

FREEDOMS = [
    subset for n in range(4) for subset in itertools.combinations(("rotation", "translation", "scale"), n)
]
RNG = np.random.default_rng(5)
ANGLES = RNG.uniform(0, 360, 40)
PATCHES = marks(ANGLES, window=(10, 14))


def quick(**options):
    return PatchVAEConfig(**{"epochs": 1, "batch_size": 16, "width": 16, "device": "cpu", **options})


@pytest.mark.parametrize("decoder", ["spatial", "convolutional", "dense"])
@pytest.mark.parametrize("freedoms", FREEDOMS)
def test_every_combination_gives_what_it_has(freedoms, decoder):
    with_classes, condition = len(freedoms) % 2 == 0, ("class", "continuous", None)[len(freedoms) % 3]
    config = quick(
        invariances=freedoms, decoder=decoder, classes=3 if with_classes else 0, condition=condition
    )
    given = None if condition is None else np.arange(40) % 2
    vae = train_patch_vae(patch_set(PATCHES), config=config, condition=given)
    found = vae.encode(PATCHES, given)
    assert found.mean.shape == found.sd.shape == (40, 2)
    assert (found.sd > 0).all()
    assert (
        (found.angle_degrees is not None) == (found.angle_sd_degrees is not None) == ("rotation" in freedoms)
    )
    assert (found.shift_px is None) or found.shift_px.shape == (40, 2)
    assert (found.shift_px is not None) == ("translation" in freedoms)
    assert (found.scale is not None) == ("scale" in freedoms)
    assert (found.class_probabilities is not None) == with_classes
    again = vae.reconstruct(PATCHES, given)
    assert again.shape == PATCHES.shape
    assert again.dtype == np.float32
    assert np.isfinite(vae.elbo(PATCHES, given, draws=2)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"likelihood": "bernoulli", "kl_schedule": "cyclic"},
        {"likelihood": "continuous-bernoulli", "kl_schedule": "capacity"},
        {"noise_sd": 0.1, "kl_schedule": "constant"},
    ],
    ids=lambda options: next(iter(options.values())),
)
def test_every_likelihood_trains(options):
    """On two channels, one of which has another level; what is made has the units of the patches."""
    both = np.concatenate([PATCHES, 500 + 20 * PATCHES], axis=1)
    vae = train_patch_vae(patch_set(both), config=quick(decoder="dense", epochs=3, **options))
    again = vae.reconstruct(both)
    assert again.shape == both.shape
    assert 480 < again[:, 1].mean() < 540
    assert np.isfinite(vae.elbo(both, draws=2)).all()


def test_loading_gives_the_same_model(tmp_path):
    vae = train_patch_vae(patch_set(PATCHES), tmp_path, quick(invariances={"rotation"}, epochs=2))
    again = PatchVAE.load(tmp_path)
    assert np.array_equal(vae.encode(PATCHES).mean, again.encode(PATCHES).mean)
    assert again.window == (10, 14)
    assert again.pixel_size_nm == 0.02
    assert len(again.history) == 2


def test_penalty_sees_the_rows_of_its_latent_numbers():
    calls = []

    def penalty(mean, rows, progress):
        calls.append((rows.clone(), progress, mean.requires_grad))
        return 0.0 * mean.sum()

    train_patch_vae(patch_set(PATCHES), config=quick(epochs=2), penalty=penalty)
    for part in (calls[:3], calls[3:]):
        assert sorted(torch.cat([rows for rows, *_ in part]).tolist()) == list(range(40))
    assert calls[0][1] == 0.0
    assert 0.5 < calls[-1][1] < 1.0
    assert all(flows for *_, flows in calls)


def test_what_cannot_be_learnt_from_is_refused():
    for patches, word in ((PATCHES[:1], "1 patch"), (np.ones_like(PATCHES), "constant")):
        with pytest.raises(UserError, match=word):
            train_patch_vae(patch_set(patches), config=quick())
    vae = train_patch_vae(patch_set(PATCHES), config=quick())
    with pytest.raises(UserError, match="accepts"):
        vae.encode(PATCHES[:, :, :-1])
    with pytest.raises(UserError, match="not finite"):
        vae.encode(np.full_like(PATCHES, np.nan))
