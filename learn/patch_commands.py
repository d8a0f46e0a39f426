"""What `train --task patch-vae`, `report` and `predict` do for autoencoders of patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.micrographs import Micrograph, PatchSet
    from learn.patch_analysis.analysis import PatchAnalysis
    from learn.patch_analysis.cutting import PatchCutting

CUTTING_OPTIONS = (
    "window_nm", "centres", "step_nm", "sublattice_nm", "separation_nm", "normalise", "condition", "labels",
)  # fmt: skip
SHARED = ("latent_size", "beta", "decoder")
"""Options of both kinds of autoencoders."""


@Parameter(name="*")
@dataclass(frozen=True)
class PatchOptions:
    """Options of `--task patch-vae`; also --latent-size (2), --beta (1), --decoder (spatial, convolutional).

    Parameters
    ----------
    window_nm
        Side of the square windows (0.8).
    centres
        What windows are about: atomic columns, or places on a grid.
    step_nm
        Of the grid; a quarter of the window if not given.
    sublattice_nm
        Only columns without a brighter one within that distance; 0.33 keeps one sublattice of a perovskite.
    separation_nm
        Least distance of two columns (0.11).
    normalise
        Mean 0 and standard deviation 1 of each image (which it is if not given) or of each patch, or none.
    invariance
        What a pose of its own accounts for, not the latent numbers: rotation, translation or scale; may be
        given several times.
    symmetry_order
        n: angles count modulo 360 / n degrees (1).
    classes
        Discrete latent classes beside the numbers (0).
    condition
        What the model is told of each patch: phase, domain, kind, micrograph (a class); tilt, polarization,
        brightness (numbers).
    labels
        Classes that are known of some patches: phase, domain, kind or micrograph.
    labelled_share
        Share of the known labels that the training sees (1).
    likelihood
        Of the pixels: gaussian (which it is if not given), bernoulli, continuous-bernoulli.
    noise_sd
        Of the Gaussian likelihood, in units of the normalised patches; learnt if not given.
    width
        Units of a hidden layer (128).
    kl_schedule
        How the weight of the divergence goes over the training.
    bias
        What of the latent maps is penalised: tv, their total variation, modica-mortola, or elbo-factor, the
        published variant.
    bias_weight
        Of the bias, nats per patch (100).
    sample
        Numbers of a corpus' samples to use; all if not given.
    """

    window_nm: float | None = None
    centres: Literal["columns", "grid"] | None = None
    step_nm: float | None = None
    sublattice_nm: float | None = None
    separation_nm: float | None = None
    normalise: Literal["none", "patch", "image"] | None = None
    invariance: Annotated[
        list[Literal["rotation", "translation", "scale"]] | None, Parameter(negative_iterable="")
    ] = None
    symmetry_order: int | None = None
    classes: int | None = None
    condition: str | None = None
    labels: str | None = None
    labelled_share: float | None = None
    likelihood: Literal["gaussian", "bernoulli", "continuous-bernoulli"] | None = None
    noise_sd: float | None = None
    width: int | None = None
    kl_schedule: str | None = None
    bias: Literal["tv", "modica-mortola", "elbo-factor"] | None = None
    bias_weight: float | None = None
    sample: Annotated[list[int] | None, Parameter(negative_iterable="")] = None

    def given(self) -> dict[str, Any]:
        """The options that were given."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


PatchVAEOptions = Annotated[PatchOptions | None, Parameter(name="*")]


def micrographs_at(
    source: Path, pixel_size_nm: float | None = None, samples: Sequence[int] | None = None
) -> list[Micrograph]:
    """The micrographs of a corpus of scenes, of a folder of image files, or of one file.

    UserError if there is none, or an option does not apply.
    """
    from learn.micrographs.reading import SUFFIXES, corpus_micrographs, read_micrograph
    from simulate.corpus.layout import store_path

    if not source.exists():
        raise UserError(f"{source}: no such file or folder; accepted: a corpus of scenes, or micrographs")
    if store_path(source).exists():
        if pixel_size_nm is not None:
            raise UserError(f"--pixel-size-nm: for own micrographs only; {source} is a corpus")
        return corpus_micrographs(source, samples)
    if samples is not None:
        raise UserError(f"--sample: for corpora only; {source} is none")
    files = [source]
    if source.is_dir():
        files = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
        if not files:
            raise UserError(f"{source}: holds no micrograph; accepted: {', '.join(SUFFIXES)}")
    return [read_micrograph(path, pixel_size_nm) for path in files]


def train_patches(
    source: Path,
    out: Path,
    common: dict[str, Any],
    options: PatchOptions,
    pixel_size_nm: float | None,
    resume: bool,
) -> None:
    """Train an autoencoder on the patches of a corpus of scenes, or of own micrographs."""
    from learn.cli import validated
    from learn.patch_analysis.cutting import PatchCutting
    from learn.patch_vae import PatchVAEConfig, train_patch_vae

    given = options.given()
    cut = {name: given.pop(name) for name in CUTTING_OPTIONS if name in given}
    samples = given.pop("sample", None)
    bias = given.pop("bias", None), given.pop("bias_weight", None)
    cutting = validated(PatchCutting, cut)
    if "invariance" in given:
        given["invariances"] = tuple(given.pop("invariance"))
    patch_set = cutting.cut(micrographs_at(source, pixel_size_nm, samples))
    told = _told(cutting, patch_set)
    given |= told.pop("settings")
    config = validated(PatchVAEConfig, {**common, **given})
    told["penalty"] = _penalty(patch_set, *bias, config.symmetry_order)
    print(f"{len(patch_set)} patches of {patch_set.window[0]} x {patch_set.window[1]} pixels")
    train_patch_vae(patch_set, out, config, tell=print, resume=resume, **told)
    cutting.save(out)
    print(f"model: {out}")


def _penalty(patch_set: PatchSet, bias: str | None, weight: float | None, symmetry_order: int) -> Any:
    """The physical bias that is asked for, or None."""
    from learn.cli import validated
    from learn.patch_vae.bias import BiasSettings, physical_bias

    if bias is None:
        if weight is not None:
            raise UserError("--bias-weight: needs --bias, which says what is penalised")
        return None
    given = {"bias": bias} if weight is None else {"bias": bias, "weight": weight}
    return physical_bias(patch_set, validated(BiasSettings, given), symmetry_order=symmetry_order)


def _told(cutting: PatchCutting, patch_set: PatchSet) -> dict[str, Any]:
    """`condition` and `labels` of a training, and the `settings` that go with them."""
    from learn.patch_analysis.told import class_names, classes_of, condition_of

    found: dict[str, Any] = {"settings": {}}
    if cutting.condition is not None:
        kind, found["condition"] = condition_of(patch_set, cutting.condition)
        found["settings"]["condition"] = kind
    if cutting.labels is not None:
        found["labels"] = classes_of(patch_set, cutting.labels)
        if (found["labels"] < 0).all():
            raise UserError(
                f"--labels {cutting.labels}: known of no patch; accepted: scenes with their truth"
            )
        found["settings"]["classes"] = len(class_names(patch_set, cutting.labels))
    return found


def analysed(
    model: Path,
    source: Path,
    pixel_size_nm: float | None = None,
    samples: Sequence[int] | None = None,
    fit_on: Path | None = None,
    calibrations: Sequence[Path] = (),
    **settings: Any,
) -> PatchAnalysis:
    """A saved model on the patches of a source, cut as those of its training."""
    from learn.patch_analysis.analysis import analyse_patches
    from learn.patch_analysis.angle_calibration import AngleCalibration
    from learn.patch_analysis.cutting import PatchCutting
    from learn.patch_vae import PatchVAE

    vae = PatchVAE.load(model)
    cutting = PatchCutting.load(model)

    def cut(where: Path, pixel: float | None, which: Sequence[int] | None) -> PatchSet:
        found = micrographs_at(where, pixel, which)
        if len(found[0].image) != vae.channels:
            raise UserError(f"{where}: {len(found[0].image)} channels; the model {model} has {vae.channels}")
        return cutting.cut_like(found, vae.window, vae.pixel_size_nm)

    fitted = [AngleCalibration.load(path) for path in calibrations]
    if fit_on is not None:
        fitted += calibrations_on(vae, cutting, cut(fit_on, None, None))
    patch_set = cut(source, pixel_size_nm, samples)
    condition = _told(cutting, patch_set).get("condition") if cutting.condition is not None else None
    return analyse_patches(
        vae, patch_set, model.resolve().name, fitted, condition=condition, folder=model, **settings
    )


def calibrations_on(vae: Any, cutting: PatchCutting, patch_set: PatchSet) -> list[Any]:
    """The zero and the sense of a model's angle, fitted on patches whose truth is known."""
    from learn.patch_analysis.angles import fitted_calibrations

    condition = _told(cutting, patch_set).get("condition") if cutting.condition is not None else None
    more = {} if condition is None else {"condition": condition}
    return fitted_calibrations(vae.encode(patch_set.patches, **more), patch_set)


def report_patches(
    models: list[Path],
    source: Path,
    out: Path,
    limit: int | None,
    fit_on: Path | None,
    calibrations: Sequence[Path],
    groups: int | None,
    fold: int | None,
    pixel_size_nm: float | None,
) -> None:
    """Report on autoencoders of patches: one HTML page, metrics.json, latent numbers and pictures."""
    from learn.patch_analysis.report import write_patch_report
    from learn.report import check_writable

    if limit is not None and limit < 1:
        raise UserError(f"--limit = {limit}: accepted: 1 or more micrographs")
    samples = None if limit is None else _first_samples(source, limit)
    check_writable(out)
    analyses = [
        analysed(
            model, source, pixel_size_nm, samples, fit_on, calibrations, groups=groups, fold=fold,
            baselines=k == 0,
        )
        for k, model in enumerate(models)
    ]  # fmt: skip
    print(f"report: {write_patch_report(analyses, out)}")


def _first_samples(source: Path, limit: int) -> list[int]:
    from simulate.corpus.reader import Corpus

    return [int(k) for k in Corpus.open(source).indices()[:limit]]


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
    if found.encoding.angle_degrees is None:
        raise UserError(f"--calibration {path}: the model has no angle")
    values = fitted.apply(found.encoding.angle_degrees)
    title = f"{fitted.quantity} (°, modulo {fitted.period_degrees:g}°)"
    with styled():
        figure = maps_figure(found.patch_set, [PatchMap(title, values, "cyclic", fitted.period_degrees)])
        return write_pictures({fitted.quantity: png(figure, 256)}, out, prefix)[0]
