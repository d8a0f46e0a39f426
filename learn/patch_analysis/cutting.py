"""How the patches of a model are cut, kept beside it, so that other micrographs are cut in the same way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learn.files import write_text
from learn.micrographs import Micrograph, PatchSet
from learn.micrographs.columns import find_columns
from learn.micrographs.windows import cut_patches, grid_centres
from stochgeom.errors import UserError

CUTTING = "patches.json"
FORMAT = "heterostem patch cutting"
SAME_PIXEL = 0.02
"""By which share pixel sizes may differ from those of a model's training."""


class PatchCutting(BaseModel):
    """Windows, and what each is about.

    window_nm
        Side of the square windows; in whole pixels of the micrographs, at least five.
    centres
        "columns": atomic columns; "grid": places `step_nm` apart.
    step_nm
        Of the grid; None: a quarter of the window.
    sublattice_nm
        Only columns with no brighter one within that distance: 0.33 nm keeps one sublattice of a perovskite.
        None: all.
    separation_nm
        Least distance of two columns.
    normalise
        "patch" and "image": to mean 0 and standard deviation 1; "none".
    condition, labels
        What of each patch the model is told: see `learn.patch_analysis.told`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_nm: float = Field(default=0.8, gt=0)
    centres: Literal["columns", "grid"] = "columns"
    step_nm: float | None = Field(default=None, gt=0)
    sublattice_nm: float | None = Field(default=None, gt=0)
    separation_nm: float = Field(default=0.11, gt=0)
    normalise: Literal["none", "patch", "image"] = "image"
    condition: str | None = None
    labels: str | None = None

    def window_px(self, pixel_size_nm: float) -> int:
        """Side in pixels. UserError below five."""
        side = round(self.window_nm / pixel_size_nm)
        if side < 5:
            raise UserError(
                f"windows of {self.window_nm:g} nm are {side} pixels of {pixel_size_nm:g} nm; "
                f"accepted: at least {5 * pixel_size_nm:.3g} nm, five pixels"
            )
        return side

    def cut(self, micrographs: Sequence[Micrograph]) -> PatchSet:
        """Patches of micrographs of one pixel size. UserError if none lies within its image."""
        if not micrographs:
            raise UserError("there is no micrograph to cut patches from")
        side = self.window_px(micrographs[0].pixel_size_nm)
        centres = [self._centres(one, side) for one in micrographs]
        return cut_patches(list(micrographs), centres, side, self.normalise)

    def cut_like(
        self, micrographs: Sequence[Micrograph], window: tuple[int, int], pixel_nm: float
    ) -> PatchSet:
        """The same for a model whose windows have so many pixels of that size. UserError for other pixels."""
        for one in micrographs:
            if abs(one.pixel_size_nm / pixel_nm - 1) > SAME_PIXEL:
                raise UserError(
                    f"{one.name}: pixels of {one.pixel_size_nm:g} nm; the model was trained on pixels of "
                    f"{pixel_nm:g} nm; accepted: within {SAME_PIXEL:.0%}"
                )
        centres = [self._centres(one, window[0]) for one in micrographs]
        return cut_patches(list(micrographs), centres, window, self.normalise)

    def _centres(self, micrograph: Micrograph, side: int) -> np.ndarray:
        if self.centres == "grid":
            step = self.step_nm if self.step_nm is not None else side * micrograph.pixel_size_nm / 4
            return grid_centres(micrograph.shape, max(1.0, round(step / micrograph.pixel_size_nm)), side)
        return find_columns(micrograph, self.separation_nm, brightest_within_nm=self.sublattice_nm)

    def save(self, folder: str | Path) -> None:
        """Write `patches.json` into a model's folder."""
        data = {"format": FORMAT, **self.model_dump(mode="json")}
        try:
            write_text(Path(folder) / CUTTING, json.dumps(data, indent=1) + "\n")
        except OSError as error:
            raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, folder: str | Path) -> PatchCutting:
        """What `save` wrote. UserError if it is not there."""
        path = Path(folder) / CUTTING
        try:
            data = dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise UserError(
                f"{folder}: {CUTTING} is missing, which says how its patches were cut; "
                "`heterostem train --task patch-vae` writes it, PatchCutting(...).save(folder) for others"
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        data.pop("format", None)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{path}: {key} = {first['input']}: {first['msg']}") from None
