"""The angle's bins in models that also have a shift or a scale: their posterior, where each bin has its own.

A patch that was taken at a wrong angle has the shift that suits it. With that shift every other angle looks
bad, the right one too, so that angle and shift must change together: what was decoded at the chosen pose is
resampled at the pose that the encoder reads at each bin.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from learn.patch_vae.encoders import PolarEncoder
from learn.patch_vae.likelihoods import log_likelihood
from learn.patch_vae.network import Laws, PatchNetwork
from learn.patch_vae.pose import Pose, turn, unit_px

SHARE = 4
"""One of so many patches of a batch is compared; batches are shuffled, so that all are in turn."""
FEWEST = 8


def moved_matching(network: PatchNetwork, patches: Tensor, numbers: Tensor, pose: Pose, laws: Laws) -> Tensor:
    """Cross-entropy (n,) of the bins with their posterior, given what was decoded, `numbers` (n, c, h, w), at
    `pose`. It is 0 for patches that are not compared and larger for the others, so that the mean is right.
    """
    assert laws.bin_logits is not None
    assert laws.at_bins is not None
    n, bins = laws.bin_logits.shape
    m = min(n, max(FEWEST, n // SHARE))
    with torch.no_grad():
        every = network.at_every_bin(laws._replace(at_bins=laws.at_bins[:m]))
        poses = Pose(*(None if one is None else one.unflatten(0, (m, bins)) for one in network.pose(every)))
        made_at = Pose(*(None if one is None else one[:m] for one in pose))
        scores = bin_likelihoods(network, patches[:m], numbers[:m], made_at, poses)
        for law in (every.turn, every.shift, every.scale):
            if law is not None:
                scores = scores - law.divergence().reshape(m, bins, -1).sum(dim=2)
        posterior = torch.softmax(scores, dim=1)
    found = torch.zeros(n, device=patches.device)
    found[:m] = -(n / m) * (posterior * torch.log_softmax(laws.bin_logits[:m], dim=1)).sum(dim=1)
    return found


def bin_likelihoods(
    network: PatchNetwork, patches: Tensor, numbers: Tensor, pose: Pose, poses: Pose
) -> Tensor:
    """ln p (n, b) of patches (n, c, h, w) at `poses`, b of each patch (angle (n, b), tau (n, b, 2)), in the
    largest disc of the window, by resampling what was decoded at `pose`; summed over the turns by which the
    model's angle is not told apart, under which the shift seen in the window stays.
    """
    encoder, (h, w) = network.encoder, network.layout.window
    assert isinstance(encoder, PolarEncoder)
    assert poses.angle is not None
    n, b = poses.angle.shape
    grid = network.decoder.grid
    disc = (grid.norm(dim=1) * unit_px((h, w)) <= min(h, w) / 2).to(patches).view(h, w)
    side = torch.tensor([max(h, w) / w, max(h, w) / h]).to(grid)
    found = []
    for sector in range(encoder.symmetry):
        places = _same_places(grid, pose, poses, 2 * math.pi * sector / encoder.symmetry) * side
        read = functional.grid_sample(
            numbers, places.reshape(n, b * h, w, 2), padding_mode="border", align_corners=False
        )
        each = log_likelihood(
            network.config.likelihood,
            patches[:, :, None],
            read.view(n, -1, b, h, w),
            network.log_sd[:, None],
        )
        found.append((each * disc).sum(dim=(1, 3, 4)))
    return torch.stack(found).logsumexp(dim=0)


def _same_places(grid: Tensor, pose: Pose, poses: Pose, extra: float) -> Tensor:
    """Places (n, b, h * w, 2) of a window at `pose` that show what the pixels of one at `poses` do, after an
    `extra` turn of its content, in radians, about its canonical middle.
    """
    assert pose.angle is not None
    assert poses.angle is not None
    n, b = poses.angle.shape
    matrix = turn((pose.angle[:, None] - poses.angle - extra).flatten()).view(n, b, 2, 2)
    ahead = turn(pose.angle)[:, None]
    if pose.log_scale is not None and poses.log_scale is not None:
        matrix = matrix * torch.exp(pose.log_scale[:, None] - poses.log_scale)[..., None, None]
        ahead = ahead * torch.exp(pose.log_scale)[:, None, None, None]
    places = grid @ matrix.transpose(-1, -2)
    if pose.tau is None or poses.tau is None:
        return places
    turned = poses.tau @ turn(torch.full((1,), -extra).to(grid))[0].T
    off = (ahead @ (pose.tau[:, None] - turned)[..., None])[..., 0]
    return places + off[:, :, None]
