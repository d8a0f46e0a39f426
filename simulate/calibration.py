"""Calibration of the response engine: intensity against thickness by abTEM multislice.

For each phase and beam direction a slab of the randomly turned crystal with one displaced configuration is
crossed by a few probes, and the detected fraction is read at a series of exit planes of the same propagation.
The crossover lies in the slab's entrance surface. The slab is cut at the window's edge, so it is not periodic
there; the probes stay near the middle. What scatters beyond the grid's band is added by the independent-atom
`tail_factor`.

The mean over directions lies near independent atoms in parallel light (`simulate.cross_sections.r_per_um`).
What makes the difference, at 300 kV, 20 mrad and 0.032 Å: the cone of the beam (+10 %), abTEM's placing of
atoms between grid points, which damps scattering to high angles (-14 %, `grid_transfer`), the first Born
approximation, which overestimates tungsten by a fifth, and electrons that scatter twice.
"""

from __future__ import annotations

import io
import math
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from scipy.stats import qmc

from simulate.atoms import crystal_block
from simulate.calibration_settings import CalibrationSettings
from simulate.cross_sections import tail_factor
from simulate.engines.cells import good_size
from simulate.engines.detection import (
    LARGEST_TAIL,
    RING_MRAD,
    SOFT_EDGE,
    needed_angle_mrad,
)
from simulate.engines.tables import PhaseResponse, ResponseTable
from simulate.material import Material
from stochgeom.errors import UserError, require
from stochgeom.files import write_bytes, write_text

_SEAM_ANGSTROM = 1.5  # of two atoms closer than this across the window's edge one goes


def random_rotations(count: int, seed: np.random.SeedSequence) -> np.ndarray:
    """Rotations (count, 3, 3) spread evenly: a scrambled Sobol set through Shoemake's map.

    A larger set begins with the smaller one of the same seed.
    """
    power = int(np.ceil(np.log2(count)))
    u = qmc.Sobol(3, scramble=True, rng=np.random.default_rng(seed)).random_base2(power)[:count]
    a, b = np.sqrt(1 - u[:, 0]), np.sqrt(u[:, 0])
    s, t = 2 * np.pi * u[:, 1], 2 * np.pi * u[:, 2]
    return Rotation.from_quat(
        np.stack([a * np.sin(s), a * np.cos(s), b * np.sin(t), b * np.cos(t)], axis=1)
    ).as_matrix()


def displaced_slab(
    material: Material,
    rotation: np.ndarray,
    window_angstrom: float,
    height_angstrom: float,
    rng: np.random.Generator,
) -> Any:
    """`ase.Atoms` of a window of the turned crystal, one displaced configuration, Å, beam along z."""
    ase = require("ase", extra="simulate")
    box = np.array([window_angstrom, window_angstrom, height_angstrom])
    origin = rng.random(3) @ np.asarray(material.cell.cell.array) @ rotation.T
    numbers, positions = crystal_block(material, rotation, np.zeros(3), box, origin)
    keep = _without_seam(positions, window_angstrom)
    numbers, positions = numbers[keep], positions[keep]
    positions = positions + material.sigma_angstrom(numbers)[:, None] * rng.standard_normal(positions.shape)
    positions[:, 2] = np.clip(positions[:, 2], 0, height_angstrom - 1e-6)
    atoms = ase.Atoms(numbers, positions, cell=box, pbc=(True, True, False))
    atoms.wrap()
    return atoms


def _without_seam(positions: np.ndarray, window: float) -> np.ndarray:
    """Mask without the later atom of each pair that the periodic window brings too close."""
    tall = positions[:, 2].max() + 10 * window
    tree = cKDTree(positions, boxsize=(window, window, tall))
    keep = np.ones(len(positions), dtype=bool)
    for first, second in sorted(tree.query_pairs(_SEAM_ANGSTROM)):
        if keep[first]:
            keep[second] = False
    return keep


def measure_direction(settings: CalibrationSettings, phase: int, index: int) -> dict[str, np.ndarray]:
    """One slab: ring intensities (probe, T, ring) float32 and the beam's direction in the crystal (3,)."""
    stream = np.random.SeedSequence(settings.seed, spawn_key=(phase, 0))
    rotation = random_rotations(settings.directions, stream)[index]
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(phase, 1, index)))
    rings = measure_slab(settings, settings.resolved()[phase], rotation, rng)
    return {"rings": rings, "direction": rotation.T @ np.array([0.0, 0.0, 1.0])}


def measure_slab(
    settings: CalibrationSettings, material: Material, rotation: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Ring intensities (probe, T, ring) float32 of a slab whose crystal is turned by `rotation` (3, 3)."""
    abtem = require("abtem", extra="simulate")
    height = settings.slice_thickness_angstrom * (settings.exit_slices[-1] + 1)
    slab = displaced_slab(material, rotation, settings.window_angstrom, height, rng)
    side = settings.probe_area_angstrom
    points = settings.window_angstrom / 2 + side * (rng.random((settings.probes, 2)) - 0.5)
    # A measured plan is 1.4 times as fast as an estimated one; another plan changes only the last bits.
    options = {"diagnostics.progress_bar": False, "fftw.planning_effort": "FFTW_MEASURE", "fftw.threads": 1}
    with abtem.config.set(options):
        potential = abtem.Potential(
            slab,
            gpts=settings.gpts,
            slice_thickness=settings.slice_thickness_angstrom,
            parametrization="lobato",
            projection="infinite",
            exit_planes=settings.exit_slices,
        ).build(lazy=False)
        probe = abtem.Probe(
            energy=settings.microscope.energy_ev,
            semiangle_cutoff=settings.microscope.convergence_mrad,
            extent=settings.window_angstrom,
            gpts=settings.gpts,
        )
        rings = abtem.FlexibleAnnularDetector(step_size=RING_MRAD, inner=0.0, outer=settings.grid_mrad)
        measured = probe.multislice(potential, scan=abtem.CustomScan(points), detectors=rings, lazy=False)
    array = np.asarray(measured.array, dtype=np.float32).reshape(
        len(settings.exit_slices), settings.probes, int(settings.grid_mrad / RING_MRAD)
    )
    return array.transpose(1, 0, 2)


def calibrate(
    settings: CalibrationSettings,
    out: str | Path,
    workers: int = 1,
    progress: bool = True,
    command: str | None = None,
) -> Path:
    """Make a response table and write it to `out` (.npz).

    Every direction is kept in the folder OUT.parts as soon as it is done, so that a stopped calibration goes
    on where it was, and a finished one may be continued with more directions. The folder may be deleted
    afterwards. `workers` processes share the directions.
    """
    _check_tails(settings)
    out = Path(out)
    parts = out.with_name(out.name + ".parts")
    _claim(parts, settings)
    jobs = [(p, d) for d in range(settings.directions) for p in range(len(settings.materials))]
    todo = [(p, d) for p, d in jobs if not _part(parts, p, d).is_file()]
    _run(settings, parts, todo, workers, progress)
    return assemble(settings, parts, command).save(out)


def _check_tails(settings: CalibrationSettings) -> None:
    """UserError where more lies beyond the grid than the independent-atom tail may add."""
    scope = settings.microscope
    for material in settings.resolved():
        composition = material.element_densities_per_nm3
        for detector in scope.detectors:
            needed = needed_angle_mrad(detector, [composition], scope.energy_ev, tails=True)
            if needed > settings.grid_mrad:
                sampling = 1e3 * scope.wavelength_angstrom * SOFT_EDGE / (3 * needed)
                least = good_size(math.ceil(settings.window_angstrom / sampling))
                raise UserError(
                    f"calibrate: gpts = {settings.gpts} carries scattering up to {settings.grid_mrad:.4g} "
                    f"mrad, detector {detector.name!r} needs {needed:.4g} mrad for {material.name}, beyond "
                    f"which less than {100 * (LARGEST_TAIL - 1):.0f} % lies: gpts = {least} would do"
                )


def _claim(parts: Path, settings: CalibrationSettings) -> None:
    """Refuse to mix the parts of two different calibrations."""
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {parts}: {error.strerror}") from error
    note, text = parts / "settings.txt", _fingerprint(settings)
    if note.is_file() and note.read_text(encoding="utf-8") != text:
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
    rings = f"rings up to {settings.grid_mrad:g} mrad\n"
    return settings.model_dump_json(exclude={"materials", "directions"}) + "\n" + rings + "".join(cells)


def _part(parts: Path, phase: int, index: int) -> Path:
    return parts / f"{phase}-{index:04d}.npz"


def _measure_and_store(settings: CalibrationSettings, parts: Path, phase: int, index: int) -> None:
    result = measure_direction(settings, phase, index)
    content = io.BytesIO()
    np.savez_compressed(content, rings=result["rings"], direction=result["direction"])
    write_bytes(_part(parts, phase, index), content.getvalue())


def _run(
    settings: CalibrationSettings, parts: Path, todo: list[tuple[int, int]], workers: int, progress: bool
) -> None:
    from tqdm import tqdm

    with tqdm(total=len(todo), desc="calibrate", unit="slab", disable=not progress, file=sys.stderr) as bar:
        if workers <= 1:
            for phase, index in todo:
                _measure_and_store(settings, parts, phase, index)
                bar.update()
            return
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(_measure_and_store, settings, parts, p, d) for p, d in todo]
            for future in as_completed(futures):
                future.result()
                bar.update()


def assemble(settings: CalibrationSettings, parts: Path, command: str | None = None) -> ResponseTable:
    """The table from what lies in `parts`; directions that are not there yet are left out."""
    materials = settings.resolved()
    responses, tails = {}, {}
    for phase, material in enumerate(materials):
        files = [_part(parts, phase, index) for index in range(settings.directions)]
        found = [np.load(f, allow_pickle=False) for f in files if f.is_file()]
        if len(found) < 2:
            raise UserError(f"{parts}: fewer than two directions of {material.name} are there")
        rings = np.stack([f["rings"] for f in found]).astype(np.float64)
        weights, tails[material.name] = channel_weights(settings, material)
        signal = rings @ weights.T  # (direction, probe, T, channel)
        signal = np.concatenate([np.zeros_like(signal[:, :, :1]), signal], axis=2)
        responses[material.name] = PhaseResponse(
            directions=np.stack([f["direction"] for f in found]),
            intensity=signal.mean(axis=1),
            probe_sd=signal.std(axis=1, ddof=1),
            laue=material.laue_rotations(),
        )
    thickness = np.array([0.0, *settings.thicknesses_nm])
    return ResponseTable(responses, thickness, _metadata(settings, tails, command))


def channel_weights(settings: CalibrationSettings, material: Material) -> tuple[np.ndarray, list[float]]:
    """Weight of each ring per channel (channel, ring), the tail included, and the tail factors."""
    edges = np.arange(0.0, settings.grid_mrad + RING_MRAD / 2, RING_MRAD)
    composition = material.element_densities_per_nm3
    tails = [
        tail_factor(composition, d, settings.microscope.energy_ev, settings.grid_mrad)
        for d in settings.microscope.detectors
    ]
    weights = [d.bin_weights(edges) for d in settings.microscope.detectors]
    return np.array(weights) * np.array(tails)[:, None], tails


def _metadata(
    settings: CalibrationSettings, tails: dict[str, list[float]], command: str | None
) -> dict[str, Any]:
    abtem = require("abtem", extra="simulate")
    scope = settings.microscope
    return {
        "made_by": command or "simulate.calibration.calibrate",
        "seed": settings.seed,
        "abtem_version": abtem.__version__,
        "numpy_version": np.__version__,
        "energy_ev": scope.energy_ev,
        "convergence_mrad": scope.convergence_mrad,
        "detectors": [d.model_dump(mode="json", exclude_none=True) for d in scope.detectors],
        "focus": "crossover in the slab's entrance surface",
        "sampling_angstrom": settings.sampling_angstrom,
        "gpts": settings.gpts,
        "window_angstrom": settings.window_angstrom,
        "slice_thickness_angstrom": settings.slice_thickness_angstrom,
        "probe_area_angstrom": settings.probe_area_angstrom,
        "probes_per_direction": settings.probes,
        "phonons": "one displaced configuration per direction",
        "ring_mrad": RING_MRAD,
        "grid_mrad": settings.grid_mrad,
        "tail_factor": tails,
        "tail": "independent atoms beyond grid_mrad, one factor per phase and channel",
        "materials": {m.name: m.record for m in settings.resolved()},
        "intensity": "fraction of the incident beam, mean over the probes of a direction",
    }
