"""The biases in the training of autoencoders of patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from learn.micrographs.micrograph import Micrograph
from learn.micrographs.neighbours import neighbour_graph
from learn.micrographs.patch_set import PatchSet
from learn.patch_vae import PatchVAEConfig, train_patch_vae
from learn.patch_vae.bias import BiasSettings, ElboFactor, LatentPenalty, physical_bias
from learn.patch_vae.bias.edges import wall_length_nm
from stochgeom.errors import UserError

SIDE, WINDOW = 14, 6


@pytest.fixture(scope="module")
def patch_set() -> PatchSet:
    """Noisy windows on a grid: a stripe that differs from patch to patch, and a weaker one of two regions."""
    rng = np.random.default_rng(0)
    y, x = np.divmod(np.arange(SIDE**2), SIDE)
    patches = 0.15 * rng.standard_normal((SIDE**2, 1, WINDOW, WINDOW))
    patches[:, 0, 1] += 0.5 * rng.standard_normal(SIDE**2)[:, None]
    patches[:, 0, 4] += np.where(x + y < SIDE, -0.3, 0.3)[:, None]
    centres = 2.5 + 4.0 * np.stack([y, x], axis=1)
    image = np.zeros((1, 4 * SIDE + 3, 4 * SIDE + 3), np.float32)
    return PatchSet(
        patches.astype(np.float32), centres, np.zeros(SIDE**2, np.int64), (Micrograph(image, 0.1),)
    )


def config(**changes) -> PatchVAEConfig:
    options = {"latent_size": 1, "epochs": 24, "width": 24, "layers": 1, "batch_size": 49, "threads": 1}
    return PatchVAEConfig(**{**options, "learning_rate": 1e-2, "device": "cpu", **changes})


@pytest.fixture(scope="module")
def plain(patch_set):
    """The autoencoder without a bias."""
    return train_patch_vae(patch_set, config=config())


def wall_share(vae, patch_set) -> float:
    """Length of the walls between the halves of the latent map's range, over that of all borders."""
    z = torch.from_numpy(vae.encode(patch_set.patches).mean[:, 0])
    graph = LatentPenalty.of(patch_set).graph
    return wall_length_nm(z > z.median(), graph) / graph.border_nm


@pytest.mark.parametrize(("bias", "weight"), [("tv", 20), ("modica-mortola", 5)])
def test_a_bias_shortens_walls_and_keeps_the_scale(patch_set, plain, bias, weight):
    penalty = physical_bias(patch_set, BiasSettings(bias=bias, weight=weight))
    biased = train_patch_vae(patch_set, config=config(), penalty=penalty)
    assert wall_share(biased, patch_set) < 0.5 * wall_share(plain, patch_set)
    found = biased.encode(patch_set.patches).mean[:, 0]
    region = np.add(*np.divmod(np.arange(SIDE**2), SIDE)) < SIDE
    assert abs(np.corrcoef(found, region)[0, 1]) > 0.85
    assert abs(np.corrcoef(plain.encode(patch_set.patches).mean[:, 0], region)[0, 1]) < 0.5
    assert found.std() > 0.2


def test_angles_and_classes_are_seen(patch_set):
    """A model with an angle and classes is another one with the bias on them."""
    asked = config(invariances=("rotation",), classes=2, epochs=2)
    plain = train_patch_vae(patch_set, config=asked)
    settings = BiasSettings(weight=50, start=0, full=0.01, angle_weight=1.0)
    penalty = LatentPenalty.of(patch_set, settings)
    biased = train_patch_vae(patch_set, config=asked, penalty=penalty)
    assert set(penalty._memories) == {"latents", "angle", "classes"}
    changed = [
        np.abs(getattr(a, name) - getattr(b, name)).max()
        for name in ("angle_sd_degrees", "class_probabilities")
        for a, b in [(plain.encode(patch_set.patches), biased.encode(patch_set.patches))]
    ]
    assert min(changed) > 1e-6


def test_the_factor_multiplies_the_loss(patch_set, plain):
    """The training is another one, and the model says by what."""
    settings = BiasSettings(bias="elbo-factor", weight=5.0)
    bias = physical_bias(patch_set, settings)
    assert isinstance(bias, ElboFactor)
    factored = train_patch_vae(patch_set, config=config(), penalty=bias)
    assert factored.history[-1]["elbo"] != plain.history[-1]["elbo"]
    assert factored.about["training"]["penalty"] == bias.name


def test_a_run_is_not_resumed_with_another_weight(patch_set, tmp_path):
    def go(weight: float) -> None:
        penalty = LatentPenalty.of(patch_set, BiasSettings(weight=weight))
        train_patch_vae(patch_set, tmp_path / "model", config(epochs=1), penalty=penalty)

    go(1.0)
    with pytest.raises(UserError):
        go(2.0)


def test_neighbours_of_a_patch_set_are_those_of_its_graph(patch_set):
    graph = LatentPenalty.of(patch_set).graph
    assert len(graph.first) == len(neighbour_graph(patch_set))
    assert graph.spacing_nm == pytest.approx(0.4)
    inner = graph.area.reshape(SIDE, SIDE)[2:-2, 2:-2]
    assert torch.allclose(inner, torch.full_like(inner, 0.16), rtol=1e-4)
