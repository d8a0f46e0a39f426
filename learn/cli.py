"""Commands: train, predict, report, cluster, explore, search. Heavy libraries are imported when one runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from learn.cluster_commands import cluster
from learn.config import PATCH_VAE_KIND, VAE_KIND
from learn.explore_commands import explore
from learn.patch_commands import (
    SHARED,
    PatchOptions,
    PatchVAEOptions,
    predict_patches,
    report_patches,
    train_patches,
)
from learn.search_commands import search
from learn.texture_commands import TextureOptions, VAEOptions, report_textures, train_textures
from stochgeom.errors import UserError

if TYPE_CHECKING:
    import cyclopts

Names = Annotated[list[str] | None, Parameter(negative_iterable="")]
Folders = Annotated[list[Path] | None, Parameter(negative_iterable="")]


def register(app: cyclopts.App) -> None:
    """Add this package's commands to the application."""
    app.command(train)
    app.command(predict)
    app.command(report)
    app.command(cluster)
    app.command(explore)
    app.command(search)


def train(
    corpus: Path,
    *,
    out: Path,
    task: Literal["estimator", "texture-vae", "patch-vae"] = "estimator",
    target: Names = None,
    epochs: int | None = None,
    minutes: float | None = None,
    network: str | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    gain: Literal["recipe", "known", "unknown"] | None = None,
    init: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    threads: int | None = None,
    memory_gb: float | None = None,
    map_weight: float | None = None,
    vae: VAEOptions = None,
    pixel_size_nm: float | None = None,
    patches: PatchVAEOptions = None,
    overwrite: bool = False,
) -> None:
    """Train an estimator or an autoencoder, or go on with a training that was begun.

    Parameters
    ----------
    corpus
        Folder of the corpus; for texture-vae also a folder of own pictures (PNG, TIFF, NPY), or one; for
        patch-vae a corpus of scenes, or own micrographs (also dm3, dm4, emd).
    out
        Folder for the model, its checkpoint and metrics.jsonl. Running again goes on from the last finished
        epoch.
    task
        estimator: columns of the corpus from an image. texture-vae: an autoencoder that keeps the statistics
        of textures. patch-vae: one that describes atomically resolved patches.
    target
        Column of the corpus to estimate; may be given several times. Default: the usual ones of the corpus.
    epochs
        Passes over the training samples (20; patch-vae: 60); of texture-vae, parts of --epoch-images (30).
    minutes
        Wall-clock budget: the schedule is shortened to fit it.
    network
        small (which it is if not given), or an image classifier of torchvision, for example resnet18,
        efficientnet_b0, convnext_tiny.
    batch_size
        Images per step (64; texture-vae: 32; patch-vae: 128).
    learning_rate
        Largest learning rate of the schedule.
    gain
        Level of the training images: as the recipe says; known exactly; or unknown (by up to ten times either
        way), which makes an estimator that does not rely on the level. Default: recipe.
    init
        A trained model to start from.
    seed
        Seed of the first weights, the order, the noise and the symmetries.
    device
        auto, cpu, cuda or cuda:N.
    precision
        Arithmetic of the convolutions; auto takes bfloat16 where the hardware computes in it.
    threads
        CPU threads of torch.
    memory_gb
        Memory for images (4); a larger corpus is read shard by shard in every epoch.
    map_weight
        Weight of learning where particles and contacts lie; 0 leaves that out.
    pixel_size_nm
        Of patch-vae: side of a pixel of own micrographs that do not state it.
    overwrite
        Start anew although the folder holds a run.
    """
    common = {
        "epochs": epochs,
        "minutes": minutes,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "device": device,
        "precision": precision,
        "threads": threads,
    }
    own = {
        "targets": tuple(target) if target else None,
        "network": network,
        "gain": gain,
        "init": None if init is None else str(init),
        "memory_gb": memory_gb,
        "map_weight": map_weight,
    }
    common, own = (_given(options) for options in (common, own))
    options, windows = vae or TextureOptions(), patches or PatchOptions()
    cut = windows.given() | _given({"pixel_size_nm": pixel_size_nm})
    if task != "estimator":
        _refuse(own, "estimator")
    if task != "patch-vae":
        _refuse(cut, "patch-vae")
    if task == "texture-vae":
        train_textures(corpus, out, common, options, resume=not overwrite)
        return
    if task == "patch-vae":
        _refuse({key: value for key, value in options.given().items() if key not in SHARED}, "texture-vae")
        train_patches(corpus, out, common | options.given(), windows, pixel_size_nm, resume=not overwrite)
        return
    _refuse(options.given(), "texture-vae")
    from learn.config import TrainingConfig
    from learn.training import train as train_estimator
    from simulate.corpus.reader import Corpus

    config = validated(TrainingConfig, {**common, **own})
    opened = Corpus.open(corpus)
    if opened.kind == "scene":
        raise UserError(f"{corpus}: estimators learn from aggregates; scenes need --task patch-vae")
    train_estimator(opened, out, config, resume=not overwrite, tell=print)
    print(f"model: {out}")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _refuse(options: dict[str, Any], task: str) -> None:
    """Options of another task are mistakes; ignoring them would hide that."""
    for name in options:
        option = "target" if name == "targets" else name.replace("_", "-")
        raise UserError(f"--{option} belongs to --task {task}")


def predict(
    model: Path,
    images: Annotated[list[Path], Parameter(negative_iterable="")],
    *,
    out: Path | None = None,
    split: Literal["train", "calibration", "validation", "test"] = "test",
    limit: int | None = None,
    pixel_size_nm: float | None = None,
    dark_level: float = 0.0,
    beam_level: float = 1.0,
    symmetries: bool = True,
    pictures: bool = False,
    calibration: Folders = None,
) -> None:
    """Estimate from images: a table on the screen, and files if asked.

    Of an autoencoder of patches: latent numbers and maps of micrographs, into --out.

    Parameters
    ----------
    model
        Folder of a trained model.
    images
        Image files (TIFF, NPY; dm3, dm4, emd, mrc with the extra io), or one corpus; PNG, too, for an
        autoencoder of patches.
    out
        Folder for predictions.csv, predictions.json and pictures.
    split
        Split of a corpus to predict for.
    limit
        At most so many samples of a corpus.
    pixel_size_nm
        Pixel size of the image files, where they do not state it, or state it wrongly.
    dark_level
        Detector's level without beam, in the units of the image files.
    beam_level
        Detector's level with the whole beam on it; with it the image becomes a fraction of the beam.
    symmetries
        Average over turned and mirrored copies, for which the intervals are calibrated; without, faster.
    pictures
        Draw each image beside its estimates (needs --out).
    calibration
        Of autoencoders of patches: what the angle means, angle-*.json of a report; may be given several
        times.
    """
    from learn.model_files import folder_of, model_kind

    if model_kind(folder_of(model)) == PATCH_VAE_KIND:
        given = {"limit": limit, "split": None if split == "test" else split, "pictures": pictures or None}
        levels = {"dark_level": dark_level or None, "beam_level": None if beam_level == 1 else beam_level}
        for name in _given({**given, **levels, "no_symmetries": None if symmetries else True}):
            option = name.replace("_", "-")
            raise UserError(f"--{option} is for estimators; {model} is an autoencoder of patches")
        predict_patches(folder_of(model), images, out, pixel_size_nm, calibration or [])
        return
    if calibration:
        raise UserError(f"--calibration is for autoencoders of patches; {model} is none")
    from learn.estimator import Estimator
    from learn.predictions import predict_corpus, predict_files
    from simulate.corpus.reader import Corpus

    if pictures and out is None:
        raise UserError("--pictures needs --out, the folder to draw into")
    estimator = Estimator.load(model)
    if len(images) == 1 and images[0].is_dir():
        corpus = Corpus.open(images[0])
        found = predict_corpus(estimator, corpus, split, limit, symmetries, keep_images=pictures)
    else:
        found = predict_files(estimator, images, pixel_size_nm, dark_level, beam_level, symmetries)
    print(found.table())
    if out is not None:
        for path in found.write(out, pictures=pictures)[:2]:
            print(f"written: {path}")


def report(
    model: Path,
    corpus: Path,
    *,
    out: Path,
    also: Folders = None,
    limit: int | None = None,
    draws: int | None = None,
    workers: int | None = None,
    cache: Path | None = None,
    refine: int | None = None,
    ink: Literal["dark", "bright"] | None = None,
    threshold: float | None = None,
    fit_on: Path | None = None,
    calibration: Folders = None,
    groups: int | None = None,
    fold: int | None = None,
    pixel_size_nm: float | None = None,
) -> None:
    """Test a model on a corpus and write an HTML report, metrics.json and predictions.csv.

    Parameters
    ----------
    model
        Folder of a trained model.
    corpus
        Folder of the corpus; its split `test` is used.
    out
        Folder for the report.
    also
        Another model to show beside it, for example one for unknown gain; may be given several times. Of
        autoencoders, those that differ in nothing but their seed are shown as runs of one.
    limit
        At most so many test samples.
    draws
        Of estimators: aggregates redrawn for each image on the way through the model (16); 0 leaves that
        out.
    workers
        Of estimators: processes that compute descriptors for the baselines (1).
    cache
        Of estimators: folder that keeps these descriptors for the next report on the corpus.
    refine
        Of autoencoders: steps by which the latent numbers of each image are improved after the encoder's
        guess (0).
    ink, threshold
        How own pictures, which may stand in the place of the corpus, are cut for an autoencoder; if not
        given, as in its training.
    fit_on
        Of autoencoders of patches: another corpus of scenes, on which the zero and the sense of the angle are
        fitted. If not given, each micrograph's are fitted on the others.
    calibration
        The same from files, angle-*.json of another report; may be given several times.
    groups
        Of autoencoders of patches: groups on the maps; as many as the ICL finds if not given.
    fold
        The symmetry by which patches are grouped by their angle: 6 for grains of graphene.
    pixel_size_nm
        Of autoencoders of patches: side of a pixel of own micrographs that do not state it.
    """
    from learn.model_files import folder_of, model_kind

    cut = _given({"ink": ink, "threshold": threshold})
    told = _given(
        {
            "fit_on": fit_on,
            "calibration": calibration,
            "groups": groups,
            "fold": fold,
            "pixel_size_nm": pixel_size_nm,
        }
    )
    estimators = _given({"draws": draws, "workers": workers, "cache": cache})
    if model_kind(folder_of(model)) == PATCH_VAE_KIND:
        for name in (*estimators, *cut, *_given({"refine": refine})):
            raise UserError(f"--{name} is not for autoencoders of patches, which {model} is")
        models = [folder_of(one) for one in (model, *(also or []))]
        report_patches(models, corpus, out, limit, fit_on, calibration or [], groups, fold, pixel_size_nm)
        return
    for name in told:
        option = name.replace("_", "-")
        raise UserError(f"--{option} is for autoencoders of patches; {model} is none")
    if model_kind(folder_of(model)) == VAE_KIND:
        for name in estimators:
            raise UserError(f"--{name} is for estimators; {model} is an autoencoder")
        report_textures([model, *(also or [])], corpus, out, limit, refine or 0, cut)
        return
    for name in (*cut, *_given({"refine": refine})):
        raise UserError(f"--{name} is for autoencoders; {model} is none")
    from learn.error_analysis import analyse
    from learn.report import write_report
    from learn.report_page import check_writable
    from learn.steps import Steps
    from simulate.corpus.reader import Corpus

    models = [model, *(also or [])]
    labelled = {path.resolve().name: path for path in models}
    if len(labelled) < len(models):
        raise UserError("two models have folders of the same name, which the report tells them apart by")
    check_writable(out)
    with Steps() as steps:
        analysis = analyse(
            labelled,
            Corpus.open(corpus),
            limit=limit,
            draws=16 if draws is None else draws,
            workers=workers or 1,
            cache=cache,
            progress=steps,
        )
    print(f"report: {write_report(analysis, out)}")


def validated(kind: Any, options: dict[str, Any], named: dict[str, str] | None = None) -> Any:
    """A configuration of options; UserError, one line, for a value that it refuses.

    named: what the command line calls options whose names are not those of the configuration.
    """
    from pydantic import ValidationError

    try:
        return kind.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        name = "--" + (named or {}).get(key, key).replace("_", "-") if key else "options"
        raise UserError(f"{name} = {first['input']}: {first['msg']}") from None
