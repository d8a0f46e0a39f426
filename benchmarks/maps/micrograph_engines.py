"""Fine scans of drawn scenes: PRISM and windows against plain multislice probes, on the same displaced atoms.

    python benchmarks/maps/micrograph_engines.py graphene-small [--points 10] [--step 0.05] [--only windowed]

A square of `points` x `points` probes, `step` nm apart, about the middle of the recipe's first scene, one
displaced configuration. The reference is abTEM's multislice of each probe on a finer grid with wider margins.
For every engine and detector: its mean over that of the reference; what is left once that factor is taken
out, as root mean square over the reference's standard deviation, and the largest error over its range;
processor seconds of a probe, and those that a cell of probes takes beside them (slices, plane waves;
compiling left out).
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np

from simulate.engines.base import make_engine
from simulate.imaging import realise
from simulate.micrographs.recipe import MicrographRecipe
from simulate.micrographs.scene import MicrographScene
from simulate.microscope import Microscope
from simulate.recipe_settings import MultisliceSettings, WindowedSettings
from stochgeom.projection import Field

Settings = MultisliceSettings | WindowedSettings
WINDOWED = ((60, 6, 26), (100, 6, 26), (100, 4, 34), (140, 6, 26), (140, 2, 34), (180, 6, 26))
"""Band in mrad, slices and windows in Å."""


def multislice(**settings: object) -> MultisliceSettings:
    """Settings of abTEM; grids carry no more than they must, the tail of independent atoms the rest."""
    return MultisliceSettings.model_validate({"tile_pixels": 64, **settings})


def cases(grid: float, slices: float) -> dict[str, Settings]:
    """Engines by name: `grid` in Å carries the detectors, `slices` in Å."""
    common = {"sampling_angstrom": grid, "slice_thickness_angstrom": slices}
    prism = {**common, "method": "prism"}
    return {
        "probes, margin 12 Å": multislice(**common),
        "probes, margin 8 Å": multislice(**common, margin_angstrom=8),
        "PRISM, interpolation 1, margin 12 Å": multislice(**prism),
        "PRISM, interpolation 2, margin 12 Å": multislice(**prism, prism_interpolation=2),
        "PRISM, interpolation 2, margin 24 Å": multislice(**prism, prism_interpolation=2, margin_angstrom=24),
        **{windowed_name(*row): windowed(*row) for row in WINDOWED},
    }


def windowed_name(band: float, slices: float, window: float) -> str:
    """Name of an engine `windowed`."""
    return f"windowed, {band:g} mrad, {slices:g} Å, window {window:g} Å"


def windowed(band: float, slices: float, window: float) -> WindowedSettings:
    """Settings of an engine `windowed`."""
    return WindowedSettings(band_mrad=band, slice_thickness_angstrom=slices, window_angstrom=window)


def image_and_seconds(
    settings: Settings, scene: MicrographScene, scope: Microscope
) -> tuple[np.ndarray, float, float]:
    """Image (channel, y, x); processor seconds of a probe, and of a cell of them."""
    engine = make_engine(settings)
    middle = replace(scene, field=Field((1, 1), scene.field.pixel_size_nm, scene.field.centre_nm))
    engine.image(middle, scope)  # imports and compiling
    one, _ = _seconds(engine, middle, scope)
    all_of_them, image = _seconds(engine, scene, scope)
    probes = image[0].size
    each = max(0.0, all_of_them - one) / (probes - 1)
    return image, each, max(0.0, one - each)


def _seconds(engine: object, scene: MicrographScene, scope: Microscope) -> tuple[float, np.ndarray]:
    begin = time.process_time()
    image = engine.image(scene, scope)  # type: ignore[attr-defined]
    return time.process_time() - begin, image.astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--step", type=float, default=0.05, help="nm")
    parser.add_argument("--grid", type=float, default=0.072, help="Å, of abTEM's engines")
    parser.add_argument("--fine", type=float, default=0.03, help="Å, of the reference")
    parser.add_argument("--slices", type=float, default=2.0, help="Å, of abTEM's engines")
    parser.add_argument("--only", default="", help="engines whose names begin with this")
    chosen = parser.parse_args()
    recipe = MicrographRecipe.load(chosen.recipe)
    made, scope = realise(recipe, 0), recipe.microscope
    scene = replace(made.scene, field=Field((chosen.points, chosen.points), chosen.step))
    print(f"{recipe.name}: {len(scene.structure.numbers)} atoms, {scene.structure.thickness_nm:.3g} nm thick")
    fine = multislice(
        sampling_angstrom=chosen.fine, slice_thickness_angstrom=min(chosen.slices, 1.0), margin_angstrom=16
    )
    reference, each, cell = image_and_seconds(fine, scene, scope)
    print(f"{'reference':38s} {'':30s} {1e3 * each:9.1f} ms {cell:7.2f} s", flush=True)
    for name, settings in cases(chosen.grid, chosen.slices).items():
        if not name.startswith(chosen.only):
            continue
        image, each, cell = image_and_seconds(settings, scene, scope)
        for channel, found, true in zip(recipe.channel_names, image, reference, strict=True):
            ratio = found.mean() / true.mean()
            rest = found / ratio - true
            print(
                f"{name:38s} {channel:6s} {ratio:7.4f} {100 * rest.std() / true.std():7.2f} % "
                f"{100 * np.abs(rest).max() / np.ptp(true):6.2f} % {1e3 * each:9.1f} ms {cell:7.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
