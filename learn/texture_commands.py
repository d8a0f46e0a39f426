"""What `heterostem train --task texture-vae` and `heterostem report` do for autoencoders of textures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from stochgeom.errors import UserError

if TYPE_CHECKING:
    from learn.texture_analysis.texture_set import TextureSet
    from learn.vae import VAE

PATCH = 128


@Parameter(name="*")
@dataclass(frozen=True)
class TextureOptions:
    """Options of `--task texture-vae`.

    Parameters
    ----------
    latent_size
        Latent numbers of an image (9).
    loss
        What reconstructions shall keep: statistics, the two-point function; or pixels.
    by
        Two-point functions compared by parseval, in Fourier space, or by f, lag by lag.
    encoder
        What the encoder sees: statistics; the image registered, moved to the middle; or the image.
    decoder
        profiles, for what runs along the axes of the image; convolutions, for any texture. Of patch-vae:
        spatial, on a coordinate grid that is turned and moved; dense or convolutional, a canvas that is read
        where the pose says.
    alpha
        Weight of the distance, in units of the training images' own scatter (500).
    beta
        Weight of the divergence from the prior (1).
    alignment
        Weight, at the start, of the pixels of the original moved to where they agree best (150).
    epoch_images
        Training images between two checkpoints (10 000).
    patch
        Side in pixels of the patches that own pictures are cut into (128).
    ink
        Which grey is phase 1 in own pictures: dark or bright.
    threshold
        Grey value between the phases of own pictures; the best one of each picture if not given.
    """

    latent_size: int | None = None
    loss: Literal["statistics", "pixels"] | None = None
    by: Literal["parseval", "f"] | None = None
    encoder: Literal["statistics", "registered", "image"] | None = None
    decoder: Literal["profiles", "convolutions", "spatial", "dense", "convolutional"] | None = None
    alpha: float | None = None
    beta: float | None = None
    alignment: float | None = None
    epoch_images: int | None = None
    patch: int | None = None
    ink: Literal["dark", "bright"] | None = None
    threshold: float | None = None

    def given(self) -> dict[str, Any]:
        """The options that were given."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


PICTURES = ("patch", "ink", "threshold")


def train_textures(
    source: Path, out: Path, common: dict[str, Any], options: TextureOptions, resume: bool
) -> None:
    """Train an autoencoder on a corpus of textures, or on a folder of own pictures, or on one."""
    from learn.cli import validated
    from learn.vae import VAETraining, train_vae

    given = options.given()
    cut = {name: given.pop(name) for name in PICTURES if name in given}
    config = validated(VAETraining, {**common, **given})
    sets = [textures_at(source, split, cut) for split in ("train", "validation")]
    train_vae(sets[0], sets[1], out, config, resume=resume, tell=print)
    print(f"model: {out}")


def report_textures(
    models: list[Path], source: Path, out: Path, limit: int | None, refine: int, cut: dict[str, Any]
) -> None:
    """Test autoencoders on the split `test` of a corpus or of own pictures, and write a report.

    Models that were trained alike but for the seed are runs of one. Own pictures are cut as the first model's
    training patches were, unless `cut` says otherwise. With `refine`, every model appears twice: as it
    is, and with its latent means improved by so many steps, which come first.
    """
    import numpy as np

    from learn.texture_analysis import write_texture_report
    from learn.vae import VAE

    if limit is not None and limit < 1:
        raise UserError(f"--limit = {limit}: accepted: 1 or more test images")
    if refine < 0:
        raise UserError(f"--refine = {refine}: accepted: 0 or more steps")
    loaded = [VAE.load(path) for path in models]
    grouped = _runs(models, loaded)
    if refine:
        again = _runs(models, [VAE.load(path) for path in models])
        for vae in (vae for group in again.values() for vae in group):
            vae.refine = refine
        grouped = {f"{label}, refined": group for label, group in again.items()} | grouped
    if not _is_corpus(source):
        before = loaded[0].about.get("origin") or {}
        same = {name: before[name] for name in ("ink", "threshold") if before.get(name) is not None}
        cut = {"patch": loaded[0].shape[0], **same, **cut}
    train, test = (textures_at(source, split, cut) for split in ("train", "test"))
    for path, vae in zip(models, loaded, strict=True):
        if vae.shape != test.shape:
            sizes = [f"{nx} x {ny}" for ny, nx in (vae.shape, test.shape)]
            raise UserError(
                f"model {path} is for images of {sizes[0]} pixels; those of {source} have {sizes[1]}"
            )
    if limit is not None and limit < len(test):
        test = test.part(np.arange(limit))
    print(f"report: {write_texture_report(grouped, (train, test), out)}")


def _runs(paths: list[Path], models: list[VAE]) -> dict[str, Sequence[VAE]]:
    """Models by the name of their first one's folder; those of equal textures and settings, but for the seed,
    together. UserError if two that differ would have one name.
    """
    grouped: dict[str, list[VAE]] = {}
    labels: dict[tuple[str, str], str] = {}
    for path, vae in zip(paths, models, strict=True):
        learnt = json.dumps([vae.about.get(key) for key in ("textures", "images", "origin")], sort_keys=True)
        kind = (vae.settings.model_copy(update={"seed": 0}).model_dump_json(), learnt)
        name = path.resolve().name
        if kind not in labels and name in grouped:
            raise UserError(f"two different models have folders named {name}, which the report tells them by")
        grouped.setdefault(labels.setdefault(kind, name), []).append(vae)
    return {label: tuple(found) for label, found in grouped.items()}


def textures_at(source: Path, split: str, cut: dict[str, Any]) -> TextureSet:
    """The textures of one split of a corpus or of own pictures."""
    if _is_corpus(source):
        from learn.texture_analysis.texture_set import corpus_textures
        from simulate.corpus.reader import Corpus

        if cut:
            names = ", ".join(f"--{name}" for name in cut)
            raise UserError(f"{names}: for own pictures only; {source} is a corpus")
        return corpus_textures(Corpus.open(source), split)
    from learn.texture_analysis.own_images import textures_of_files

    side = cut.get("patch", PATCH)
    return textures_of_files(source, side, split, cut.get("ink", "dark"), cut.get("threshold"))


def _is_corpus(source: Path) -> bool:
    from simulate.corpus.layout import store_path

    if not source.exists():
        raise UserError(f"{source}: no such file or folder; accepted: a corpus, or pictures of textures")
    return store_path(source).exists()


VAEOptions = Annotated[TextureOptions | None, Parameter(name="*")]
