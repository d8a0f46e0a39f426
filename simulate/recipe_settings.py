"""The tables of a recipe: splits, field of view, materials, engines, reference probes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, model_validator

from simulate.exact_numbers import (
    Integer,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Switch,
)
from simulate.laws import Number, Strict, bounds
from stochgeom.errors import UserError

SPLITS = ("train", "calibration", "validation", "test")
"""Names of the splits; a corpus stores their positions in this tuple."""


class Split(Strict):
    """Samples of each split; only the proportions matter when another number of samples is asked for."""

    train: NonNegativeInt = 8
    calibration: NonNegativeInt = 1
    validation: NonNegativeInt = 1
    test: NonNegativeInt = 2

    @model_validator(mode="after")
    def _some(self) -> Split:
        if sum(self.counts) == 0:
            raise ValueError("every split is empty; at least one should be above zero")
        return self

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers in the order of SPLITS."""
        return self.train, self.calibration, self.validation, self.test

    @property
    def pattern(self) -> NDArray[np.uint8]:
        """Split of sample i for one period of sum(counts) samples; the pattern repeats after that.

        The members of each split are spread evenly over the period, so the proportions hold exactly over a
        period and to within a few samples over any stretch of it. It depends on the counts alone.
        """
        return _pattern(self.counts)

    def of(self, index: int) -> int:
        """Position in SPLITS of sample `index`."""
        return int(self.pattern[index % len(self.pattern)])


@lru_cache(maxsize=16)
def _pattern(counts: tuple[int, ...]) -> NDArray[np.uint8]:
    # Kept here and not in the record: records are compared, and arrays cannot be.
    members = [(np.arange(count) + 0.5) / max(count, 1) for count in counts]
    split = np.repeat(np.arange(len(SPLITS), dtype=np.uint8), counts)
    pattern = split[np.lexsort((split, np.concatenate(members)))]
    pattern.setflags(write=False)
    return pattern


Side = Annotated[int, Field(gt=0, le=16384)]


class FieldSettings(Strict):
    """Field of view: `shape` (y, x) in pixels, and a pixel size or `fit` (field side over the aggregate's
    extent).
    """

    shape: tuple[Side, Side]
    pixel_size_nm: Number | None = None
    fit: Number | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> FieldSettings:
        if (self.pixel_size_nm is None) == (self.fit is None):
            raise ValueError("exactly one of pixel_size_nm and fit should be given")
        for name in ("pixel_size_nm", "fit"):
            number = getattr(self, name)
            if number is not None and bounds(number)[0] <= 0:
                raise ValueError(f"{name} = {bounds(number)[0]:g} should be above zero")
        return self


class MaterialSettings(Strict):
    """A user's material: a CIF (path relative to the recipe's folder) and Debye-Waller displacements per
    element.
    """

    cif: str
    cif_text: str | None = Field(
        default=None, description="content of the CIF; filled in when the recipe is loaded"
    )
    rms_displacement_angstrom: dict[str, PositiveFloat] = Field(default_factory=dict)
    expected_density_g_cm3: PositiveFloat | None = None

    def with_text(self, where: str, folder: Path | None) -> MaterialSettings:
        """The same with the content of its CIF. UserError, which begins with `where`, if there is none."""
        if self.cif_text is not None:
            return self
        path = Path(self.cif) if folder is None else folder / self.cif
        try:
            return self.model_copy(update={"cif_text": path.read_text(encoding="utf-8"), "cif": path.name})
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{where} = {self.cif!r}: no readable CIF file at {path}") from error


class ResponseSettings(Strict):
    """Engine `response`: a calibrated table, or coefficients per µm (by phase or species) with jitter.

    `jitter` is the relative standard deviation, from particle to particle, of a lognormal factor of median 1.
    Each pixel has `oversampling` x `oversampling` points, and each of them `cone_rays` rays of the beam's
    cone; 1 is a beam without a cone, which is sharp at all heights. `broadening`: what lies behind other
    particles scatters more, as the table tells.
    """

    name: Literal["response"] = "response"
    table: str | None = None
    table_sha256: str | None = Field(
        None, description="hash of the table; filled in when the recipe is loaded"
    )
    coefficients_per_um: dict[str, NonNegativeFloat] | None = None
    jitter: NonNegativeFloat = 0.0
    oversampling: Integer = Field(default=2, ge=1, le=8)
    cone_rays: Integer = Field(default=4, ge=1, le=64)
    broadening: Switch = True

    @model_validator(mode="after")
    def _one_of_two(self) -> ResponseSettings:
        if (self.table is None) == (self.coefficients_per_um is None):
            raise ValueError("exactly one of table and coefficients_per_um should be given")
        return self


class BlockSettings(Strict):
    """What all engines share whose images are made block by block (`simulate.engines.base.BlockEngine`).

    `phonon_configurations` of displaced atoms are averaged; with more than one, a corpus also gets the
    standard error of that mean. `block_pixels` is the side of a block, None what the engine finds sensible.
    """

    phonon_configurations: PositiveInt = 1
    block_pixels: PositiveInt | None = None


class MultisliceSettings(BlockSettings):
    """Engine `multislice`: sampling (Å per grid point), slices (Å), margins (Å), frozen phonons, probe or
    PRISM.

    `tail` says whether the independent-atom signal beyond the grid's angles is added.
    """

    name: Literal["multislice"] = "multislice"
    sampling_angstrom: PositiveFloat = 0.033
    slice_thickness_angstrom: PositiveFloat = 2.0
    margin_angstrom: PositiveFloat = 12.0
    method: Literal["probe", "prism"] = "probe"
    prism_interpolation: PositiveInt = 1
    tile_pixels: PositiveInt | None = None
    tail: Literal["independent-atom", "none"] = "independent-atom"


class WindowedSettings(BlockSettings):
    """Engine `windowed`: multislice in windows that follow each probe (`docs/windowed.md`).

    `band_mrad`: largest angle that waves keep; what scatters further is counted and leaves.
    `window_angstrom`: side of a window in focus, at the first atom; it grows with the cone, and by
    `spread_mrad` with the depth of material. `reach_angstrom`: how far beyond its cone a probe feels atoms.
    `potential`: "eikonal" atoms, to all orders of their phase and without a grid's damping, or "abtem", whose
    grid must carry the detectors.
    """

    name: Literal["windowed"] = "windowed"
    band_mrad: PositiveFloat = 60.0
    slice_thickness_angstrom: PositiveFloat = 6.0
    window_angstrom: PositiveFloat = 26.0
    spread_mrad: NonNegativeFloat = 0.0
    reach_angstrom: PositiveFloat = 8.0
    potential: Literal["eikonal", "abtem"] = "eikonal"


class ValidationSettings(Strict):
    """Reference probes beside a response corpus.

    `positions` probes in each of `places` pixels of `aggregates` samples. Places are pixels with at least
    `min_thickness_nm` of material. The probes of a place lie within `spread_nm` (the side of a square) around
    the pixel's centre, and inside the pixel: narrow enough to share one cell, wide enough to average over the
    columns of atoms.
    """

    aggregates: PositiveInt = 8
    places: PositiveInt = 7
    positions: Integer = Field(default=4, ge=2)
    min_thickness_nm: PositiveFloat = 1.0
    spread_nm: PositiveFloat = 0.5
    engine: Annotated[MultisliceSettings | WindowedSettings, Discriminator("name")] = MultisliceSettings()
