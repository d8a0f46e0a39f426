"""What these analyses ask of a model: `learn.patch_vae.PatchVAE` has it, and so may others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Images = NDArray[np.float32]
Array = NDArray[np.float64]


class PatchEncoding(Protocol):
    """Latent laws of n patches; what a model does not have is None.

    mean, sd (n, l); angle_degrees, angle_sd_degrees (n,); shift_px (n, 2) y, x; scale (n,);
    class_probabilities (n, k).
    """

    @property
    def mean(self) -> Array: ...
    @property
    def sd(self) -> Array: ...
    @property
    def angle_degrees(self) -> Array | None: ...
    @property
    def angle_sd_degrees(self) -> Array | None: ...
    @property
    def shift_px(self) -> Array | None: ...
    @property
    def scale(self) -> Array | None: ...
    @property
    def class_probabilities(self) -> Array | None: ...


class PatchModel(Protocol):
    """An autoencoder of patches (n, channel, h, w)."""

    @property
    def config(self) -> Any: ...
    @property
    def history(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def window(self) -> tuple[int, int]: ...
    @property
    def pixel_size_nm(self) -> float: ...

    def encode(
        self, patches: ArrayLike, condition: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> PatchEncoding: ...

    def decode(
        self,
        latents: ArrayLike,
        angle_degrees: ArrayLike | None = None,
        shift_px: ArrayLike | None = None,
        scale: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        condition: ArrayLike | None = None,
    ) -> Images: ...

    def reconstruct(
        self, patches: ArrayLike, condition: ArrayLike | None = None, labels: ArrayLike | None = None
    ) -> Images: ...
