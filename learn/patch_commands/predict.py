"""`predict` of an autoencoder of patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stochgeom.errors import UserError

from .saved_models import analysed

if TYPE_CHECKING:
    from learn.patch_analysis.analysis import PatchAnalysis


def predict_patches(
    model: Path,
    images: Sequence[Path],
    out: Path | None,
    pixel_size_nm: float | None,
    calibrations: Sequence[Path] = (),
) -> None:
    """Write what a model says of the patches of micrographs: tables, maps; a line for each on the screen."""
    from learn.patch_analysis.figures import own_maps, write_pictures
    from learn.patch_analysis.map_charts import maps_figure
    from learn.patch_analysis.tables import write_tables
    from learn.plots import png, styled

    if out is None:
        raise UserError(f"{model} is an autoencoder of patches: --out is needed, the folder for its maps")
    for number, path in enumerate(images):
        found = analysed(model, path, pixel_size_nm, calibrations=calibrations, baselines=False)
        if calibrations and found.encoding.angle_degrees is None:
            raise UserError(
                f"--calibration: {model} has no angle; accepted: a model trained with --invariance rotation"
            )
        prefix = "" if len(images) == 1 else f"{number}-{path.stem}-"
        paths = write_tables(found, out, prefix)
        with styled():
            made = {
                f"maps-{k}": png(maps_figure(found.patch_set, own_maps(found), k), 256)
                for k in range(len(found.patch_set.micrographs))
            }
        paths += write_pictures(made, out, prefix)
        for calibration in calibrations:
            paths.append(_calibrated(found, calibration, out, prefix))
        share = found.unexplained.mean()
        print(f"{path}: {len(found.patch_set)} patches, {100 * share:.1f} % of their scatter unexplained")
        for one in paths:
            print(f"written: {one}")


def _calibrated(found: PatchAnalysis, path: Path, out: Path, prefix: str) -> Path:
    """A map of the quantity that the angle stands for."""
    from learn.patch_analysis.angle_calibration import AngleCalibration
    from learn.patch_analysis.figures import write_pictures
    from learn.patch_analysis.map_charts import PatchMap, maps_figure
    from learn.plots import png, styled

    fitted = AngleCalibration.load(path)
    assert found.encoding.angle_degrees is not None
    values = fitted.apply(found.encoding.angle_degrees)
    title = f"{fitted.quantity} (°, modulo {fitted.period_degrees:g}°)"
    with styled():
        figure = maps_figure(found.patch_set, [PatchMap(title, values, "cyclic", fitted.period_degrees)])
        return write_pictures({fitted.quantity: png(figure, 256)}, out, prefix)[0]
