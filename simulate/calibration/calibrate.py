"""Calibration of the response engine: intensity against thickness by windowed multislice.

For each phase and beam direction one probe crosses a slab of the turned crystal with one displaced
configuration; the signal is read at a series of depths of the same propagation. Atoms, slices and waves are
those of the engine `windowed` (docs/windowed.md).

A mean over positions of the probe is an incoherent sum over the directions of its cone, so it depends neither
on the focus nor on aberrations. The crossover therefore lies where the scatter is smallest: behind the
thickest slab, so that the beam is a disc which is never smaller than a unit cell and takes most of the mean
by itself. A focused probe would scatter ten times as much from position to position.

Near zone axes, where atoms stand in rows, what is scattered beyond the band of the waves interferes, and the
engine does not know it: signals come out too large, by a third for WO3. So there is a second round, in which
the strongest directions are measured again with waves that go twice as far.
"""

from __future__ import annotations

import io
import math
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from simulate.calibration.broadening import broadening_per_nm
from simulate.calibration.directions import even_directions
from simulate.calibration.settings import CalibrationSettings
from simulate.calibration.slabs import measure_direction
from simulate.engines.tables import DAMAGED, PhaseResponse, ResponseTable
from simulate.lattice_planes import plane_families
from stochgeom.errors import UserError, require
from stochgeom.files import write_bytes, write_text

BATCH = 16
"""Directions in one part file."""


class _Job(NamedTuple):
    """Directions `numbers` of a phase: a part file. Fine ones have wider waves, `again` measures twice."""

    phase: int
    numbers: tuple[int, ...]
    fine: bool = False

    @property
    def again(self) -> bool:
        return not self.fine and 0 in self.numbers

    def file(self, parts: Path) -> Path:
        kind = "fine" if self.fine else "part"
        return parts / f"{kind}-{self.phase}-{self.numbers[0]:05d}-{self.numbers[-1]:05d}.npz"


def _jobs(settings: CalibrationSettings) -> list[_Job]:
    """The first round: all phases side by side, as far as they go."""
    counts = [settings.directions_of(phase) for phase in range(len(settings.materials))]
    return [
        _Job(phase, tuple(range(begin, min(begin + BATCH, count))))
        for begin in range(0, max(counts), BATCH)
        for phase, count in enumerate(counts)
        if begin < count
    ]


def _fine_jobs(settings: CalibrationSettings, parts: Path) -> list[_Job]:
    """The second round: the strongest directions of each phase, one by one."""
    jobs = []
    for phase in range(len(settings.materials)):
        depth = -np.log1p(-_first_round(settings, parts, phase)["signal"])
        strength = (depth / np.median(depth, axis=0)).mean(axis=(1, 2))
        count = math.ceil(settings.fine_share * len(strength))
        jobs += [_Job(phase, (int(k),), True) for k in np.argsort(-strength, kind="stable")[:count]]
    return jobs


def _first_round(settings: CalibrationSettings, parts: Path, phase: int) -> dict[str, NDArray[np.float64]]:
    """`directions` (d, 3), `signal` (d, T, channel), `again` (k, T, channel) of the first k directions."""
    files = [job.file(parts) for job in _jobs(settings) if job.phase == phase]
    found = [_loaded(file) for file in files]
    joined = {name: np.concatenate([part[name] for part in found]) for name in ("directions", "signal")}
    if "again" not in found[0]:
        raise UserError(f"{files[0]}: a part is damaged (no second measurement); remove it and run again")
    return joined | {"again": found[0]["again"]}


def _loaded(file: Path) -> dict[str, NDArray[np.float64]]:
    try:
        with np.load(file, allow_pickle=False) as data:
            found = dict(data)
        if missing := {"directions", "signal"} - found.keys():
            raise KeyError(", ".join(sorted(missing)))
        return found
    except DAMAGED as error:
        raise UserError(f"{file}: a part is missing or damaged; remove it and run again: {error}") from error


def calibrate(
    settings: CalibrationSettings,
    out: str | Path,
    workers: int = 1,
    progress: bool = True,
    command: str | None = None,
) -> Path:
    """Make a response table and write it to `out` (.npz).

    Every 16 directions are kept in the folder OUT.parts as soon as they are done, so that a stopped
    calibration goes on where it was, and a finished one may be continued with more directions. The folder may
    be deleted afterwards. `workers` processes share the directions.
    """
    out = Path(out)
    if out.is_dir() or not out.name:
        raise UserError(f"calibrate: {out} is a folder; give the file of the table, for example table.npz")
    if workers < 1:
        raise UserError(f"calibrate: workers = {workers}: should be 1 or more")
    parts = out.with_name(out.name + ".parts")
    _claim(parts, settings)
    _run(settings, parts, _jobs(settings), workers, progress)
    _run(settings, parts, _fine_jobs(settings, parts), workers, progress)
    return assemble(settings, parts, command).save(out)


def _claim(parts: Path, settings: CalibrationSettings) -> None:
    """Refuse to mix the parts of two different calibrations."""
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {parts}: {error.strerror}") from error
    note, text = parts / "settings.txt", _fingerprint(settings)
    if note.is_file() and note.read_text(encoding="utf-8", errors="replace") != text:
        raise UserError(
            f"{parts} holds parts of a calibration with other settings; choose another out, or remove it"
        )
    write_text(note, text)


def _fingerprint(settings: CalibrationSettings) -> str:
    """What all parts share. Not the number of directions: more of them begin with the same ones."""
    cells = [
        f"{m.name} {m.cell.numbers.tolist()} {m.cell.positions.round(6).tolist()} "
        f"{m.cell.cell.array.round(6).tolist()} "
        f"{sorted(m.rms_displacement_angstrom.items())}\n"
        for m in settings.resolved()
    ]
    return settings.model_dump_json(exclude={"materials", "directions"}) + "\n" + "".join(cells)


def _measure_and_store(settings: CalibrationSettings, parts: Path, job: _Job) -> None:
    material = settings.resolved()[job.phase]
    stream = SeedSequence(settings.seed, spawn_key=(job.phase, 0))
    count = settings.directions_of(job.phase)
    directions = even_directions(material.laue_rotations(), count, stream)[list(job.numbers)]
    chosen = settings.fine if job.fine else settings

    def signals(time: int) -> NDArray[np.float64]:
        seeds = (SeedSequence(settings.seed, spawn_key=(job.phase, 1, time, k)) for k in job.numbers)
        pairs = zip(directions, seeds, strict=True)
        return np.stack([measure_direction(chosen, material, d, seed) for d, seed in pairs])

    arrays = {"directions": directions, "signal": signals(2 if job.fine else 0)}
    if job.again:
        arrays["again"] = signals(1)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    write_bytes(job.file(parts), content.getvalue())


def _run(settings: CalibrationSettings, parts: Path, jobs: list[_Job], workers: int, progress: bool) -> None:
    """Make those parts that are not there yet."""
    from tqdm import tqdm

    todo = [job for job in jobs if not job.file(parts).is_file()]
    total = sum(len(job.numbers) for job in todo)
    what = "zone axes" if todo and todo[0].fine else "calibrate"
    with tqdm(total=total, desc=what, unit="direction", disable=not progress, file=sys.stderr) as bar:
        if workers <= 1:
            for job in todo:
                _measure_and_store(settings, parts, job)
                bar.update(len(job.numbers))
            return
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            futures = {pool.submit(_measure_and_store, settings, parts, job): job for job in todo}
            for future in as_completed(futures):
                future.result()
                bar.update(len(futures[future].numbers))


def assemble(settings: CalibrationSettings, parts: Path, command: str | None = None) -> ResponseTable:
    """The table from what lies in `parts`. UserError where a part is missing."""
    responses: dict[str, PhaseResponse] = {}
    fine: dict[str, dict[str, Any]] = {}
    chosen = _fine_jobs(settings, parts)
    for phase, material in enumerate(settings.resolved()):
        found = _first_round(settings, parts, phase)
        signal, again = found["signal"], found["again"]
        first = signal[: len(again)]
        noise = np.sqrt(2 * (((first - again) / (first + again)) ** 2).mean(axis=0))
        strong = [job.numbers[0] for job in chosen if job.phase == phase]
        before = signal[strong]
        for job in (job for job in chosen if job.phase == phase):
            signal[job.numbers[0]] = _loaded(job.file(parts))["signal"][0]
        fine[material.name] = {
            "numbers": strong,
            "mean_change": float((signal[strong] / before - 1).mean()) if strong else 0.0,
        }
        responses[material.name] = PhaseResponse.fitted(
            directions=found["directions"],
            intensity=np.concatenate([np.zeros_like(signal[:, :1]), signal], axis=1),
            noise=np.concatenate([np.zeros_like(noise[:1]), noise]),
            laue=material.laue_rotations(),
            broadening=broadening_per_nm(settings, phase),
            planes=plane_families(material),
            convergence_mrad=settings.microscope.convergence_mrad,
        )
    thickness = np.array([0.0, *settings.thicknesses_nm])
    return ResponseTable(responses, thickness, _metadata(settings, fine, command))


def _metadata(
    settings: CalibrationSettings, fine: dict[str, dict[str, Any]], command: str | None
) -> dict[str, Any]:
    abtem = require("abtem", extra="simulate")
    scope = settings.microscope
    return {
        "made_by": command or "simulate.calibration.calibrate.calibrate",
        "method": "windowed multislice, eikonal atoms (docs/windowed.md)",
        "seed": settings.seed,
        "abtem_version": abtem.__version__,
        "numpy_version": np.__version__,
        "energy_ev": scope.energy_ev,
        "convergence_mrad": scope.convergence_mrad,
        "detectors": [d.model_dump(mode="json", exclude_none=True) for d in scope.detectors],
        "crossover_nm": settings.focus_angstrom / 10,
        "crossover": "height over the entrance surface, positive downstream",
        "band_mrad": settings.band_mrad,
        "sampling_angstrom": settings.sampling_angstrom,
        "window_points": settings.window_points,
        "margin_angstrom": settings.margin_angstrom,
        "slice_thickness_angstrom": settings.slice_thickness_angstrom,
        "fine_band_mrad": settings.fine.band_mrad,
        "fine_slice_thickness_angstrom": settings.fine.slice_thickness_angstrom,
        "fine": fine,
        "probes_per_direction": settings.probes,
        "phonons": "one displaced configuration per probe",
        "materials": {m.name: m.record for m in settings.resolved()},
        "intensity": "fraction of the incident beam, mean over the probes of a direction",
        "broadening": "rise per nm of what each phase scatters behind this one",
        "noise": "relative standard deviation of a direction's intensity, from 16 measured twice",
    }
