"""Angles and latent numbers of patches that were turned."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from learn.patch_vae import PatchVAEConfig, train_patch_vae  # noqa: E402
from learn.patch_vae.encoders import PolarEncoder  # noqa: E402

from .drawn import MARK, marks, patch_set, spots, turned  # noqa: E402

OTHER = MARK + np.array([[0, 0], [0, 0], [0, 0], [0, 0], [-3.0, -4.0]])
"""Another mark: one spot lies elsewhere."""


def apart(found, expected, turn=360.0):
    """Differences of angles, degrees, in absolute value."""
    return np.abs((found - expected + turn / 2) % turn - turn / 2)


@pytest.mark.parametrize("order", [1, 3, 4])
def test_turning_by_a_bin_moves_the_scores_by_one(order):
    """Of any weights, up to what bilinear interpolation and pixels leave of the turn."""
    torch.manual_seed(0)
    encoder = PolarEncoder(1, (31, 31), 16, order)
    step = np.degrees(encoder.step)
    angles = np.array([20.0, 20.0 + step, 20.0 + 5 * step])
    images = np.stack([spots(turned(0.8 * MARK, angle), (31, 31), sd=2.5) for angle in angles])
    patches = torch.from_numpy(images[:, None]).float()
    with torch.no_grad():
        scores, hidden = encoder(encoder.polar(patches))
    assert scores.shape == (3, -(-48 // order))
    for place, bins in ((1, 1), (2, 5)):
        moved = torch.roll(scores[place], -bins)
        assert float((moved - scores[0]).norm()) < 0.15 * float((scores[0] - scores[0].mean()).norm())
        spread = float((hidden[0] - hidden[0].mean(dim=0)).norm(dim=1).mean())
        assert float((hidden[place, bins + 1] - hidden[0, 1]).norm()) < 0.15 * spread


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(3)
    angles = rng.uniform(0, 360, 240)
    first = rng.random(240) < 0.5
    patches = np.where(
        first[:, None, None, None],
        marks(angles, (23, 23), 0.1, seed=1),
        marks(angles, (23, 23), 0.1, seed=2, places=OTHER),
    )
    config = PatchVAEConfig(
        invariances=("rotation",),
        decoder="dense",
        width=48,
        epochs=45,
        batch_size=32,
        learning_rate=4e-3,
        device="cpu",
        threads=1,
    )
    return train_patch_vae(patch_set(patches), config=config), patches, angles, first


def test_angles_are_recovered_within_two_degrees(trained):
    vae, patches, angles, _ = trained
    off = vae.encode(patches).angle_degrees - angles
    middle = np.degrees(np.angle(np.exp(1j * np.radians(off)).mean()))
    assert np.median(apart(off, middle)) < 2.0


def test_a_turn_changes_the_angle_and_not_the_rest(trained):
    vae, _, _, _ = trained
    turns = 29.0 * np.arange(12)
    for places in (MARK, OTHER):
        found = vae.encode(marks(10 + turns, (23, 23), 0.0, places=places))
        assert np.median(apart(found.angle_degrees - found.angle_degrees[0], turns)) < 2.0
        assert np.abs(found.mean - found.mean.mean(axis=0)).max() < 0.5  # of the prior's deviation 1


def test_latent_numbers_tell_the_marks_apart(trained):
    vae, patches, _, first = trained
    mean = vae.encode(patches).mean
    direction = mean[first].mean(axis=0) - mean[~first].mean(axis=0)
    along = mean @ direction
    middle = (along[first].mean() + along[~first].mean()) / 2
    assert ((along > middle) == first).mean() > 0.97


def test_decoded_patches_turn_with_the_angle(trained):
    """The spots of a decoded mark lie where the mark's, turned by the same angle, do."""
    vae, patches, _, _ = trained
    z = vae.encode(patches[:1])
    made = vae.decode(np.repeat(z.mean, 2, axis=0), z.angle_degrees[0] + np.array([0.0, 90.0]))
    back = np.rot90(made[1, 0], k=1)  # rot90 turns y towards x: it undoes 90 degrees
    disc = np.hypot(*np.mgrid[-11:12, -11:12]) < 9
    assert np.abs(back - made[0, 0])[disc].max() < 0.25
    assert turned(np.array([[1.0, 0.0]]), 90)[0] == pytest.approx([0, 1])
