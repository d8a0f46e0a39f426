"""A picture of one image beside what was estimated from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learn.estimator import Prediction
from stochgeom.errors import require


def draw_prediction(
    path: Path, label: str, image: NDArray[np.float32], pixel_size_nm: float, found: Prediction, k: int
) -> None:
    """Write a PNG: the first channel of `image` (channel, y, x) with a scale bar, and row `k` of `found`."""
    figure_module = require("matplotlib.figure", extra="learn")
    figure = figure_module.Figure(figsize=(9.5, 4.2), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.35))
    low, high = np.percentile(image[0], (0.5, 99.8))
    left.imshow(image[0], cmap="gray", vmin=low, vmax=max(high, low + 1e-12), interpolation="nearest")
    left.set_title(label if len(label) < 44 else f"...{label[-41:]}", fontsize=9)
    left.set_axis_off()
    bar_nm = _round_length(0.3 * image.shape[2] * pixel_size_nm)
    y, x = 0.94 * image.shape[1], 0.05 * image.shape[2]
    left.plot([x, x + bar_nm / pixel_size_nm], [y, y], color="#ffcc33", linewidth=3, solid_capstyle="butt")
    left.text(x, y - 0.02 * image.shape[1], f"{bar_nm:g} nm", color="#ffcc33", fontsize=8, va="bottom")
    right.set_axis_off()
    cells = [
        [name, f"{found.value[k, j]:.3g}", f"{found.lower[k, j]:.3g} to {found.upper[k, j]:.3g}", _unit(unit)]
        for j, (name, unit) in enumerate(zip(found.names, found.units, strict=True))
    ]
    heads = ["target", "value", "90 % interval", "unit"]
    table = right.table(cells, colLabels=heads, loc="center", cellLoc="left")
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.auto_set_column_width([0, 1, 2, 3])
    for cell in table.get_celld().values():
        cell.set_linewidth(0.3)
    if found.unlike[k]:
        right.set_title("unlike the training images: do not rely on this", color="#b00020", fontsize=9)
    figure.savefig(path)


def _round_length(length: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(power * max(step for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))


def _unit(unit: str) -> str:
    return "" if unit == "1" else unit
