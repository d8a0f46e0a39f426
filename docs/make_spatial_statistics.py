"""Draws the picture of docs/spatial-statistics.md: a microstructure of two phases and its statistics.

Run: python docs/make_spatial_statistics.py [--out docs/pictures] [--seed K]
"""

from __future__ import annotations

import argparse
import io
import math
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy import fft

from stochgeom.pictures import COLOURS
from stochgeom.spatial_statistics import (
    autocorrelation,
    chord_length_density,
    directional_cut,
    lags_nm,
    lineal_path,
    phase_chord_lengths,
    radial_mean,
    two_point_cluster,
)

SHAPE, PIXEL_NM = (256, 256), 0.5
SHARE, ANGLE_DEG = 0.42, 45.0


def microstructure(rng: np.random.Generator) -> np.ndarray:
    """(y, x) bool: waves of about 12 nm, most of them steep to one direction, cut at a level; periodic."""
    ky, kx = fft.fftfreq(SHAPE[0], PIXEL_NM)[:, None], fft.fftfreq(SHAPE[1], PIXEL_NM)[None, :]
    along = kx * math.cos(math.radians(ANGLE_DEG)) + ky * math.sin(math.radians(ANGLE_DEG))
    across = -kx * math.sin(math.radians(ANGLE_DEG)) + ky * math.cos(math.radians(ANGLE_DEG))
    k = np.hypot(2.2 * along, across)  # structures are 2.2 times as long along ANGLE_DEG as across
    ring = np.exp(-(((k - 1 / 12) / 0.03) ** 2) / 2)
    field = fft.ifft2(fft.fft2(rng.standard_normal(SHAPE)) * ring).real
    return np.asarray(field > np.quantile(field, 1 - SHARE))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    phase = microstructure(np.random.default_rng(options.seed))
    share = phase.mean()
    covariance = autocorrelation(phase)
    y, x = lags_nm(SHAPE, PIXEL_NM)

    figure = Figure(figsize=(11.5, 7.4), layout="constrained")
    (a, b, c), (d, e, f) = figure.subplots(2, 3)
    a.imshow(phase, cmap="gray_r", interpolation="nearest", extent=(0, 128, 128, 0), vmin=-0.12, vmax=1.25)
    a.set(title=f"phase, $\\phi$ = {share:.2f}", xlabel="x (nm)", ylabel="y (nm)")
    half = PIXEL_NM / 2
    shown = b.imshow(
        covariance,
        cmap="viridis",
        interpolation="nearest",
        extent=(x[0] - half, x[-1] + half, y[-1] + half, y[0] - half),
    )
    b.set(xlim=(-32, 32), ylim=(32, -32), title="$S_2$(lag)", xlabel="lag x (nm)", ylabel="lag y (nm)")
    for angle, colour in ((ANGLE_DEG, COLOURS[0]), (ANGLE_DEG + 90, COLOURS[1])):
        reach = 30 * np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
        for line, width in (("white", 3.4), (colour, 1.8)):
            b.plot([0, reach[0]], [0, reach[1]], color=line, linewidth=width)
    figure.colorbar(shown, ax=b, fraction=0.046, pad=0.03)

    for angle, colour in ((ANGLE_DEG, COLOURS[0]), (ANGLE_DEG + 90, COLOURS[1])):
        distance, value = directional_cut(covariance, angle, pixel_size_nm=PIXEL_NM, largest_nm=40)
        c.plot(distance, value, color=colour, label=f"{angle:.0f}°")
        distance, value = lineal_path(phase, angle, pixel_size_nm=PIXEL_NM, cutoff=40.0)
        d.semilogy(distance, np.where(value > 0, value, np.nan), color=colour, label=f"L, {angle:.0f}°")
        distance, value = directional_cut(covariance, angle, pixel_size_nm=PIXEL_NM, largest_nm=40)
        d.semilogy(distance, value, color=colour, linestyle=":", linewidth=1, label=f"$S_2$, {angle:.0f}°")
        chords = phase_chord_lengths(phase, angle, pixel_size_nm=PIXEL_NM)
        edges = np.arange(0, 41, 2.0)
        f.stairs(
            chord_length_density(chords, edges), edges, color=colour, label=f"{angle:.0f}°", linewidth=1.4
        )
    distance, radial = radial_mean(covariance, pixel_size_nm=PIXEL_NM, largest_nm=40)
    c.plot(distance, radial, color="black", linewidth=1.2, label="radial mean")
    c.axhline(share**2, color="0.6", linewidth=0.8, linestyle="--")
    c.text(0.5, share**2, "$\\phi^2$", va="bottom", color="0.4")
    c.set(
        title="$S_2$ along directions", xlabel="lag (nm)", ylabel="probability", xlim=(0, 40), ylim=(0, None)
    )
    c.legend(frameon=False)
    d.set(title="lineal path L and $S_2$", xlabel="length (nm)", ylabel="probability", xlim=(0, 40))
    d.set_ylim(3e-4, 0.7)
    d.legend(frameon=False, fontsize=8, loc="lower left")
    for name, kept, colour in (("dark", phase, "0.1"), ("light", ~phase, COLOURS[2])):
        for symbol, function, style in (("S", autocorrelation, ":"), ("C", two_point_cluster, "-")):
            distance, value = radial_mean(function(kept), pixel_size_nm=PIXEL_NM, largest_nm=40)
            e.plot(distance, value, color=colour, linestyle=style, label=f"${symbol}_2$, {name}")
    e.set(title="in one cluster: $C_2$, radial mean", xlabel="lag (nm)", ylabel="probability", xlim=(0, 40))
    e.set_ylim(0, None)
    e.legend(frameon=False, ncols=2)
    f.set(title="chord lengths", xlabel="length (nm)", ylabel="density (1/nm)", xlim=(0, 40), ylim=(0, None))
    f.legend(frameon=False)
    for axes in (c, d, e, f):
        axes.spines[["top", "right"]].set_visible(False)

    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    picture = Image.open(buffer).convert("RGB").quantize(256)
    options.out.mkdir(parents=True, exist_ok=True)
    picture.save(options.out / "spatial-statistics.png", optimize=True)


if __name__ == "__main__":
    main()
