"""Patches of micrographs: what is clustered, and what autoencoders are trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.micrographs.micrograph import Micrograph
from stochgeom.errors import UserError


@dataclass(frozen=True, eq=False)
class PatchSet:
    """Windows cut from micrographs, and where each was cut.

    patches (n, channel, h, w) float32, in the units of the images or normalised; centres_px (n, 2) float64:
    y, x of each window's middle in its image, pixel i reaching from i - 0.5 to i + 0.5; source (n,) int64:
    its place among `micrographs`, all of one pixel size. `dropped` counts windows that left their image.
    """

    patches: NDArray[np.float32]
    centres_px: NDArray[np.float64]
    source: NDArray[np.int64]
    micrographs: tuple[Micrograph, ...]
    dropped: int = 0

    def __post_init__(self) -> None:
        n = len(self.patches)
        if self.patches.ndim != 4 or min(self.patches.shape) < 1:
            raise UserError(
                f"patches have the shape {self.patches.shape}; (n, channel, y, x) is needed, n > 0"
            )
        if self.centres_px.shape != (n, 2) or self.source.shape != (n,):
            raise UserError(
                f"centres {self.centres_px.shape} and sources {self.source.shape} of {n} patches: "
                f"({n}, 2) and ({n},) are needed"
            )
        if not np.isfinite(self.patches).all():
            raise UserError("patches hold values that are not finite")

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def window(self) -> tuple[int, int]:
        """(h, w) in pixels."""
        return self.patches.shape[2], self.patches.shape[3]

    @property
    def channels(self) -> int:
        """Channels of each patch."""
        return self.patches.shape[1]

    @property
    def pixel_size_nm(self) -> float:
        """Side of a pixel."""
        return self.micrographs[0].pixel_size_nm

    def part(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> PatchSet:
        """Some of them."""
        return PatchSet(
            self.patches[rows], self.centres_px[rows], self.source[rows], self.micrographs, self.dropped
        )
