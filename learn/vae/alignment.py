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

FORBIDDEN = -1e30
LEAN = 0.618  # of the two axes when half turns are told apart; no ratio of whole numbers


def aligned(originals: Tensor, reconstructions: Tensor, periodic: bool) -> Tensor:
    """Copies (n, ny, nx) of the originals, moved and perhaps turned by 180 degrees; no gradients.

    Unless `periodic` they are moved only so far that nothing crosses the border, for a line cut in two and
    joined at the other side is no line any more.
    """
    with torch.no_grad():
        count, (ny, nx) = len(originals), originals.shape[1:]
        theirs = torch.fft.rfft2(reconstructions)
        own = torch.fft.rfft2(originals)
        moved = torch.fft.irfft2(theirs * own.conj(), (ny, nx))  # at s: original(r - s)
        turned = torch.fft.irfft2(theirs * own, (ny, nx))  # at s: original(s - r)
        if not periodic:
            # Largest values and sums are several times as fast as logic here.
            ink = [originals.amax(dim=axis) > INK for axis in (2, 1)]
            for scores, turn in ((moved, False), (turned, True)):
                scores.add_(_forbidden(ink[0], turn)[:, :, None]).add_(_forbidden(ink[1], turn)[:, None, :])
        bests, places = zip(*(_largest(scores) for scores in (moved, turned)), strict=True)
        turn = (bests[1] > bests[0])[:, None]
        indices = []
        for moves, turns, side in ((places[0][0], places[1][0], ny), (places[0][1], places[1][1], nx)):
            lag = torch.arange(side, device=originals.device) - torch.where(turn, turns, moves)
            indices.append(torch.where(turn, -lag, lag) % side)
        rows = originals[torch.arange(count, device=originals.device)[:, None], indices[0]]
        return rows.gather(2, indices[1][:, None, :].expand(-1, ny, -1))


def _largest(scores: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The largest of scores (n, y, x), (n,), and its row and column, (n, 1) each."""
    best, row = scores.amax(dim=2).max(dim=1)
    rows = scores[torch.arange(len(scores), device=scores.device), row]
    return best, (row[:, None], rows.argmax(dim=1, keepdim=True))


def _forbidden(ink: Tensor, turn: bool) -> Tensor:
    """What to add to the scores of shifts (n, side): a large negative number where they would carry lines
    with ink (n, side) across the border; 0 where there is no ink.
    """
    side = ink.shape[1]
    low, high = _extent(ink)
    shift = torch.arange(side, device=ink.device)[None]
    if turn:  # from s - high to s - low
        inside = (shift >= high) & (shift <= side - 1 + low)
        again = shift + side
        inside |= (again >= high) & (again <= side - 1 + low)
    else:  # from low + s to high + s, s also negative
        inside = (shift <= side - 1 - high) | (shift - side >= -low)
    inside |= ~ink.any(dim=1, keepdim=True)
    return FORBIDDEN * (~inside).float()


def registered(images: Tensor) -> Tensor:
    """Images (n, ny, nx) moved so that what they show lies in the middle, and turned by half a turn if the
    centre of its mass would lie to the upper left: all copies of one that cross no border become the same.
    """
    with torch.no_grad():
        ny, nx = images.shape[1:]
        places = []
        for axis, side in ((2, ny), (1, nx)):
            mass = images.sum(dim=axis)
            low, high = _extent(images.amax(dim=axis) > INK)
            grid = torch.arange(side, device=images.device)
            centre = (mass * grid).sum(dim=1, keepdim=True) / mass.sum(dim=1, keepdim=True).clamp(min=1e-6)
            places.append((low, high, centre - (low + high) / 2, grid))
        lean = places[0][2] + LEAN * places[1][2]
        indices = []
        for low, high, _, grid in places:
            side = len(grid)
            start = low - (side - 1 - (high - low)) // 2  # what becomes row 0
            indices.append(torch.where(lean < 0, low + high - start - grid, start + grid) % side)
        rows = images[torch.arange(len(images), device=images.device)[:, None], indices[0]]
        return rows.gather(2, indices[1][:, None, :].expand(-1, ny, -1))


def _extent(ink: Tensor) -> tuple[Tensor, Tensor]:
    """First and last place with ink (n, 1) each of (n, side); the whole side where there is none."""
    side = ink.shape[1]
    return ink.float().argmax(dim=1)[:, None], side - 1 - ink.flip(1).float().argmax(dim=1)[:, None]
