"""The engine `windowed` on abTEM's potential against abTEM itself on the whole field.

    python benchmarks/maps/windowed_against_abtem.py

Same grid (waves to 110 mrad, 0.0597 Å), slices (4 Å), displaced atoms and probes; detector 60 to 100 mrad;
spheres of 2 nm radius. abTEM's field is 9.2 nm wide: an electron at 100 mrad goes 5.2 nm aside between the
particles, so that hardly any comes back periodically on to one. Slices without atoms are free space to abTEM,
too, crossed in one step. The only differences left are those of the windows. About 9 minutes of one core.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import abtem
import ase
import numpy as np
from windowed_cases import WEAK, errors, on_disc, spheres, timed, windowed

from simulate.atoms import AggregateAtoms
from simulate.engines.detection import Detection
from simulate.engines.multislice import deterministic
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import MultisliceSettings, WindowedSettings
from simulate.scene import AggregateScene
from simulate.windowed.geometry import Geometry

GRID = {"potential": "abtem", "band_mrad": 110, "slice_thickness_angstrom": 4}
RING = (Detector(name="HAADF", inner_mrad=60, outer_mrad=100),)
FIELD_POINTS = 1536  # 9.2 nm
WINDOWS = ((26.0, 4.0), (26.0, 8.0), (40.0, 12.0), (52.0, 20.0))
"""Window and reach in Å."""
RADIUS = 2.0
EDGE_NM = 0.3


@dataclass(frozen=True)
class Case:
    name: str
    scene: AggregateScene
    points_nm: np.ndarray
    focus_nm: float = 0.0


MIDDLE = [2.0, 2.0]
"""Of all scenes, in nm: the engine shares slices among probes of a square of 4 nm, here from 0 to 4."""


def near(centres: list[list[float]]) -> np.ndarray:
    """Eight probes (nm): five in the particles, three within 0.3 nm of their edges."""
    inside, edges = [], []
    for k, centre in enumerate(centres):
        inside.append(on_disc(centre, 0, RADIUS - EDGE_NM, 20, 1 + k))
        edges.append(on_disc(centre, RADIUS - EDGE_NM, RADIUS + EDGE_NM, 20, 11 + k))
    chosen = []
    for points, count in ((np.stack(inside, axis=1), 5), (np.stack(edges, axis=1), 3)):
        mixed = points.reshape(-1, 2)
        chosen.append(mixed[((mixed > 0.0) & (mixed < 4.0)).all(axis=1)][:count])
    return np.concatenate(chosen)


def cases() -> list[Case]:
    x, y = MIDDLE
    one = [[x, y, 0.0]]
    touching = [[x - 1.2, y, -1.6], [x + 1.2, y, 1.6]]
    apart = [[x - 0.35, y - 0.15, -28.0], [x + 0.35, y + 0.15, 28.0]]
    across = [-1.0, -0.7, -0.4, -0.1, 0.2, 0.5, 0.8, 1.0]
    contact = np.array(MIDDLE) + np.column_stack([across, np.tile([-0.4, 0.0, 0.5, 0.1], 2)])
    pair = ["anatase", "gamma-WO3"]
    found = [
        Case("one sphere of gamma-WO3", spheres(["gamma-WO3"], one, [RADIUS]), near(one)),
        Case("two that touch, probes at the edge", spheres(pair, touching, [RADIUS] * 2), contact),
    ]
    for name, focus in (("entrance", -28.0), ("middle", 0.0), ("exit", 28.0)):
        scene = spheres(pair, apart, [RADIUS] * 2)
        found.append(Case(f"two 56 nm apart, focus at the {name}", scene, near(apart), focus))
    return found


def whole_field(case: Case, microscope: Microscope) -> tuple[np.ndarray, float, int]:
    """abTEM's signals (probe,) on a field that holds all atoms, seconds of one core, and slices.

    Each slice reaches from its atoms to the next that has some: abTEM's slices act at their top.
    """
    geometry = Geometry(WindowedSettings.model_validate(GRID), microscope, case.scene)
    sampling, thickness = geometry.sampling, float(GRID["slice_thickness_angstrom"])
    low = (np.round(10 * np.array(MIDDLE) / sampling) - FIELD_POINTS // 2) * sampling  # the engine's grid
    numbers, positions, _ = AggregateAtoms(case.scene).inside(np.zeros(2) - 9, np.zeros(2) + 9, 0)
    index = np.floor((positions[:, 2] - 10 * case.scene.centre_z_nm) / thickness).astype(int)
    filled, which = np.unique(index, return_inverse=True)
    steps = thickness * np.append(np.diff(filled), 1)
    tops = thickness * (filled - filled[0])
    places = np.column_stack([positions[:, :2] - low, tops[which] + thickness / 2])
    side = FIELD_POINTS * sampling
    assert places[:, :2].min() > 0
    assert places[:, :2].max() < side
    atoms = ase.Atoms(numbers, places, cell=[side, side, steps.sum()], pbc=(True, True, False))
    detection = Detection(MultisliceSettings(sampling_angstrom=sampling), microscope, case.scene)
    scan = abtem.CustomScan(10 * case.points_nm - low)
    with deterministic():
        potential = abtem.Potential(
            atoms, gpts=FIELD_POINTS, slice_thickness=tuple(steps), parametrization="lobato",
            projection="infinite",
        )  # fmt: skip
        probe = abtem.Probe(
            energy=microscope.energy_ev,
            semiangle_cutoff=microscope.convergence_mrad,
            defocus=10 * microscope.focus_nm - thickness * filled[0],
        )
        probe.grid.match(potential)

        def work() -> np.ndarray:
            built = potential.build(lazy=False)
            measured = probe.multislice(built, scan=scan, detectors=detection.detectors(), lazy=False)
            return detection.values(measured if isinstance(measured, list) else [measured])[:, 0]

        signals, seconds = timed(work)
    return signals, seconds, len(filled)


def main() -> None:
    begin = time.process_time()
    print(
        f"mean and worst of |error| / own signal; probes below {WEAK:g} of the largest signal: over the mean"
    )
    for case in cases():
        microscope = Microscope(detectors=RING, focus_nm=case.focus_nm)
        reference, seconds, slices = whole_field(case, microscope)
        weak = int((reference < WEAK * reference.max()).sum())
        print(
            f"{case.name}: {len(reference)} probes, {weak} of them weak, {slices} slices, "
            f"mean signal {100 * reference.mean():.3f} %; abTEM {seconds:.0f} s",
            flush=True,
        )
        for window, reach in WINDOWS:
            found, seconds = windowed(
                case.scene, microscope, case.points_nm,
                window_angstrom=window, reach_angstrom=reach, **GRID,
            )  # fmt: skip
            label = f"window {window:g} Å, reach {reach:g} Å"
            print(f"  {label:<28}{errors(found, reference)}; {seconds:.1f} s", flush=True)
    print(f"{(time.process_time() - begin) / 60:.1f} minutes of one core")


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    main()
