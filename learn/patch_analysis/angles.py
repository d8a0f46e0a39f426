"""The model's angle against what is true of the patches: which quantity, fitted where, how far off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from learn.micrographs import PatchSet
from learn.micrographs.patch_truth import PatchTruth, patch_truth
from stochgeom.errors import UserError

from .angle_calibration import FEWEST, AngleCalibration, AngleScore, Quantity
from .arrays import Array
from .circular import circular_mean

if TYPE_CHECKING:
    from learn.patch_vae import Encoding

SMALLEST_PM = 3.0
"""Polar displacements below have no direction worth the name."""
LATTICE_PERIODS = {"graphene": 60.0}
"""Symmetry in projection of lattices by the name of their phase; 90 degrees, of cubic ones along an axis,
for others."""
VARIED = 0.98
"""Mean resultant length from which a quantity is the same everywhere: nothing can be learnt of its angle."""


@dataclass(frozen=True, eq=False)
class AngleFinding:
    """A quantity (n,) in degrees, NaN where it is not defined; the calibration of the angle, in the order of
    `fitted`, one for each micrograph's patches; scores of all patches and of those whose window lies within
    one region. `elsewhere`: every calibration was fitted on other micrographs than those scored.
    """

    quantity: Quantity
    true_degrees: Array
    found_degrees: Array
    calibration: AngleCalibration
    elsewhere: bool
    score: AngleScore
    inside: AngleScore | None
    errors: Array


def true_directions(patch_set: PatchSet, truth: PatchTruth) -> dict[Quantity, tuple[Array, float]]:
    """Directions (n,) in degrees that patches have, and after how many degrees they repeat; only such as vary
    over the patches.

    The rotation of the lattice repeats with the smallest symmetry of the phases that are there.
    """
    found: dict[Quantity, tuple[Array, float]] = {}
    pm = truth.polarization_pm
    length = np.hypot(pm[:, 0], pm[:, 1])
    ways = np.where(length >= SMALLEST_PM, np.degrees(np.arctan2(pm[:, 1], pm[:, 0])) % 360, np.nan)
    for quantity, degrees, period in (
        ("rotation", truth.rotation_degrees, lattice_period(patch_set, truth)),
        ("polarization", ways, 360.0),
    ):
        known = degrees[np.isfinite(degrees)]
        if len(known) >= FEWEST and circular_mean(known, period)[1] < VARIED:
            found[quantity] = degrees % period, period  # type: ignore[index]
    return found


def lattice_period(patch_set: PatchSet, truth: PatchTruth) -> float:
    """Degrees after which the lattices of all phases of the patches repeat."""
    periods = {90.0}
    for number, one in enumerate(patch_set.micrographs):
        if one.truth is not None:
            there = np.unique(truth.phase[patch_set.source == number])
            names = [one.truth.phase_names[k] for k in there if k < len(one.truth.phase_names)]
            periods |= {LATTICE_PERIODS.get(name.lower(), 90.0) for name in names}
            if names and all(name.lower() in LATTICE_PERIODS for name in names):
                periods.discard(90.0)
    return float(min(periods)) if len(periods) == 1 else 360.0


def inside_one_region(patch_set: PatchSet, truth: PatchTruth) -> NDArray[np.bool_]:
    """Patches (n,) farther from every wall than a corner of their window; none where nothing is true."""
    h, w = patch_set.window
    return truth.wall_distance_nm > np.hypot(h, w) / 2 * patch_set.pixel_size_nm


def angle_findings(
    encoding: Encoding,
    patch_set: PatchSet,
    truth: PatchTruth,
    calibrations: Sequence[AngleCalibration] = (),
) -> list[AngleFinding]:
    """What the angle says of each quantity that varies over the patches; none without an angle.

    A calibration that is given for a quantity is used. Else the patches of each micrograph are calibrated on
    those of all others, and those of a single one on themselves, which flatters them a little.
    """
    if encoding.angle_degrees is None:
        return []
    angle = np.asarray(encoding.angle_degrees, np.float64)
    given = {one.quantity: one for one in calibrations}
    inside = inside_one_region(patch_set, truth)
    findings = []
    for quantity, (true, period) in true_directions(patch_set, truth).items():
        name = patch_set.micrographs[0].name if len(patch_set.micrographs) == 1 else "all micrographs"
        whole = given.get(quantity) or AngleCalibration.fit(angle, true, period, quantity, name)
        found, elsewhere = whole.apply(angle), quantity in given
        if not elsewhere:
            others = _from_others(angle, true, period, quantity, patch_set)
            found, elsewhere = (found, False) if others is None else (others, True)
        as_is = whole.model_copy(update={"offset_degrees": 0.0, "sense": 1})
        score = as_is.score(found, true)
        if score is not None:
            within = as_is.score(found, np.where(inside, true, np.nan))
            errors = as_is.errors(found, true)
            findings.append(AngleFinding(quantity, true, found, whole, elsewhere, score, within, errors))
    return findings


def fitted_calibrations(encoding: Encoding, patch_set: PatchSet) -> list[AngleCalibration]:
    """The zero and the sense of an angle for each quantity that is known of the patches and varies over them.

    UserError if there is no angle, or no such quantity.
    """
    name = ", ".join(one.name for one in patch_set.micrographs)
    if encoding.angle_degrees is None:
        raise UserError(
            "the model has no angle to calibrate; accepted: one trained with the invariance rotation"
        )
    directions = true_directions(patch_set, patch_truth(patch_set))
    if not directions:
        raise UserError(f"{name}: neither rotation nor polarization is known and varies: no angle to fit on")
    return [
        AngleCalibration.fit(encoding.angle_degrees, true, period, quantity, name)
        for quantity, (true, period) in directions.items()
    ]


def _from_others(
    angle: Array, true: Array, period: float, quantity: Quantity, patch_set: PatchSet
) -> Array | None:
    """The quantity (n,), each micrograph's with offset and sense of all others; None if there are too few."""
    found = np.full(len(angle), np.nan)
    known = np.isfinite(true)
    for number in range(len(patch_set.micrographs)):
        own = patch_set.source == number
        if (known & ~own).sum() < FEWEST:
            return None
        others = AngleCalibration.fit(angle[~own], true[~own], period, quantity, "the other micrographs")
        found[own] = others.apply(angle[own])
    return found
