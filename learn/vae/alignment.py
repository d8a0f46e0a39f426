"""An original moved to where it agrees best with its reconstruction, which its statistics do not notice.

Two-point statistics on the torus stay what they are when an image is moved or turned by half a turn. Of all
these copies of an original, the one with the largest cross-correlation with the reconstruction is also the
one with the smallest squared difference, because moving keeps the sum of squares.
"""

from __future__ import annotations

import torch
from torch import Tensor

INK = 0.5
"""Pixels above belong to what must stay inside the image."""


def aligned(originals: Tensor, reconstructions: Tensor, periodic: bool) -> Tensor:
    """Copies (n, ny, nx) of the originals, moved and perhaps turned by 180 degrees; no gradients.

    Textures that are not periodic are moved only so far that nothing crosses the border, for a line cut in
    two and joined at the other side is no line any more.
    """
    with torch.no_grad():
        count, (ny, nx) = len(originals), originals.shape[1:]
        theirs = torch.fft.rfft2(reconstructions)
        own = torch.fft.rfft2(originals)
        moved = torch.fft.irfft2(theirs * own.conj(), (ny, nx))  # at s: original(r - s)
        turned = torch.fft.irfft2(theirs * own, (ny, nx))  # at s: original(s - r)
        if not periodic:
            ink = originals > INK
            for scores, turn in ((moved, False), (turned, True)):
                rows, columns = (_allowed(ink.any(dim=axis), turn) for axis in (2, 1))
                scores.masked_fill_(~(rows[:, :, None] & columns[:, None, :]), -torch.inf)
        best, place = moved.flatten(1).max(dim=1)
        best_turned, place_turned = turned.flatten(1).max(dim=1)
        turn = (best_turned > best)[:, None]
        place = torch.where(turn[:, 0], place_turned, place)
        indices = []
        for shift, side in ((place // nx, ny), (place % nx, nx)):
            lag = torch.arange(side, device=originals.device) - shift[:, None]
            indices.append(torch.where(turn, -lag, lag) % side)
        image = torch.arange(count, device=originals.device)[:, None, None]
        return originals[image, indices[0][:, :, None], indices[1][:, None, :]]


def _allowed(ink: Tensor, turn: bool) -> Tensor:
    """Which shifts (n, side) keep the lines with ink (n, side) inside; all, where there is no ink."""
    side = ink.shape[1]
    low = ink.float().argmax(dim=1)[:, None]
    high = side - 1 - ink.flip(1).float().argmax(dim=1)[:, None]
    shift = torch.arange(side, device=ink.device)[None]
    if turn:  # from s - high to s - low
        inside = (shift >= high) & (shift <= side - 1 + low)
        again = shift + side
        inside |= (again >= high) & (again <= side - 1 + low)
    else:  # from low + s to high + s, s also negative
        inside = (shift <= side - 1 - high) | (shift - side >= -low)
    return inside | ~ink.any(dim=1, keepdim=True)
