"""One micrograph: its pixels, their size, and what is true of it, where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from simulate.corpus.scene_truth import SceneTruth


@dataclass(frozen=True, eq=False)
class Micrograph:
    """Pixels (channel, y, x) float32; side of a pixel in nm; truth of simulated ones.

    UserError for pixels that are not finite, or a truth of another size.
    """

    image: NDArray[np.float32]
    pixel_size_nm: float
    name: str = "micrograph"
    truth: SceneTruth | None = None

    def __post_init__(self) -> None:
        image = np.asarray(self.image, np.float32)
        image = image[None] if image.ndim == 2 else image
        if image.ndim != 3 or min(image.shape) < 1:
            raise UserError(f"{self.name}: has shape {image.shape}; accepted: (y, x) or (channel, y, x)")
        bad = int((~np.isfinite(image)).sum())
        if bad:
            raise UserError(f"{self.name}: {bad} pixels are not finite; accepted: finite intensities only")
        if not (np.isfinite(self.pixel_size_nm) and self.pixel_size_nm > 0):
            raise UserError(f"{self.name}: pixel size {self.pixel_size_nm} nm; accepted: above zero")
        if self.truth is not None and self.truth.phase.shape != image.shape[1:]:
            raise UserError(
                f"{self.name}: truth of {self.truth.phase.shape} pixels for an image of {image.shape[1:]}"
            )
        object.__setattr__(self, "image", image)

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.image.shape[1], self.image.shape[2]

    def pixels_of(self, positions_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) y, x in pixels, pixel i reaching from i - 0.5 to i + 0.5, of positions (n, 2) x, y in nm
        from the centre of the field.
        """
        middle = (np.array(self.shape) - 1) / 2
        return np.asarray(positions_nm, np.float64)[:, ::-1] / self.pixel_size_nm + middle
