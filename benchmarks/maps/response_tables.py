"""What the shipped response tables hold, as a table and a picture.

python benchmarks/maps/response_tables.py [--picture docs/pictures/response-tables.png]

R = -ln(1 - I) / t per µm, mean over the beam's directions in the crystal, at 10 and 30 nm; how far directions
scatter about the mean; and the error of looking up a direction that is not in the table, measured by leaving
each direction out and predicting it from the others (the noise of its own measurement is taken off). Beside
it the same for the nearest other direction. Spread is what taking one curve for all directions would cost.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np

from simulate.engines.tables import PhaseResponse, ResponseTable
from simulate.material import Material

ENERGIES = {"80 kV": "tio2-wo3-80kv", "200 kV": "tio2-wo3-200kv", "300 kV": "tio2-wo3-300kv"}
COLOURS = {"80 kV": "#b3446c", "200 kV": "#d98f2b", "300 kV": "#2f6f9f"}
THICKNESSES_NM = (10.0, 30.0)
MAP_NM, PIXELS = 10.0, 361
AXES = {
    "anatase": ("001", "100", "110", "111", "301"),
    "rutile": ("001", "100", "110", "101", "111"),
    "gamma-WO3": ("001", "100", "010", "110", "101", "011", "111"),
}


def nearest_instead(response: PhaseResponse, level: int) -> float:
    """Relative rms error of taking the nearest other direction, noise taken off."""
    measured, directions = response.intensity[:, level, 0].astype(float), response.directions
    cosine = np.max([directions @ (g @ directions.T) for g in response.laue], axis=0)
    np.fill_diagonal(cosine, -1)
    error = measured[cosine.argmax(axis=1)] / measured - 1
    return float(np.sqrt(max((error**2).mean() - response.noise[level, 0] ** 2, 0.0)))


def print_table() -> None:
    for energy, name in ENERGIES.items():
        table = ResponseTable.load(name)
        print(f"{energy}: {table.metadata['made_by']}")
        for phase in table.phases:
            response, words = table.phase(phase), []
            for thickness in THICKNESSES_NM:
                level = int(np.flatnonzero(table.thickness_nm == thickness)[0])
                r, error = table.r_per_um(phase, thickness)
                depth = -np.log1p(-response.intensity[:, level, 0])
                percent = (
                    depth.std() / depth.mean(),
                    response.noise[level, 0],
                    response.lookup_error[level, 0],
                    nearest_instead(response, level),
                )
                words.append(
                    f"{thickness:g} nm: R {r:.4f} ± {error:.4f}, spread {100 * percent[0]:.1f} %, "
                    f"noise {100 * percent[1]:.1f} %, lookup {100 * percent[2]:.1f} %, "
                    f"nearest {100 * percent[3]:.1f} %"
                )
            fine = table.metadata["fine"][phase]
            print(
                f"  {phase} ({len(response.directions)} directions, {1e3 * response.spacing:.0f} mrad; "
                f"{len(fine['numbers'])} of them fine: {100 * fine['mean_change']:+.1f} %)"
            )
            print("    " + "\n    ".join(words))


def hemisphere() -> tuple[np.ndarray, np.ndarray]:
    """Directions (n, 3) of the pixels of a stereographic disc, and which pixels (y, x) they are."""
    y, x = np.mgrid[1 : -1 : PIXELS * 1j, -1 : 1 : PIXELS * 1j]
    inside = x**2 + y**2 <= 1
    square = (x**2 + y**2)[inside]
    return np.stack([2 * x[inside], 2 * y[inside], 1 - square], axis=1) / (1 + square)[:, None], inside


def projected(directions: np.ndarray) -> np.ndarray:
    """Stereographic x, y (n, 2) of unit vectors, brought to the upper hemisphere."""
    up = directions * np.where(directions[:, 2:] < 0, -1, 1)
    return up[:, :2] / (1 + up[:, 2:])


def picture(path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tables = {energy: ResponseTable.load(name) for energy, name in ENERGIES.items()}
    shown = tables["300 kV"]
    figure = plt.figure(figsize=(10.5, 7.4))
    grid = figure.add_gridspec(
        2, 3, height_ratios=[1, 1.5], left=0.07, right=0.99, top=0.95, bottom=0.1, hspace=0.2, wspace=0.2
    )
    axes = np.array([[figure.add_subplot(grid[row, column]) for column in range(3)] for row in range(2)])
    directions, inside = hemisphere()
    for column, phase in enumerate(shown.phases):
        curves(axes[0, column], tables, phase)
        plot = axes[1, column]
        level = int(np.flatnonzero(shown.thickness_nm == MAP_NM)[0])
        response = shown.phase(phase)
        measured = response.intensity[:, level, 0]
        field = np.full(inside.shape, np.nan)
        field[inside] = response.curves(directions)[:, level, 0] / measured.mean()
        image = plot.imshow(
            field, extent=(-1, 1, -1, 1), cmap="viridis", vmin=0.92, vmax=1.2, interpolation="bilinear"
        )
        plot.add_patch(plt.Circle((0, 0), 1, fill=False, lw=0.8, color="0.2"))
        plot.plot(*projected(asymmetric(response)).T, ".", ms=1.0, color="white", alpha=0.55)
        marks(plot, phase)
        plot.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03), aspect="equal")
        plot.axis("off")
    axes[0, 0].set_ylabel("detected share of the beam (%)")
    axes[0, 0].legend(frameon=False, fontsize=9)
    bar = figure.add_axes((0.36, 0.065, 0.33, 0.016))
    label = f"signal over its mean, 300 kV, {MAP_NM:g} nm; dots: measured directions"
    figure.colorbar(image, cax=bar, extend="both", orientation="horizontal").set_label(label)
    save_small(figure, path)


def save_small(figure, path: Path) -> None:
    """As a PNG of 200 colours."""
    from PIL import Image

    content = io.BytesIO()
    figure.savefig(content, dpi=105)
    Image.open(content).convert("RGB").quantize(200, dither=Image.Dither.NONE).save(path, optimize=True)


def asymmetric(response: PhaseResponse) -> np.ndarray:
    """The measured directions (d, 3), each as the image that lies in the upper right of the hemisphere."""
    images = np.einsum("gij,dj->dgi", response.laue, response.directions)
    return images[np.arange(len(images)), (images @ np.array([0.02, 0.01, 0.8])).argmax(axis=1)]


def curves(plot, tables: dict[str, ResponseTable], phase: str) -> None:
    """Intensity against thickness at each energy: the mean, and what 90 % of the directions lie within."""
    for energy, table in tables.items():
        percent = 100 * table.phase(phase).intensity[:, :, 0]
        low, high = np.percentile(percent, [5, 95], axis=0)
        plot.fill_between(table.thickness_nm, low, high, color=COLOURS[energy], alpha=0.25, lw=0)
        plot.plot(table.thickness_nm, percent.mean(axis=0), color=COLOURS[energy], label=energy)
    plot.set(title=phase.replace("gamma-WO3", "γ-WO$_3$"), xlabel="thickness (nm)", xlim=(0, 40))
    plot.set_ylim(bottom=0)
    plot.spines[["top", "right"]].set_visible(False)


def marks(plot, phase: str) -> None:
    """Names of a few zone axes at their places."""
    cell = np.asarray(Material.named(phase).cell.cell.array)
    for name in AXES[phase]:
        axis = np.array([int(c) for c in name]) @ cell
        x, y = projected((axis / np.linalg.norm(axis))[None])[0]
        plot.plot(x, y, "o", ms=4, mfc="none", mec="black", mew=0.9)
        plot.annotate(
            f"[{name}]", (x, y), xytext=(-3, -3), textcoords="offset points",
            fontsize=7.5, ha="right", va="top",
            bbox={"facecolor": "white", "alpha": 0.7, "lw": 0, "pad": 0.6},
        )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    print_table()
    if arguments.picture is not None:
        picture(arguments.picture)
