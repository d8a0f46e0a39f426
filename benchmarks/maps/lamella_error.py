"""How far `response` of lamellae is from windowed multislice: inside each phase, and at the boundaries.

python benchmarks/maps/lamella_error.py [--axes random [001]] [--thicknesses 5 10 20 40] [--seeds 3]
                                        [--places 8] [--workers 2] [--table NAME] [--out FOLDER]

Periodic Gaussian fields of anatase in WO3, pixels of 1 nm, correlation length 8 nm, focus in the middle. One
crystal per phase, at random or with [001] along the beam. Of each lamella, `places` pixels of either phase
with no other phase within 2.5 nm, and as many that touch the other one, are probed: 4 x 4 probes each, one at
a random place in each sixteenth of the pixel, in one displaced configuration. What the probes of a pixel
scatter by gives the standard error of its mean, and its square is taken out of the rms.
Prints a table. With --out the probes are kept there, and a stopped run goes on.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from simulate.engines.base import make_engine
from simulate.engines.tables import ResponseTable
from simulate.lamella.orientations import CrystalOrientation
from simulate.lamella.scene import LamellaPhase, LamellaScene
from simulate.material import Material
from simulate.microscope import Detector, Microscope
from simulate.recipe_settings import ResponseSettings, WindowedSettings
from stochgeom.textures import GaussianCovariance, GaussianFieldParameters, sample_texture

NAMES = ("gamma-WO3", "anatase")
WHERE = (f"inside {NAMES[0]}", f"inside {NAMES[1]}", "at boundaries")
PIXELS, PARTS, FAR_NM = 64, 4, 2.5
AXES = {"random": None, "[001]": (0, 0, 1)}
ENGINES = {
    "random": WindowedSettings(),
    # Along zone axes waves to 60 mrad are not enough (docs/windowed.md).
    "[001]": WindowedSettings(band_mrad=100, slice_thickness_angstrom=4),
}


@dataclass(frozen=True)
class Case:
    """A lamella, and where its probes are kept."""

    thickness_nm: float
    axis: str
    seed: int
    places: int
    table: str
    out: Path | None

    @property
    def name(self) -> str:
        return f"{self.thickness_nm:g}-{self.axis.strip('[]')}-{self.seed}-{self.places}"


def lamella(case: Case) -> LamellaScene:
    """The lamella of a case."""
    parameters = GaussianFieldParameters(
        shape=(PIXELS, PIXELS), pixel_size_nm=1.0, covariance=GaussianCovariance(length_nm=8.0)
    )
    texture = sample_texture(parameters, default_rng(case.seed))
    lie = CrystalOrientation(zone_axis=AXES[case.axis])
    first, second = (LamellaPhase(name, Material.named(name), lie) for name in NAMES)
    seeds = SeedSequence(case.seed, spawn_key=(2,)), SeedSequence(case.seed, spawn_key=(3,))
    return LamellaScene(texture, case.thickness_nm, (first, second), texture.field, *seeds)


def pixels(case: Case, phase: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Row, column and place in WHERE (3 places, 3) of the pixels that are probed."""
    periodic = np.pad(phase, 8, mode="wrap")
    depth = np.where(periodic, distance_transform_edt(periodic), distance_transform_edt(1 - periodic))
    depth = depth[8:-8, 8:-8]
    chosen = []
    for where, mask in enumerate((*((phase == p) & (depth > FAR_NM + 0.5) for p in (0, 1)), (depth <= 1.0))):
        found = np.argwhere(mask)
        picked = found[default_rng([case.seed, where]).choice(len(found), case.places, replace=False)]
        chosen.append(np.column_stack([picked, np.full(case.places, where)]))
    return np.concatenate(chosen)


def measured(case: Case) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], float]:
    """WHERE (pixel,), intensities of the reference and the response (pixel, probe), processor seconds."""
    scope = Microscope(
        detectors=tuple(Detector(**d) for d in ResponseTable.load(case.table).metadata["detectors"])
    )
    scene = lamella(case)
    chosen = pixels(case, scene.texture.phase)
    part = np.stack(np.meshgrid(np.arange(PARTS), np.arange(PARTS)), -1).reshape(-1, 2)
    offset = (part + default_rng([case.seed, 9]).random((len(chosen), *part.shape))) / PARTS - 0.5
    points = np.array(scene.field.origin_nm) + chosen[:, None, 1::-1] + offset
    response = make_engine(ResponseSettings(table=case.table, cone_rays=64))
    modelled = response.probes(scene, scope, points.reshape(-1, 2))[:, 0].reshape(offset.shape[:2])
    kept = None if case.out is None else case.out / f"{case.name}.npy"
    if kept is not None and kept.exists():
        return chosen[:, 2], np.load(kept), modelled, np.nan
    begin = time.process_time()
    found = make_engine(ENGINES[case.axis]).probes(scene, scope, points.reshape(-1, 2))
    values = found[:, 0].reshape(offset.shape[:2])
    if kept is not None:
        np.save(kept, values)
    return chosen[:, 2], values, modelled, time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--thicknesses", type=float, nargs="+", default=[5.0, 10.0, 20.0, 40.0])
    parser.add_argument("--axes", choices=list(AXES), nargs="+", default=list(AXES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--places", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", default="tio2-wo3-300kv")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    more = (options.places, options.table, options.out)
    cases = [
        Case(thickness, axis, seed, *more)
        for axis in options.axes
        for thickness in options.thicknesses
        for seed in range(options.seeds)
    ]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(measured, cases))
    heads = "  ".join(f"{where + ': ratio, rms':>30}" for where in WHERE)
    print(f"{'':8} {'nm':>4}  {heads}  s/probe")
    for axis in options.axes:
        for thickness in options.thicknesses:
            chosen = (axis, thickness)
            own = [r for c, r in zip(cases, results, strict=True) if (c.axis, c.thickness_nm) == chosen]
            cells = [_cell(own, where) for where in range(len(WHERE))]
            seconds = np.mean([r[3] / r[1].size for r in own])
            print(f"{axis:8} {thickness:4g}", *(f"{cell:>30}" for cell in cells), f"{seconds:.3f}", sep="  ")


def _cell(own: list, where: int) -> str:
    """Ratio of the sums with its standard error over lamellae, and relative rms over pixels, noise out."""
    references, responses, errors = [], [], []
    for places, values, modelled, _ in own:
        mask = places == where
        references.append(values[mask].mean(axis=1))
        responses.append(modelled[mask].mean(axis=1))
        errors.append(values[mask].std(axis=1, ddof=1) / np.sqrt(values.shape[1]))
    ratios = [b.sum() / a.sum() for a, b in zip(references, responses, strict=True)]
    reference, response, error = (np.concatenate(parts) for parts in (references, responses, errors))
    rms = np.sqrt(max(0.0, np.mean((response - reference) ** 2 - error**2))) / reference.mean()
    spread = np.std(ratios, ddof=1) / np.sqrt(len(ratios)) if len(ratios) > 1 else np.nan
    return f"{response.sum() / reference.sum():.3f} ± {spread:.3f}, {100 * rms:.1f} %"


if __name__ == "__main__":
    main()
