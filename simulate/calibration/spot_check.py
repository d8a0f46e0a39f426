"""Does a response table hold here? A few of its beam directions measured afresh, by multislice.

The same directions are crossed by new probes in new slabs, so that the difference comes from positions,
displacements and turns about the beam alone: its standard error is that of both runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from simulate.calibration.calibrate import CalibrationSettings, measure_direction
from simulate.engines.tables import ResponseTable
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from stochgeom.errors import UserError


@dataclass(frozen=True)
class Spot:
    """One phase: R = -ln(1 - I) / t per µm at `thickness_nm`, mean of some directions, first channel."""

    phase: str
    thickness_nm: float
    directions: int
    table: float
    fresh: float
    standard_error: float

    @property
    def z(self) -> float:
        """Difference over its standard error."""
        return (self.fresh - self.table) / self.standard_error


def spot_check(
    table: ResponseTable, directions: int = 4, thickness_nm: float = 10.0, seed: int = 1, workers: int = 1
) -> list[Spot]:
    """Measure the first `directions` of every phase of `table` afresh and compare.

    The phases must be shipped materials. UserError if `thickness_nm` is not one of the table's.
    """
    level = np.flatnonzero(np.isclose(table.thickness_nm, thickness_nm))
    if len(level) == 0 or thickness_nm <= 0:
        known = ", ".join(f"{t:g}" for t in table.thickness_nm[1:])
        raise UserError(f"spot check at {thickness_nm:g} nm: the table has {known} nm")
    settings = _settings_of(table, thickness_nm, seed)
    count = min(directions, *(len(table.phase(p).directions) for p in table.phases))
    jobs = [_job(table, settings, p, k) for p in table.phases for k in range(count)]
    fresh = np.array(list(_measured(jobs, workers))).reshape(len(table.phases), count)
    return [_spot(table, phase, fresh[n], int(level[0])) for n, phase in enumerate(table.phases)]


def _job(
    table: ResponseTable, settings: CalibrationSettings, phase: str, index: int
) -> tuple[CalibrationSettings, np.ndarray, str, int]:
    """One direction, with the waves that the table has there."""
    fine = index in table.metadata["fine"][phase]["numbers"]
    return settings.fine if fine else settings, table.phase(phase).directions[index], phase, index


def _settings_of(table: ResponseTable, thickness_nm: float, seed: int) -> CalibrationSettings:
    """The table's own conditions, up to the thickness that is compared."""
    made = table.metadata
    microscope = Microscope(
        energy_ev=made["energy_ev"],
        convergence_mrad=made["convergence_mrad"],
        detectors=tuple(Detector(**d) for d in made["detectors"]),
    )
    return CalibrationSettings(
        materials=table.phases,
        microscope=microscope,
        thicknesses_nm=(thickness_nm,),
        probes=made["probes_per_direction"],
        crossover_nm=made["crossover_nm"],
        margin_angstrom=made["margin_angstrom"],
        band_mrad=made["band_mrad"],
        slice_thickness_angstrom=made["slice_thickness_angstrom"],
        fine_band_mrad=made["fine_band_mrad"],
        seed=seed,
    )


def _measured(jobs: list[tuple], workers: int) -> Iterator[float]:
    if workers <= 1:
        yield from map(_measure, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_measure, jobs)


def _measure(job: tuple[CalibrationSettings, np.ndarray, str, int]) -> float:
    """Intensity of one direction at the last thickness, first channel."""
    settings, direction, phase, index = job
    seed = np.random.SeedSequence(settings.seed, spawn_key=(settings.materials.index(phase), 2, index))
    return float(measure_direction(settings, Material.named(phase), direction, seed)[-1, 0])


def _spot(table: ResponseTable, phase: str, fresh: np.ndarray, level: int) -> Spot:
    response, thickness = table.phase(phase), float(table.thickness_nm[level])
    count = len(fresh)
    tabulated = response.intensity[:count, level, 0]
    # Both runs have the same number of probes, and so the same noise.
    error = response.noise[level, 0] * np.sqrt(2 * (tabulated**2).sum()) / count
    per_um = 1e3 / thickness
    return Spot(
        phase=phase,
        thickness_nm=thickness,
        directions=count,
        table=float(np.mean(-np.log1p(-tabulated)) * per_um),
        fresh=float(np.mean(-np.log1p(-fresh)) * per_um),
        standard_error=float(error * per_um),
    )
