"""How wide the windows of the engine `windowed` must be, and how fine its grid: spheres, default potential.

    python benchmarks/maps/windowed_windows.py [--picture docs/pictures/windowed-accuracy.png]

Windows: spheres in focus and pairs of anatase and gamma-WO3 above each other, 16 and 60 nm deep, with the
focus at the entrance, in the middle and at the exit; radii of 3 nm; band and slices are the defaults. The
reference has windows of 60 Å and a reach of 25 Å.

Bands and slices: three touching spheres of 12 nm, one above the other, of both phases, focus in the middle.
The reference keeps waves to 140 mrad, slices of 2 Å; windows are 34 Å, the reach is 8 Å. Beside it what other
displacements change.

Always the same displaced atoms and probes, so that no phonon scatter is in the differences. About 10
minutes of one core.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from windowed_cases import WEAK, Errors, errors, on_disc, spheres, windowed

from simulate.microscope import Microscope
from simulate.scene import AggregateScene

PHASES = ("anatase", "gamma-WO3")
PROBES = 24
WIDE = {"window_angstrom": 60, "reach_angstrom": 25}
SIDES = (20, 26, 34, 42)
NEAR, FAR = (tuple({"window_angstrom": w, "reach_angstrom": r} for w in SIDES) for r in (4, 8))
REACHES = tuple({"window_angstrom": 34, "reach_angstrom": r} for r in (2, 14))
SPREADS = tuple({"spread_mrad": s} for s in (20, 60))
BOTH = ({"window_angstrom": 42, "reach_angstrom": 14},)

FINE = {"band_mrad": 140, "slice_thickness_angstrom": 2}
BANDS = tuple({"band_mrad": b, "slice_thickness_angstrom": 4} for b in (40, 50, 60, 80, 100, 120))
SLICES = tuple({"band_mrad": b, "slice_thickness_angstrom": t} for b, t in ((60, 2), (60, 6), (60, 8)))
FIXED = {"window_angstrom": 34, "reach_angstrom": 8}

DEFAULTS = {
    "window_angstrom": 26,
    "reach_angstrom": 4,
    "spread_mrad": 0,
    "band_mrad": 60,
    "slice_thickness_angstrom": 6,
}
Found = dict[tuple[float, ...], list[Errors]]
"""Errors of the cases, by all settings in the order of DEFAULTS."""


def key(settings: dict[str, float]) -> tuple[float, ...]:
    return tuple(float((DEFAULTS | settings)[name]) for name in DEFAULTS)


def window_cases() -> dict[str, list[tuple[AggregateScene, Microscope, np.ndarray]]]:
    """Scenes, microscopes and probes (nm) by what they have in common."""
    radius = 3.0
    found: dict[str, list[tuple[AggregateScene, Microscope, np.ndarray]]] = {"in focus": []}
    for phase in PHASES:
        points = on_disc([0.0, 0.0], 0.0, radius + 0.2, PROBES, 1)
        found["in focus"].append((spheres([phase], [[0, 0, 0]], [radius]), Microscope(), points))
    for depth in (16.0, 60.0):
        height = depth / 2 - radius
        scene = spheres([*PHASES], [[0, 0, -height], [0.7, 0.3, height]], [radius] * 2)
        points = on_disc([0.35, 0.15], 0.0, radius + 0.3, PROBES, 2)
        for name, focus in (("entrance", -height), ("middle", 0.0), ("exit", height)):
            found[f"{depth:g} nm deep, focus at the {name}"] = [(scene, Microscope(focus_nm=focus), points)]
    return found


def study_windows() -> dict[str, Found]:
    """Print and return errors by case and settings."""
    print(
        f"mean and worst of |error| / own signal; probes below {WEAK:g} of the largest signal: over the mean"
    )
    result: dict[str, Found] = {}
    for name, parts in window_cases().items():
        found: Found = {}
        references = [windowed(*part, **WIDE) for part in parts]
        seconds = sum(s for _, s in references)
        print(f"{name}: {PROBES * len(parts)} probes, reference {seconds:.0f} s", flush=True)
        for settings in (*NEAR, *FAR, *REACHES, *SPREADS, *BOTH):
            made = [windowed(*part, **settings) for part in parts]
            one = [errors(f, r) for (f, _), (r, _) in zip(made, references, strict=True)]
            found[key(settings)] = one
            window, reach, spread, *_ = key(settings)
            label = f"window {window:g} Å, reach {reach:g} Å, spread {spread:g} mrad"
            print(f"  {label:<44}{summary(one)}; {sum(s for _, s in made):.0f} s", flush=True)
        result[name] = found
    return result


def summary(found: list[Errors]) -> Errors:
    """One line for several cases."""
    return Errors(
        mean=float(np.mean([e.mean for e in found])),
        worst=max(e.worst for e in found),
        bias=float(np.mean([e.bias for e in found])),
        weak=float(np.fmax.reduce([e.weak for e in found])),
    )


def study_bands() -> tuple[dict[str, Found], list[Errors]]:
    """Print and return errors by stack and settings; and those of another displaced configuration."""
    result: dict[str, Found] = {}
    other: list[Errors] = []
    for phases in (("anatase", "gamma-WO3", "anatase"), ("gamma-WO3", "anatase", "gamma-WO3")):
        name = ", ".join(phases)
        centre = [2.0, 2.0]  # so that all probes share their slices
        heights = (-11.95, 0.0, 11.95)
        axes = ([2.0, 2.0], [2.3, 1.8], [1.8, 2.3])
        scene = spheres([*phases], [[*a, h] for a, h in zip(axes, heights, strict=True)], [6.0] * 3)
        points, microscope = on_disc(centre, 0.0, 1.9, PROBES // 2, 3), Microscope()
        reference, seconds = windowed(scene, microscope, points, **FINE, **FIXED)
        scatter = 100 * reference.std(ddof=1) / reference.mean()
        signal = 100 * reference.mean()
        print(
            f"{name}: {len(points)} probes, mean signal {signal:.1f} %, between them {scatter:.1f} %, "
            f"reference {seconds:.0f} s",
            flush=True,
        )
        found: Found = {}
        for settings in (*BANDS, *SLICES):
            made, seconds = windowed(scene, microscope, points, **settings, **FIXED)
            found[key(settings)] = [errors(made, reference)]
            label = "{band_mrad:g} mrad, slices of {slice_thickness_angstrom:g} Å".format(**settings)
            print(f"  {label:<44}{found[key(settings)][0]}; {seconds:.0f} s", flush=True)
            if key(settings) == key({}):
                both, _ = windowed(scene, microscope, points, phonon_configurations=2, **settings, **FIXED)
                other.append(errors(2 * both - made, made))
                print(f"  {'other displacements':<44}{other[-1]}", flush=True)
        result[name] = found
    return result, other


def draw(windows: dict[str, Found], bands: dict[str, Found], other: list[Errors], path: Path) -> None:
    """Errors against the side of windows, and against the band."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), sharey=True, layout="constrained")
    for colour, settings in (("tab:blue", NEAR), ("tab:green", FAR)):
        found = [[e for case in windows.values() for e in case[key(s)]] for s in settings]
        curve(left, colour, f"reach {settings[0]['reach_angstrom']} Å", list(SIDES), found)
    for colour, (phases, case) in zip(("tab:orange", "tab:red"), bands.items(), strict=True):
        short = phases.replace("gamma-", "").replace("anatase", "TiO$_2$").replace("WO3", "WO$_3$")
        curve(right, colour, short, [s["band_mrad"] for s in BANDS], [case[key(s)] for s in BANDS])
    level = 100 * summary(other).mean
    right.axhline(level, color="0.45", lw=0.9, ls=":")
    note = {"ha": "right", "va": "bottom", "color": "0.35", "fontsize": 8}
    right.text(BANDS[-1]["band_mrad"], 1.04 * level, "other displacements, mean", **note)
    left.set(xlabel="window in focus (Å)", title="Windows: seven cases up to 60 nm deep")
    left.set_ylabel("relative error of a probe (%)")
    right.set(xlabel="band of the waves (mrad)", title="Bands: 36 nm of spheres, slices of 4 Å")
    for axis, default in ((left, DEFAULTS["window_angstrom"]), (right, DEFAULTS["band_mrad"])):
        axis.axvline(default, color="0.92", lw=8, zorder=0)
        axis.text(default, 0.035, "default", rotation=90, ha="center", va="bottom", color="0.45", fontsize=8)
        axis.set_yscale("log")
        axis.set_ylim(0.03, 100)
        axis.set_yticks([0.1, 0.5, 1, 2, 5, 10])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
        axis.grid(axis="y", color="0.92", lw=0.6)
        axis.tick_params(labelleft=True)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8, loc="upper right")
    figure.savefig(path, dpi=130)


def curve(axis, colour: str, label: str, at: list[float], found: list[list[Errors]]) -> None:  # type: ignore[no-untyped-def]
    """Means and worst probes of several cases."""
    mean = [100 * summary(one).mean for one in found]
    worst = [100 * summary(one).worst for one in found]
    axis.plot(at, worst, "^--", ms=4, lw=0.9, color=colour, alpha=0.75, label=f"{label}, worst probe")
    axis.plot(at, mean, "o-", ms=4, color=colour, label=f"{label}, mean")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path, default=None)
    options = parser.parse_args()
    begin = time.process_time()
    windows = study_windows()
    bands, other = study_bands()
    print(f"{(time.process_time() - begin) / 60:.1f} minutes of one core")
    if options.picture is not None:
        draw(windows, bands, other, options.picture)


if __name__ == "__main__":
    main()
