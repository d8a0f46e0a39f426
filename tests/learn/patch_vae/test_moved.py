"""The angle's bins of models whose patches are also moved and scaled."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from learn.patch_vae import PatchVAEConfig, train_patch_vae  # noqa: E402
from learn.patch_vae.config import PatchLayout  # noqa: E402
from learn.patch_vae.likelihoods import log_likelihood  # noqa: E402
from learn.patch_vae.losses import pose_alone  # noqa: E402
from learn.patch_vae.moved import _same_places, bin_likelihoods  # noqa: E402
from learn.patch_vae.network import PatchNetwork  # noqa: E402
from learn.patch_vae.pose import Pose, canonical_places, unit_px  # noqa: E402

from .drawn import MARK, marks, patch_set  # noqa: E402

N, BINS = 3, 5


def poses_near(pose, generator):
    """Poses of bins, a little off."""
    off = 0.2 * torch.randn(N, BINS, 4, generator=generator)
    return Pose(
        pose.angle[:, None] + 5 * off[..., 0],
        pose.tau[:, None] + 0.3 * off[..., 1:3],
        pose.log_scale[:, None] + 0.1 * off[..., 3],
    )


@pytest.fixture
def poses():
    generator = torch.Generator().manual_seed(2)
    pose = Pose(
        6 * torch.rand(N, generator=generator),
        0.1 * torch.randn(N, 2, generator=generator),
        0.1 * torch.randn(N, generator=generator),
    )
    return pose, poses_near(pose, generator)


@pytest.mark.parametrize("without", [None, "tau", "log_scale"])
def test_places_show_the_same_of_the_canonical_patch(poses, without):
    pose, every = (one._replace(**({without: None} if without else {})) for one in poses)
    grid = torch.rand(11, 2) - 0.5
    there = _same_places(grid, pose, every, 0.0)
    for b in range(BINS):
        one = Pose(*(None if part is None else part[:, b] for part in every))
        expected = canonical_places(one, grid, N)
        for k in range(N):
            mine = Pose(*(None if part is None else part[k : k + 1] for part in pose))
            torch.testing.assert_close(canonical_places(mine, there[k, b], 1)[0], expected[k])


def test_an_extra_turn_leaves_the_shift_in_the_window(poses):
    """The canonical middle is seen at the same place; all else is turned about it."""
    pose, every = poses
    middle = -every.tau[:, :, None]  # q = 0 is seen at p with M p = tau, so at extra = 0 ...
    at = torch.linalg.solve(_inverse(every), -middle[:, :, 0, :, None])[..., 0]
    for extra in (0.0, 1.1):
        for k in range(N):
            for b in range(BINS):
                place = _same_places(at[k, b][None], pose, every, extra)[k, b]
                mine = Pose(*(part[k : k + 1] for part in pose))
                assert float(canonical_places(mine, place, 1).norm()) < 1e-5


def _inverse(poses):
    c, s = torch.cos(-poses.angle), torch.sin(-poses.angle)
    matrix = torch.stack([torch.stack([c, -s], dim=-1), torch.stack([s, c], dim=-1)], dim=-2)
    return matrix * torch.exp(-poses.log_scale)[..., None, None]


@pytest.mark.parametrize("likelihood", ["gaussian", "continuous-bernoulli"])
def test_resampling_tells_what_decoding_anew_would(poses, likelihood):
    """Differences of ln p between bins, of a smooth decoder, within a fifth of their spread."""
    torch.manual_seed(0)
    window = (24, 20)
    config = PatchVAEConfig(invariances=("rotation", "translation", "scale"), width=16, likelihood=likelihood)
    network = PatchNetwork(config, PatchLayout(channels=2, window=window, offset=(0, 0), unit=(1, 1)))
    pose, every = poses
    features = torch.randn(N, 2)
    with torch.no_grad():
        network.decoder.last.weight *= 20
        numbers = network.decoder(features, pose)
        patches = torch.sigmoid(numbers + 0.3 * torch.randn_like(numbers))
        found = bin_likelihoods(network, patches, numbers, pose, every)
        disc = network.decoder.grid.norm(dim=1) * unit_px(window) <= min(window) / 2
        expected = torch.empty(N, BINS)
        for b in range(BINS):
            anew = network.decoder(features, Pose(*(part[:, b] for part in every)))
            each = log_likelihood(likelihood, patches, anew, network.log_sd)
            expected[:, b] = (each.flatten(2) * disc).sum(dim=(1, 2))
    off = (found - expected) - (found - expected).mean(dim=1, keepdim=True)
    assert float(off.std()) < 0.2 * float((expected - expected.mean(dim=1, keepdim=True)).std())


def test_the_pose_comes_first_where_angle_and_shift_must_be_found_together():
    both = PatchVAEConfig(invariances=("rotation", "translation"), pose_first=0.2)
    assert pose_alone(both, 0.1)
    assert not pose_alone(both, 0.2)
    assert not pose_alone(PatchVAEConfig(invariances=("rotation",)), 0.0)
    assert not pose_alone(PatchVAEConfig(invariances=("translation", "scale")), 0.0)


@pytest.mark.slow
def test_turned_and_moved_marks_are_all_found_at_the_right_angle():
    rng = np.random.default_rng(5)
    angles, shifts = rng.uniform(0, 360, 240), 1.5 * rng.standard_normal((240, 2))
    patches = marks(angles, (23, 23), 0.1, shifts=shifts, places=0.8 * MARK)
    config = PatchVAEConfig(
        invariances=("rotation", "translation"),
        shift_prior_px=1.5,
        decoder="dense",
        width=48,
        epochs=60,
        batch_size=20,
        learning_rate=4e-3,
        device="cpu",
        threads=1,
    )
    found = train_patch_vae(patch_set(patches), config=config).encode(patches)
    off = found.angle_degrees - angles
    apart = np.abs((off[:, None] - np.arange(360) + 180) % 360 - 180)
    apart = apart[:, apart.mean(axis=0).argmin()]
    assert np.median(apart) < 2
    assert np.mean(apart > 20) < 0.05
